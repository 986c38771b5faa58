"""Intervals around measured values, all at the level of the tolerance table."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from sasa_theory.tolerances import CONFIDENCE, ROUNDING

from .contract import Evidence, Relation

_ALMOST_ALL = 1 - 1e-12  # uncovered share in place of 1, where a floor has no logarithm


def share(hits: int, trials: int, relation: Relation, bound: float) -> Evidence:
    """Compare a share of successes with a bound; exact (Clopper-Pearson) interval."""
    interval = stats.binomtest(int(hits), int(trials)).proportion_ci(CONFIDENCE, method="exact")
    return Evidence(relation, float(bound), hits / trials, float(interval.low), float(interval.high), trials)


def mean(values: ArrayLike, relation: Relation, bound: float, *, tolerance: float = ROUNDING) -> Evidence:
    """Compare the mean of independent values with a bound; Student's interval.

    The values must have light tails for their number (hundreds at least): lengths on the sphere, weights of a balanced
    importance sampler.
    """
    x = np.asarray(values, dtype=float)
    centre = float(x.mean())
    half = float(stats.t.ppf((1 + CONFIDENCE) / 2, x.size - 1) * x.std(ddof=1) / np.sqrt(x.size))
    return Evidence(relation, float(bound), centre, centre - half, centre + half, x.size, tolerance)


def at_coverage(
    size: float,
    log_floor: Callable[[float], ArrayLike],
    hits: int,
    trials: int,
    relation: Relation,
) -> Evidence:
    """Compare a number of atoms or samples with the floor on it at the share that was covered, ``hits / trials``.

    ``log_floor`` takes the uncovered share. What is random is the covered share, so its interval is carried over to
    the size: at each end the size is scaled by ``floor(share) / floor(end)``.
    """
    covered = share(hits, trials, relation, 0.0)
    low, floor, high = (
        float(np.exp(log_floor(min(1 - c, _ALMOST_ALL)))) for c in (covered.low, covered.measured, covered.high)
    )
    return Evidence(relation, floor, size, size * floor / high, size * floor / low, trials)


def exact(
    measured: float, relation: Relation, bound: float, *, samples: int = 1, tolerance: float = ROUNDING
) -> Evidence:
    """Compare a value in which nothing is random with a bound."""
    value = float(measured)
    return Evidence(relation, float(bound), value, value, value, int(samples), tolerance)
