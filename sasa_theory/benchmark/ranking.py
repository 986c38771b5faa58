"""Tiers of designs, metric by metric: a design stands above another only where the seeds tell them apart.

Metrics are never added up: which of them matters depends on the question.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from sasa_theory.bounds.validate import Floats, choice, real
from sasa_theory.metrics.contract import Direction
from sasa_theory.tolerances import ROUNDING

from .comparing import Estimate, detectable_difference, estimate, holm, paired_p
from .paired import Paired

LEVEL = 0.95
"""Confidence of a ranking: the chance that every pair told apart really differs, if differences are roughly normal.

From three seeds on it holds for shares of 16 features too; with two, values on so coarse a grid agree by accident, and
a false alarm is in 0.2 of the rankings of eight equal designs where 0.05 is asked for.
"""


@dataclass(frozen=True)
class Comparison:
    """Two designs in one metric, over paired seeds.

    Attributes
    ----------
    better, worse : str
        The designs, by their means.
    difference : Estimate
        Mean advantage of the better one, >= 0, and its interval, at the Bonferroni level, so that the intervals of all
        pairs hold together; a point where the seeds agree on it, apart or not. In the metric's unit; in distances to
        the oracle where the direction is ``nearest``.
    p : float
        Of the paired t-test, after Holm's correction for all pairs.
    apart : bool
        Whether the two are told apart.
    detectable : float
        Least true difference that would be found with probability 0.8, at the Bonferroni level; 0 where the difference
        is the same at every seed, which says nothing.
    """

    better: str
    worse: str
    difference: Estimate
    p: float
    apart: bool
    detectable: float


@dataclass(frozen=True)
class Ranking:
    """Designs in one metric.

    Attributes
    ----------
    metric : str
        Its name.
    direction : Direction
        Which values are better.
    seeds : int
        Paired seeds.
    level : float
        Confidence that all pairs told apart differ (of this metric; several metrics are several families).
    tiers : tuple of tuple of str
        Best first, within a tier by their means. Any two designs of different tiers are told apart. Within a tier every
        step down has a pair across it that is not.
    undefined : tuple of str
        Designs for which the metric was not finite at some seed; they are in no tier.
    values : mapping of str to Estimate
        Mean over seeds of the metric itself and its own interval at ``level``.
    comparisons : tuple of Comparison
        All pairs, best against worst last.
    """

    metric: str
    direction: Direction
    seeds: int
    level: float
    tiers: tuple[tuple[str, ...], ...]
    undefined: tuple[str, ...]
    values: Mapping[str, Estimate]
    comparisons: tuple[Comparison, ...]

    @property
    def order(self) -> tuple[str, ...]:
        """Designs by their means, best first."""
        return tuple(name for tier in self.tiers for name in tier)

    @property
    def detectable(self) -> float:
        """Median, over pairs whose difference varies, of the least one that would be found; NaN without such pairs."""
        varying = [pair.detectable for pair in self.comparisons if pair.detectable > 0]
        return float(np.median(varying)) if varying else np.nan

    def tier(self, design: str) -> int:
        """Number of a design's tier, 1 the best.

        Raises
        ------
        ValueError
            If the design is in none.
        """
        choice("design", design, self.order)
        return 1 + next(k for k, tier in enumerate(self.tiers) if design in tier)

    def between(self, one: str, other: str) -> Comparison:
        """The comparison of two designs, in either order.

        Raises
        ------
        ValueError
            If one of them is in no tier, or they are the same.
        """
        choice("design", one, self.order)
        choice("design", other, [name for name in self.order if name != one])
        return next(pair for pair in self.comparisons if {pair.better, pair.worse} == {one, other})


def rank(paired: Paired, level: float = LEVEL) -> Ranking:
    """Order designs by their means over seeds and cut the order into tiers.

    All pairs are tested (paired t, Holm's correction). The order is cut after a design exactly where *every* design
    down to it is told apart from *every* design below it. Being told apart is not transitive: a tier may therefore hold
    two designs that do differ, joined by a third that differs from neither; ``between`` tells.

    Raises
    ------
    ValueError
        If ``level`` is not strictly between 0 and 1.
    """
    alpha = 1 - float(real("level", level, 0, 1, open_low=True, open_high=True))
    goodness = {name: paired.goodness(name) for name in paired.defined}
    order = sorted(goodness, key=lambda name: (-goodness[name].mean(), name))
    pairs = list(combinations(order, 2))
    scale = max((float(np.abs(paired.values[name]).max()) for name in order), default=0.0)
    spread = {name: float(values.std(ddof=1)) if paired.seeds > 1 else 0.0 for name, values in goodness.items()}
    found = [paired_p(goodness[a] - goodness[b], scale, float(np.hypot(spread[a], spread[b]))) for a, b in pairs]
    p_values = holm(found) if pairs else np.empty(0)
    comparisons = tuple(
        _compare(a, b, goodness[a] - goodness[b], float(p), alpha, len(pairs), ROUNDING * scale)
        for (a, b), p in zip(pairs, p_values, strict=True)
    )
    apart = {(pair.better, pair.worse) for pair in comparisons if pair.apart}
    return Ranking(
        metric=paired.metric,
        direction=paired.direction,
        seeds=paired.seeds,
        level=level,
        tiers=_tiers(order, apart),
        undefined=tuple(name for name in paired.values if name not in goodness),
        values={name: estimate(paired.values[name], level) for name in order},
        comparisons=comparisons,
    )


def rank_all(metrics: Iterable[Paired], level: float = LEVEL) -> Mapping[str, Ranking]:
    """Rankings by metric."""
    return {paired.metric: rank(paired, level) for paired in metrics}


def _compare(
    better: str, worse: str, differences: Floats, p: float, alpha: float, pairs: int, rounding: float
) -> Comparison:
    deviation = float(differences.std(ddof=1)) if len(differences) > 1 else np.inf
    deviation = deviation if deviation > rounding else 0.0
    detectable = detectable_difference(deviation, len(differences), alpha / pairs) if len(differences) > 1 else np.inf
    return Comparison(better, worse, estimate(differences, 1 - alpha / pairs), p, p <= alpha, detectable)


def _tiers(order: list[str], apart: set[tuple[str, str]]) -> tuple[tuple[str, ...], ...]:
    tiers: list[tuple[str, ...]] = []
    start = 0
    for end in range(1, len(order) + 1):
        if all((a, b) in apart for a in order[:end] for b in order[end:]):
            tiers.append(tuple(order[start:end]))
            start = end
    return tuple(tiers)
