"""Exact values of the non-negative lasso over small dictionaries, by trying every support; no bound is used."""

from __future__ import annotations

from itertools import combinations

import numpy as np

from sasa_theory.bounds.validate import Floats

_DEPENDENT = 1e-12  # Gram determinant below which a support repeats what a smaller one reaches


def lasso_value(points: Floats, atoms: Floats, lam: float) -> Floats:
    """Return ``min_{c>=0} 1/2 ||x - A c||^2 + lam 1'c`` of each point x, shape (n,); atoms are rows.

    Some optimal code has linearly independent atoms, and on its support it solves ``G c = A'x - lam``. Every support
    whose solution is non-negative gives a value that the optimum cannot exceed, so the least of them is the optimum.
    The number of supports is ``sum_k C(N, k)`` for k up to the dimension.
    """
    best = 0.5 * (points**2).sum(axis=1)
    pull = points @ atoms.T - lam
    for size in range(1, atoms.shape[1] + 1):
        for support in map(list, combinations(range(len(atoms)), size)):
            gram = atoms[support] @ atoms[support].T
            if np.linalg.det(gram) < _DEPENDENT:
                continue
            codes = np.linalg.solve(gram, pull[:, support].T).T
            # with G c = p the objective is ||x||^2/2 - p'c/2
            value = 0.5 * (points**2).sum(axis=1) - 0.5 * (pull[:, support] * codes).sum(axis=1)
            best = np.where((codes >= 0).all(axis=1), np.minimum(best, value), best)
    return best
