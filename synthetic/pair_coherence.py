"""Measured coherence of a dictionary: the largest principal cosine of every pair of features, in bounded memory."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from sasa_theory.bounds.validate import count, real

_BLOCK_ENTRIES = 2**24
"""Inner products formed at a time: 64 MB in float32."""


@dataclass(frozen=True)
class Coherence:
    """Summary of the largest principal cosine over all pairs of features.

    Attributes
    ----------
    pairs : int
        Number of pairs, n (n - 1) / 2.
    max, mean : float
        Largest and mean value; nan if there is no pair.
    limit : float
        The limit asked for.
    share_below : float
        Share of the pairs strictly below ``limit``; nan if there is no pair.
    """

    pairs: int
    max: float
    mean: float
    limit: float
    share_below: float


def coherence(bases: Tensor, dims: Sequence[int], limit: float = 1.0) -> Coherence:
    """Measure the coherence of a dictionary, exactly over all pairs of features.

    For two features with orthonormal bases V_i (d_i x width) and V_j the largest principal cosine is the largest
    singular value of ``V_i V_j'``. Inner products are formed in blocks of at most 2^24; the time is that of half a Gram
    matrix, plus one small symmetric eigenproblem for each pair in which both dimensions exceed 1.

    Parameters
    ----------
    bases : Tensor
        Stacked bases, shape (sum(dims), width); the rows of each block orthonormal.
    dims : sequence of int
        Dimension of each feature, in the order of the rows.
    limit : float
        Cosine in [0, 1] for ``share_below``; ``1 / (2 s - 1)`` is where Top-s selection is guaranteed
        (:func:`sasa_theory.bounds.coherence_limit`).

    Raises
    ------
    ValueError
        If the dimensions do not add up to the number of rows, or ``limit`` is out of range.
    """
    real("limit", limit, 0.0, 1.0)
    count("dims", list(dims))
    if bases.ndim != 2 or sum(dims) != bases.shape[0]:
        raise ValueError(f"bases must have sum(dims) = {sum(dims)} rows, got shape {tuple(bases.shape)}")
    pairs, top, total, below = 0, 0.0, 0.0, 0
    for cosines in filter(torch.numel, pairwise_cosines(bases, dims)):
        pairs += cosines.numel()
        top = max(top, float(cosines.max()))
        total += float(cosines.sum(dtype=torch.float64))
        below += int((cosines < limit).sum())
    if pairs == 0:
        return Coherence(0, math.nan, math.nan, limit, math.nan)
    return Coherence(pairs, top, total / pairs, limit, below / pairs)


def pairwise_cosines(bases: Tensor, dims: Sequence[int]) -> Iterator[Tensor]:
    """Yield the largest principal cosine of each pair of features once, in flat blocks of no given order."""
    groups = list(blocks_by_dim(bases, dims).values())
    for g, group in enumerate(groups):
        step = max(1, _BLOCK_ENTRIES // max(group.shape[1] * other.shape[:2].numel() for other in groups[g:]))
        for start in range(0, group.shape[0], step):
            tile = group[start : start + step]
            within = _largest_cosines(tile, tile)
            yield within[torch.ones_like(within, dtype=torch.bool).triu(1)]
            for other in (group[start + step :], *groups[g + 1 :]):
                yield _largest_cosines(tile, other).flatten()


def blocks_by_dim(bases: Tensor, dims: Sequence[int]) -> dict[int, Tensor]:
    """Features of equal dimension together: ``{d: (number of features, d, width)}`` by increasing d."""
    return {d: bases[rows].reshape(-1, d, bases.shape[1]) for d, rows in rows_by_dim(dims).items()}


def rows_by_dim(dims: Sequence[int]) -> dict[int, Tensor]:
    """Rows of the stacked matrix that belong to the features of each dimension, by increasing dimension."""
    row_dim = torch.tensor(dims).repeat_interleave(torch.tensor(dims))
    return {d: torch.nonzero(row_dim == d).flatten() for d in sorted(set(dims))}


def _largest_cosines(left: Tensor, right: Tensor) -> Tensor:
    """Largest principal cosines between the features of (m, p, width) and of (n, q, width), shape (m, n)."""
    (m, p, width), (n, q, _) = left.shape, right.shape
    gram = left.reshape(m * p, width) @ right.reshape(n * q, width).T
    if p == q == 1:
        return gram.abs()
    blocks = gram.reshape(m, p, n, q).transpose(1, 2)
    if min(p, q) == 1:
        return torch.linalg.vector_norm(blocks, dim=(-2, -1))
    small = blocks @ blocks.mT if p <= q else blocks.mT @ blocks
    return torch.linalg.eigvalsh(small)[..., -1].clamp(min=0).sqrt()
