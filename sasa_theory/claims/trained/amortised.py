"""The best ReLU encoder for a fixed dictionary: what codes cost if one linear layer has to find them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize

from sasa_theory.bounds.validate import Floats
from sasa_theory.claims.measuring.true_basis import basis_with_spare, signed_basis

from .slice_laws import Law

_Flat = np.ndarray[tuple[int], np.dtype[np.float64]]

_RANDOM = 3  # random starts beside the informed ones
_SILENT = 1e-3  # scale of the codes of a spare that starts unused: at 0 it would have no gradient


class Encoder(NamedTuple):
    """Codes ``ReLU(x W' + b)``: ``weights`` W of shape (N, d), ``biases`` b of shape (N,)."""

    weights: Floats
    biases: Floats


def amortised_risk(law: Law, atoms: Floats, encoder: Encoder, lam: float) -> float:
    """``E 1/2 ||x - c A||^2 + lam 1'c`` at the encoder's codes c; atoms are rows."""
    codes = np.maximum(law.points @ encoder.weights.T + encoder.biases, 0.0)
    return law.mean(0.5 * ((law.points - codes @ atoms) ** 2).sum(axis=1) + lam * codes.sum(axis=1))


def best_encoder(
    law: Law,
    atoms: Floats,
    lam: float,
    rng: np.random.Generator,
    *,
    bias: bool,
    starts: Sequence[Encoder] = (),
) -> Encoder:
    """The encoder of least risk that L-BFGS finds from these starts, from the atoms themselves and from random ones.

    The risk is not convex in the encoder, so that what is found bounds the least risk from above. Without ``bias`` all
    biases are 0.
    """
    random = (atoms + 0.5 * rng.standard_normal(atoms.shape) for _ in range(_RANDOM))
    own = [Encoder(start, np.full(len(atoms), -lam)) for start in (atoms, *random)]
    found = [_optimised(law, atoms, lam, start, bias) for start in (*own, *starts)]
    return min(found, key=lambda encoder: amortised_risk(law, atoms, encoder, lam))


def best_along_path(
    law: Law, d: int, angles: Sequence[float], lam: float, rng: np.random.Generator, *, bias: bool
) -> list[Encoder]:
    """The best encoders for the true basis and one spare at each angle, each also tried as a start for the next."""
    dictionaries = [basis_with_spare(d, angle) for angle in angles]
    found: list[Encoder] = []
    for atoms in reversed(dictionaries):
        found.append(best_encoder(law, atoms, lam, rng, bias=bias, starts=[*_of_the_basis(d, lam), *found[-1:]]))
    found.reverse()
    for i in range(1, len(angles)):
        onward = _optimised(law, dictionaries[i], lam, found[i - 1], bias)
        found[i] = min(found[i], onward, key=lambda encoder: amortised_risk(law, dictionaries[i], encoder, lam))
    return found


def bias_free_floor(law: Law, lam: float) -> float:
    r"""Least risk of any encoder without bias and any dictionary of unit atoms, however many.

    .. math:: d\, \Big(\tfrac{\sigma^2}{2} (1-s)^2 + \lambda \kappa s\Big), \qquad
        s = \Big(1 - \frac{\lambda \kappa}{\sigma^2}\Big)_+, \quad \kappa = E|z_1|, \quad \sigma^2 = E z_1^2

    The law must be rotation invariant. Then the odd part of ``sum_j a_j ReLU(w_j'x)`` is ``M x / 2``,
    ``M = sum_j a_j w_j'``, its even part only adds to the error, and the l1 cost is
    ``kappa/2 sum_j ||w_j|| >= kappa/2 ||M||_*``. What remains separates over the singular values of M. The signed true
    basis with ``w = s a`` attains it.
    """
    kappa, power = law.mean(np.abs(law.points[:, 0])), law.mean(law.points[:, 0] ** 2)
    s = max(0.0, 1 - lam * kappa / power)
    return float(law.points.shape[1] * (0.5 * power * (1 - s) ** 2 + lam * kappa * s))


def _of_the_basis(d: int, lam: float) -> list[Encoder]:
    """What is optimal with bias where the spare is a copy: it stays silent, or shares the code of the first atom."""
    basis, biases = np.vstack([signed_basis(d), np.eye(d)[0]]), np.full(2 * d + 1, -lam)
    silent, shared = np.ones(2 * d + 1), np.ones(2 * d + 1)
    silent[-1] = _SILENT
    shared[[0, -1]] = 0.5
    return [Encoder(part[:, None] * basis, part * biases) for part in (silent, shared)]


def _optimised(law: Law, atoms: Floats, lam: float, start: Encoder, bias: bool) -> Encoder:
    """Descend from one start by L-BFGS with the exact gradient."""
    n_atoms, d = atoms.shape
    size = atoms.size

    def unpack(flat: _Flat) -> Encoder:
        return Encoder(flat[:size].reshape(n_atoms, d), flat[size:] if bias else np.zeros(n_atoms))

    def value_and_gradient(flat: _Flat) -> tuple[float, Floats]:
        encoder = unpack(flat)
        codes = np.maximum(law.points @ encoder.weights.T + encoder.biases, 0.0)
        error = codes @ atoms - law.points
        value = law.mean(0.5 * (error**2).sum(axis=1) + lam * codes.sum(axis=1))
        pull = (error @ atoms.T + lam) * (codes > 0) * law.weights[:, None]
        slope = (pull.T @ law.points).ravel()
        return value, np.concatenate([slope, pull.sum(axis=0)]) if bias else slope

    first: _Flat = np.concatenate([start.weights.ravel(), start.biases]) if bias else start.weights.ravel()
    found = minimize(
        value_and_gradient, first, jac=True, method="L-BFGS-B", options={"maxiter": 1000, "ftol": 1e-14, "gtol": 1e-9}
    )
    return unpack(found.x)
