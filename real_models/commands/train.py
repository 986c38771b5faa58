"""``sasa-theory real train``: a design on activations of a language model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sasa_theory.commands.consoles import console as console_of

from ..refusals import quiet, refusals, resumable, use_threads
from . import options

app = typer.Typer()


@app.command(epilog="Example: sasa-theory real train --preset smollm2/sasa --tokens 200000 --out my-run")
def train(
    out: Annotated[Path, typer.Option(help="Folder for the experiment, checkpoints, log and design.", file_okay=False)],
    preset: Annotated[str | None, typer.Option(help="Start from this preset; other options change it.")] = None,
    model: options.ModelName = None,
    site: options.SiteName = None,
    corpus: options.Text = None,
    design: Annotated[str | None, typer.Option(help="Name of a design, e.g. sasa/paper.")] = None,
    settings: options.Settings = None,
    recipe: options.RecipeFields = None,
    harvest: options.HarvestFields = None,
    tokens: options.Tokens = None,
    batch: options.Batch = None,
    dtype: options.Dtype = None,
    seed: options.Seed = None,
    cache: options.CacheFolder = None,
    threads: options.Threads = None,
    estimate: Annotated[
        bool, typer.Option("--estimate", help="Show memory, time and room on the disk, and stop.")
    ] = False,
    resume: options.Resume = False,
) -> None:
    """Train a design on activations of a language model. Shows memory, time and room on the disk before it starts.

    On several GPUs: torchrun --nproc-per-node 2 -m sasa_theory real train ...

    Ctrl-C writes a checkpoint; the same command with --resume goes on from there.

    Exit status: 0; 2 bad arguments, or what they name cannot be had; 3 training diverged or failed; 130 interrupted.
    """
    from sasa_theory.training.processes import process_group

    console = console_of()
    use_threads(threads)
    with process_group() as processes:
        console.quiet = processes.rank > 0
        with refusals():
            from ..words import experiment_from

            wanted = experiment_from(
                preset=preset,
                model=model,
                site=site,
                corpus=corpus,
                design=design,
                settings=settings,
                recipe=recipe,
                harvest=harvest,
                tokens=tokens,
                batch=batch,
                dtype=dtype,
                seed=seed,
                cache=cache,
            )
            if processes.rank == 0:  # others may come when the first one has begun to write
                _check_folder(out, resume=resume or estimate)
            from ..training import carry_out, prepare
            from ..training import estimate as estimated

            quiet()
            prepared = prepare(wanted)
            if processes.rank == 0:
                console.print(estimated(prepared), highlight=False)
            if estimate:
                return
            with resumable(console, out):
                carry_out(prepared, out, resume=resume)
    console.print(f"{out} holds the trained design. Next: sasa-theory real eval {out}", highlight=False)


def _check_folder(out: Path, *, resume: bool) -> None:
    """Before a model is loaded, refuse a folder that holds a run already."""
    if not resume and (out / "experiment.json").is_file():
        raise ValueError(f"{out} holds a run already; continue it with --resume, or name another folder")
