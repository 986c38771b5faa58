"""``sasa-theory real eval``: a trained design on text that training has not read."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sasa_theory.commands.consoles import console as console_of

from ..refusals import quiet, refusals, use_threads
from . import options

app = typer.Typer()


@app.command("eval", epilog="Example: sasa-theory real eval my-run my-run-of-another-seed --absorption --probing")
def evaluate(
    folder: Annotated[Path, typer.Argument(help="What `real train` wrote.", file_okay=False)],
    other: Annotated[
        Path | None, typer.Argument(help="The same from another seed, to be compared unit by unit.", file_okay=False)
    ] = None,
    corpus: Annotated[str | None, typer.Option(help="Another text than that of training.")] = None,
    rows: options.Rows = 20_000,
    sequences: options.Read = 64,
    absorption: options.Absorption = False,
    probing: options.Probing = False,
    words: options.Words = 2000,
    threads: options.Threads = None,
) -> None:
    """Measure a trained design on text that training has not read; writes evaluation.json into its folder.

    Reconstruction, L0 in columns, units and bits, what the model loses, redundancy of decoder clusters, irreducibility
    and dimensions of units, agreement between two seeds; each beside what chance gives. With --absorption and --probing
    also how first letters of words are held, on units and on columns.

    Exit status: 0; 2 bad arguments, or what they name cannot be had; 3 it failed; 130 interrupted.
    """
    use_threads(threads)
    with refusals():
        if (folder / "cfg.json").is_file():
            raise ValueError(f"{folder} is a released checkpoint; use: sasa-theory real check-checkpoint {folder}")
        from dataclasses import replace

        from ..evaluation import evaluate as measured
        from ..evaluation_table import evaluation_table
        from ..experiment import Experiment
        from ..training import EXPERIMENT, source_of, trained_design
        from ..unseen import unseen_place

        quiet()
        experiment = Experiment.read(folder / EXPERIMENT)
        design = trained_design(folder)
        second = None if other is None else trained_design(other)
        source = source_of(experiment if corpus is None else replace(experiment, corpus=corpus))
        place = None if corpus else unseen_place(source, folder, experiment.cache)
        found = measured(
            design.to(source.language.device),
            source,
            rows=rows,
            sequences=sequences,
            place=place,
            unseen=None if corpus else place is not None,
            other=second,
            absorption=absorption,
            probing=probing,
            words=words,
            seed=experiment.seed,
        )
        found.write(folder / "evaluation.json")
    console_of().print(evaluation_table(found, f"{experiment.design} on {experiment.model}, {experiment.site}"))
    typer.echo(f"{folder / 'evaluation.json'} holds all of it.")
