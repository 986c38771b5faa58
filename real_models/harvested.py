"""Rows of activations without labels in the place of a world's, so that metrics that need no truth can look at them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor

from sasa_theory.designs.contract import Design
from sasa_theory.metrics.observation import Observation
from sasa_theory.metrics.rows import BLOCK, Labelled, Rows
from sasa_theory.metrics.units import Units

from .activations import Activations, in_order
from .corpora import Place, Sequences, as_place


class Nothing(NamedTuple):
    """No feature is known: one without dimensions that never fires."""

    size: tuple[int, int]
    samples: Tensor
    features: Tensor
    contributions: Tensor | None = None

    def dense(self) -> Tensor:
        """Shape (rows, 1), False."""
        return torch.zeros(self.size, dtype=torch.bool)


class Block(NamedTuple):
    """Some rows, and nothing about them."""

    x: Tensor
    truth: Nothing


class _NoWorld(NamedTuple):
    width: int
    bias: Tensor

    def basis(self, i: int) -> Tensor:
        return torch.empty(0, self.width)

    def sample(self, n: int, generator: torch.Generator, truth: str = "support") -> Labelled:
        raise NotImplementedError("harvested rows are not drawn")


@dataclass(frozen=True)
class Harvested(Rows):
    """Rows in memory, block by block; see :func:`harvested`.

    Attributes
    ----------
    x : Tensor, shape (n, width)
        The rows.
    """

    x: Tensor = field(kw_only=True)

    def blocks(self, truth: str) -> Iterator[Labelled]:
        """All rows; whatever truth is asked for, there is none."""
        none = torch.empty(0, dtype=torch.int64)
        for x in self.x.split(self.block):
            yield Block(x, Nothing((len(x), 1), none, none))


def gather(source: Activations, number: int, place: Place | None = None) -> Tensor:
    """Rows in the order of the text, shape (number, width), on the CPU."""
    found, have = [], 0
    for rows in in_order(source, place):
        found.append(rows[: number - have].cpu())
        have += len(found[-1])
        if have == number:
            break
    return torch.cat(found)


def read_up_to(source: Activations, state: Mapping[str, Any]) -> Place:
    """Where text begins that a stream of the source has not served, not even in part, from its ``state_dict``."""
    shard = (int(state["shard"][0]), int(state["shard"][1]))
    sequences = Sequences(source.language, source.corpus, source.harvest.length, shard, as_place(state))
    for _ in range(source.harvest.buffer if state["row"] else 0):
        next(sequences)
    return sequences.place


def look(design: Design, x: Tensor) -> Observation:
    """A design seen on rows of unknown causes: reconstruction, firing, moments and spans are defined, no more.

    Raises
    ------
    ValueError
        If the widths differ, or the decoder is not affine.
    """
    if design.width != x.shape[1]:
        raise ValueError(f"the design is of width {design.width}, the activations of {x.shape[1]}; they must agree")
    world = _NoWorld(design.width, torch.zeros(design.width))
    rows = Harvested(world, len(x), block=BLOCK, x=x)
    return Observation(design, rows, Units.of(design), (torch.empty(0, design.width),))
