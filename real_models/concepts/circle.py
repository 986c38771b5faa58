"""How well the means of ordered labels form a circle or a line, each number beside what permuted labels give.

The plane in which labels are looked at is found without knowing their order (principal components of their means), so
that an order there is no artefact of fitting. The usual supervised fit of ``(cos, sin)`` from p coordinates of n means
has ``R^2 = p / (n - 1)`` by chance alone and is given beside that.
"""

from __future__ import annotations

from itertools import permutations as arrangements
from math import pi
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sasa_theory.bounds.nulls import circular_fit_r2
from sasa_theory.bounds.validate import Floats, count, real

EXACT = 8
"""Most labels for which all orders are gone through."""

_SMALL = 1e-5
"""Singular values below this share of the largest are 0."""


class Tested(NamedTuple):
    """A statistic, its mean over permuted labels, and the share of permutations that reach it."""

    value: float
    null: float
    p: float


class CircleFit(NamedTuple):
    """Labels in the plane of the first two principal components of their means.

    Attributes
    ----------
    plane : ndarray, shape (labels, 2)
        Their coordinates, centred.
    share : float
        Share of the energy of the means that the plane holds.
    order : tuple of int
        Labels by their angle in it, from label 0.
    score : Tested
        Share of neighbours by angle that follow one another, in the better of both directions; of a line, whose ends
        are no neighbours, of all pairs that should.
    predicted : Tested
        ``1 - sum |t - t'|^2 / sum |t - t''|^2`` of leaving out one label at a time: t is its place, ``(cos, sin)`` of
        its angle or its number on a line, t' what a linear fit from the plane of the others says, t'' their mean.
    steps : float
        Mean error of these predictions in labels.
    fit : float
        R^2 of the supervised linear fit from all coordinates, at most labels - 1.
    fit_null : float
        What that is by chance.
    """

    plane: Floats
    share: float
    order: tuple[int, ...]
    score: Tested
    predicted: Tested
    steps: float
    fit: float
    fit_null: float


def circle(means: Floats, *, cyclic: bool = True, samples: int = 20_000, seed: int = 0) -> CircleFit:
    """Look for the order of labels in their means.

    Parameters
    ----------
    means : ndarray, shape (labels, dimensions)
        Mean of each label, in their order.
    cyclic : bool
        Whether the first label follows the last.
    samples : int
        Permutations drawn if there are more than eight labels; with fewer all are gone through.
    seed : int
        Of the permutations.

    Raises
    ------
    ValueError
        If there are less than four labels, or the means lie on a line: then there is no plane.
    """
    means = real("means", means)
    if means.ndim != 2 or len(means) < 4:
        raise ValueError(f"means must be of shape (labels, dimensions) with at least 4 labels, got {means.shape}")
    n, targets = len(means), places(len(means), cyclic=cyclic)
    plane, share = _plane(means)
    orders = _orders(n, cyclic, int(count("samples", samples)), seed)
    angles = np.argsort(np.arctan2(plane[:, 1], plane[:, 0]))
    scores = _scores(orders[:, angles], cyclic)
    hat, mean = _left_out(means)
    skills = _skills(hat, mean, targets[orders])
    errors = _steps(hat @ targets, targets, cyclic)
    exact = n <= EXACT
    regressors, fit = _supervised(means, targets)
    first = int(np.flatnonzero(angles == 0)[0])
    return CircleFit(
        plane=plane,
        share=share,
        order=tuple(int(label) for label in np.roll(angles, -first)),
        score=_tested(scores, exact),
        predicted=_tested(skills, exact),
        steps=float(np.abs(errors).mean()),
        fit=fit,
        fit_null=float(circular_fit_r2(regressors, n)),
    )


def places(labels: int, *, cyclic: bool) -> Floats:
    """Where labels lie: ``(cos, sin)`` of their angles, shape (labels, 2), or their numbers, shape (labels, 1)."""
    if not cyclic:
        return np.arange(float(labels))[:, None]
    angle = 2 * pi * np.arange(labels) / labels
    return np.stack([np.cos(angle), np.sin(angle)], axis=1)


