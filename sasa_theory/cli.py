"""The command line: ``sasa-theory verify`` runs the executable theorems, ``designs`` shows what can be trained."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

_FILE_WIDTH = 140  # columns of a table that is not shown in a terminal

app = typer.Typer(no_args_is_help=True, add_completion=True, rich_markup_mode="rich")


@app.callback()
def main_callback() -> None:
    """Claims about sparse autoencoders, proved, measured and falsified against known ground truth."""


@app.command(epilog="Example: sasa-theory verify --claim A1 --claim C2 --seed 3 --out my-run")
def verify(
    full: Annotated[
        bool, typer.Option("--full/--quick", help="Tighter intervals and larger d: minutes in place of seconds.")
    ] = False,
    claim: Annotated[list[str] | None, typer.Option(help="Verify this claim only; may be repeated.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same numbers.")] = 0,
    jobs: Annotated[int | None, typer.Option(min=1, help="Worker processes; one per core if omitted.")] = None,
    out: Annotated[Path, typer.Option(help="Folder for evidence.jsonl and figures/.", file_okay=False)] = Path(
        "verify"
    ),
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
    effort: Literal["quick", "full"] = "full" if full else "quick"
    try:
        chosen = select(claim if explain is None else [explain])
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


def main() -> None:
    """Entry point of the ``sasa-theory`` command."""
    app()
