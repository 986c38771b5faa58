"""Suites: an experiment of somebody else, as it was and corrected, as several benchmarks with one question."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from sasa_theory.metrics import AS_PUBLISHED
from sasa_theory.metrics.named import of_dimension

from .plan import Plan
from .suites import Tier

if TYPE_CHECKING:
    from .suite_results import Results

Scale = Literal["reduced", "paper"]
"""``reduced``: under ten minutes on two quiet cores; ``paper``: the authors' own sizes, days on many cores (no GPU)."""

PUBLISHED_RECIPE = (("clip", 1.0), ("warmup", 0), ("decay", 0.0))
"""The authors' training: gradients clipped at 1, a constant learning rate (they report no schedule)."""

PUBLISHED_RATE = 1e-3
"""The authors' learning rate, for every design."""

CHANCE = ("random", "random/groups")
"""Chance, for designs of single columns and of groups."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """Some arms in some worlds, all trained in one way.

    Attributes
    ----------
    title : str
        What it is, as a heading.
    tier : Tier
        Worlds, budget, seeds, learning rates.
    arms : mapping of str to str
        Name in tables, and the design's spec.
    """

    title: str
    tier: Tier
    arms: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Suite:
    """An experiment, as published and corrected.

    Attributes
    ----------
    name, title, source : str
        What it is called and where it comes from.
    parts : tuple of Part
        In the order in which they are run.
    quantities : tuple of str
        Names of metrics: the authors', beside which the table puts those that correct them, or ours.
    curves : tuple of str
        Names of metrics that the table also shows for features of each dimension.
    numbers : mapping of (str, str) to float
        What the authors publish, by metric and arm; empty where they publish figures only.
    conclude : callable
        Sentences on what the corrections change, and on what theory says, from the results.
    """

    name: str
    title: str
    source: str
    parts: tuple[Part, ...]
    quantities: tuple[str, ...]
    curves: tuple[str, ...]
    numbers: Mapping[tuple[str, str], float]
    conclude: Callable[[Results], tuple[str, ...]]

    def metrics(self, part: Part) -> tuple[str, ...]:
        """Every metric that runs of a part are judged by."""
        corrected = [AS_PUBLISHED[name].corrected_by for name in self.quantities if name in AS_PUBLISHED]
        dims = sorted({d for arena in part.tier.arenas for d in arena.config.dims})
        curves = [of_dimension(name, d) for name in self.curves for d in dims]
        return tuple(dict.fromkeys((*self.quantities, *filter(None, corrected), *curves)))

    def plan(self, part: Part, seeds: int | None = None) -> Plan:
        """The benchmark that a part is."""
        specs = (*part.arms.values(), *CHANCE)
        return Plan(tier=part.tier, specs=specs, seeds=seeds, metrics=self.metrics(part))
