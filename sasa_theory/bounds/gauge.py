"""The price of an l1 code: gauges of dictionaries on the unit sphere (B1, B3).

The gauge of x is the least ``1'c`` over non-negative codes with ``x = A c``: the Minkowski functional of the atoms'
convex hull. In the small-penalty regime the l1 objective is the mean gauge times the penalty.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import elementwise
from scipy.special import digamma

from .caps import log_cap_measure
from .special import betainc_quantile, continued_fraction, log_beta
from .validate import Floats, count, real

_SERIES_TERMS = 60  # the alternating series below runs over (a y)^j / (j j!) with a y < 1


def true_basis_gauge(d: ArrayLike) -> Floats:
    r"""Mean gauge of the signed true basis on the unit sphere of R^d, the mean of ``||z||_1``.

    .. math:: \frac{d\, \Gamma(d/2)}{\sqrt\pi\, \Gamma((d+1)/2)}

    It grows like ``sqrt(2 d / pi)``; the infimum over all dictionaries is 1.

    Raises
    ------
    ValueError
        If d is not a whole number >= 1.
    """
    d = count("d", d)
    return (d / np.pi * np.exp(log_beta(d / 2, 0.5)))[()]


def polygon_gauge(atoms: ArrayLike) -> Floats:
    """Mean gauge of ``atoms`` >= 3 evenly spaced rays on the unit circle: ``tan(pi/N) / (pi/N)``.

    Raises
    ------
    ValueError
        If ``atoms`` is not a whole number >= 3.
    """
    half_sector = np.pi / count("atoms", atoms, 3)
    return np.tan(half_sector) / half_sector


def gauge_floor(atoms: ArrayLike, d: ArrayLike, *, signed: bool = False) -> Floats:
    """Least mean gauge that ``atoms`` atoms can reach on the unit sphere of R^d; see :func:`gauge_floor_from_log`."""
    return gauge_floor_from_log(np.log(count("atoms", atoms)), d, signed=signed)


def gauge_floor_from_log(log_atoms: ArrayLike, d: ArrayLike, *, signed: bool = False) -> Floats:
    r"""Least mean gauge that N atoms, given as ``log N``, can reach on the unit sphere of R^d.

    .. math:: \int (1-u)^{-1/2}\, dF(u), \qquad F(u) = \min\{1, \tfrac N2 I_u(\tfrac{d-1}2, \tfrac12)\}

    (N for N/2 when codes are signed, so that each atom counts as two): the gauge of x is at least the secant of its
    angle to the nearest atom. With too few atoms to bound the sphere (N <= 2, or one signed atom) part of the mass is
    missing and the floor is infinite.

    Parameters
    ----------
    log_atoms : array_like
        ``log N``, N >= 1.
    d : array_like
        Dimension, a whole number >= 2.
    signed : bool
        Whether each atom also serves as its negative.

    Raises
    ------
    ValueError
        If an argument is outside its range.
    """
    d = count("d", d, 2)
    log_caps = real("log_atoms", log_atoms, 0.0) - (0.0 if signed else np.log(2.0))
    a = (d - 1) / 2
    bounded = log_caps > 1e-12
    u, v = betainc_quantile(a, 0.5, np.where(bounded, -log_caps, -1.0))
    return np.where(bounded, _mean_secant(log_caps, a, u, v), np.inf)[()]


def log_near_optimal_floor(d: ArrayLike, eta: ArrayLike, *, signed: bool = False) -> Floats:
    r"""Log of the number of atoms that a mean gauge of at most ``1 + eta`` demands: exponential in d.

    .. math:: N \ge \max_{0<q<1} \frac{1-q}{\mathrm{cap}_d(\arccos\frac{1}{1+\eta/q})}

    (halved for signed codes): by Markov all but a fraction q of the sphere has gauge at most 1 + eta/q.

    Parameters
    ----------
    d : array_like
        Dimension, a whole number >= 2.
    eta : array_like
        Excess of the mean gauge over its infimum 1, positive.
    signed : bool
        Whether each atom also serves as its negative.

    Raises
    ------
    ValueError
        If an argument is outside its range.
    """
    d = count("d", d, 2)
    eta = real("eta", eta, 0.0, open_low=True, high=np.finfo(float).max)
    d, eta = np.broadcast_arrays(d, eta)

    def cost(logit: Floats, d: Floats, eta: Floats) -> Floats:
        kept = 1 / (1 + np.exp(logit))  # 1 - q
        return log_cap_measure(d, _angle_of_gauge(eta / (1 - kept))) - np.log(kept)

    grid = np.linspace(-30.0, 30.0, 241)
    values = cost(grid, d[..., None], eta[..., None])
    best = np.clip(np.argmin(values, axis=-1), 1, len(grid) - 2)
    found = elementwise.find_minimum(cost, (grid[best - 1], grid[best], grid[best + 1]), args=(d, eta))
    # at large eta the best q is 0: no bracket, nan from the search, and the grid's end is exact to rounding
    log_floor = -np.fmin(np.asarray(found.f_x), values.min(axis=-1))
    return (log_floor - (np.log(2.0) if signed else 0.0))[()]


def _angle_of_gauge(excess: Floats) -> Floats:
    """``arccos(1/(1 + excess))`` without cancellation for small excess."""
    return np.arctan(np.sqrt(excess * (2 + excess)))


def _mean_secant(log_caps: Floats, a: Floats, x: Floats, y: Floats) -> Floats:
    """Mean of ``(1-u)^(-1/2)`` over caps ``u <= x`` that fill the sphere: the ratio of two incomplete integrals.

    For small x their powers of x cancel, and the continued fractions remain; near the pole at x = 1 the integral
    ``int_0^x t^(a-1) / (1-t) dt`` is expanded in y = 1-x and the other one is the caps' measure.
    """
    log_caps, a, x, y = np.broadcast_arrays(log_caps, a, x, y)
    near = y * (a + 2) < 1
    safe_a, safe_x = np.where(near, 0.5, a), np.where(near, 0.5, x)
    far = continued_fraction(safe_a, 0.0, safe_x) / continued_fraction(safe_a, 0.5, safe_x)
    few = np.where(near, log_caps, 0.0)  # caps so large that they reach the pole
    with np.errstate(divide="ignore"):
        far = far / np.sqrt(y)
    return np.where(near, np.exp(few - log_beta(a, 0.5)) * _pole_integral(a, np.where(near, y, 1e-3 / (a + 2))), far)


def _pole_integral(a: Floats, y: Floats) -> Floats:
    """``int_0^(1-y) t^(a-1) / (1-t) dt`` for ``a y < 1``, by its expansion in y."""
    j = np.arange(1, _SERIES_TERMS)
    ratio = (j + 1 - a[..., None]) / (j + 1) * y[..., None]  # of successive terms C(a-1, j) (-1)^(j+1) y^j, without 1/j
    terms = (
        (a[..., None] - 1)
        * y[..., None]
        * np.concatenate([np.ones((*a.shape, 1)), np.cumprod(ratio[..., :-1], axis=-1)], axis=-1)
    )
    return -np.log(y) - digamma(a) + digamma(1.0) + (terms / j).sum(-1)
