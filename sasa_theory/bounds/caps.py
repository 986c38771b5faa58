"""Measure of what lies near an atom, or near the span of k atoms, on the unit sphere of R^d."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from .special import log_betainc
from .validate import Floats, at_most, count, real


def log_cap_measure(d: ArrayLike, angle: ArrayLike) -> Floats:
    r"""Log of the normalised measure of a spherical cap: :math:`\log \tfrac12 I_{\sin^2 t}(\tfrac{d-1}2, \tfrac12)`.

    Parameters
    ----------
    d : array_like
        Dimension of the space whose unit sphere carries the cap, a whole number >= 1. For d = 1 the sphere is two
        points and a cap of positive angle holds one of them.
    angle : array_like
        Half-angle ``t`` in radians, in [0, pi/2].

    Returns
    -------
    ndarray
        Natural logarithm, -inf at angle 0.

    Raises
    ------
    ValueError
        If ``d`` or ``angle`` is outside its range.
    """
    d = count("d", d)
    angle = real("angle", angle, 0.0, np.pi / 2)
    return log_betainc((d - 1) / 2, 0.5, np.sin(angle) ** 2, np.cos(angle) ** 2)[()] - np.log(2.0)


def cap_measure(d: ArrayLike, angle: ArrayLike) -> Floats:
    """Normalised measure of a spherical cap of half-angle ``angle``; see :func:`log_cap_measure`."""
    return np.exp(log_cap_measure(d, angle))


def log_near_subspace_measure(d: ArrayLike, k: ArrayLike, eps: ArrayLike) -> Floats:
    r"""Log of the fraction of the unit sphere of R^d within distance eps of one k-dimensional subspace.

    :math:`\log p,\; p = I_{\varepsilon^2}(\tfrac{d-k}2, \tfrac k2)`: the squared distance of a uniform unit vector to a
    fixed k-dimensional subspace is Beta((d-k)/2, k/2). For k = d every point lies in the subspace and p = 1.

    Parameters
    ----------
    d, k : array_like
        Whole numbers, 1 <= k <= d.
    eps : array_like
        Chordal distance in (0, 1].

    Raises
    ------
    ValueError
        If an argument is outside its range or k > d.
    """
    d, k = count("d", d), count("k", k)
    at_most("k", k, "d", d)
    eps = real("eps", eps, 0.0, 1.0, open_low=True)
    return log_betainc((d - k) / 2, k / 2, eps**2, (1 - eps) * (1 + eps))[()]


def near_subspace_measure(d: ArrayLike, k: ArrayLike, eps: ArrayLike) -> Floats:
    """Fraction of the sphere within ``eps`` of one k-dimensional subspace; see :func:`log_near_subspace_measure`."""
    return np.exp(log_near_subspace_measure(d, k, eps))


def log_reach(d: ArrayLike, k: ArrayLike, eps: ArrayLike, signed: bool) -> Floats:
    """Log of the fraction that one choice of k active atoms covers: p of their span, p/2 for one non-negative atom.

    Half of what lies near a line lies near its ray; at ``eps = 1`` the zero code already covers everything. Arguments
    and errors as in :func:`log_near_subspace_measure`.
    """
    log_p = log_near_subspace_measure(d, k, eps)
    half = (np.asarray(k) == 1) & (np.asarray(eps) < 1) & (not signed)
    return log_p - np.where(half, np.log(2.0), 0.0)
