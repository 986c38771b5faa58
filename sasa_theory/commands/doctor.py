"""``sasa-theory doctor``: what is installed here, and what works."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .consoles import console as console_of
from .exit_status import FAILS

app = typer.Typer()


@app.command(epilog="Example: sasa-theory doctor --json")
def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="As a JSON object, for scripts and bug reports.")] = False,
) -> None:
    """Show versions, devices, threads, memory, caches, and what each extra would add; say what is broken.

    Broken is a required package that is missing or too old, or a cache folder that cannot be written. Writes nothing.

    Exit status: 0 nothing is broken; 1 something is; 2 bad arguments; 130 interrupted.
    """
    from sasa_theory.doctor.examination import examine

    found = examine(Path.cwd())
    if as_json:
        typer.echo(found.to_json())
    else:
        from sasa_theory.report.doctor_table import doctor_table

        console_of().print(doctor_table(found))
    raise typer.Exit(FAILS if found.broken else 0)
