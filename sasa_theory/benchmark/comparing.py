"""Two designs on the same seeds: which is better, by how much, and how small a difference would have been seen.

Everything rests on the paired differences over seeds, which a world's own difficulty does not enter, and on Student's
t, which takes them to be roughly normal. Sign-flip tests, which do not, decide nothing here: with n seeds no p-value is
below ``2^(1-n)``, and all pairs of eight designs at the usual level already need eleven seeds.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import special, stats
from scipy.optimize import brentq

from sasa_theory.bounds.validate import Floats, count, real
from sasa_theory.tolerances import ROUNDING

POWER = 0.8
"""Chance with which a minimum detectable difference is detected."""


class Estimate(NamedTuple):
    """A mean over seeds with its interval (Student's; infinite for one seed)."""

    mean: float
    low: float
    high: float


def estimate(values: ArrayLike, level: float) -> Estimate:
    """Mean of independent values and the interval ``mean +- t s / sqrt(n)`` that holds it with probability ``level``.

    Raises
    ------
    ValueError
        If a value is not finite or ``level`` is not strictly between 0 and 1.
    """
    x = np.atleast_1d(real("values", values))
    mean, error = float(x.mean()), _standard_error(x)
    half = _quantile(1 - _level(level), x.size) * error if error else 0.0
    return Estimate(mean, mean - half, mean + half)


def paired_p(differences: ArrayLike, scale: float = 0.0, unpaired: float = 0.0) -> float:
    """Two-sided p-value of Student's t for paired differences with mean 0.

    Differences that are the same at every seed have no deviation of their own. Where values lie on a coarse grid, few
    seeds agree by accident (eight equal designs, three seeds, steps of 1/16: a false alarm in 0.24 of rankings), so
    that the deviation which the two designs had without pairing stands in for it. Without that either, both designs
    being the same at every seed, the p-value is 0, or 1 where the differences vanish. One seed alone gives 1. A
    difference of less than a rounding error of ``scale`` counts as none.

    Parameters
    ----------
    differences : array_like, shape (seeds,)
        Of the two designs, seed by seed.
    scale : float
        Size of the values whose differences they are.
    unpaired : float
        Standard deviation of a difference of the two designs at seeds that have nothing in common.

    Raises
    ------
    ValueError
        If a difference is not finite.
    """
    d = np.atleast_1d(real("differences", differences))
    d = np.where(np.abs(d) <= ROUNDING * scale, 0.0, d)
    error = _standard_error(d)
    if d.size == 1 or not d.any():
        return 1.0
    if error <= ROUNDING * np.abs(d).max():
        error = unpaired / np.sqrt(d.size)
    if error <= ROUNDING * np.abs(d).max():
        return 0.0
    return float(2 * special.stdtr(d.size - 1, -abs(d.mean()) / error))


def holm(p_values: Sequence[float]) -> Floats:
    """P-values adjusted for their number: those below alpha are wrong anywhere with probability at most alpha.

    ``max over q <= p of (m - rank(q)) q``, ranks from 0, at most 1. Holds however the tests depend on one another.
    Source: Holm (1979), A simple sequentially rejective multiple test procedure.

    Raises
    ------
    ValueError
        If a value is not in [0, 1].
    """
    p = np.atleast_1d(real("p_values", p_values, 0, 1))
    order = np.argsort(p, kind="stable")
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(p[order] * np.arange(p.size, 0, -1)))
    return adjusted


def detectable_difference(deviation: float, seeds: int, alpha: float, power: float = POWER) -> float:
    """Least true difference that a paired two-sided t-test finds, in the right direction, with probability ``power``.

    Solves ``P(T > t) = power``, T noncentral t with ``seeds - 1`` degrees of freedom and noncentrality
    ``difference sqrt(seeds) / deviation``, t the critical value at ``alpha / 2``.

    Parameters
    ----------
    deviation : float
        Standard deviation of the paired differences, >= 0, in the metric's unit.
    seeds : int
        Number of pairs; infinite is returned for 1.
    alpha : float
        Probability of a false alarm of this test, already divided by the number of tests, in (0, 1).
    power : float
        In [1/2, 1).

    Raises
    ------
    ValueError
        If an argument is outside its range.
    """
    deviation, n = float(real("deviation", deviation, 0)), int(count("seeds", seeds))
    real("power", power, 0.5, 1, open_high=True)
    real("alpha", alpha, 0, 1, open_low=True, open_high=True)
    if not deviation:
        return 0.0
    if n == 1:
        return np.inf
    return float(_noncentrality(n, alpha, power) * deviation / np.sqrt(n))


@cache
def _noncentrality(n: int, alpha: float, power: float) -> float:
    """Of a t statistic that is beyond its critical value with probability ``power``; the same for all pairs."""
    t, freedom, both = _quantile(alpha, n), n - 1, (1 + power) / 2
    # at the upper end a normal number above -z and a chi below its quantile, each with (1 + power) / 2, suffice
    end = stats.norm.ppf(both) + t * np.sqrt(stats.chi2.ppf(both, freedom) / freedom)
    return float(brentq(lambda noncentrality: stats.nct.sf(t, freedom, noncentrality) - power, 0.0, end))


def _standard_error(x: Floats) -> float:
    return float(x.std(ddof=1) / np.sqrt(x.size)) if x.size > 1 else np.inf


@cache
def _quantile(alpha: float, n: int) -> float:
    return float(stats.t.isf(alpha / 2, n - 1)) if n > 1 else np.inf


def _level(level: float) -> float:
    return float(real("level", level, 0, 1, open_low=True, open_high=True))
