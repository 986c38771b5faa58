"""Rows whose causes are known, drawn block by block so that no metric holds them all."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from sasa_theory.bounds.validate import count
from sasa_theory.seeds import generator_for

BLOCK = 2048
"""Rows in a block."""


class Known(Protocol):
    """Which features fired in some rows: one entry a firing, sorted by row."""

    @property
    def size(self) -> tuple[int, int]:
        """Numbers of rows and of features."""
        ...

    @property
    def samples(self) -> Tensor:
        """Row of each firing."""
        ...

    @property
    def features(self) -> Tensor:
        """Feature of each firing."""
        ...

    @property
    def contributions(self) -> Tensor | None:
        """Slice of each firing, shape (firings, width)."""
        ...

    def dense(self) -> Tensor:
        """Which features fired, shape (rows, features), Boolean."""
        ...


class Labelled(Protocol):
    """Rows and their truth."""

    @property
    def x(self) -> Tensor:
        """Activations, shape (n, width)."""
        ...

    @property
    def truth(self) -> Known:
        """What fired."""
        ...


class KnownWorld(Protocol):
    """A source of labelled rows; :class:`synthetic.World` is one."""

    @property
    def width(self) -> int:
        """Dimension of the activations."""
        ...

    @property
    def bias(self) -> Tensor:
        """Constant part of the activations, shape (width,)."""
        ...

    def basis(self, i: int) -> Tensor:
        """Orthonormal basis of feature i, shape (d_i, width)."""
        ...

    def sample(self, n: int, generator: torch.Generator, truth: str = "support") -> Labelled:
        """Draw labelled rows; ``truth`` is ``support`` or, with slices, ``contributions``."""
        ...


@dataclass(frozen=True)
class Rows:
    """A fixed number of labelled rows of a world: the same in every pass, whatever is made of them.

    Attributes
    ----------
    world : KnownWorld
        Where they come from.
    count : int
        How many.
    seed : int
        Of all rows; a training run with the same seed meets others.
    block : int
        Rows drawn at a time.
    """

    world: KnownWorld
    count: int
    seed: int = 0
    block: int = BLOCK

    def __post_init__(self) -> None:
        count("count", self.count)
        count("block", self.block)

    def __iter__(self) -> Iterator[Labelled]:
        return self.blocks("support")

    def blocks(self, truth: str) -> Iterator[Labelled]:
        """All rows, with this much truth."""
        generator = generator_for("judged rows", self.seed)
        for start in range(0, self.count, self.block):
            yield self.world.sample(min(self.block, self.count - start), generator, truth)
