"""Top-s selection of feature subspaces of prescribed coherence, by simulation; nothing here knows a bound.

Tied orthonormal encoders see an input ``x = sum_j V_j z_j`` only through the Gram matrix of the bases: feature i
responds with ``||V_i' x|| = ||z_i + sum_{j != i} V_i' V_j z_j||``. Shrinking every ``V_i' V_j`` (i != j) by one factor
keeps the Gram matrix positive semidefinite, so one dictionary gives a family of every lower coherence.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sasa_theory.bounds.validate import Floats

from .geometry import sphere

_SCAN, _HALVINGS = 128, 50


@dataclass(frozen=True)
class Family:
    """Dictionaries with one pattern of overlaps and any coherence from 0 to ``top``.

    Attributes
    ----------
    overlap : ndarray, shape (n, d, n, d)
        ``V_i' V_j`` at [i, :, j, :] for i != j, over the coherence of the dictionary: the largest singular value of a
        block is 1. The blocks at i = j are 0.
    top : float
        Largest coherence of the family.
    """

    overlap: Floats
    top: float


def family_of(bases: Floats) -> Family:
    """Family of a dictionary of orthonormal bases, shape (n, width, d), up to its own coherence."""
    overlap = np.einsum("iwp,jwq->ipjq", bases, bases)
    overlap[np.arange(len(bases)), :, np.arange(len(bases)), :] = 0.0
    coherence = float(np.linalg.norm(overlap.transpose(0, 2, 1, 3), ord=2, axis=(-2, -1)).max())
    return Family(overlap / coherence, coherence)


def opposed_family(n: int, d: int) -> Family:
    """``n`` bases each of which meets every other at cosine -mu in every direction; they exist up to 1/(n - 1)."""
    overlap = np.einsum("ij,pq->ipjq", np.eye(n) - 1, np.eye(d))
    return Family(overlap, 1 / (n - 1))


def random_codes(
    draws: int, n: int, d: int, active: int, norms: tuple[float, float], rng: np.random.Generator
) -> Floats:
    """Codes of ``active`` of n features with uniform direction and norm uniform in ``norms``, shape (draws, n, d)."""
    chosen = rng.random((draws, n)).argsort(axis=1) < active
    length = np.where(chosen, rng.uniform(*norms, (draws, n)), 0.0)
    return sphere(draws * n, d, rng).reshape(draws, n, d) * length[:, :, None]


def first_wrong(family: Family, codes: Floats, gain: Floats | float = 1.0) -> float:
    """Least coherence at which Top-s selection takes an inactive feature for an active one in some row of ``codes``.

    Features are active where their code is not zero. A scan finds the first wrong step, bisection the place in it;
    ``family.top`` if every selection is right up to there. ``gain`` (n,) scales the encoders, 1 for tied ones.
    """
    cross = np.einsum("bip,ipjq->bjq", codes, family.overlap, optimize=True)
    active = np.linalg.norm(codes, axis=2) > 0

    def right(coherence: float) -> bool:
        response = np.linalg.norm(codes + coherence * cross, axis=2) * gain
        least = np.where(active, response, np.inf).min(axis=1)
        return bool((least > np.where(active, 0.0, response).max(axis=1)).all())

    step = family.top / _SCAN
    high = next((i * step for i in range(1, _SCAN + 1) if not right(i * step)), None)
    if high is None:
        return family.top
    low = high - step
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if right(middle) else (low, middle)
    return high
