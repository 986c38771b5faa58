"""Tiers of the benchmark: in which worlds, how long, how often, against whom."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from sasa_theory.bounds.validate import choice
from sasa_theory.training import Budget
from synthetic import Feature, Features, WorldConfig, preset

from .budgets import SPARE, Size, reference
from .entrants import ORACLE

BASELINES = ("sasa/paper", "topk/signed", "topk", "batch-topk", "matryoshka", "relu")
"""Designs that others are compared with unless told."""

BOUNDS = (ORACLE, "random")
"""Truth and chance, in every suite."""


@dataclass(frozen=True)
class Arena:
    """A world to compete in.

    Attributes
    ----------
    name : str
        In records and tables.
    config : WorldConfig
        Its declaration; each seed draws another world from it.
    active : int
        Features that a design may use in a row: the fixed number, or what most rows have at most.
    spare : float
        Groups of the reference design for each feature; 1 tells every design how many features there are.
    rank : int or None
        Columns of a group of the reference design; None: the largest dimension of a feature.
    """

    name: str
    config: WorldConfig
    active: int
    spare: float = SPARE
    rank: int | None = None

    @property
    def size(self) -> Size:
        """The size that all designs are matched to."""
        return reference(self.config, self.active, self.spare, self.rank)


@dataclass(frozen=True, kw_only=True)
class Tier:
    """How thorough a benchmark is.

    Attributes
    ----------
    name : str
        ``smoke``, ``standard``, ``full``, or a caller's own.
    arenas : tuple of Arena
        The worlds.
    budget : Budget
        Of every training run.
    seeds : int
        Runs of each design in each world; every design meets the same seeds.
    rows : int
        Labelled rows that designs are judged on.
    rates : tuple of float
        Learning rates tried.
    factors : tuple of float
        Multiples of a coefficient tried with each, where a design has one.
    chosen_by : str
        Metric by which among them is chosen, on a held-out seed.
    baselines : tuple of str
        Designs to compare with.
    training : tuple of (str, value)
        Further fields of the :class:`~sasa_theory.training.Recipe` and their values, for every design.
    thorough : bool
        Whether each run also judges truth and chance on its rows, and trains a twin. Where truth and chance take part
        themselves, and seeds are not compared, that is half the time or less.
    """

    name: str
    arenas: tuple[Arena, ...]
    budget: Budget
    seeds: int
    rows: int
    rates: tuple[float, ...] = (1e-3, 3e-3, 1e-2, 3e-2)
    factors: tuple[float, ...] = (1 / 3, 1.0, 3.0)
    chosen_by: str = "recovery"
    baselines: tuple[str, ...] = BASELINES
    training: tuple[tuple[str, Any], ...] = ()
    thorough: bool = True


def tier(name: str) -> Tier:
    """A tier by name.

    Raises
    ------
    ValueError
        If there is none of that name, with the nearest.
    """
    return TIERS[choice("tier", name, TIERS)]


def _theorem() -> WorldConfig:
    """Sixteen features of dimension 1 to 4 on spheres in 64 dimensions, inside the recovery theorem's assumptions."""
    features = tuple(Features(Feature("subspace", dim, radius="sphere"), 4) for dim in (1, 2, 3, 4))
    return preset("theorem", "small", features=features)


_SMOKE = (Arena("theorem", _theorem(), 2), Arena("manifolds", preset("manifolds", "small"), 1))
_STANDARD = (
    *_SMOKE,
    Arena("sasa_dimension", preset("sasa_dimension", "small"), 2),
    Arena("bsf_toy", preset("bsf_toy", "small"), 2),
    Arena("absorption", preset("absorption", "small"), 2),
)
_FULL = (
    Arena("theorem", preset("theorem", "medium"), 3),
    Arena("manifolds", preset("manifolds", "medium"), 1),
    Arena("sasa_dimension", preset("sasa_dimension", "medium"), 4),
    Arena("sasa_rank", preset("sasa_rank", "medium"), 4),
    Arena("bsf_toy", preset("bsf_toy", "medium"), 3),
    Arena("absorption", preset("absorption", "medium"), 3),
)

TIERS: Mapping[str, Tier] = MappingProxyType(
    {
        "smoke": Tier(
            name="smoke", arenas=_SMOKE, budget=Budget(tokens=1000 * 512, batch_size=512), seeds=5, rows=8_000
        ),
        "standard": Tier(
            name="standard", arenas=_STANDARD, budget=Budget(tokens=2000 * 512, batch_size=512), seeds=5, rows=20_000
        ),
        "full": Tier(
            name="full", arenas=_FULL, budget=Budget(tokens=10_000 * 4096, batch_size=4096), seeds=10, rows=50_000
        ),
    }
)
"""The tiers by name: a minute or two for one new design, ten minutes, a day or a cluster."""
