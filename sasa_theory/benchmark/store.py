"""Records on disk: one file that any number of processes append to, whole lines only, whenever one of them is killed.

Files of several machines merge by concatenation.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from .records import Record

_BINARY: int = getattr(os, "O_BINARY", 0)  # without it Windows would write another end of line


@dataclass(frozen=True)
class Contents:
    """What a file of records holds.

    Attributes
    ----------
    records : dict of str to Record
        By key; of several with one key, the first.
    duplicates : int
        Lines whose key had come before.
    damaged : tuple of int
        Numbers of the lines, from 1, that hold no record, and are passed over.
    half : bool
        Whether the last of them is merely unfinished: its writer was killed, or is still writing.
    """

    records: dict[str, Record]
    duplicates: int = 0
    damaged: tuple[int, ...] = ()
    half: bool = False

    @property
    def complaint(self) -> str:
        """One sentence on what was passed over; empty if nothing was."""
        whole = self.damaged[:-1] if self.half else self.damaged
        parts = [f"lines that hold no record: {', '.join(map(str, whole))}"] if whole else []
        parts += ["half a line at the end, left by a run that was killed"] if self.half else []
        return f"Passed over {' and '.join(parts)}; what they stood for is run again." if parts else ""


class Store:
    """A file of records, one JSON line each.

    Appending is atomic: under a lock (``<path>.lock``), in one write to a file opened for appending, handed to the disk
    before the lock is released. Half a line left by a writer that was killed is removed by the next append.

    Parameters
    ----------
    path : path
        The file; it and its folder are made by the first append.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    def append(self, record: Record) -> None:
        """Add one record.

        Raises
        ------
        OSError
            If the line cannot be written in full; the file is then as it was before.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{self.path}.lock"):
            file = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT | _BINARY, 0o644)
            try:
                self._mend(file)
                _write(file, record.to_line())
                os.fsync(file)
            finally:
                os.close(file)

    def read(self) -> Contents:
        """Everything in the file; nothing if there is no file."""
        if not self.path.exists():
            return Contents({})
        *lines, last = self.path.read_bytes().split(b"\n")
        records: dict[str, Record] = {}
        duplicates, damaged = 0, []
        for number, line in enumerate([*lines, last] if last else lines, 1):
            record = _record(line)
            if record is None:
                damaged.append(number)
            elif record.key in records:
                duplicates += 1
            else:
                records[record.key] = record
        return Contents(records, duplicates, tuple(damaged), half=bool(last) and _record(last) is None)

    def _mend(self, file: int) -> None:
        """End the last line, or remove it if it is no record."""
        size = os.fstat(file).st_size
        if not size:
            return
        os.lseek(file, size - 1, os.SEEK_SET)
        if os.read(file, 1) == b"\n":
            return
        last = self.path.read_bytes().rpartition(b"\n")[2]
        if _record(last) is None:
            os.ftruncate(file, size - len(last))
        else:
            _write(file, b"\n")


def _write(file: int, line: bytes) -> None:
    before = os.fstat(file).st_size
    written = os.write(file, line)
    if written < len(line):
        os.ftruncate(file, before)
        raise OSError(f"only {written} of {len(line)} bytes of a record could be written; is the disk full?")


def _record(line: bytes) -> Record | None:
    try:
        return Record.from_line(line)
    except ValueError:
        return None
