"""Lloyd's iteration: assign each row to the cluster that errs least on it, fit each cluster to its rows, repeat.

The error never rises. It ends in a local minimum, hence several restarts from spread-out seeds (k-means++: Arthur and
Vassilvitskii, SODA 2007), drawn with probability proportional to the error that the seeds so far leave. Clusters are
points, or subspaces through 0: the two differ only in how they err and how they are fitted.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor

from sasa_theory.bounds.validate import count

_BLOCK_ENTRIES = 2**24
"""Products of rows and clusters held at a time: 64 MB in float32."""
_TOLERANCE = 1e-6
"""An iteration that lowers the error by a smaller share than this is the last."""


class Clusters(ABC):
    """What a cluster is: a model of shape (rank, width) that errs on each row by some amount."""

    rank = 1

    @abstractmethod
    def errors(self, x: Tensor, models: Tensor) -> Tensor:
        """Squared error of each model on each row, shape (n, clusters)."""

    @abstractmethod
    def around(self, x: Tensor, i: int) -> Tensor:
        """A model that fits row i, shape (rank, width)."""

    @abstractmethod
    def fit(self, rows: Tensor, model: Tensor) -> Tensor:
        """A model that fits rows at least as well as ``model`` does, shape (rank, width)."""


class Points(Clusters):
    """Centroids, shape (1, width) each: the error is the squared distance."""

    def errors(self, x: Tensor, models: Tensor) -> Tensor:
        """``||x - c||^2``, shape (n, clusters)."""
        points = models.squeeze(1)
        return (x.square().sum(1, keepdim=True) - 2 * x @ points.mT + points.square().sum(1)).clamp_min(0)

    def around(self, x: Tensor, i: int) -> Tensor:
        """Row i itself."""
        return x[i : i + 1]

    def fit(self, rows: Tensor, model: Tensor) -> Tensor:
        """The mean of the rows."""
        return rows.mean(dim=0, keepdim=True)


class Subspaces(Clusters):
    """Orthonormal bases, shape (rank, width): the error is the squared distance from the projection."""

    def __init__(self, rank: int) -> None:
        self.rank = rank

    def errors(self, x: Tensor, models: Tensor) -> Tensor:
        """``||x||^2 - ||B x||^2``, shape (n, clusters)."""
        captured = (x @ models.flatten(0, 1).mT).square().unflatten(1, (-1, self.rank)).sum(dim=2)
        return (x.square().sum(1, keepdim=True) - captured).clamp_min(0)

    def around(self, x: Tensor, i: int) -> Tensor:
        """The direction of row i, and the leading ones of the rows nearest to it or its opposite in direction."""
        direction = x[i] / x[i].norm().clamp_min(torch.finfo(x.dtype).tiny)
        nearest = (x @ direction).abs() / x.norm(dim=1).clamp_min(torch.finfo(x.dtype).tiny)
        rows = x[nearest.topk(min(2 * self.rank, len(x))).indices]
        others = torch.linalg.svd(rows - (rows @ direction).outer(direction), full_matrices=False).Vh[: self.rank - 1]
        return torch.linalg.qr(torch.cat((direction.unsqueeze(0), others)).mT).Q.mT

    def fit(self, rows: Tensor, model: Tensor) -> Tensor:
        """One step of orthogonal iteration, which costs far less than the leading eigenvectors of ``C = rows' rows``.

        The captured energy ``tr(B C B')`` is convex in B, so the best B for its tangent plane captures no less; the
        rows of that B span those of ``B C``.
        """
        return torch.linalg.qr(rows.mT @ (rows @ model.mT)).Q.mT


def lloyd(
    kind: Clusters, x: Tensor, clusters: int, generator: torch.Generator, restarts: int, iterations: int
) -> Tensor:
    """Models with the smallest total error over some restarts, shape (clusters, rank, width)."""
    if len(x) < max(clusters, kind.rank):
        raise ValueError(
            f"x must have a row for each cluster and dimension, {max(clusters, kind.rank)}, got {len(x)}; "
            f"the nearest possible are {min(clusters, len(x))} clusters of rank {min(kind.rank, len(x))}"
        )
    count("restarts", restarts)
    count("iterations", iterations)
    runs = [_run(kind, x, _seeds(kind, x, clusters, generator), iterations) for _ in range(restarts)]
    return min(runs, key=lambda run: run[0])[1]


def _seeds(kind: Clusters, x: Tensor, clusters: int, generator: torch.Generator) -> Tensor:
    left = torch.ones(len(x), dtype=torch.float64, device=x.device)
    models: list[Tensor] = []
    for _ in range(clusters):
        shares = left.cumsum(0)
        at = shares[-1] * torch.rand((), generator=generator, device=generator.device, dtype=torch.float64).to(x.device)
        i = int(torch.searchsorted(shares, at, right=True).clamp_max(len(x) - 1))  # beyond the end if no error is left
        models.append(kind.around(x, i))
        error = kind.errors(x, models[-1].unsqueeze(0)).squeeze(1).double()
        left = error if len(models) == 1 else torch.minimum(left, error)
    return torch.stack(models)


def _run(kind: Clusters, x: Tensor, models: Tensor, iterations: int) -> tuple[float, Tensor]:
    """Lloyd's iteration from these models: total error and models at its end."""
    errors, labels = _assign(kind, x, models)
    total = float(errors.double().sum())
    for _ in range(iterations):
        models = _refit(kind, x, models, errors, labels)
        before = total
        errors, labels = _assign(kind, x, models)
        total = float(errors.double().sum())
        if before - total <= _TOLERANCE * before:
            break
    return total, models


def _assign(kind: Clusters, x: Tensor, models: Tensor) -> tuple[Tensor, Tensor]:
    """Error and cluster of each row."""
    block = max(1, _BLOCK_ENTRIES // (models.shape[0] * models.shape[1]))
    parts = [kind.errors(rows, models).min(dim=1) for rows in x.split(block)]
    return torch.cat([part.values for part in parts]), torch.cat([part.indices for part in parts])


def _refit(kind: Clusters, x: Tensor, models: Tensor, errors: Tensor, labels: Tensor) -> Tensor:
    """Each cluster fitted to its rows; clusters without rows move to the rows with the largest errors."""
    sizes = torch.bincount(labels, minlength=len(models))
    members = labels.argsort(stable=True).split(sizes.tolist())
    worst = iter(errors.topk(int((sizes == 0).sum())).indices.tolist())
    return torch.stack(
        [
            kind.fit(x[rows], model) if len(rows) else kind.around(x, next(worst))
            for rows, model in zip(members, models, strict=True)
        ]
    )
