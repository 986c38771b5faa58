"""``sasa-theory notebooks``: what training finds, told and executed."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from typing import Annotated, Literal

import typer

from .completion import notebook_names
from .consoles import console as console_of
from .exit_status import FAILED_TO_RUN, INTERRUPTED

app = typer.Typer()


@app.command(epilog="Example: sasa-theory notebooks 01 06 --execute --fast --out /tmp/notebooks")
def notebooks(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            help="Beginnings of names in notebooks/, or paths; all if omitted.",
            metavar="NAMES",
            autocompletion=notebook_names,
        ),
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
    if fast and full:
        raise typer.BadParameter("choose one of --full and --fast")
    if importlib.util.find_spec("nbclient") is None:
        raise typer.BadParameter("notebooks need more packages: pip install 'sasa-theory[notebooks]'")
    from sasa_theory.notebooks.command import execute_all, notebook_table
    from sasa_theory.notebooks.document import chosen

    console = console_of()
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
    except OSError as error:
        raise typer.BadParameter(str(error), param_hint="--out" if out else "NAMES") from None
    except KeyboardInterrupt:
        console.print("Interrupted; notebooks that are done are written, and the records of the others are kept.")
        raise typer.Exit(INTERRUPTED) from None
    raise typer.Exit(0 if whole else FAILED_TO_RUN)
