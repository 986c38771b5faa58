"""Intervals around measured values, all at the level of the tolerance table."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from sasa_theory.tolerances import CONFIDENCE, ROUNDING

from .contract import Evidence, Relation


def share(hits: int, trials: int, relation: Relation, bound: float, *, tolerance: float = ROUNDING) -> Evidence:
    """Compare a share of successes with a bound; exact (Clopper-Pearson) interval."""
    interval = stats.binomtest(int(hits), int(trials)).proportion_ci(CONFIDENCE, method="exact")
    return Evidence(relation, float(bound), hits / trials, float(interval.low), float(interval.high), trials, tolerance)


def mean(values: ArrayLike, relation: Relation, bound: float, *, tolerance: float = ROUNDING) -> Evidence:
    """Compare the mean of independent values with a bound; Student's interval.

    The values must have light tails for their number (hundreds at least): lengths on the sphere, weights of a balanced
    importance sampler.
    """
    x = np.asarray(values, dtype=float)
    centre = float(x.mean())
    half = float(stats.t.ppf((1 + CONFIDENCE) / 2, x.size - 1) * x.std(ddof=1) / np.sqrt(x.size))
    return Evidence(relation, float(bound), centre, centre - half, centre + half, x.size, tolerance)


def exact(
    measured: float, relation: Relation, bound: float, *, samples: int = 1, tolerance: float = ROUNDING
) -> Evidence:
    """Compare a value in which nothing is random with a bound."""
    value = float(measured)
    return Evidence(relation, float(bound), value, value, value, int(samples), tolerance)
