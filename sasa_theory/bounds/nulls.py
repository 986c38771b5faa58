"""What chance alone gives: the nulls that scores of subspaces and circles must beat."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from .validate import Floats, at_most, count


def random_subspace_cosine(p: ArrayLike, q: ArrayLike, ambient: ArrayLike) -> Floats:
    """Mean squared principal cosine of random p- and q-dimensional subspaces of R^n: ``max(p, q) / n``.

    The mean runs over the ``min(p, q)`` principal angles: ``E ||Q_A' Q_B||_F^2 = p q / n``.

    Raises
    ------
    ValueError
        If an argument is not a whole number >= 1, or p or q exceeds n.
    """
    p, q, n = count("p", p), count("q", q), count("ambient", ambient)
    larger = np.maximum(p, q)
    at_most("max(p, q)", larger, "ambient", n)
    return larger / n


def circular_fit_r2(regressors: ArrayLike, points: ArrayLike) -> Floats:
    """Mean R^2 of fitting known circle phases (with intercept) from pure Gaussian noise: ``p / (m - 1)``.

    Twelve months from six random coordinates already give 6/11.

    Parameters
    ----------
    regressors : array_like
        Number p of coordinates fitted from, a whole number >= 1.
    points : array_like
        Number m of labelled points, a whole number >= p + 1.

    Raises
    ------
    ValueError
        If an argument is outside its range.
    """
    p, m = count("regressors", regressors), count("points", points, 2)
    at_most("regressors", p, "points - 1", m - 1)
    return p / (m - 1)
