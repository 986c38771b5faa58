"""Files that are there whole or not at all, whatever interrupts their writing."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path


def atomically(path: Path, write: Callable[[Path], object], prefix: str = ".") -> None:
    """Write a file under another name beside it, have it on the disk, then rename it.

    Parameters
    ----------
    path : Path
        The file, which may exist.
    write : callable
        Writes what it is to hold to the path that it is given.
    prefix : str
        Of the other name.
    """
    temporary = path.with_name(prefix + path.name)
    try:
        write(temporary)
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write or replace a text file, UTF-8."""
    atomically(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))