def _plane(means: Floats) -> tuple[Floats, float]:
    """Coordinates of the centred means in their first two principal components, and the share of energy there."""
    u, values, _ = np.linalg.svd(means - means.mean(axis=0), full_matrices=False)
    if len(values) < 2 or values[1] <= _SMALL * values[0]:
        raise ValueError("the labels' means lie on a line; an order by angle needs two dimensions")
    return u[:, :2] * values[:2], float((values[:2] ** 2).sum() / (values**2).sum())


def _orders(n: int, cyclic: bool, samples: int, seed: int) -> NDArray[np.int64]:
    """Permutations of the labels, the true one first, shape (permutations, n): all of them, or some drawn at random."""
    if n <= EXACT:
        # turning a circle changes nothing, so that label 0 may stay where it is
        rest = list(arrangements(range(1, n))) if cyclic else None
        return np.array([(0, *each) for each in rest] if rest else list(arrangements(range(n))))
    rng = np.random.default_rng(seed)
    return np.vstack([np.arange(n), rng.permuted(np.tile(np.arange(n), (samples, 1)), axis=1)])


def _scores(around: NDArray[np.int64], cyclic: bool) -> Floats:
    """Share of neighbours that follow one another, of labels in the order of their angles, shape (permutations, n)."""
    n = around.shape[1]
    step = np.roll(around, -1, axis=1) - around
    if cyclic:
        forward, backward = (step % n == 1).sum(axis=1), (step % n == n - 1).sum(axis=1)
    else:
        forward, backward, n = (step == 1).sum(axis=1), (step == -1).sum(axis=1), n - 1
    return np.asarray(np.maximum(forward, backward) / n)


def _left_out(means: Floats) -> tuple[Floats, Floats]:
    """Matrices that make of all targets the prediction for each label from the others, and the mean of the others."""
    n = len(means)
    hat, mean = np.zeros((n, n)), (np.ones((n, n)) - np.eye(n)) / (n - 1)
    for out in range(n):
        rest = np.delete(np.arange(n), out)
        centre = means[rest].mean(axis=0)
        _, _, directions = np.linalg.svd(means[rest] - centre, full_matrices=False)
        points = np.column_stack([np.ones(n), (means - centre) @ directions[:2].T])
        hat[out, rest] = points[out] @ np.linalg.pinv(points[rest])
    return hat, mean


def _skills(hat: Floats, mean: Floats, targets: Floats) -> Floats:
    """One number for each permutation, of targets of shape (permutations, labels, q)."""
    missed, scatter = (((each @ targets - targets) ** 2).sum(axis=(1, 2)) for each in (hat, mean))
    return np.asarray(1 - missed / scatter)


def _steps(predicted: Floats, targets: Floats, cyclic: bool) -> Floats:
    """Errors in labels."""
    if not cyclic:
        return np.asarray((predicted - targets)[:, 0])
    turn = np.arctan2(predicted[:, 1], predicted[:, 0]) - np.arctan2(targets[:, 1], targets[:, 0])
    return np.asarray(((turn + pi) % (2 * pi) - pi) * len(targets) / (2 * pi))


def _supervised(means: Floats, targets: Floats) -> tuple[int, float]:
    """Coordinates used, and R^2 of the linear fit of the targets from them."""
    u, values, _ = np.linalg.svd(means - means.mean(axis=0), full_matrices=False)
    u = u[:, values > _SMALL * values[0]]
    centred = targets - targets.mean(axis=0)
    return u.shape[1], float(((u.T @ centred) ** 2).sum() / (centred**2).sum())


def _tested(values: Floats, exact: bool) -> Tested:
    """The first value against the others: all permutations include the true one, drawn ones count it once more."""
    reached = float((values >= values[0] - _SMALL).mean())
    return Tested(float(values[0]), float((values if exact else values[1:]).mean()), reached)
