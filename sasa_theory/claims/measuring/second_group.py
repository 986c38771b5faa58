"""What a second group, active together with the first, does to the objective; by search and solver, without bounds."""

from __future__ import annotations

from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from sasa_theory.bounds.validate import Floats

from .geometry import even_lines
from .nuclear_solver import solve_overlapping
from .slices import overlap_moments

Cell = NDArray[np.bool_]
_ROUNDS = 12  # alternations after which the objective stands still to 1e-5


def opposite_quadrants(points: Floats) -> Cell:
    """Cell of the inputs whose first and last coordinates have the same sign, shape (n,)."""
    return points[:, 0] * points[:, -1] > 0


def steepest_slope(points: Floats, cell: Cell, first: Floats, lam: float) -> float:
    """Least slope of the objective at zero of a second map ``tau u v'`` on the cell, beside the first map.

    ``u`` and ``v`` are the best unit vectors for the inputs' residuals; the slope comes from values of the objective.
    """
    n = len(points)
    left = points - points @ first.T
    pull, _, along = np.linalg.svd(left[cell].T @ points[cell])
    u, v = pull[:, 0], along[0]

    def risk(tau: float) -> float:  # without the first group's penalty, the same for every tau
        return float(((left - tau * np.outer(cell * (points @ v), u)) ** 2).sum() / n + lam * tau)

    return (4 * risk(0.05) - risk(0.1) - 3 * risk(0.0)) / 0.1  # exact: the objective is quadratic in tau


def best_cell(points: Floats, lam: float) -> tuple[Cell, float]:
    """Search the cell of 2-d inputs on which a second group helps most; returns it and the objective of both groups.

    Alternates between the best maps for a cell and the inputs that the second map brings nearer; starts are the double
    cones between two lines, even after whitening. The cell is empty if no second group helps.
    """
    scale, axes = np.linalg.eigh(points.T @ points / len(points))
    side = even_lines(4) @ (points @ axes / np.sqrt(scale)).T
    cells = np.stack([a * b > 0 for a, b in combinations(side, 2)])
    for _ in range(_ROUNDS):
        maps = np.swapaxes(solve_overlapping(overlap_moments(points, cells), lam).maps, -1, -2)
        left = points - points @ maps[:, 0]
        cells = ((left - points @ maps[:, 1]) ** 2).sum(-1) < (left**2).sum(-1)
    risk = solve_overlapping(overlap_moments(points, cells), lam).risk
    return cells[risk.argmin()], float(risk.min())
