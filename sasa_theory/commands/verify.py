"""``sasa-theory verify``: the executable theorems."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from .completion import claim_ids
from .consoles import console as console_of
from .exit_status import FAILS, goes_on

app = typer.Typer()


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
    claim: Annotated[
        list[str] | None, typer.Option(help="Verify this claim only; may be repeated.", autocompletion=claim_ids)
    ] = None,
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
    explain: Annotated[
        str | None, typer.Option(help="State one claim in full and stop.", metavar="ID", autocompletion=claim_ids)
    ] = None,
) -> None:
    """Measure every theorem, compare it with its bound, and check that its falsifier fails.

    Exit status: 0 all claims verified; 1 a claim is violated or inconclusive, or a falsifier is not violated;
    2 bad arguments; 3 a measurement failed to run; 130 interrupted.
    """
    from sasa_theory.claims import select
    from sasa_theory.claims.evidence_log import EvidenceLog
    from sasa_theory.report.verdicts import claim_list, explanation
    from sasa_theory.verification import run_verification

    console = console_of()
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
    with goes_on(console, "A measurement", f"the same command with --resume continues from {out}"):
        verified = run_verification(chosen, log, console, jobs=jobs)
    raise typer.Exit(0 if verified else FAILS)
