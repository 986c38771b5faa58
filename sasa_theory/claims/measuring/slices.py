"""Inputs of one feature slice with an exactly known second moment, and the moments of their cells."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from sasa_theory.bounds.validate import Floats

from .geometry import unit

Law = Literal["gaussian", "sphere", "heavy", "one-hot"]
_HEAVY = 2.2  # degrees of freedom of Student's law: barely a variance


def power_spectrum(d: int, power: float) -> Floats:
    """Eigenvalues proportional to ``1/j^power`` with sum 1, shape (d,); power 0 is the isotropic slice."""
    s = np.arange(1.0, d + 1) ** -power
    return s / s.sum()


def inputs(n: int, spectrum: Floats, law: Law, rng: np.random.Generator) -> Floats:
    """Draw ``n`` inputs and scale them until their mean ``xx'`` is exactly ``diag(spectrum)``, shape (n, d).

    What is then said about this sample holds for it as it is, without a sampling error.
    """
    d = len(spectrum)
    if law == "one-hot":
        z = np.eye(d)[np.arange(n) % d] * rng.choice((-1.0, 1.0), (n, 1))
    elif law == "heavy":
        z = rng.standard_t(_HEAVY, (n, d))
    else:
        z = rng.standard_normal((n, d))
        z = unit(z) if law == "sphere" else z
    energy, axes = np.linalg.eigh(z.T @ z / n)
    return (z @ (axes / np.sqrt(energy)) @ axes.T) * np.sqrt(spectrum)


def even_ellipse(n: int, stretch: float) -> Floats:
    """Lay ``n`` even angles on an ellipse; second moment exactly ``diag(stretch^2, 1)``, shape (n, 2).

    They stand for a Gaussian of that second moment wherever only the direction of an input matters, as in cones.
    """
    angle = (np.arange(n) + 0.5) * 2 * np.pi / n
    return np.sqrt(2) * np.stack([stretch * np.cos(angle), np.sin(angle)], axis=1)


def two_features(cosine: float) -> Floats:
    """Inputs of two 1-d features that never fire together, second moment 1/2 each, shape (4, 2): two rows each."""
    half = np.arccos(cosine) / 2
    first, second = np.array([np.cos(half), np.sin(half)]), np.array([np.cos(half), -np.sin(half)])
    return np.stack([first, -first, second, -second])


def cell_moments(points: Floats, labels: NDArray[np.intp], groups: int) -> Floats:
    """Second moments ``E[xx'; C_g]`` of the cells of one or many partitions, shape (..., groups, d, d).

    ``labels``, shape (..., n), says which of the groups 0..groups-1 takes each input.
    """
    n, d = points.shape
    squares = (points[:, :, None] * points[:, None, :]).reshape(n, d * d)
    member = (labels[..., None, :] == np.arange(groups)[:, None]).astype(float)
    return (member @ squares / n).reshape(*member.shape[:-1], d, d)


def overlap_moments(points: Floats, cell: NDArray[np.bool_]) -> Floats:
    """Moments of a first group active on every input and a second one on ``cell``, shape (..., 2, 2, d, d).

    ``cell``, shape (..., n), may hold many cells at once. The result is what the solver for overlapping groups takes.
    """
    second = cell_moments(points, cell.astype(np.intp), 2)
    whole, inner = second.sum(-3), second[..., 1, :, :]
    return np.stack([np.stack([whole, inner], axis=-3), np.stack([inner, inner], axis=-3)], axis=-4)
