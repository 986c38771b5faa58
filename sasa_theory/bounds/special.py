"""Beta functions in the log domain: the arithmetic under every bound on the sphere.

The measure of a cap in R^d is an incomplete beta function with parameters near d/2; at d = 4096 it leaves float64's
range long before its logarithm loses a digit. SciPy has no logarithm of the regularised incomplete beta function.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import elementwise
from scipy.special import gammaln

from .validate import Floats

_STIRLING_FROM = 10.0  # six terms of Stirling's series are exact to float64 from here on
_STIRLING = (1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360)
_FIRST_STEP = 1e-300  # stands for zero in Lentz's continued fraction
_MAX_TERMS = 10_000
_CONVERGED = 5e-16  # two units in the last place: a step may oscillate around 1 by one
_NEAREST_ONE = -1e-100  # log p nearer to 0 gives the quantile 1; 1 - x is of the order of 1e-200 here (b = 1/2)
_LARGEST_EXACT = 53 * np.log(2.0)  # log of the largest run of whole numbers that float64 holds


def log_beta(a: ArrayLike, b: ArrayLike) -> Floats:
    """Logarithm of the beta function, ``log B(a, b)``, for ``a, b > 0`` without the cancellation of ``gammaln``."""
    small, large = np.minimum(a, b).astype(float), np.maximum(a, b).astype(float)
    with np.errstate(all="ignore"):
        plain = gammaln(small) + gammaln(large) - gammaln(small + large)
        rise = -(large - 0.5) * np.log1p(small / large) + _stirling(large) - _stirling(small + large)
        one_large = gammaln(small) + rise - small * np.log(small + large) + small
        both_large = rise + small * np.log(small / (small + large)) + 0.5 * np.log(2 * np.pi / small) + _stirling(small)
    return np.where(large < _STIRLING_FROM, plain, np.where(small < _STIRLING_FROM, one_large, both_large))


def log_betainc(a: ArrayLike, b: ArrayLike, x: ArrayLike, y: ArrayLike) -> Floats:
    """Logarithm of the regularised incomplete beta function ``I_x(a, b)``.

    Parameters
    ----------
    a, b : array_like
        Parameters, ``a >= 0`` and ``b > 0``; ``a = 0`` is the limit ``I_x = 1`` for ``x > 0``.
    x, y : array_like
        The argument and its complement ``y = 1 - x``, both given so that neither loses digits near 1.

    Returns
    -------
    ndarray
        ``log I_x(a, b)`` in [-inf, 0].
    """
    a, b, x, y = np.broadcast_arrays(*(np.asarray(v, dtype=float) for v in (a, b, x, y)))
    lower = x * (a + b + 2) < a + 1
    first, second = np.where(lower, a, b), np.where(lower, b, a)
    inside, outside = np.where(lower, x, y), np.where(lower, y, x)
    with np.errstate(divide="ignore", invalid="ignore"):
        tail = log_incomplete_integral(first, second, inside, outside) - log_beta(a, b)
        value = np.where(lower, tail, np.log1p(-np.exp(np.minimum(tail, 0.0))))
    value = np.where(x <= 0, -np.inf, np.where((a == 0) | (y <= 0), 0.0, value))
    return np.minimum(value, 0.0)


def log_incomplete_integral(a: ArrayLike, b: ArrayLike, x: ArrayLike, y: ArrayLike) -> Floats:
    """``log int_0^x t^(a-1) (1-t)^(b-1) dt`` by its continued fraction, ``b > 0``.

    Fast for ``x < (a+1)/(a+b+2)``; the caller reflects other arguments. Source: DLMF 8.17.22.
    """
    a, b, x, y = np.broadcast_arrays(*(np.asarray(v, dtype=float) for v in (a, b, x, y)))
    with np.errstate(divide="ignore", invalid="ignore"):
        log_x = np.where(x > 0.5, np.log1p(-y), np.log(x))
        log_y = np.where(y > 0.5, np.log1p(-x), np.log(y))
        return a * log_x + b * log_y - np.log(a) + np.log(continued_fraction(a, b, x))


def log_binomial(log_n: ArrayLike, k: ArrayLike) -> Floats:
    """``log C(n, k)`` for real ``n >= k`` given as ``log n``, so that ``n`` may leave float64's range."""
    log_n, k = np.broadcast_arrays(np.asarray(log_n, dtype=float), np.asarray(k, dtype=float))
    n = np.exp(np.minimum(log_n, _LARGEST_EXACT))
    n = np.maximum(n, k)
    exact = -np.log1p(n) - log_beta(n - k + 1, k + 1)
    return np.where(log_n < _LARGEST_EXACT, exact, k * log_n - gammaln(k + 1))


