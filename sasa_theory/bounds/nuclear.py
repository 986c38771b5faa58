r"""The SASA objective on one slice: closed forms of its optimum (C1-C4).

Cells ``C_g`` cut the inputs among groups with maps ``M_g`` of rank at most r; the objective is
:math:`J = \sum_g E[\|x - M_g x\|^2; C_g] + \lambda \sum_g \|M_g\|_*`. Eigenvalues ``s_j`` are those of ``Sigma =
E xx'`` and include the usage probability. Source of the objective: arXiv 2606.06333; the closed forms are derived here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from .validate import Floats, count, real

_ASKEW = 1e-6  # of its largest entry, by which a second moment may miss symmetry or positivity: float32 data do


@dataclass(frozen=True)
class SingleGroupOptimum:
    """What one group reaches alone on one slice.

    Attributes
    ----------
    risk : float
        The objective J at the optimum, in the units of the eigenvalues.
    shrinkage : ndarray, shape (n,)
        Singular values ``(1 - lam/(2 s_j))_+`` of the optimal map, in the order of the eigenvalues given.
    effective_rank : int
        Number of directions kept.
    """

    risk: float
    shrinkage: Floats
    effective_rank: int


def phi(s: ArrayLike, lam: ArrayLike) -> Floats:
    r"""Least cost of one direction of energy s: ``s`` up to ``lam/2``, ``lam - lam^2/(4 s)`` above.

    Concave, increasing, ``phi(0) = 0``; the minimum over m of ``s (1-m)^2 + lam |m|``.

    Raises
    ------
    ValueError
        If ``s`` or ``lam`` is negative.
    """
    s, lam = real("s", s, 0.0), real("lam", lam, 0.0)
    kept = s > lam / 2
    return np.where(kept, lam * (1 - lam / (4 * np.where(kept, s, 1.0))), s)[()]


def single_group_optimum(eigenvalues: ArrayLike, lam: float, *, rank: int | None = None) -> SingleGroupOptimum:
    """Optimal map of one group, ``M* = sum_j (1 - lam/(2 s_j))_+ u_j u_j'``, over its ``rank`` largest directions.

    The global optimum of one group; of ANY number of groups with one active and any partition once
    ``rank >= #{s_j > lam/2}`` (C2). With a smaller rank several groups can do better.

    Parameters
    ----------
    eigenvalues : array_like, shape (n,)
        Eigenvalues of ``E xx'``, >= 0, in any order.
    lam : float
        Weight of the nuclear norm, >= 0.
    rank : int, optional
        Largest rank of the map; all directions if omitted.

    Raises
    ------
    ValueError
        If an argument is outside its range or ``eigenvalues`` is not one-dimensional.
    """
    s = real("eigenvalues", eigenvalues, 0.0)
    if s.ndim != 1:
        raise ValueError(f"eigenvalues must be one-dimensional, got shape {s.shape}")
    penalty = float(real("lam", lam, 0.0))
    rank = len(s) if rank is None else int(count("rank", rank))
    allowed = np.argsort(np.argsort(-s, kind="stable"), kind="stable") < rank
    kept = allowed & (s > penalty / 2)
    shrinkage = np.where(kept, 1 - penalty / (2 * np.where(kept, s, 1.0)), 0.0)
    risk = np.where(allowed, phi(s, penalty), s).sum()
    return SingleGroupOptimum(float(risk), shrinkage, int(kept.sum()))


def partition_floor(eigenvalues: ArrayLike, lam: ArrayLike) -> Floats:
    """Least J of ANY partition among ANY number of groups of any rank, one active: ``sum_j phi(s_j)`` (C2).

    Parameters
    ----------
    eigenvalues : array_like, shape (..., n)
        Eigenvalues of ``E xx'``.
    lam : array_like, shape (...)
        Weight of the nuclear norm.

    Raises
    ------
    ValueError
        If an argument is negative or ``eigenvalues`` is a single number.
    """
    s = real("eigenvalues", eigenvalues, 0.0)
    if s.ndim == 0:
        raise ValueError(f"eigenvalues must have at least one dimension, got the number {s:g}")
    return phi(s, real("lam", lam, 0.0)[..., None]).sum(-1)


def critical_lambda(energy: ArrayLike, d: ArrayLike, usage: ArrayLike = 1.0) -> Floats:
    """Penalty at which the rank of an isotropic slice drops from d to 0: ``lam* = 2 pi t^2 / d``.

    Parameters
    ----------
    energy : array_like
        Energy ``t^2`` of the slice when active, >= 0.
    d : array_like
        Dimension of the slice, a whole number >= 1.
    usage : array_like
        Probability ``pi`` that the feature is active, in (0, 1].

    Raises
    ------
    ValueError
        If an argument is outside its range.
    """
    return 2 * real("usage", usage, 0.0, 1.0, open_low=True) * real("energy", energy, 0.0) / count("d", d)


def second_group_pressure(sigma: ArrayLike, cell: ArrayLike, lam: float) -> float:
    r"""Whether a second, overlapping group active on a cell pays: :math:`\tfrac2\lambda \|(I - M^*) S_C\|_{op}` (C3).

    With the first group at its optimum M* everywhere, a second one on the cell lowers J exactly when this exceeds 1. It
    never does for isotropic slices; for anisotropic ones it can.

    Parameters
    ----------
    sigma : array_like, shape (n, n)
        Second moment ``E xx'`` of the slice, symmetric and positive semidefinite up to rounding.
    cell : array_like, shape (n, n)
        Second moment restricted to the cell, ``E[xx'; C]``, likewise.
    lam : float
        Weight of the nuclear norm, > 0.

    Raises
    ------
    ValueError
        If an argument is outside its range, or a matrix is not square, not symmetric or has a negative eigenvalue.
    """
    sigma, cell = real("sigma", sigma), real("cell", cell)
    penalty = float(real("lam", lam, 0.0, open_low=True))
    if sigma.ndim != 2 or sigma.shape[0] != sigma.shape[1] or cell.shape != sigma.shape:
        raise ValueError(f"sigma and cell must be square and alike, got shapes {sigma.shape} and {cell.shape}")
    _check_second_moment("sigma", sigma)
    _check_second_moment("cell", cell)
    s, u = np.linalg.eigh(sigma)
    unexplained = 1 - single_group_optimum(np.maximum(s, 0.0), penalty).shrinkage
    return float(2 / penalty * np.linalg.norm((u * unexplained) @ u.T @ cell, 2))


def decoder_penalty_range(rank: ArrayLike) -> tuple[Floats, Floats]:
    """Range ``[sqrt(r), r]`` of the nuclear norm of a decoder block with r unit rows.

    The lower end is r parallel rows, the upper r orthonormal ones: with unit rows the penalty can only punish
    orthogonality, never scale (C4).

    Raises
    ------
    ValueError
        If ``rank`` is not a whole number >= 1.
    """
    r = count("rank", rank)
    return np.sqrt(r), r[()]


def _check_second_moment(name: str, matrix: Floats) -> None:
    slack = _ASKEW * np.abs(matrix).max(initial=0.0)
    skew = np.abs(matrix - matrix.T).max(initial=0.0)
    if skew > slack:
        raise ValueError(f"{name} must be symmetric, as every second moment is; got entries that differ by {skew:g}")
    least = np.linalg.eigvalsh(matrix).min(initial=0.0)
    if least < -slack:
        raise ValueError(
            f"{name} must be positive semidefinite, as every second moment is; got an eigenvalue of {least:g}"
        )
