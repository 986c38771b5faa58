"""What every command ends with, so that scripts can tell a finding from a mistake.

0 all is well; 1 a claim, a check, an expectation or the installation fails; 2 bad arguments, or what they name cannot
be had; 3 something failed to run; 130 interrupted. Typer sees to 2 and to 130, wherever Ctrl-C finds a command.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from rich.console import Console

FAILS, FAILED_TO_RUN, INTERRUPTED = 1, 3, 130


@contextmanager
def goes_on(console: Console, what: str, how: str) -> Iterator[None]:
    """Around what takes long: upon Ctrl-C or a failure, say how to go on, and end with 130 or 3.

    Parameters
    ----------
    console : rich.console.Console
        Where it is said.
    what : str
        What may fail, e.g. ``A run``.
    how : str
        How to go on, e.g. ``the same command goes on where it was``.
    """
    try:
        yield
    except KeyboardInterrupt:
        console.print(f"Interrupted; {how}.", highlight=False, markup=False, soft_wrap=True)
        raise typer.Exit(INTERRUPTED) from None
    except Exception:
        console.print_exception()
        console.print(f"{what} failed; {how}.", highlight=False, markup=False, soft_wrap=True)
        raise typer.Exit(FAILED_TO_RUN) from None
