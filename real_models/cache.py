"""Activations written to disk once, for several training runs: sharded, checksummed, resumable after any interruption.

>>> write_cache(source, 10_000_000, folder, announce=print)
>>> train(design, CachedActivations(folder), budget)
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import torch
from filelock import FileLock, Timeout
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from safetensors.torch import save_file
from torch import Tensor

from sasa_theory.bounds.validate import choice, count
from sasa_theory.whole_files import atomically

from .activations import Activations
from .cache_index import (
    DTYPES,
    INDEX,
    TENSOR,
    WRITING,
    Index,
    Kept,
    Shard,
    Start,
    check_shard,
    checksum,
    differing,
    shard_path,
)
from .corpora import Place, Sequences

SHARD_ROWS = 1 << 16
_HEADER = 4096  # bytes beside the rows of a shard, more than it takes
_LOCK = ".lock"


class Plan(NamedTuple):
    """What writing a cache comes to, told before it starts.

    Attributes
    ----------
    rows, width : int
        Size of the cache.
    shards : int
        Files that it will have.
    bytes : int
        That the whole cache takes.
    missing : int
        Of them, those that are still to be written.
    free : int
        Bytes free on that disk.
    """

    rows: int
    width: int
    shards: int
    bytes: int
    missing: int
    free: int

    def __str__(self) -> str:
        gib = 2**30
        return (
            f"{self.rows:,} rows of width {self.width} in {self.shards} shards: {self.bytes / gib:.2f} GiB, "
            f"{self.missing / gib:.2f} GiB still to be written, {self.free / gib:.2f} GiB free"
        )


def write_cache(
    source: Activations,
    rows: int,
    folder: str | Path,
    *,
    dtype: Kept = "bfloat16",
    shard_rows: int = SHARD_ROWS,
    announce: Callable[[Plan], None] | None = None,
    progress: bool = True,
) -> Index:
    """Write the first ``rows`` rows of a source, in the order of the text.

    A run that was interrupted, however hard, continues with the first shard that is missing when it is called again
    with the same arguments, and ends with the same bytes. So does one whose shards were removed or cut short.

    Parameters
    ----------
    source : Activations
        What is written.
    rows : int
        How many rows.
    folder : path
        Where; it is made if it does not exist.
    dtype : str
        In which numbers are kept; ``bfloat16`` takes half the room and costs a relative error of at most 2^-8 each.
    shard_rows : int
        Rows in a file.
    announce : callable, optional
        Told the :class:`Plan` before anything is written.
    progress : bool
        Whether to draw a progress bar on a terminal.

    Raises
    ------
    ValueError
        If an argument is out of range; if the folder holds other files, or a cache of other rows (the message names
        the field); if another process writes to it.
    OSError
        If there is too little room on the disk, or a file cannot be written. What was written stays.
    """
    wanted = _wanted(source, rows, dtype, shard_rows)
    folder = Path(folder).expanduser()
    _refuse_foreign(folder)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folder / _LOCK, timeout=0):
            index, missing = _standing(folder, wanted)
            plan = _plan(folder, index, missing)
            if announce is not None:
                announce(plan)
            if plan.missing > plan.free:
                raise OSError(f"too little room in {folder} for {plan}; make room, keep fewer rows or give another one")
            for left in folder.glob(f"{WRITING}*"):
                left.unlink()
            return _written(source, folder, index, missing, progress)
    except Timeout:
        raise ValueError(f"another process is writing to {folder}; wait for it or give another folder") from None


def plan_cache(
    source: Activations, rows: int, folder: str | Path, *, dtype: Kept = "bfloat16", shard_rows: int = SHARD_ROWS
) -> Plan:
    """What :func:`write_cache` would come to; nothing is written.

    Raises
    ------
    ValueError
        As there.
    """
    wanted = _wanted(source, rows, dtype, shard_rows)
    folder = Path(folder).expanduser()
    _refuse_foreign(folder)
    return _plan(folder, *_standing(folder, wanted))


def _wanted(source: Activations, rows: int, dtype: Kept, shard_rows: int) -> Index:
    choice("dtype", dtype, DTYPES)
    return Index(
        source=source.identity,
        width=source.width,
        dtype=dtype,
        rows=int(count("rows", rows)),
        shard_rows=int(count("shard_rows", shard_rows)),
    )


def _standing(folder: Path, wanted: Index) -> tuple[Index, list[int]]:
    """The index so far, and the shards that are missing."""
    index = _found(folder, wanted)
    return index, [k for k in range(index.number) if not _intact(folder, index, k)]


def _refuse_foreign(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{folder} is a file; give a folder")
    if folder.is_dir() and not (folder / INDEX).exists():
        others = [path.name for path in folder.iterdir() if path.name != _LOCK and not path.name.startswith(WRITING)]
        # a run that was killed between its first shard and its index leaves that shard
        if others and others != [shard_path(folder, 0).name]:
            raise ValueError(f"{folder} holds {sorted(others)[0]} and no {INDEX}; give an empty or a new folder")


def _found(folder: Path, wanted: Index) -> Index:
    """The index that is there, if it is of the same rows; else the one without shards."""
    if not (folder / INDEX).exists():
        return wanted
    index = Index.read(folder)
    fields = ("source", "width", "dtype", "rows", "shard_rows")
    there, here = ({name: getattr(each, name) for name in fields} for each in (index, wanted))
    told = differing(there, here)
    if told is not None:
        raise ValueError(f"{folder / INDEX}: {told}; give another folder, or remove this one")
    return index


def _intact(folder: Path, index: Index, number: int) -> bool:
    if number >= len(index.shards):
        return False
    try:
        check_shard(folder, index, number)
    except ValueError:
        return False
    return True


def _plan(folder: Path, index: Index, missing: list[int]) -> Plan:
    item = DTYPES[index.dtype].itemsize
    sizes = [index.rows_of(k) * index.width * item + _HEADER for k in range(index.number)]
    there = next(path for path in (folder, *folder.absolute().parents) if path.is_dir())
    free = shutil.disk_usage(there).free
    return Plan(index.rows, index.width, index.number, sum(sizes), sum(sizes[k] for k in missing), free)


def _written(source: Activations, folder: Path, index: Index, missing: list[int], progress: bool) -> Index:
    console = Console(stderr=True)
    columns = (TextColumn("rows cached"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not (progress and console.is_terminal)) as bar:
        left = sum(index.rows_of(k) for k in missing)
        task = bar.add_task("", total=index.rows, completed=index.rows - left)
        stream: _InOrder | None = None
        for k in missing:
            start = index.shards[k].start if k < len(index.shards) else index.next
            if stream is None or stream.start != start:
                stream = _InOrder(source, start)
            parts = []
            for part in stream.take(index.rows_of(k)):
                parts.append(part.to(DTYPES[index.dtype]).cpu())
                bar.advance(task, len(part))
            index = _with_shard(folder, index, k, torch.cat(parts), start, stream.start)
    return index


def _with_shard(folder: Path, index: Index, k: int, rows: Tensor, start: Start, after: Start) -> Index:
    """Write a shard, then the index that knows it."""
    path = shard_path(folder, k)
    atomically(path, lambda temporary: save_file({TENSOR: rows.contiguous()}, temporary), WRITING)
    shard = Shard(len(rows), path.stat().st_size, checksum(path), start)
    if k < len(index.shards) and index.shards[k] != shard:
        raise ValueError(
            f"{path}: rows written anew are not those of the index, so this machine or library computes them "
            "differently; remove the folder and write the cache again"
        )
    if k == len(index.shards):
        index = replace(index, shards=(*index.shards, shard), next=after)
        index.write(folder)
    return index


class _InOrder:
    """Rows of a source in the order of the text, from anywhere."""

    def __init__(self, source: Activations, start: Start) -> None:
        self.start = start
        self._source = source
        place = Place(start.epoch, start.document, start.offset)
        self._sequences = Sequences(source.language, source.corpus, source.harvest.length, (0, 1), place)
        self._rows: Tensor | None = None

    def take(self, number: int) -> Iterator[Tensor]:
        """The next ``number`` rows, in parts."""
        while number:
            if self._rows is None:
                self._rows = self._source.rows(self._sequences, self._source.harvest.sequences)
            part = self._rows[self.start.row : self.start.row + number]
            number -= len(part)
            self._skip(len(part), len(self._rows))
            yield part

    def _skip(self, taken: int, rows: int) -> None:
        row = self.start.row + taken
        if row < rows:
            self.start = self.start._replace(row=row)
            return
        place = self._sequences.place
        self.start, self._rows = Start(place.epoch, place.document, place.offset), None
