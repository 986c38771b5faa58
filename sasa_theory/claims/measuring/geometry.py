"""Points, atoms and coverings on spheres, by sampling and search; nothing here knows a bound."""

from __future__ import annotations

from bisect import bisect_left
from itertools import combinations

import numpy as np
from scipy.special import gammaln

from sasa_theory.bounds.validate import Floats

_BLOCK = 1 << 22  # entries of one block of inner products: 32 MB
_MOST_EVEN = 256  # atoms up to which even coverings are searched
_ROUNDING = 1e-9  # by which a point at exactly the covering distance may seem farther


def sphere(n: int, d: int, rng: np.random.Generator) -> Floats:
    """Draw ``n`` uniform points of the unit sphere of R^d, shape (n, d)."""
    return unit(rng.standard_normal((n, d)))


def one_hot(n: int, d: int, rng: np.random.Generator) -> Floats:
    """Draw ``n`` of the d coordinate vectors: directions that fill no dimension, shape (n, d)."""
    return np.eye(d)[rng.integers(d, size=n)]


def unit(rows: Floats) -> Floats:
    """Scale each row to length 1."""
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def even_lines(n: int, *, signed: bool = True) -> Floats:
    """Spread ``n`` lines (rays, if not signed) evenly over the plane, shape (n, 2): the best covering of a circle."""
    angle = np.arange(n) * (np.pi if signed else 2 * np.pi) / n
    return np.stack([np.cos(angle), np.sin(angle)], axis=1)


def best_cosine(points: Floats, atoms: Floats, *, signed: bool = True) -> Floats:
    """Cosine of each unit point with its nearest unit atom (nearest line, for signed codes), shape (n,)."""
    step = max(1, _BLOCK // len(atoms))
    parts = []
    for start in range(0, len(points), step):
        cosine = points[start : start + step] @ atoms.T
        parts.append((np.abs(cosine) if signed else cosine).max(axis=1))
    return np.concatenate(parts)


def residual(points: Floats, atoms: Floats, k: int, *, signed: bool = True) -> Floats:
    """Distance of each unit point to the span of its best ``k`` atoms (best ray, if not signed), shape (n,).

    ``k > 1`` tries every subset and needs signed codes.
    """
    if k == 1:
        cosine = np.clip(best_cosine(points, atoms, signed=signed), 0.0, 1.0)
        return np.sqrt(1 - cosine**2)
    if not signed:
        raise ValueError("residual of non-negative codes is defined for k = 1 only")
    kept = np.zeros(len(points))
    for subset in combinations(range(len(atoms)), k):
        span, _ = np.linalg.qr(atoms[list(subset)].T)
        np.maximum(kept, ((points @ span) ** 2).sum(axis=1), out=kept)
    return np.sqrt(np.clip(1 - kept, 0.0, None))


def even_count(eps: float, *, signed: bool = True) -> int:
    """Smallest number of even lines (rays) that come within ``eps`` of a fine grid of the circle, by bisection."""
    grid = even_lines(50_000, signed=False)

    def covers(n: int) -> bool:
        return bool(residual(grid, even_lines(n, signed=signed), 1, signed=signed).max() <= eps + _ROUNDING)

    if not covers(_MOST_EVEN):
        raise ValueError(f"eps must be in reach of {_MOST_EVEN} even atoms, got {eps:g}")
    return bisect_left(range(1, _MOST_EVEN), True, key=covers) + 1


def trained_lines(n_atoms: int, d: int, rng: np.random.Generator, *, signed: bool = True, steps: int = 30) -> Floats:
    """Fit atoms to uniform points by k-lines (k-means on the sphere if not signed), shape (n_atoms, d).

    Each step assigns every point to its nearest line and moves the line to the leading direction of its points.
    """
    points = sphere(max(200 * n_atoms, 2000), d, rng)
    atoms = points[:n_atoms].copy()
    for _ in range(steps):
        cosine = points @ atoms.T
        owner = (np.abs(cosine) if signed else cosine).argmax(axis=1)
        weight = cosine[np.arange(len(points)), owner]
        if not signed:
            weight = np.ones_like(weight)
        total = np.zeros_like(atoms)
        np.add.at(total, owner, points * weight[:, None])
        moved = np.linalg.norm(total, axis=1) > 0
        atoms[moved] = unit(total[moved])
    return atoms


def maximal_packing(angle: float, d: int, rng: np.random.Generator, *, signed: bool = True) -> Floats:
    """Collect points more than ``angle`` apart until thousands of fresh points in a row find no room, shape (N, d).

    Such a set covers the sphere (of lines, if signed) at the same angle, up to gaps that the last fresh points missed.
    """
    limit = np.cos(angle)
    kept = sphere(1, d, rng)
    batch, misses = 4096, 0
    while misses < 5:
        fresh = sphere(batch, d, rng)
        fresh = fresh[best_cosine(fresh, kept, signed=signed) < limit]
        misses = 0 if len(fresh) else misses + 1
        for point in fresh:
            cosine = kept @ point
            if (np.abs(cosine) if signed else cosine).max() < limit:
                kept = np.vstack([kept, point])
    return kept


def near_subspace_weights(d: int, k: int, eps: float, n: int, rng: np.random.Generator) -> Floats:
    """Independent weights whose mean is the share of the sphere within ``eps`` of a k-dimensional subspace.

    Importance sampling: a uniform direction is that of a Gaussian vector, near the subspace when its part off it lies
    in a ball proportional to the length of its part along it. The length is drawn from the law it has given that event
    for small eps (chi with d degrees of freedom in place of k), the part off from the ball; the weights, shape (n,),
    are bounded, so that shares of 1e-20 are seen with thousands of draws.
    """
    m, reach = d - k, eps / np.sqrt(1 - eps**2)
    off = reach * np.sqrt(rng.chisquare(d, n)) * rng.random(n) ** (1 / m)
    log_scale = m * np.log(reach) + gammaln(d / 2) - gammaln(k / 2) - gammaln(m / 2 + 1)
    return np.exp(log_scale - off**2 / 2)
