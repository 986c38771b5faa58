"""Least mean squared error of one active atom per input (A5)."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from .special import betainc_quantile, log_beta, log_betainc
from .validate import Floats, count, real

_SMALL = 1e-280  # below this, I_u(a, b) is its leading term u^a / (a B(a, b)) to all digits, and u may underflow


def log_distortion_floor(log_atoms: ArrayLike, d: ArrayLike, *, signed: bool = True) -> Floats:
    r"""Log of the least mean squared relative residual that N atoms can reach with one active atom per input.

    .. math:: \int_0^{u^*} \bigl(1 - N I_u(\tfrac{d-1}2, \tfrac12)\bigr) du, \qquad N I_{u^*} = 1

    with N/2 for N when codes are non-negative, and u* = 1 when no u reaches 1. In closed form, with a = (d-1)/2, it is
    the mean of u below u*: ``(1 - 1/d) I_{u*}(a+1, 1/2) / I_{u*}(a, 1/2)``. For a rotation-invariant z of any radial
    law, multiply by ``E ||z||^2``. Trained dictionaries come within a few percent on fresh samples.

    Parameters
    ----------
    log_atoms : array_like
        ``log N``, N >= 1.
    d : array_like
        Dimension of the slice, a whole number >= 1.
    signed : bool
        Whether codes may be negative.

    Returns
    -------
    ndarray
        Natural logarithm of the residual per unit energy; -inf where a single line holds the slice (d = 1).

    Raises
    ------
    ValueError
        If an argument is outside its range.
    """
    d = count("d", d)
    log_lines = real("log_atoms", log_atoms, 0.0) - (0.0 if signed else np.log(2.0))
    a = np.maximum((d - 1) / 2, 0.5)  # d = 1 is set apart below
    u, v = betainc_quantile(a, 0.5, -log_lines)
    with np.errstate(divide="ignore", invalid="ignore"):
        capped = np.log1p(-1 / d) + log_betainc(a + 1, 0.5, u, v) - log_betainc(a, 0.5, u, v)
        tiny = np.log(a / (a + 1)) + (np.log(a) + log_beta(a, 0.5) - log_lines) / a
        few = np.log1p(-np.exp(np.minimum(log_lines, 0.0)) / d)  # no u reaches 1: at most one full line
    return np.where((d == 1) | (log_lines < 0), few, np.where(u > _SMALL, capped, tiny))[()]


def distortion_floor(atoms: ArrayLike, d: ArrayLike, *, signed: bool = True) -> Floats:
    """Least mean squared relative residual with one active atom; see :func:`log_distortion_floor`."""
    return np.exp(log_distortion_floor(np.log(count("atoms", atoms)), d, signed=signed))