def betainc_quantile(a: ArrayLike, b: ArrayLike, log_p: ArrayLike) -> tuple[Floats, Floats]:
    """Solve ``log I_x(a, b) = log_p`` for ``x``; returns ``x`` and ``1 - x``, both to full precision.

    The search runs over the logit of ``x``, in which the function is smooth at both ends. ``log_p`` so near 0
    that ``1 - x`` might leave float64's range counts as 0, which gives 1.
    """
    a, b, log_p = np.broadcast_arrays(*(np.asarray(v, dtype=float) for v in (a, b, log_p)))
    inside = log_p < _NEAREST_ONE
    target = np.where(inside, log_p, -1.0)
    lowest = np.minimum((target + np.log(a) + log_beta(a, b)) / a, 0.0) - 50.0  # I_x <= x^a / (a B) / sqrt(1-x)

    def gap(logit: Floats, a: Floats, b: Floats, target: Floats) -> Floats:
        return log_betainc(a, b, *_logistic(logit)) - target

    highest = np.full(a.shape, 700.0)
    result = elementwise.find_root(gap, (lowest, highest), args=(a, b, target))
    x, y = _logistic(np.where(inside, np.asarray(result.x), np.inf))
    return x, y


def ceil_with_slack(value: ArrayLike) -> Floats:
    """Smallest whole number not below ``value``, forgiving rounding (``1/p`` may be 3 + 4e-16 where it should be 3)."""
    value = np.asarray(value, dtype=float)
    return np.ceil(value * (1 - 1e-12))


def _logistic(logit: Floats) -> tuple[Floats, Floats]:
    with np.errstate(over="ignore"):
        return 1 / (1 + np.exp(-logit)), 1 / (1 + np.exp(logit))


def _stirling(z: Floats) -> Floats:
    """Stirling's correction ``log Gamma(z) - (z - 1/2) log z + z - log(2 pi)/2``."""
    total = np.zeros_like(z)
    for coefficient in reversed(_STIRLING):
        total = total / z**2 + coefficient
    return total / z


def continued_fraction(a: Floats, b: Floats | float, x: Floats) -> Floats:
    """Continued fraction of ``2F1(a+b, 1; a+1; x)``, which times ``x^a (1-x)^b / a`` is the incomplete integral.

    Lentz's evaluation; ``b = 0`` and ``x = 0`` are allowed. Source: DLMF 8.17.22.
    """
    c = np.ones_like(x)
    d = 1 / _nonzero(1 - (a + b) * x / (a + 1))
    value = d.copy()
    for m in range(1, _MAX_TERMS):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        d = 1 / _nonzero(1 + even * d)
        c = _nonzero(1 + even / c)
        value = value * d * c
        d = 1 / _nonzero(1 + odd * d)
        c = _nonzero(1 + odd / c)
        step = d * c
        value = value * step
        if np.all((np.abs(step - 1) < _CONVERGED) | ~np.isfinite(value)):
            break
    return value


def _nonzero(value: Floats) -> Floats:
    return np.where(np.abs(value) < _FIRST_STEP, _FIRST_STEP, value)
