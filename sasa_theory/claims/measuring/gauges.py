"""Gauges of small dictionaries, by linear program, convex hull or exact integration; nothing here knows a bound.

The gauge of x is the least ``1'c`` over non-negative codes with ``x = A c``. Atoms are rows, and they must surround the
origin: otherwise some points have no code and an infinite gauge.
"""

from __future__ import annotations

from math import gamma, pi

import numpy as np
from scipy import sparse
from scipy.optimize import LinearConstraint, milp
from scipy.spatial import ConvexHull

from sasa_theory.bounds.validate import Floats

from .geometry import unit

EXACT_UP_TO = 4  # dimensions in which the mean gauge is integrated, not sampled
_BATCH = 64  # points in one linear program: the solver's fixed cost is shared, its working set stays small
_BLOCK = 1 << 22  # entries of one block of inner products: 32 MB
_FLAT = 1e-12  # volume below which a simplex of the triangulated hull is a rounding artefact


def gauge_by_program(points: Floats, atoms: Floats) -> Floats:
    """Gauge of each point by linear programming (HiGHS), shape (n,): the definition itself, in any dimension.

    Raises
    ------
    ValueError
        If the solver finds no code for some point.
    """
    return np.concatenate([_program(points[i : i + _BATCH], atoms) for i in range(0, len(points), _BATCH)])


def gauge(points: Floats, atoms: Floats) -> Floats:
    """Gauge of each point as the largest of the hull's facet functionals, shape (n,); fast up to about 6 dimensions.

    Raises
    ------
    ValueError
        If the atoms do not surround the origin.
    """
    equations = _hull(atoms).equations
    facets = equations[:, :-1] / -equations[:, -1:]
    step = max(1, _BLOCK // len(facets))
    return np.concatenate([(points[i : i + step] @ facets.T).max(axis=1) for i in range(0, len(points), step)])


def mean_gauge(atoms: Floats) -> float:
    """Mean gauge on the unit sphere of R^d, exact up to rounding, for 2 <= d <= ``EXACT_UP_TO`` = 4.

    On the cone over a facet the gauge is linear, so that only the integral of x over the cone's part of the sphere is
    needed. By the divergence theorem that vector is the sum of the inward unit normals of the cone's walls, each times
    the measure of the wall's part of the sphere, divided by d - 1. The walls' parts are points, arcs or triangles.

    Raises
    ------
    ValueError
        If d is outside that range or the atoms do not surround the origin.
    """
    d = atoms.shape[1]
    if not 2 <= d <= EXACT_UP_TO:
        raise ValueError(f"mean_gauge is exact in 2 to {EXACT_UP_TO} dimensions, got atoms in {d}; average `gauge`")
    cones = atoms[_hull(atoms).simplices]
    cones = cones[np.abs(np.linalg.det(cones)) > _FLAT]
    dual = np.linalg.inv(cones)  # column i is normal to the wall opposite to atom i
    normals = dual / np.linalg.norm(dual, axis=1, keepdims=True)
    rays = unit(cones)
    walls = [_solid_angle(np.delete(rays, i, axis=1)) for i in range(d)]
    integrals = np.einsum("fji,if->fj", normals, np.stack(walls)) / (d - 1)
    sphere_area = 2 * pi ** (d / 2) / gamma(d / 2)
    return float((dual.sum(axis=2) * integrals).sum() / sphere_area)


def _program(points: Floats, atoms: Floats) -> Floats:
    """Gauges of a few points as one block-diagonal program: minimise the sum of all codes."""
    n_points, n_atoms = len(points), len(atoms)
    blocks = sparse.kron(sparse.eye(n_points), atoms.T, format="csc")
    reach = LinearConstraint(blocks, points.ravel(), points.ravel())
    found = milp(np.ones(n_points * n_atoms), constraints=reach)  # no variable is integral: a linear program
    if not found.success:
        raise ValueError(f"no non-negative code of {n_atoms} atoms reaches every point: {found.message}")
    return np.asarray(found.x).reshape(n_points, n_atoms).sum(axis=1)


def _hull(atoms: Floats) -> ConvexHull:
    hull = ConvexHull(atoms)
    if hull.equations[:, -1].max() >= 0:
        raise ValueError(f"the {len(atoms)} atoms must surround the origin, but their convex hull leaves it out")
    return hull


def _solid_angle(rays: Floats) -> Floats:
    """Measure of the spherical simplex between 1, 2 or 3 unit vectors: a point, an arc, a triangle; shape (...)."""
    gram = rays @ np.swapaxes(rays, -1, -2)
    volume = np.sqrt(np.clip(np.linalg.det(gram), 0.0, None))
    if rays.shape[-2] == 1:
        return np.ones(len(rays))
    if rays.shape[-2] == 2:
        return np.arctan2(volume, gram[..., 0, 1])
    return 2 * np.arctan2(volume, 1 + gram[..., 0, 1] + gram[..., 0, 2] + gram[..., 1, 2])
