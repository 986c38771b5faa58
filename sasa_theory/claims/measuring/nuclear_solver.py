r"""Minimise the SASA objective over the groups' maps, by proximal gradient or by factors; no closed form is used here.

The objective is :math:`J = E\|x - \sum_g 1_{C_g}(x) M_g x\|^2 + \lambda \sum_g \|M_g\|_*` on given second moments. It
is convex in the maps, so that every run ends with a certificate: a value below which no maps can go.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import minimize

from sasa_theory.bounds.validate import Floats

_GAP = 1e-10  # certified distance from the minimum, relative to the energy of the inputs
_MAX_STEPS = 20_000
_CHECK_EVERY = 10  # steps between two looks at the certificate, which costs about one step
_GRID = 16  # penalties tried at once between two ends
_ZERO = 1e-6  # singular values below this are what the solver leaves of zero


@dataclass(frozen=True)
class Solution:
    """Maps that minimise the objective.

    Attributes
    ----------
    maps : ndarray, shape (..., G, d, d)
        One map per group; without the axis G for separate groups.
    risk : ndarray, shape (...)
        The objective at these maps.
    floor : ndarray, shape (...)
        Value of the dual problem: no maps whatever reach a lower objective.
    """

    maps: Floats
    risk: Floats
    floor: Floats


def solve(second: Floats, lam: ArrayLike) -> Solution:
    """Minimise ``tr((I - M) S (I - M)') + lam ||M||_*`` for each second moment S, shape (..., d, d), by itself."""
    joint = solve_overlapping(second[..., None, None, :, :], lam)
    return Solution(joint.maps[..., 0, :, :], joint.risk, joint.floor)


def solve_overlapping(moments: Floats, lam: ArrayLike) -> Solution:
    """Minimise the objective of G groups that may be active together.

    Accelerated proximal gradient with restarts, from zero maps.

    Parameters
    ----------
    moments : ndarray, shape (..., G, G, d, d)
        ``E[xx'; C_g and C_h]``; the first group's cell must hold every input. See :func:`overlap_moments`.
    lam : array_like, shape (...)
        Weight of the nuclear norms, > 0.

    Raises
    ------
    RuntimeError
        If the certificate does not close within the allowed steps.
    """
    *batch, groups, _, d, _ = moments.shape
    lam = np.broadcast_to(np.asarray(lam, dtype=float), batch)
    # y = (1_C1 x, ..., 1_CG x) stacked and M = [M_1 ... M_G]: then x - sum 1_Cg M_g x = x - M y, and x = 1_C1 x
    gram = np.swapaxes(moments, -3, -2).reshape(*batch, groups * d, groups * d)
    cross = gram[..., :d, :]
    energy = np.trace(moments[..., 0, 0, :, :], axis1=-2, axis2=-1)
    curvature = np.maximum(2 * np.linalg.eigvalsh(gram)[..., -1], lam)[..., None, None]

    def certificate(maps: Floats) -> tuple[Floats, Floats]:
        """Objective, and dual value of the residual scaled until it is feasible."""
        kept = (maps * cross).sum((-2, -1))
        error = energy - 2 * kept + (maps @ gram * maps).sum((-2, -1))
        pull = np.linalg.norm(_blocks(2 * (cross - maps @ gram), groups), 2, axis=(-2, -1)).max(-1)
        scale = np.minimum(1.0, lam / np.maximum(pull, lam))
        norms = np.linalg.svd(_blocks(maps, groups), compute_uv=False).sum((-2, -1))
        return error + lam * norms, 2 * scale * (energy - kept) - scale**2 * error

    maps = ahead = np.zeros_like(cross)
    inertia = np.ones(batch)
    for step in range(1, _MAX_STEPS + 1):
        moved = ahead - 2 * (ahead @ gram - cross) / curvature
        fresh = _stack(_soft_threshold(_blocks(moved, groups), lam[..., None, None, None] / curvature[..., None]))
        against = ((ahead - fresh) * (fresh - maps)).sum((-2, -1)) > 0
        inertia = np.where(against, 1.0, inertia)
        longer = (1 + np.sqrt(1 + 4 * inertia**2)) / 2
        ahead = fresh + ((inertia - 1) / longer)[..., None, None] * (fresh - maps)
        maps, inertia = fresh, longer
        if step % _CHECK_EVERY == 0:
            risk, floor = certificate(maps)
            if np.all(risk - floor <= _GAP * energy):
                return Solution(_blocks(maps, groups), risk, floor)
    raise RuntimeError(
        f"the certificate is open by {np.max(risk - floor):g} after {_MAX_STEPS} steps: "
        f"lam = {lam.min():g} may be too small for inputs of energy {energy.max():g}"
    )


def solve_factors(second: Floats, lam: float, rank: int, rng: np.random.Generator, *, starts: int = 3) -> Floats:
    """Minimise the objective of one group over maps of at most ``rank``, shape (d, d); best of several random starts.

    L-BFGS over factors ``M = D E`` with the penalty ``lam/2 (||D||_F^2 + ||E||_F^2)``.
    """
    d = len(second)

    def value(flat: Floats) -> tuple[float, Floats]:
        decoder, encoder = flat[: d * rank].reshape(d, rank), flat[d * rank :].reshape(rank, d)
        residual = np.eye(d) - decoder @ encoder
        pull = -2 * residual @ second
        risk = np.trace(residual @ second @ residual.T) + lam / 2 * flat @ flat
        slope = np.concatenate([(pull @ encoder.T).ravel(), (decoder.T @ pull).ravel()]) + lam * flat
        return float(risk), slope

    runs = [
        minimize(
            value, rng.standard_normal(2 * d * rank), jac=True, method="L-BFGS-B", options={"ftol": 1e-14, "gtol": 1e-9}
        )
        for _ in range(starts)
    ]
    best = min(runs, key=lambda run: float(run.fun)).x
    return best[: d * rank].reshape(d, rank) @ best[d * rank :].reshape(rank, d)


def objective(second: Floats, maps: Floats, lam: float) -> Floats:
    """Value ``tr((I - M) S (I - M)') + lam ||M||_*`` of given maps, shape (..., d, d)."""
    residual = np.eye(maps.shape[-1]) - maps
    return (residual @ second * residual).sum((-2, -1)) + lam * np.linalg.svd(maps, compute_uv=False).sum(-1)


def rank_of(maps: Floats) -> Floats:
    """Number of directions that each map keeps, shape (...)."""
    return (np.linalg.svd(maps, compute_uv=False) > _ZERO).sum(-1)


def vanishing_lambda(moments: Floats, group: int) -> float:
    """Largest ``lam`` at which the map of ``group`` is not zero, to 1e-6 of the inputs' energy; 0 if there is none.

    Narrows a grid around the last map that is not zero; the map must not come back once it has vanished. ``moments`` as
    in :func:`solve_overlapping`, shape (G, G, d, d).
    """
    energy = float(np.trace(moments[0, 0]))
    low, high = 0.0, 2 * energy  # the gradient at zero maps is at most this, so that they stay zero there
    while high - low > 1e-6 * energy:
        grid = np.linspace(low, high, _GRID + 2)
        maps = solve_overlapping(np.broadcast_to(moments, (_GRID, *moments.shape)), grid[1:-1]).maps[:, group]
        last = int(np.flatnonzero([True, *(rank_of(maps) > 0)])[-1])
        low, high = grid[last], grid[last + 1]
    return float(low)


def _soft_threshold(maps: Floats, threshold: Floats) -> Floats:
    left, values, right = np.linalg.svd(maps)
    return (left * np.maximum(values - threshold[..., 0], 0.0)[..., None, :]) @ right


def _blocks(stacked: Floats, groups: int) -> Floats:
    """Cut (..., d, G d) into (..., G, d, d)."""
    d = stacked.shape[-2]
    return np.moveaxis(stacked.reshape(*stacked.shape[:-1], groups, d), -2, -3)


def _stack(blocks: Floats) -> Floats:
    """Undo :func:`_blocks`."""
    joined = np.moveaxis(blocks, -3, -2)
    return joined.reshape(*joined.shape[:-2], -1)
