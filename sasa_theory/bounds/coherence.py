"""Coherence: when Top-s gating selects right (C5), how incoherent atoms can be, what code norms reveal (E1)."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from .validate import Floats, at_most, count, real


def coherence_limit(active: ArrayLike, least_norm: ArrayLike = 1.0, largest_norm: ArrayLike = 1.0) -> Floats:
    """Largest principal cosine between feature subspaces below which Top-s selection is exact: ``a / (a + 2 (s-1) b)``.

    An active slice of norm a keeps a response of at least ``a - mu (s-1) b``, and an inactive feature sees at most
    ``mu (a + (s-1) b)``. Assumes no noise, no bias, tied orthonormal encoders, exactly s active features, and active
    slice norms in [a, b]. Sharp: features that oppose one another attain it; typical worlds select correctly far beyond
    it. Source: with equal norms it is ``1 / (2s - 1)``, Proposition 3.5 of arXiv 2606.06333; derived here for a < b.

    Parameters
    ----------
    active : array_like
        Number of active features s, a whole number >= 1.
    least_norm, largest_norm : array_like
        Bounds a <= b on the norm of an active slice, positive.

    Raises
    ------
    ValueError
        If an argument is outside its range or a > b.
    """
    a = real("least_norm", least_norm, 0.0, open_low=True)
    b = real("largest_norm", largest_norm, 0.0, open_low=True)
    at_most("least_norm", a, "largest_norm", b)
    return a / (a + 2 * (count("active", active) - 1) * b)


def welch_bound(atoms: ArrayLike, width: ArrayLike) -> Floats:
    """Least possible largest |cosine| among ``atoms`` unit vectors in R^width: ``sqrt((h-n)/(n(h-1)))``, 0 if they fit.

    Source: Welch (1974), Lower bounds on the maximum cross correlation of signals.

    Raises
    ------
    ValueError
        If an argument is not a whole number >= 1.
    """
    h, n = count("atoms", atoms), count("width", width)
    return np.sqrt(np.maximum(h - n, 0.0) / (n * np.maximum(h - 1, 1.0)))


def afa_interval(norm: ArrayLike, eps: ArrayLike, active: ArrayLike) -> tuple[Floats, Floats]:
    """Interval that holds the norm of the code of an input of length ``norm``, by approximate feature activation.

    ``||z|| / sqrt(1 + eps(k-1)) <= ||f|| <= ||z|| / sqrt(1 - eps(k-1))`` for an exact decomposition ``z = sum f_i a_i``
    over k unit atoms with pairwise |cosine| at most eps. The upper end is infinite when ``eps (k-1) >= 1``. Source:
    arXiv 2503.24277, with the number of active atoms k in place of the dictionary's size, with which the upper bound is
    void for every overcomplete dictionary (see :func:`welch_bound`).

    Parameters
    ----------
    norm : array_like
        Length of the input, >= 0.
    eps : array_like
        Largest |cosine| between two active atoms, in [0, 1].
    active : array_like
        Number of active atoms k, a whole number >= 1.

    Raises
    ------
    ValueError
        If an argument is outside its range.
    """
    norm = real("norm", norm, 0.0)
    cross = real("eps", eps, 0.0, 1.0) * (count("active", active) - 1)
    gap = np.where(cross < 1, 1 - cross, 1.0)
    return norm / np.sqrt(1 + cross), np.where(cross < 1, norm / np.sqrt(gap), np.inf)[()]
