"""Random subspaces and what two subspaces share, by linear algebra; nothing here knows a bound."""

from __future__ import annotations

import numpy as np
from scipy.linalg import eigh

from sasa_theory.bounds.validate import Floats


def random_bases(n: int, d: int, rng: np.random.Generator, count: int = 1) -> Floats:
    """Draw orthonormal bases of uniform d-dimensional subspaces of R^n, shape (count, n, d)."""
    return np.linalg.qr(rng.standard_normal((count, n, d)))[0]


def shared_energy(left: Floats, right: Floats) -> Floats:
    """Mean squared principal cosine of bases (..., n, p) and (..., n, q), shape (...).

    1 if the smaller subspace lies in the larger, 0 if they are orthogonal.
    """
    overlap = np.swapaxes(left, -2, -1) @ right
    return (overlap**2).sum(axis=(-2, -1)) / min(overlap.shape[-2:])


def leading_subspace(samples: Floats, d: int) -> Floats:
    """Basis of the ``d`` directions of most energy in ``samples`` (m, n) of known mean 0, shape (n, d)."""
    n = samples.shape[1]
    return eigh(samples.T @ samples, subset_by_index=(n - d, n - 1))[1]
