"""Where activations come from: the Source contract, and a source over a tensor in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from hashlib import sha256
from typing import Any, Protocol, Self, runtime_checkable

import torch
from torch import Tensor

from sasa_theory.bounds.validate import count
from sasa_theory.streams import checked_shard, drawn_seed, resumed_seed

_FINGERPRINT_ROWS = 4096


@runtime_checkable
class Stream(Protocol):
    """Endless batches that can stop and continue: what a source's ``batches`` returns."""

    def __iter__(self) -> Self: ...

    def __next__(self) -> Tensor: ...

    def state_dict(self) -> dict[str, Any]:
        """Where the stream stands and what it is of, as plain values that JSON can hold."""

    def load_state_dict(self, state: Mapping[str, Any], /) -> None:
        """Continue exactly there; ValueError, naming the field, if the state is of another source."""


class Source(Protocol):
    """Anything that gives activations: a synthetic world, a language model, a tensor."""

    @property
    def width(self) -> int:
        """Dimension of the activations."""

    def batches(self, batch_size: int, generator: torch.Generator, shard: Sequence[int] = (0, 1), /) -> Stream:
        """Batches of shape (batch_size, width) without end; ``shard`` (k, m) is the k-th of m disjoint parts."""


class Memory:
    """A source over activations held in memory: shuffled anew in each epoch.

    Parameters
    ----------
    activations : Tensor, shape (n, width)
        Any floating dtype, any device; batches stay on that device. It is not copied.

    Raises
    ------
    ValueError
        If the tensor is not a non-empty floating-point matrix.
    """

    def __init__(self, activations: Tensor) -> None:
        if activations.ndim != 2 or not activations.numel() or not activations.is_floating_point():
            raise ValueError(
                "activations must be a non-empty floating-point tensor of shape (n, width), "
                f"got shape {tuple(activations.shape)}, {activations.dtype}"
            )
        self.activations = activations.detach()

    @property
    def width(self) -> int:
        """Dimension of the activations."""
        return self.activations.shape[1]

    @cached_property
    def fingerprint(self) -> str:
        """Short digest of the tensor's shape, dtype and at most 4096 of its rows, evenly spread."""
        rows = self.activations[:: -(-len(self.activations) // _FINGERPRINT_ROWS)].cpu().contiguous()
        digest = sha256(f"{tuple(self.activations.shape)} {self.activations.dtype}".encode())
        digest.update(rows.view(torch.uint8).numpy().tobytes())
        return digest.hexdigest()[:16]

    def batches(self, batch_size: int, generator: torch.Generator, shard: Sequence[int] = (0, 1)) -> MemoryStream:
        """Endless batches; the generator supplies the stream's seed.

        Raises
        ------
        ValueError
            If ``batch_size`` is no whole number >= 1 or ``shard`` no pair (rank, number of shards).
        """
        return MemoryStream(self, batch_size, drawn_seed(generator), shard)


class MemoryStream:
    """Rows of a tensor, one shuffled epoch after the other; a batch may reach from one epoch into the next.

    Row ``p`` of shard ``(k, m)`` is row ``k + m p`` of the whole sequence, whose epoch e is shuffled by a generator
    seeded from the stream's seed and e. So the stream resumes at any row, and shards share none within an epoch.
    """

    def __init__(self, source: Memory, batch_size: int, seed: int, shard: Sequence[int] = (0, 1)) -> None:
        self._source, self._batch_size, self._seed = source, int(count("batch_size", batch_size)), seed
        self._rank, self._shards = checked_shard(shard)
        self._position = 0
        self._epoch, self._order = -1, torch.empty(0, dtype=torch.int64)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Tensor:
        rows = self._rank + self._shards * torch.arange(self._position, self._position + self._batch_size)
        self._position += self._batch_size
        size = len(self._source.activations)
        picked = []
        for epoch in range(int(rows[0]) // size, int(rows[-1]) // size + 1):
            inside = rows[(rows >= epoch * size) & (rows < (epoch + 1) * size)]
            picked.append(self._shuffled(epoch)[inside - epoch * size])
        return self._source.activations[torch.cat(picked).to(self._source.activations.device)]

    def state_dict(self) -> dict[str, Any]:
        """Where the stream stands: plain values for :meth:`load_state_dict`."""
        return {
            "data": self._source.fingerprint,
            "seed": self._seed,
            "position": self._position,
            "shard": [self._rank, self._shards],
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue where a stream over the same tensor and shard stood.

        Raises
        ------
        ValueError
            If a field is missing or unknown, or the tensor or the shard is another one.
        """
        self._seed = resumed_seed(self.state_dict(), state, ("data", "shard"))
        self._position = int(count("position", state["position"], 0))
        self._epoch = -1

    def _shuffled(self, epoch: int) -> Tensor:
        if epoch != self._epoch:
            mixed = sha256(f"{self._seed} {epoch}".encode()).digest()
            generator = torch.Generator().manual_seed(int.from_bytes(mixed[:8], "little", signed=True))
            self._order = torch.randperm(len(self._source.activations), generator=generator)
            self._epoch = epoch
        return self._order
