"""Addition on clocks: tokens, labels, and the planes in which hours lie on circles."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import pi

import torch
from torch import Tensor

from sasa_theory.bounds.validate import count
from sasa_theory.seeds import generator_for

HOURS = (5, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 24)


@dataclass(frozen=True, kw_only=True)
class Clocks:
    """Sums ``a + b`` on clocks of p_t hours; every input is about one clock.

    Each clock owns a random plane; its hours are embedded as ``cos(2 pi a / p) u_t + sin(2 pi a / p) v_t``. An input is
    three tokens, two hours of one clock and ``=``; its label is the sum on the same clock.

    Attributes
    ----------
    hours : tuple of int
        Hours of each clock.
    width : int
        Dimension of the embedding.
    held_out : float
        Share of the pairs that a model does not see in training.
    seed : int
        Of planes and of the split.

    Raises
    ------
    ValueError
        If a clock has less than three hours, or the width has no room for two planes.
    """

    hours: tuple[int, ...] = HOURS
    width: int = 64
    held_out: float = 0.2
    seed: int = 0

    def __post_init__(self) -> None:
        for number in self.hours:
            count("hours", number, 3)
        count("width", self.width, 4)

    @property
    def vocabulary(self) -> int:
        """Tokens: all hours of all clocks, and ``=``."""
        return sum(self.hours) + 1

    @cached_property
    def first(self) -> Tensor:
        """Token of hour 0 of each clock, shape (clocks,)."""
        return torch.tensor([0, *self.hours[:-1]]).cumsum(0)

    @cached_property
    def planes(self) -> Tensor:
        """Orthonormal basis of each clock's plane, shape (clocks, 2, width)."""
        normal = torch.randn(len(self.hours), self.width, 2, generator=generator_for("clock planes", self.seed))
        return torch.linalg.qr(normal).Q.mT.contiguous()

    @cached_property
    def embedding(self) -> Tensor:
        """Unit vectors of all tokens, shape (vocabulary, width)."""
        rows = []
        for hours, plane in zip(self.hours, self.planes, strict=True):
            angle = 2 * pi * torch.arange(hours) / hours
            rows.append(torch.stack([angle.cos(), angle.sin()], dim=1) @ plane)
        equals = torch.randn(1, self.width, generator=generator_for("equals sign", self.seed))
        return torch.cat([*rows, torch.nn.functional.normalize(equals)])

    @cached_property
    def pairs(self) -> Tensor:
        """Clock, a and b of every input, shape (inputs, 3)."""
        every = [
            torch.cartesian_prod(torch.tensor([t]), torch.arange(p), torch.arange(p)) for t, p in enumerate(self.hours)
        ]
        return torch.cat(every)

    @cached_property
    def clock(self) -> Tensor:
        """Clock of each input, shape (inputs,)."""
        return self.pairs[:, 0]

    @cached_property
    def sum(self) -> Tensor:
        """Hour ``a + b`` of each input, shape (inputs,)."""
        return (self.pairs[:, 1] + self.pairs[:, 2]) % torch.tensor(self.hours)[self.clock]

    @cached_property
    def tokens(self) -> Tensor:
        """Inputs, shape (inputs, 3)."""
        first = self.first[self.clock]
        equals = torch.full_like(first, self.vocabulary - 1)
        return torch.stack([first + self.pairs[:, 1], first + self.pairs[:, 2], equals], dim=1)

    @cached_property
    def answers(self) -> Tensor:
        """Token of the right answer to each input, shape (inputs,)."""
        return self.first[self.clock] + self.sum

    @cached_property
    def seen(self) -> Tensor:
        """Which inputs are for training, shape (inputs,)."""
        order = torch.randperm(len(self.pairs), generator=generator_for("clock split", self.seed))
        seen = torch.ones(len(self.pairs), dtype=torch.bool)
        seen[order[: round(self.held_out * len(order))]] = False
        return seen
