"""``sasa-theory bench``: designs in worlds whose truth is known."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .completion import design_names, matches, scales, suite_names, tier_names
from .consoles import BOARD_WIDTH
from .consoles import console as console_of
from .exit_status import goes_on

app = typer.Typer()


@app.command(epilog="Example: sasa-theory bench my_design.py:MySAE --against sasa/paper --against topk --seeds 3")
def bench(
    designs: Annotated[
        list[str] | None,
        typer.Argument(
            help="file.py:Class, module:Class or names of designs.", metavar="DESIGN", autocompletion=design_names
        ),
    ] = None,
    tier: Annotated[
        str, typer.Option(help="How thorough: smoke, standard or full.", autocompletion=tier_names)
    ] = "smoke",
    against: Annotated[
        list[str] | None,
        typer.Option(
            help="Compare with this design; may be repeated. The tier's baselines if omitted.",
            autocompletion=design_names,
        ),
    ] = None,
    seeds: Annotated[
        int | None, typer.Option(min=3, help="Runs of each design in each world; the tier's number.")
    ] = None,
    match: Annotated[
        str, typer.Option(help="In what sizes agree: columns, units or bits.", autocompletion=matches)
    ] = "columns",
    executor: Annotated[
        str, typer.Option(help="processes, processes:N, dask://host:port or slurm[:name=value,...].")
    ] = "processes",
    suite: Annotated[
        str | None,
        typer.Option(
            help="In place of designs: sasa-dimension or sasa-rank, experiments as published and corrected.",
            autocompletion=suite_names,
        ),
    ] = None,
    scale: Annotated[
        str,
        typer.Option(
            help="Of a suite: reduced (ten minutes on two cores) or paper (its authors': days, on many cores).",
            autocompletion=scales,
        ),
    ] = "reduced",
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for records.jsonl; bench, or the suite's name and scale.", file_okay=False),
    ] = None,
) -> None:
    """Rank designs in worlds whose truth is known: same worlds, seeds and budgets, each beside truth and chance.

    A named design may have settings, which are then not tuned: 'sasa/release[penalty_coefficient=10,balance=0]'.

    Shows what it costs before it starts. Killed or interrupted, the same command goes on where it was. A class is
    called with width=, columns=, active= (columns that may fire in a row), seed= and sparsity=, as far as it has them.

    --suite runs an experiment of other authors with their designs, settings and metrics, and with what is wrong with
    them corrected; it shows both side by side and writes table.md.

    Exit status: 0 ranked; 2 bad arguments; 3 a run failed; 130 interrupted.
    """
    from collections.abc import Callable
    from functools import partial

    from sasa_theory.benchmark.command import prepared, ranked
    from sasa_theory.benchmark.suite_command import prepared_suite, run_suite

    console = console_of(BOARD_WIDTH)
    folder = out or Path("bench" if suite is None else f"{suite}-{scale}")
    go: Callable[[], object]
    try:
        if suite is None:
            plan, store, pool = prepared(designs or [], tier, against or [], seeds, match, executor, folder)
            go = partial(ranked, plan, store, pool, console)
        else:
            chosen, pool = prepared_suite(suite, scale, [*(designs or []), *(against or [])], executor, folder)
            go = partial(run_suite, chosen, seeds, pool, folder, console)
    except (ValueError, OSError) as error:
        raise typer.BadParameter(str(error)) from None
    done = folder / "records.jsonl"
    with goes_on(console, "A run", f"{done} holds what is done, and the same command goes on from there"):
        go()
