"""Whether a feature is two independent ones side by side: mutual information of its parts, in the best rotation."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from sasa_theory.tolerances import FLAT

ANGLES = 100
"""Rotations tried, evenly over a quarter turn, beyond which the parts only change places and signs."""

BINS = 10
"""Bins of equal width along each part, over the range of the points."""

_HELD = 1 << 20  # numbers held at a time


class Separability(NamedTuple):
    """Least mutual information over rotations, in bits.

    Attributes
    ----------
    plug_in : float
        Of the histogram's frequencies: too high by about ``(BINS - 1)^2 / (2 n ln 2)`` if all cells are visited.
    corrected : float
        The same rotation, less the bias of Miller and Madow ``(B_ab - B_a - B_b + 1) / (2 n ln 2)`` for the numbers of
        cells, rows and columns with a point in them; not below 0.
    """

    plug_in: float
    corrected: float


def separability_index(points: Tensor) -> Separability:
    """``min over rotations R of I(a; b)``, ``(a, b) = R f`` the two coordinates: high for what cannot be separated.

    Rotations are tried on a grid, and the principal axes besides: off the line they lie on, points of one dimension
    would seem to have two that depend on one another. Points are not whitened: the definition asks for rotations.

    Parameters
    ----------
    points : Tensor, shape (n, 2)
        The feature where it is active, in a plane.

    Returns
    -------
    Separability
        Uniform on a circle about 1.5 bits, on a disk 0.12, Gaussian or on a square 0; a mixture of two lines, which is
        reducible but not separable, 0.3 to 0.45.

    Raises
    ------
    ValueError
        If the shape is another, or a point is not finite.

    References
    ----------
    arXiv 2405.14860, section 3; Miller (1955) for the bias.
    """
    if points.ndim != 2 or points.shape[1] != 2 or not len(points):
        raise ValueError(f"points must have shape (n, 2) with n >= 1, got {tuple(points.shape)}")
    if not points.isfinite().all():
        raise ValueError("points must be finite, got NaN or infinity among them")
    x = points.double()
    angle = torch.arange(ANGLES, dtype=torch.float64, device=x.device) * (math.pi / 2 / ANGLES)
    turns = torch.stack((torch.stack((angle.cos(), -angle.sin()), 1), torch.stack((angle.sin(), angle.cos()), 1)), 1)
    grid = [_tables(some @ x.mT) for some in turns.split(max(1, _HELD // len(x)))]
    tables = torch.cat((*grid, _tables(_principal(x).mT.unsqueeze(0))))
    plug_in, bias = _information(tables, len(x))
    best = plug_in.argmin()
    return Separability(float(plug_in[best]), max(0.0, float(plug_in[best] - bias[best])))


def _principal(x: Tensor) -> Tensor:
    """Points on their principal axes, shape (n, 2); exactly 0 along an axis on which they do not vary."""
    left, singular, _ = torch.linalg.svd(x - x.mean(dim=0), full_matrices=False)
    varying = singular > FLAT * torch.maximum(singular.amax(), FLAT * x.norm())
    parts = left * torch.where(varying, singular, 0.0)
    return torch.nn.functional.pad(parts, (0, 2 - parts.shape[1]))


def _tables(parts: Tensor) -> Tensor:
    """Counts in BINS x BINS cells, shape (rotations, 2, n) to (rotations, BINS, BINS)."""
    low, high = parts.amin(dim=2, keepdim=True), parts.amax(dim=2, keepdim=True)
    width = torch.where(high > low, (high - low) / BINS, 1.0)
    cells = ((parts - low) / width).long().clamp_max(BINS - 1)
    flat = cells[:, 0] * BINS + cells[:, 1]
    counts = torch.zeros(len(parts), BINS * BINS, dtype=torch.float64, device=parts.device)
    return counts.scatter_add(1, flat, torch.ones_like(flat, dtype=torch.float64)).unflatten(1, (BINS, BINS))


def _information(tables: Tensor, n: int) -> tuple[Tensor, Tensor]:
    """Plug-in mutual information and its bias, in bits, shape (rotations,) each."""
    rows, columns = tables.sum(dim=2), tables.sum(dim=1)
    nats = _entropy(rows / n) + _entropy(columns / n) - _entropy(tables.flatten(1) / n)
    visited = (tables > 0).sum(dim=(1, 2)) - (rows > 0).sum(dim=1) - (columns > 0).sum(dim=1) + 1
    return nats / math.log(2), visited.double() / (2 * n * math.log(2))


def _entropy(p: Tensor) -> Tensor:
    return torch.special.entr(p).sum(dim=1)
