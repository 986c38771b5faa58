"""Partitions of inputs among groups: drawn, refined by alternation, searched by moves; judged by the solver alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.vq import kmeans, vq

from sasa_theory.bounds.validate import Floats

from .geometry import sphere
from .nuclear_solver import solve
from .slices import cell_moments

Labels = NDArray[np.intp]
Kind = Literal["random", "slabs", "cones", "double cones", "shells", "clusters", "outliers"]
_MOVES = 16  # candidates tried at once by the local search


def cut(points: Floats, groups: int, kind: Kind, rng: np.random.Generator) -> Labels:
    """Cut inputs of shape (n, d) into cells; returns the group of each input, shape (n,).

    ``slabs`` lie between parallel hyperplanes, ``cones`` (``double cones``) nearest to random rays (lines), ``shells``
    between spheres, ``clusters`` come from k-means, ``outliers`` give each of the longest inputs a group of its own.
    """
    n, d = points.shape
    if kind == "random":
        return rng.integers(groups, size=(n,), dtype=np.intp)
    if kind == "clusters":
        centres, _ = kmeans(points, groups, iter=1, rng=rng)
        return vq(points, centres)[0].astype(np.intp)
    if kind in ("cones", "double cones"):
        cosine = points @ sphere(groups, d, rng).T
        return (np.abs(cosine) if kind == "double cones" else cosine).argmax(axis=1)
    length = points @ sphere(1, d, rng)[0] if kind == "slabs" else np.linalg.norm(points, axis=1)
    order = length.argsort().argsort()
    return np.maximum(order - n + groups, 0) if kind == "outliers" else order * groups // n


def partition_risk(points: Floats, labels: Labels, groups: int, lam: float) -> tuple[Floats, Floats]:
    """Least objective of each partition over the groups' maps, and the value certified from below, shape (...)."""
    best = solve(cell_moments(points, labels, groups), lam)
    return best.risk.sum(-1), best.floor.sum(-1)


def refine(points: Floats, labels: Labels, groups: int, fit: Callable[[Floats], Floats], *, rounds: int = 10) -> Labels:
    """Alternate, as k-means does: fit each cell's map, then give each input to the group that reconstructs it best.

    ``fit`` turns second moments of shape (..., groups, d, d) into maps; neither step raises the objective. Many
    partitions, shape (..., n), are refined at once.
    """
    for _ in range(rounds):
        maps = fit(cell_moments(points, labels, groups))
        error = ((points - points @ np.swapaxes(maps, -1, -2)) ** 2).sum(-1)
        labels = error.argmin(axis=-2)
    return labels


def local_search(
    points: Floats, labels: Labels, groups: int, lam: float, rng: np.random.Generator, *, rounds: int = 20
) -> Labels:
    """Move part of one cell to another, from a single input to the whole cell, wherever that lowers the objective."""
    n = len(points)
    best = partition_risk(points, labels, groups, lam)[0]
    for _ in range(rounds):
        source, target = rng.integers(groups, size=(2, _MOVES, 1))
        share = n ** -rng.random((_MOVES, 1))
        moves = np.where((labels == source) & (rng.random((_MOVES, n)) < share), target, labels)
        risk = partition_risk(points, moves, groups, lam)[0]
        if risk.min() < best:
            best, labels = risk.min(), moves[risk.argmin()]
    return labels
