"""The designs that T1 trains, and on what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from sasa_theory.designs.contract import Design
from synthetic import Dictionary, Exactly, Feature, Features, World, WorldConfig

from .counting import explained
from .fitting import fit, new_seed

FEATURES = 2
"""Features of a world."""

RAYS, LINES, TWO, FOUR = "TopK, k = 1", "signed TopK, k = 1", "TopK, k = 2", "TopK, k = 4"
GROWING, RELU, SASA = "TopK, k = d/2", "ReLU, L1", "SASA"

SPARSITY = 0.3
"""L1 coefficient of the ReLU arm: an atom on its slice then shrinks by 15 %. Smaller ones fire more atoms still; at 0.9
most of the energy is lost before as few fire as the slice has dimensions."""

_STARTS = 4
"""Starts of SASA: from some of them two features end up sharing their groups, at a larger error."""

_LR = 1e-2
_TOPK_LR = 3e-3  # the best of 0.001, 0.003, 0.01 by the error on fresh rows at d = 7


@dataclass(frozen=True)
class Setting:
    """A design of ``columns`` columns, trained on orthogonal features of dimension d, one active in each row.

    ``k`` atoms may serve a slice; groups have ``rank`` columns; training takes ``steps`` of ``batch`` rows.
    """

    case: str
    d: int
    k: int
    columns: int
    steps: int
    batch: int
    rank: int = 1
    repeat: int = 0

    @property
    def signed(self) -> bool:
        """Whether codes may be negative."""
        return self.case not in (RAYS, TWO, FOUR, GROWING, RELU)


def spheres(setting: Setting, rng: np.random.Generator, *, kind: str = "subspace") -> World:
    """Slices of length 1 in orthogonal subspaces, exactly one in each row; of another ``kind``, of mean square 1.

    The space is as wide as the features need, and no narrower than a group.
    """
    law = Feature(kind, setting.d, radius="sphere") if kind == "subspace" else Feature(kind, setting.d)
    width = max(FEATURES * setting.d, setting.rank)
    config = WorldConfig(width, (Features(law, FEATURES),), Exactly(1), Dictionary("orthogonal"))
    return World.build(config, new_seed(rng))


def trained(setting: Setting, world: World, rng: np.random.Generator) -> Design:
    """The setting's design, trained on the world; of SASA the best of some starts by its error on fresh rows."""
    if setting.case.startswith(SASA):
        groups = setting.columns // setting.rank
        own = {"groups": groups, "rank": setting.rank, "active": 1}
        starts = [_fitted("sasa/ideal", setting, world, rng, **own) for _ in range(_STARTS)]
        seed = new_seed(rng)
        return max(starts, key=lambda design: explained(design, world, seed))
    if setting.case == RELU:
        return _fitted("relu", setting, world, rng, atoms=setting.columns, sparsity=SPARSITY)
    name = "topk/signed" if setting.signed else "topk"
    return _fitted(name, setting, world, rng, atoms=setting.columns, k=setting.k)


def _fitted(name: str, setting: Setting, world: World, rng: np.random.Generator, **own: Any) -> Design:
    lr = _LR if setting.case == RELU or setting.case.startswith(SASA) else _TOPK_LR
    return fit(name, world, rng, steps=setting.steps, batch=setting.batch, lr=lr, **own)
