"""``sasa-theory real check-checkpoint``: released sparse autoencoders."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sasa_theory.commands.consoles import console as console_of

from ..refusals import quiet, refusals, use_threads
from . import options

app = typer.Typer()


@app.command("check-checkpoint", epilog="Example: sasa-theory real check-checkpoint topk_sasa_gpt2_l7_n2048_r6_k10")
def check_checkpoint(
    path: Annotated[Path, typer.Argument(help="Folder with cfg.json and sae_weights.safetensors.", file_okay=False)],
    model: Annotated[str | None, typer.Option(help="In place of the model that its config names.")] = None,
    site: Annotated[str | None, typer.Option(help="In place of the site that its config names.")] = None,
    corpus: Annotated[
        str | None, typer.Option(help="Text to measure it on; else that of its config, from the hub.")
    ] = None,
    harvest: options.HarvestFields = None,
    dtype: Annotated[str, typer.Option(help="In which the model is run: float32, bfloat16 or float16.")] = "float32",
    rows: options.Rows = 20_000,
    sequences: options.Read = 64,
    absorption: options.Absorption = False,
    probing: options.Probing = False,
    words: options.Words = 2000,
    out: Annotated[Path | None, typer.Option(help="File for the numbers, as JSON.", dir_okay=False)] = None,
    load_only: Annotated[bool, typer.Option("--load-only", help="Read it and say what it is.")] = False,
    threads: options.Threads = None,
) -> None:
    """Load a released SASA or SAELens checkpoint and measure it on the model that it belongs to.

    Exit status: 0; 2 it is damaged or unknown, or its model or text cannot be had; 3 it failed; 130 interrupted.
    """
    console = console_of()
    use_threads(threads)
    with refusals():
        from ..checkpoint import load_released

        released = load_released(path)
        where = site or released.site
        console.print(
            f"{path}: architecture {released.architecture}, {released.design.columns} columns in "
            f"{released.design.n_units} units of width {released.design.width}; model {released.model}, site {where}",
            highlight=False,
            soft_wrap=True,
        )
        if released.centred:
            console.print(
                "Its model's residual stream was centred in training, or its config does not say; ours is not."
            )
        if load_only:
            return
        for name, value in (("model", model or released.model), ("site", where), ("corpus", corpus or released.corpus)):
            if value is None:
                raise ValueError(f"its config names no {name} that is known here; give --{name}")
        from ..activations import Activations, Harvest
        from ..evaluation import evaluate as measured
        from ..evaluation_table import evaluation_table
        from ..experiment import open_corpus
        from ..fetch import model_path
        from ..language_model import load
        from ..sites import Site
        from ..words import values_from

        quiet()
        text = open_corpus(corpus or f"hub:{released.corpus}")
        language = load(model_path(str(model or released.model)), dtype=dtype)
        fields = {"length": released.context or 128, **values_from(harvest, "--harvest")}
        source = Activations(language, Site.parse(str(where)), text, Harvest(**fields))
        found = measured(
            released.design.to(language.device),
            source,
            rows=rows,
            sequences=sequences,
            absorption=absorption,
            probing=probing,
            words=words,
        )
        if out is not None:
            found.write(out)
    console.print(evaluation_table(found, f"{released.architecture} on {model or released.model}, {where}"))
