"""Factors of one linear map: what they cost, and the changes of gauge that leave the map; nothing here knows a bound.

A map is ``E D`` with an encoder E of shape (width, r) and a decoder D of shape (r, width); a gauge is an invertible
matrix between the two.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize

from sasa_theory.bounds.validate import Floats


def nuclear_norm(matrix: Floats) -> float:
    """Sum of the singular values."""
    return float(np.linalg.svd(matrix, compute_uv=False).sum())


def factor_penalty(encoder: Floats, decoder: Floats) -> float:
    """Weight decay on both factors, ``1/2 (||E||_F^2 + ||D||_F^2)``."""
    return float(((encoder**2).sum() + (decoder**2).sum()) / 2)


def change_gauge(encoder: Floats, decoder: Floats, gauge: Floats) -> tuple[Floats, Floats]:
    """Factors ``E Q`` and ``Q^-1 D`` of the same map, for an invertible Q of shape (r, r)."""
    return encoder @ gauge, np.asarray(np.linalg.solve(gauge, decoder), dtype=float)


def least_factor_penalty(encoder: Floats, decoder: Floats, rng: np.random.Generator) -> float:
    """Least factor penalty over the gauges of one map, by L-BFGS from a random gauge."""
    r = len(decoder)

    def value(flat: Floats) -> tuple[float, Floats]:
        gauge = flat.reshape(r, r)
        e, d = change_gauge(encoder, decoder, gauge)
        return factor_penalty(e, d), (encoder.T @ e - np.linalg.solve(gauge.T, d @ d.T)).ravel()

    best = minimize(
        value,
        random_gauge(r, rng).ravel(),
        jac=True,
        method="L-BFGS-B",
        options={"ftol": 1e-13, "gtol": 1e-9, "maxiter": 5000},
    )
    return float(best.fun)


def spectrum_from_grams(encoder: Floats, decoder: Floats) -> Floats:
    """Singular values of the map ``E D`` from its r x r Grams ``E'E`` and ``DD'``, largest first, shape (r,)."""
    roots = []
    for gram in (encoder.T @ encoder, decoder @ decoder.T):
        values, axes = np.linalg.eigh(gram)
        roots.append((axes * np.sqrt(np.maximum(values, 0.0))) @ axes.T)
    return np.linalg.svd(roots[0] @ roots[1], compute_uv=False)


def random_gauge(r: int, rng: np.random.Generator) -> Floats:
    """Invertible matrix of random condition: singular values spread over up to two decades."""
    left, _, right = np.linalg.svd(rng.standard_normal((r, r)))
    return (left * 10.0 ** rng.uniform(-1, 1, r)) @ right
