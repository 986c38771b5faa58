"""The command line: ``sasa-theory verify`` runs the executable theorems, ``designs`` shows what can be trained."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from real_models.command import app as real_app

_FILE_WIDTH = 140  # columns of a table that is not shown in a terminal
_BOARD_WIDTH = 200  # of a ranking, which has a column for each of seven metrics and two of cost

app = typer.Typer(no_args_is_help=True, add_completion=True, rich_markup_mode="rich")
app.add_typer(real_app, name="real")


@app.callback()
def main_callback() -> None:
    """Claims about sparse autoencoders, proved, measured and falsified against known ground truth."""


@app.command(epilog="Example: sasa-theory verify --claim A1 --claim C2 --seed 3 --out my-run")
def verify(
    full: Annotated[
        bool, typer.Option("--full/--quick", help="Tighter intervals and larger d: minutes in place of seconds.")
    ] = False,
    trained: Annotated[
        bool, typer.Option("--trained", help="The claims about what training finds. Under ten minutes on two cores.")
    ] = False,
    fast: Annotated[
        bool, typer.Option("--fast", help="Of claims that train only a taste; others are quick anyway.")
    ] = False,
    claim: Annotated[list[str] | None, typer.Option(help="Verify this claim only; may be repeated.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same numbers.")] = 0,
    jobs: Annotated[int | None, typer.Option(min=1, help="Worker processes; one per core if omitted.")] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder for evidence.jsonl and figures/; verify, or verify-trained with --trained.", file_okay=False
        ),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Continue an interrupted run in --out.")] = False,
    list_claims: Annotated[bool, typer.Option("--list", help="List the claims and stop.")] = False,
    explain: Annotated[str | None, typer.Option(help="State one claim in full and stop.", metavar="ID")] = None,
) -> None:
    """Measure every theorem, compare it with its bound, and check that its falsifier fails.

    Exit status: 0 all claims verified; 1 a claim is violated or inconclusive, or a falsifier is not violated;
    2 bad arguments; 3 a measurement failed to run; 130 interrupted.
    """
    from rich.console import Console

    from sasa_theory.claims import select
    from sasa_theory.claims.evidence_log import EvidenceLog
    from sasa_theory.report.verdicts import claim_list, explanation
    from sasa_theory.verification import run_verification

    console = Console(width=None if sys.stdout.isatty() else _FILE_WIDTH)
    if full and fast:
        raise typer.BadParameter("choose one of --full and --fast")
    effort: Literal["fast", "quick", "full"] = "full" if full else "fast" if fast else "quick"
    out = out or Path("verify-trained" if trained else "verify")
    try:
        chosen = select(claim if explain is None else [explain], trained=trained)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--claim" if explain is None else "--explain") from None
    if list_claims or explain is not None:
        console.print(claim_list(chosen) if list_claims else explanation(chosen[0], effort))
        return
    try:
        log = EvidenceLog(out / "evidence.jsonl", effort, seed, resume=resume)
    except (ValueError, OSError) as error:
        raise typer.BadParameter(str(error), param_hint="--resume" if resume else "--out") from None
    try:
        verified = run_verification(chosen, log, console, jobs=jobs)
    except KeyboardInterrupt:
        console.print(f"Interrupted; the same command with --resume continues from {out}.")
        raise typer.Exit(130) from None
    except Exception:
        console.print_exception()
        console.print(f"A measurement failed to run; what is done is in {out}, and --resume continues from there.")
        raise typer.Exit(3) from None
    raise typer.Exit(0 if verified else 1)


@app.command(epilog="Example: sasa-theory designs sasa/paper")
def designs(
    name: Annotated[str | None, typer.Argument(help="Show the settings of this design.", metavar="NAME")] = None,
) -> None:
    """List the designs of sparse autoencoders, or show the settings of one.

    Exit status: 0; 2 there is no design of that name.
    """
    from rich.console import Console

    from sasa_theory.bounds.validate import choice
    from sasa_theory.designs import presets
    from sasa_theory.report.design_list import design_settings, design_table

    console = Console(width=None if sys.stdout.isatty() else _FILE_WIDTH)
    if name is None:
        console.print(design_table(presets(), wide=console.width >= _FILE_WIDTH))
        return
    try:
        preset = presets()[choice("design", name, presets())]
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="NAME") from None
    console.print(design_settings(name, preset))


@app.command(epilog="Example: sasa-theory check my_design.py:MySAE --expect rows_alone_in_training='rows compete'")
def check(
    design: Annotated[
        str, typer.Argument(help="file.py:Class, module:Class or the name of a design.", metavar="DESIGN")
    ],
    width: Annotated[int, typer.Option(min=3, help="Dimension of the activations to try it on.")] = 12,
    expect: Annotated[
        list[str] | None, typer.Option(help="A check that fails on purpose; may be repeated.", metavar="CHECK=REASON")
    ] = None,
) -> None:
    """Check that a design keeps the promises that training and metrics rely on; failures come with how to mend them.

    A class is called with width=, columns= (48), active= (12 columns that may fire in a row), seed= and sparsity=
    (0.01), as far as it has parameters of these names.

    Exit status: 0 it does; 1 a check fails, or one that is expected to fail passes; 2 bad arguments, or a design that
    cannot be imported or made.
    """
    from functools import partial

    from rich.console import Console

    from sasa_theory.bounds.validate import choice
    from sasa_theory.designs.from_file import factory_from, users_line
    from sasa_theory.report.check_grid import check_grid
    from sasa_theory.testing.checks.registry import CHECKS
    from sasa_theory.testing.conformance import check_design
    from sasa_theory.testing.small import EXEMPTIONS, small

    expected = dict(EXEMPTIONS.get(design, {}))
    for exemption in expect or []:
        name, equals, reason = exemption.partition("=")
        if not (equals and reason):
            raise typer.BadParameter(f"must be CHECK=REASON, got {exemption!r}", param_hint="--expect")
        try:
            expected[choice("check", name, CHECKS)] = reason
        except ValueError as error:
            raise typer.BadParameter(str(error), param_hint="--expect") from None
    try:
        by_place = ":" in design or design.endswith(".py")
        sizes = {"columns": 48, "active": 12, "sparsity": 0.01}  # whatever a unit has of 1, 2, 3, 4, 6 or 12 columns
        factory = partial(factory_from(design), width, seed=0, **sizes) if by_place else small(design, width)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="DESIGN") from None
    try:
        report = check_design(factory, expected, width=width)
    except Exception as error:  # whatever the class raises when it is made
        path = str(Path(design.rpartition(":")[0]).resolve())
        raise typer.BadParameter(users_line(error, path), param_hint="DESIGN") from None
    Console(width=None if sys.stdout.isatty() else _FILE_WIDTH).print(check_grid(report))
    raise typer.Exit(0 if report.ok else 1)


@app.command(epilog="Example: sasa-theory new my_design.py")
def new(
    file: Annotated[Path, typer.Argument(help="Name of the new file; a file that exists is left as it is.")],
) -> None:
    """Write a small sparse autoencoder that works, to start a design of your own from.

    Exit status: 0; 2 there is such a file, or it cannot be written.
    """
    from sasa_theory.benchmark.template import write_template

    try:
        write_template(file)
    except (ValueError, OSError) as error:
        raise typer.BadParameter(str(error), param_hint="FILE") from None
    typer.echo(f"{file} holds a design that works. Next: sasa-theory check {file}:MySAE")
    typer.echo(f"Then: sasa-theory bench {file}:MySAE")


@app.command(epilog="Example: sasa-theory bench my_design.py:MySAE --against sasa/paper --against topk --seeds 3")
def bench(
    designs: Annotated[
        list[str] | None,
        typer.Argument(help="file.py:Class, module:Class or names of designs.", metavar="DESIGN"),
    ] = None,
    tier: Annotated[str, typer.Option(help="How thorough: smoke, standard or full.")] = "smoke",
    against: Annotated[
        list[str] | None,
        typer.Option(help="Compare with this design; may be repeated. The tier's baselines if omitted."),
    ] = None,
    seeds: Annotated[
        int | None, typer.Option(min=3, help="Runs of each design in each world; the tier's number.")
    ] = None,
    match: Annotated[str, typer.Option(help="In what sizes agree: columns, units or bits.")] = "columns",
    executor: Annotated[
        str, typer.Option(help="processes, processes:N, dask://host:port or slurm[:name=value,...].")
    ] = "processes",
    suite: Annotated[
        str | None,
        typer.Option(help="In place of designs: sasa-dimension or sasa-rank, experiments as published and corrected."),
    ] = None,
    scale: Annotated[
        str,
        typer.Option(
            help="Of a suite: reduced (ten minutes on two cores) or paper (its authors': days, on many cores)."
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

    from rich.console import Console

    from sasa_theory.benchmark.command import prepared, ranked
    from sasa_theory.benchmark.suite_command import prepared_suite, run_suite

    console = Console(width=None if sys.stdout.isatty() else _BOARD_WIDTH)
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
    records = folder / "records.jsonl"
    try:
        go()
    except KeyboardInterrupt:
        console.print(f"Interrupted; the same command goes on where it was. Records: {records}")
        raise typer.Exit(130) from None
    except Exception:
        console.print_exception()
        console.print(f"A run failed; what is done is in {records}, and the same command goes on from there.")
        raise typer.Exit(3) from None


@app.command(epilog="Example: sasa-theory notebooks 01 06 --execute --fast --out /tmp/notebooks")
def notebooks(
    names: Annotated[
        list[str] | None,
        typer.Argument(help="Beginnings of names in notebooks/, or paths; all if omitted.", metavar="[NAMES]"),
    ] = None,
    execute: Annotated[bool, typer.Option("--execute", help="Execute them and keep what they show.")] = False,
    fast: Annotated[bool, typer.Option("--fast", help="Claims that train give only a taste.")] = False,
    full: Annotated[bool, typer.Option("--full", help="Tighter intervals and larger d: hours.")] = False,
    out: Annotated[
        Path | None, typer.Option(help="Folder for the executed notebooks; else each in its place.", file_okay=False)
    ] = None,
) -> None:
    """List the notebooks and whether their outputs are up to date, or execute them.

    Each runs from its first cell to its last, in a fresh kernel of this Python. Claims that `verify --trained` has
    measured are taken from its folder verify-trained, or from SASA_THEORY_EVIDENCE. One that fails is left as it was.

    Exit status: 0; 2 bad arguments; 3 a cell failed; 130 interrupted.
    """
    import importlib.util
    import os

    from rich.console import Console

    if fast and full:
        raise typer.BadParameter("choose one of --full and --fast")
    if importlib.util.find_spec("nbclient") is None:
        raise typer.BadParameter("notebooks need more packages: pip install 'sasa-theory[notebooks]'")
    from sasa_theory.notebooks.command import execute_all, notebook_table
    from sasa_theory.notebooks.document import chosen

    console = Console(width=None if sys.stdout.isatty() else _FILE_WIDTH)
    effort: Literal["fast", "quick", "full"] = "full" if full else "fast" if fast else "quick"
    evidence = Path(os.environ.get("SASA_THEORY_EVIDENCE", "verify-trained"))
    try:
        paths = chosen(names or [])
        if not execute:
            console.print(notebook_table(paths))
            return
        whole = execute_all(paths, effort, evidence, out, console)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="NAMES") from None
    except KeyboardInterrupt:
        console.print("Interrupted; notebooks that are done are written, and the records of the others are kept.")
        raise typer.Exit(130) from None
    raise typer.Exit(0 if whole else 3)


def main() -> None:
    """Entry point of the ``sasa-theory`` command."""
    app()
