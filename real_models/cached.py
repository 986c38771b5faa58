"""Activations from disk as a source for training: memory-mapped, shuffled, resumable; several runs read one cache."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple, Self

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from sasa_theory.bounds.validate import count
from sasa_theory.streams import checked_shard, drawn_seed, resumed_seed

from .cache_index import DTYPES, TENSOR, Index, check_shard, shard_path, verify_shard

BLOCK = 128
"""Consecutive rows that are read together, never across two shards."""

WINDOW = 1 << 16
"""Rows that are shuffled together unless told otherwise."""


class Block(NamedTuple):
    """Consecutive rows of a shard."""

    shard: int
    begin: int
    end: int


class CachedActivations:
    """A source of activations that :func:`real_models.cache.write_cache` wrote.

    In each epoch, blocks of 128 consecutive rows come in a new random order, over all shards; the rows of a window of
    blocks are shuffled together. While one window is served, the next one is read.

    Parameters
    ----------
    folder : path
        Of the cache.
    window : int
        Rows that are shuffled, and held in memory, together.

    Raises
    ------
    ValueError
        If the folder holds no whole cache, or a file is missing, cut short, damaged or foreign: the message names file,
        field and remedy. Numbers are not read for this; see :meth:`verify`.
    """

    def __init__(self, folder: str | Path, window: int = WINDOW) -> None:
        self.folder = Path(folder).expanduser()
        self.index = Index.read(self.folder)
        self.window = int(count("window", window))
        if not self.index.whole:
            raise ValueError(
                f"{self.folder} holds {len(self.index.shards)} of {self.index.number} shards; "
                "call write_cache again with the same arguments, and it continues"
            )
        for shard in range(self.index.number):
            check_shard(self.folder, self.index, shard)
        self.blocks = tuple(
            Block(shard, begin, min(begin + BLOCK, rows))
            for shard, rows in enumerate(self.index.rows_of(k) for k in range(self.index.number))
            for begin in range(0, rows, BLOCK)
        )

    @property
    def width(self) -> int:
        """Dimension of the activations."""
        return self.index.width

    def __len__(self) -> int:
        """Rows of the cache."""
        return self.index.rows

    @property
    def identity(self) -> dict[str, Any]:
        """What determines the rows but for seed and shard, as plain values."""
        return {"cache": self.index.fingerprint, "window": self.window}

    def verify(self) -> None:
        """Read every byte and compare it with the checksums.

        Raises
        ------
        ValueError
            At the first file that was changed.
        """
        for shard in range(self.index.number):
            verify_shard(self.folder, self.index, shard)

    def in_order(self) -> Iterator[Tensor]:
        """Rows as they were written, a few blocks at a time, once: for evaluation. Shapes (some rows, width)."""
        some = max(1, self.window // BLOCK)
        for first in range(0, len(self.blocks), some):
            yield self.rows(self.blocks[first : first + some])

    def batches(self, batch_size: int, generator: torch.Generator, shard: Sequence[int] = (0, 1)) -> CachedStream:
        """Endless batches of shape (batch_size, width), float32; part (k, m) has every m-th block from the k-th on.

        Raises
        ------
        ValueError
            If ``batch_size`` is no whole number >= 1, or ``shard`` no pair (rank, number of shards), or there are more
            of them than blocks.
        """
        return CachedStream(self, int(count("batch_size", batch_size)), drawn_seed(generator), shard)

    def rows(self, blocks: Sequence[Block]) -> Tensor:
        """Rows of some blocks in the order in which they are given, float32.

        Raises
        ------
        ValueError
            If a file cannot be read any more.
        """
        found: list[Tensor] = [torch.empty(0)] * len(blocks)
        by_shard: dict[int, list[int]] = {}
        for place, block in enumerate(blocks):
            by_shard.setdefault(block.shard, []).append(place)
        for shard, places in by_shard.items():
            path = shard_path(self.folder, shard)
            try:
                with safe_open(path, "pt") as file:
                    part = file.get_slice(TENSOR)
                    for place in places:
                        found[place] = part[blocks[place].begin : blocks[place].end]
            except (OSError, SafetensorError) as error:
                raise ValueError(f"{path} cannot be read any more ({error}); write the cache again") from None
        return torch.cat(found).to(DTYPES["float32"])


class CachedStream:
    """Windows of rows, one after the other, epoch after epoch; a batch may reach from one into the next."""

    def __init__(self, source: CachedActivations, batch_size: int, seed: int, shard: Sequence[int]) -> None:
        self._source, self._batch_size, self._seed = source, batch_size, seed
        self._shard = checked_shard(shard, len(source.blocks))
        self._blocks = source.blocks[self._shard[0] :: self._shard[1]]
        self._in_window = max(1, source.window // BLOCK)
        self._windows = -(-len(self._blocks) // self._in_window)
        self._worker = ThreadPoolExecutor(1, "cache")
        self._number, self._row = 0, 0
        self._rows: Tensor | None = None
        self._coming: Future[Tensor] | None = None  # nothing is read before a batch is asked for

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Tensor:
        """The next batch, shape (batch_size, width)."""
        taken, wanted = [], self._batch_size
        while wanted:
            if self._rows is None:
                self._rows = (self._coming or self._read(self._number)).result()
                self._coming = self._read(self._number + 1)
            part = self._rows[self._row : self._row + wanted]
            taken.append(part)
            wanted -= len(part)
            self._row += len(part)
            if self._row == len(self._rows):
                self._number, self._row, self._rows = self._number + 1, 0, None
        return torch.cat(taken)

    def state_dict(self) -> dict[str, Any]:
        """Where the stream stands, as plain values."""
        return {
            **self._source.identity,
            "seed": self._seed,
            "shard": list(self._shard),
            "number": self._number,
            "row": self._row,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue where a stream of the same cache, window and shard stood.

        Raises
        ------
        ValueError
            If a field is missing or unknown, or says that the stream was another.
        """
        self._seed = resumed_seed(self.state_dict(), state, (*self._source.identity, "shard"))
        self._number, self._row = int(count("number", state["number"], 0)), int(count("row", state["row"], 0))
        self._rows = self._coming = None

    def _read(self, number: int) -> Future[Tensor]:
        return self._worker.submit(self._window, number, self._seed)

    def _window(self, number: int, seed: int) -> Tensor:
        """Shuffled rows of window ``number``, counted through all epochs."""
        epoch, within = divmod(number, self._windows)
        order = torch.randperm(len(self._blocks), generator=_generator(seed, "epoch", epoch)).tolist()
        mine = order[within * self._in_window : (within + 1) * self._in_window]
        rows = self._source.rows([self._blocks[k] for k in mine])
        return rows[torch.randperm(len(rows), generator=_generator(seed, "window", number))]


def _generator(seed: int, what: str, number: int) -> torch.Generator:
    mixed = sha256(f"{what} {seed} {number}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(mixed[:8], "little", signed=True))
