"""``sasa-theory real concepts``: which unit holds a concept, and what turning it does."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sasa_theory.commands.consoles import console as console_of

from ..refusals import quiet, refusals, use_threads
from . import options

app = typer.Typer()


@app.command(epilog="Example: sasa-theory real concepts sasa-run topk-run --concept weekdays --concept months")
def concepts(
    folders: Annotated[
        list[Path],
        typer.Argument(help="What `real train` wrote; the first is judged, others are rivals.", metavar="FOLDER"),
    ],
    concept: Annotated[
        list[str] | None,
        typer.Option(help="weekdays, months, seasons, numbers or years; may be repeated; weekdays if omitted."),
    ] = None,
    corpus: Annotated[str | None, typer.Option(help="Running text in place of that of training.")] = None,
    background: Annotated[int, typer.Option(min=100, help="Activations of running text.")] = 4000,
    draws: Annotated[int, typer.Option(min=1, help="Random subspaces of each rank.")] = 5,
    interventions: Annotated[
        bool, typer.Option("--causal/--no-causal", help="Whether to change activations and see what the model says.")
    ] = True,
    seed: Annotated[int, typer.Option(min=0, help="Of random subspaces, permutations and bootstrap.")] = 0,
    threads: options.Threads = None,
) -> None:
    """Which unit holds a concept, in which order its labels lie there, and what removing or turning it does.

    Units are found without the labels' order, on half of the sentences, and described on the other half; order and
    effects stand beside permuted labels, random subspaces of the same rank and units of the rivals. Writes
    concepts.json and concepts.png into the first folder.

    Exit status: 0; 2 bad arguments, or what they name cannot be had; 3 it failed; 130 interrupted.
    """
    console = console_of()
    use_threads(threads)
    with refusals():
        from ..concepts.command import FIGURE, RESULT, study_runs, write
        from ..concepts.concept_figure import draw_concepts
        from ..concepts.concept_table import causal_table, circle_table

        quiet()
        found = []
        studies = study_runs(
            folders,
            concept or ["weekdays"],
            corpus=corpus,
            background=background,
            interventions=interventions,
            draws=draws,
            seed=seed,
        )
        for each in studies:
            console.print(circle_table(each))
            for battery, effects in (("lists", each.lists), ("echoes", each.echoes)):
                if effects is not None:
                    console.print(causal_table(effects, each.concept, battery))
            found.append(each)
        write(found, folders[0] / RESULT)
        draw_concepts(found, folders[0] / FIGURE)
    typer.echo(f"{folders[0] / RESULT} and {FIGURE} hold all of it.")
