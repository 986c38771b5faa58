"""The command line: ``sasa-theory`` and its commands, each of which is a file in ``commands/``."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from real_models.command import app as real_app
from sasa_theory import __version__
from sasa_theory.commands import bench, check, designs, doctor, new, notebooks, report, verify
from sasa_theory.commands.exit_status import FAILED_TO_RUN

app = typer.Typer(no_args_is_help=True, add_completion=True, rich_markup_mode="markdown")
for command in (verify, designs, new, check, bench, report, notebooks, doctor):
    app.add_typer(command.app)
app.add_typer(real_app, name="real")


def _version(asked: bool) -> None:
    if asked:
        typer.echo(__version__)
        raise typer.Exit


@app.callback(epilog="Example: sasa-theory verify --claim A1. Every command has its own: sasa-theory verify --help")
def main_callback(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and stop.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """Claims about sparse autoencoders, proved, measured and falsified against known ground truth.

    Exit status of every command: 0 all is well; 1 a claim, a check or an expectation fails; 2 bad arguments, or what
    they name cannot be had; 3 something failed to run; 130 interrupted.
    """


def main() -> None:
    """Entry point of the ``sasa-theory`` command."""
    try:
        app()
    except Exception:  # a mistake of ours: with Python's own status, 1, scripts would take it for a finding
        sys.excepthook(*sys.exc_info())  # typer's, which shows it readably
        raise SystemExit(FAILED_TO_RUN) from None
