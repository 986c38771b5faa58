"""Where commands show their tables."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

FILE_WIDTH = 140
"""Columns of a table that is not shown in a terminal."""

BOARD_WIDTH = 200
"""The same of a ranking, which has a column for each of seven metrics and two of cost."""


def console(file_width: int = FILE_WIDTH) -> Console:
    """As wide as the terminal, or as ``file_width`` where there is none."""
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else file_width)
