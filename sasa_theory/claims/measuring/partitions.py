"""Partitions of inputs among groups: drawn, refined by alternation, searched by moves; judged by the solver alone."""

from __future__ import annotations

from collections.abc import Callable
from itertools import permutations
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.vq import kmeans, vq

from sasa_theory.bounds.validate import Floats

from .geometry import sphere
from .nuclear_solver import solve
from .second_group import opposite_quadrants
from .slices import cell_moments

Labels = NDArray[np.intp]
Kind = Literal[
    "random", "slabs", "cones", "double cones", "shells", "clusters", "outliers", "singles", "cap", "axes", "quadrants"
]
_GAIN = 1e-8  # least gain of a move, relative to the energy of the inputs: above what the solver leaves open


def cut(points: Floats, groups: int, kind: Kind, rng: np.random.Generator) -> Labels:
    """Cut inputs of shape (n, d) into cells; returns the group of each input, shape (n,).

    ``slabs`` lie between parallel hyperplanes, ``cones`` (``double cones``) nearest to random rays (lines), ``shells``
    between spheres, ``clusters`` come from k-means, ``axes`` go by the largest coordinate, ``quadrants`` by the sign of
    the product of two. One group keeps nearly all where ``outliers`` (``singles``) give each of the longest inputs (of
    any inputs) a group of its own and ``cap`` gives one group the tenth part furthest along a random ray.
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
    if kind == "axes":
        return np.abs(points).argmax(axis=1) % groups
    if kind == "quadrants":
        return opposite_quadrants(points).astype(np.intp) % groups
    if kind == "singles":
        score = rng.random((n,))
    else:
        score = points @ sphere(1, d, rng)[0] if kind in ("slabs", "cap") else np.linalg.norm(points, axis=1)
    order = score.argsort().argsort()
    if kind == "cap":
        return (10 * order >= 9 * n).astype(np.intp) % groups
    return order * groups // n if kind in ("slabs", "shells") else np.maximum(order - n + groups, 0)


def top_group(points: Floats, encoders: Floats) -> Labels:
    """Cells of Top-1 selection: the group whose encoder responds most strongly; encoders of shape (groups, rank, d)."""
    return np.linalg.norm(points @ np.swapaxes(encoders, -1, -2), axis=-1).argmax(axis=0)


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


def search(points: Floats, labels: Labels, groups: int, lam: float, *, least: int = 0) -> Labels:
    """Descend by the best move until none lowers the objective; every group ends with at least ``least`` inputs.

    Tried first are whole cells, or 1, 2, 4, ... inputs of a cell, given to another cell or exchanged for as many; where
    none of these helps, each single input in each other cell.
    """
    energy = float((points**2).sum(-1).mean())

    def members(labels: Labels) -> NDArray[np.bool_]:
        return labels[..., None, :] == np.arange(groups)[:, None]

    def fine(labels: Labels) -> Floats:
        """What the inputs that groups lack cost: one alone costs more than any partition."""
        return 2 * energy * np.maximum(least - members(labels).sum(-1), 0).sum(-1)

    while True:
        here = solve(cell_moments(points, labels, groups), lam)
        now = here.risk.sum() + fine(labels)
        for moves in (_block_moves(points, labels, here.maps), _single_moves(labels, groups)):
            changed = (members(moves) != members(labels)).any(-1)
            risk = np.broadcast_to(here.risk, changed.shape).copy()
            risk[changed] = solve(cell_moments(points, moves, groups)[changed], lam).risk
            costs = risk.sum(-1) + fine(moves)
            if costs.min() < now - _GAIN * energy:
                labels = moves[costs.argmin()]
                break
        else:
            return labels


def _block_moves(points: Floats, labels: Labels, maps: Floats) -> Labels:
    """Inputs of a cell that another cell's map serves best: 1, 2, 4, ... and all of them, given away or exchanged."""
    error = ((points - points @ np.swapaxes(maps, -1, -2)) ** 2).sum(-1)
    moves = []
    for source, target in permutations(range(len(maps)), 2):
        gain = error[source] - error[target]
        give, take = (np.flatnonzero(labels == g) for g in (source, target))
        give, take = give[(-gain[give]).argsort()], take[gain[take].argsort()]
        for size in {*(2 ** np.arange(len(give).bit_length())), len(give)}:
            given = labels.copy()
            given[give[:size]] = target
            moves.append(given)
            if source < target and size <= len(take):
                exchanged = given.copy()
                exchanged[take[:size]] = source
                moves.append(exchanged)
    return np.stack(moves)


def _single_moves(labels: Labels, groups: int) -> Labels:
    """Each input in each of the other groups, shape ((groups - 1) n, n)."""
    moved = (labels + np.arange(1, groups)[:, None, None]) % groups
    return np.where(np.eye(len(labels), dtype=bool), moved, labels).reshape(-1, len(labels))
