"""``sasa-theory real compare``: quality against tokens seen, designs side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sasa_theory.commands.consoles import console as console_of

from ..refusals import quiet, refusals, resumable, use_threads
from . import options

app = typer.Typer()


@app.command(
    epilog="Example: sasa-theory real compare 'sasa/paper[groups=512,rank=4,active=8]' 'topk[atoms=2048,k=32]' "
    "--preset smollm2/sasa --out curves"
)
def compare(
    designs: Annotated[
        list[str], typer.Argument(help="Designs with their settings, or presets of `real presets`.", metavar="DESIGN")
    ],
    out: Annotated[Path, typer.Option(help="Folder for curves.json, curves.png and checkpoints.", file_okay=False)],
    preset: Annotated[str | None, typer.Option(help="Model, site, text and budget of this preset.")] = None,
    model: options.ModelName = None,
    site: options.SiteName = None,
    corpus: options.Text = None,
    recipe: options.RecipeFields = None,
    harvest: options.HarvestFields = None,
    tokens: options.Tokens = None,
    batch: options.Batch = None,
    dtype: options.Dtype = None,
    seed: options.Seed = None,
    cache: options.CacheFolder = None,
    points: Annotated[int, typer.Option(min=2, help="How often each design is measured.")] = 8,
    held_out: Annotated[
        int, typer.Option(min=2, help="Sequences that are held out: the text's first, or those behind --cache.")
    ] = 64,
    sequences: Annotated[int, typer.Option(min=0, help="How many of them the model reads with reconstructions.")] = 16,
    threads: options.Threads = None,
    resume: options.Resume = False,
) -> None:
    """Quality against tokens seen: designs side by side on one stream, so that each meets the same batches.

    Each is trained by its own recipe. Shows memory, time and room on the disk before it starts. The table says in the
    end after which share of the tokens one is as good as another is after all of them.

    Exit status: 0; 2 bad arguments, or what they name cannot be had; 3 training diverged or failed; 130 interrupted.
    """
    console = console_of()
    use_threads(threads)
    with refusals():
        from ..comparing import compare as compared
        from ..comparison_figure import comparison_table, draw_comparison
        from ..stored import stored
        from ..training import estimate, prepare, source_of
        from ..words import arm_from

        wanted = {
            text: arm_from(
                text,
                preset,
                model=model,
                site=site,
                corpus=corpus,
                recipe=recipe,
                harvest=harvest,
                tokens=tokens,
                batch=batch,
                dtype=dtype,
                seed=seed,
                cache=cache,
            )
            for text in designs
        }
        quiet()
        first = next(iter(wanted.values()))
        source = source_of(first)
        for name, each in wanted.items():  # refuses what cannot work
            told = estimate(prepare(each, source.language, source.corpus))
            console.print(f"{name}\n{told}", highlight=False, markup=False)
        with resumable(console, out):
            rows = None if first.cache is None else stored(first.cache, source)
            found = compared(
                wanted, source, out, cache=rows, points=points, held_out=held_out, sequences=sequences, resume=resume
            )
        console.print(comparison_table(found))
        draw_comparison(found, out / "curves.png")
    typer.echo(f"{out / 'curves.json'} and curves.png hold the curves.")
