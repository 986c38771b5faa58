"""The batches of a contender's turn, which also are its clock."""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter
from typing import Self

import torch
from torch import Tensor

from .settings import Setting

WARM_UP = 2
"""Steps before timing starts: the first allocates gradients and moments, the second settles the memory."""
LEAST = 3
"""Steps timed at least."""
_BATCHES = 4
_FEATURES = 4096
_PRESENT = 32
_NOISE = 0.1


class TurnOver(Exception):  # noqa: N818  (nothing went wrong)
    """The contender asked for a batch after its turn; whatever loop it runs in ends with this."""


class Turn:
    """Endless batches of shape (batch, width) that note when each is asked for: a step lasts from one to the next.

    So every contender can be timed in the loop it comes with, whatever that does between two batches. The batches are
    few and the same for all: sums of 32 of 4096 random directions, and noise.
    """

    def __init__(self, setting: Setting) -> None:
        generator = torch.Generator().manual_seed(0)
        directions = torch.randn(_FEATURES, setting.width, generator=generator) / setting.width**0.5
        self.width, self._seconds = setting.width, setting.turn
        self._batches = [_batch(directions, setting.batch, generator) for _ in range(_BATCHES)]
        self._asked: list[float] = []

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Tensor:
        now = perf_counter()
        self._asked.append(now)
        if self.steps >= LEAST and now - self._asked[WARM_UP] >= self._seconds:
            raise TurnOver
        return self._batches[len(self._asked) % _BATCHES]

    def batches(self, batch_size: int, generator: torch.Generator, shard: Sequence[int] = (0, 1)) -> Self:
        """The turn as a source of activations of :func:`sasa_theory.training.train`, which asks for these sizes."""
        return self

    @property
    def steps(self) -> int:
        """Steps timed so far."""
        return max(0, len(self._asked) - WARM_UP - 1)

    @property
    def seconds_per_step(self) -> float:
        """Mean over the timed steps."""
        return (self._asked[-1] - self._asked[WARM_UP]) / self.steps


def _batch(directions: Tensor, rows: int, generator: torch.Generator) -> Tensor:
    present = torch.randint(len(directions), (rows, _PRESENT), generator=generator)
    strength = torch.rand(rows, _PRESENT, generator=generator) + 0.5
    x = torch.nn.functional.embedding_bag(present, directions, per_sample_weights=strength, mode="sum")
    return x.add_(torch.randn(x.shape, generator=generator), alpha=_NOISE / x.shape[1] ** 0.5)
