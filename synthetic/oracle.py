"""What the true subspaces reach: the ceiling that a trained model of the same form is to be judged against."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from scipy.stats import binomtest
from torch import Tensor

from sasa_theory.bounds.validate import count

from .config import WorldConfig
from .truth import Sample

_BLOCK_ENTRIES = 2**24
"""Projections held at a time: 64 MB in float32."""
_NORMAL_95 = 1.959963984540054
"""Quantile .975 of the standard normal law."""


@dataclass(frozen=True)
class Estimate:
    """A measured value with its 95 % sampling interval.

    Attributes
    ----------
    value, low, high : float
        Estimate and interval.
    """

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Oracle:
    """What tied encoders on the true subspaces reach.

    Attributes
    ----------
    explained_variance : Estimate
        ``1 - sum ||x - xhat||^2 / sum ||x - mean||^2``. Interval by the delta method for a ratio of means.
    support_recall : Estimate
        Share of the firings that were selected. Interval by the delta method.
    exact_support : Estimate
        Share of the samples whose selected set is the true one. Wilson's interval.
    samples : int
        Number of samples.
    """

    explained_variance: Estimate
    support_recall: Estimate
    exact_support: Estimate
    samples: int


def measure_oracle(config: WorldConfig, bases: Tensor, bias: Tensor, sample: Sample, s: int | None = None) -> Oracle:
    """Reconstruct a sample by the true subspaces, ``xhat = b + sum_{i selected} V_i V_i' (x - b)``.

    Selected are the s features with the largest ``||V_i' (x - b)||``; with ``s = None`` as many as fired in that very
    sample. Projections of non-orthogonal features overlap and are not corrected for, as in the models it stands for;
    decoders that solve for the coefficients (block matching pursuit) can do better. Memory beyond that of the sample
    is bounded.

    Raises
    ------
    ValueError
        If s is not between 1 and the number of features, or the sample is of one row, which has no variance.
    """
    truth, n = sample.truth, sample.x.shape[0]
    count("n", n, 2)
    if s is not None:
        count("s", s, 1, config.size)
    device = bases.device
    feature = torch.repeat_interleave(torch.tensor(config.dims, device=device))
    active = torch.bincount(truth.samples, minlength=n)
    budget = active if s is None else torch.full_like(active, s)
    ends = active.cumsum(0)
    step = max(1, _BLOCK_ENTRIES // bases.shape[0])
    mean = sample.x.mean(dim=0)
    errors, spreads, hits = [], [], []
    for start in range(0, n, step):
        block = slice(start, min(start + step, n))
        x = sample.x[block] - bias
        projections = x @ bases.T
        norms = x.new_zeros(len(x), config.size).index_add_(1, feature, projections.square())
        selected = _largest(norms, budget[block])
        residual = x - (projections * selected[:, feature]) @ bases
        errors.append(residual.double().square().sum(dim=1))
        spreads.append((sample.x[block] - mean).double().square().sum(dim=1))
        firings = slice(int(ends[start] - active[start]), int(ends[block.stop - 1]))
        samples = truth.samples[firings] - start
        hit = selected[samples, truth.features[firings]]
        hits.append(torch.bincount(samples, weights=hit.double(), minlength=len(x)))
    found = torch.cat(hits)
    unexplained = _ratio(torch.cat(errors), torch.cat(spreads))
    exact = int(((found == active) & (budget == active)).sum())
    wilson = binomtest(exact, n).proportion_ci(method="wilson")
    return Oracle(
        explained_variance=Estimate(1 - unexplained.value, 1 - unexplained.high, 1 - unexplained.low),
        support_recall=_ratio(found, active.double()),
        exact_support=Estimate(exact / n, float(wilson.low), float(wilson.high)),
        samples=n,
    )


def _largest(scores: Tensor, budget: Tensor) -> Tensor:
    """Mask of the ``budget[i]`` largest scores of each row."""
    index = scores.topk(int(budget.max()), dim=1).indices
    within = torch.arange(index.shape[1], device=scores.device) < budget[:, None]
    return torch.zeros_like(scores, dtype=torch.bool).scatter_(1, index, within)


def _ratio(numerator: Tensor, denominator: Tensor) -> Estimate:
    """Ratio of two means over the same samples, with its 95 % interval to first order."""
    value = float(numerator.sum() / denominator.sum())
    deviation = (numerator - value * denominator).square().sum().sqrt() / denominator.sum()
    half = _NORMAL_95 * float(deviation) if math.isfinite(value) else math.nan
    return Estimate(value, value - half, value + half)
