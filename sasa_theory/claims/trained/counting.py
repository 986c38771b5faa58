"""How many units a trained design spends on features of one dimension, each alone in a row, by every count there is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

from sasa_theory import bounds
from sasa_theory.designs.contract import Design
from sasa_theory.metrics import METRICS, Covering, Observation, covering_number, observe
from sasa_theory.metrics.spans import spans
from synthetic import World

from .. import intervals
from ..contract import Evidence

EPS = 0.5
"""Distance, relative to a slice's length, at which a slice counts as covered."""

HALF, MOST = 0.5, 0.9
"""Shares of the sphere that are to be covered."""

SPLITTING = (
    "units_entropy",
    "units_90",
    "units_shapley",
    "units_at_once",
    "co_firing",
    "tiling_index",
    "merge_rate",
    "served",
)
"""Metrics of splitting that are read beside the coverings."""

_ROWS = 8000
_FRESH = 4000


@dataclass(frozen=True)
class Coverings:
    """Units that cover each feature's sphere to within :data:`EPS`, at most ``k`` units a point, found greedily.

    Attributes
    ----------
    found : list of Covering
        One a feature.
    share : float
        Share of the sphere that they were to cover.
    """

    found: list[Covering]
    share: float

    @property
    def counts(self) -> tuple[float, ...]:
        """Units for the share, of each feature; inf if the design's units do not cover as much.

        The units found cover a little more or less of fresh points than was asked for; as many are counted as the share
        needs at their mean coverage, since a whole number would be a coarse measure of two lines that cover two thirds;
        never less than one.
        """
        return tuple(
            np.inf if one.censored or one.fresh == 0 else max(1.0, one.chosen * self.share / one.fresh)
            for one in self.found
        )

    @property
    def closest(self) -> Covering:
        """The one with least units beside its floor."""
        return min(self.found, key=lambda one: one.chosen / max(one.floor, 1.0))


def cover(observation: Observation, k: int, share: float, points: int, seed: int) -> Coverings:
    """Cover this share of each feature's sphere; censored where all units together do not."""
    generator = torch.Generator().manual_seed(seed)
    every = observation.units.count
    found = [
        covering_number(observation, i, k, EPS, generator, points=points, cap=every, share=share)
        for i in range(len(observation.bases))
    ]
    return Coverings(found, share)


def splitting(observation: Observation) -> dict[str, float]:
    """Metrics of splitting, means over features, by name."""
    return {name: METRICS[name].measure(observation).value for name in SPLITTING}


def explained(design: Design, world: World, seed: int) -> float:
    """Share of the energy of fresh rows that the design gives back."""
    x = world.sample(_FRESH, torch.Generator().manual_seed(seed)).x
    with torch.no_grad():
        return float(1 - (design(x) - x).double().square().sum() / x.double().square().sum())


def own_atoms(observation: Observation) -> list[Tensor]:
    """Unit atoms that fire and have more energy in a feature's subspace than in any other's, shapes (own, width)."""
    atoms = spans(observation)[:, 0]
    energies = [(atoms @ basis.to(atoms).mT).square().sum(dim=1) for basis in observation.bases]
    owner = torch.stack(energies).argmax(dim=0)
    return [atoms[owner == i] for i in range(len(energies))]


def distortion(observation: Observation, seed: int, *, signed: bool) -> Evidence:
    """Mean squared relative residual of fresh points by the best one of a feature's own atoms, beside its floor.

    Of the features the one that comes closest to the floor for as many atoms.
    """
    generator = torch.Generator().manual_seed(seed)
    found = []
    for own, basis in zip(own_atoms(observation), observation.bases, strict=True):
        directions = torch.randn(_FRESH, len(basis), generator=generator, dtype=torch.float64)
        cosines = normalize(directions, dim=1) @ basis.to(own) @ own.mT
        best = (cosines.abs() if signed else cosines.clamp_min(0)).amax(dim=1)
        floor = float(bounds.distortion_floor(len(own), len(basis), signed=signed))
        found.append(intervals.mean((1 - best.square()).numpy(), ">=", floor))
    return min(found, key=lambda one: one.margin)


def fired_and_reached(observation: Observation) -> tuple[int, int, int]:
    """Units that fire on the first feature alone, and how many of how many such slices they bring within EPS."""
    basis = observation.bases[0]
    x = torch.cat([block.x for block in observation.rows])
    x = x[(x @ basis.mT).norm(dim=1) > 1 / 2 * x.norm(dim=1)]  # rows of the first feature
    with torch.no_grad():
        reached = (observation.design(x) - x).norm(dim=1) <= EPS * x.norm(dim=1)
    return int((observation.alone.fired[0] > 0).sum()), int(reached.sum()), len(x)


def observed(design: Design, world: World, seed: int) -> Observation:
    """The design on rows enough for units of which a feature has hundreds."""
    return observe(design, world, _ROWS, seed)
