"""Dictionaries in which several copies of a feature's unit fire together."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from synthetic import World

from .dictionaries import Fixed, truth


class Scaled(Fixed):
    """Copies of each block that fire together with these amplitudes; of two blocks a row."""

    def __init__(self, bases: Sequence[Tensor], amplitudes: Sequence[float]) -> None:
        copies = [(a, basis) for basis in bases for a in amplitudes]
        super().__init__([basis for _, basis in copies], 2 * len(amplitudes))
        self.amplitudes = torch.cat([torch.full((len(basis),), a) for a, basis in copies])

    def encode(self, x: Tensor) -> Tensor:
        return super().encode(x) * self.amplitudes


def diluted(known: World) -> Fixed:
    """Every feature's unit twice, both copies firing at half the amplitude wherever the feature is."""
    return Scaled(truth(known), (0.5, 0.5))
