"""What is known about a sample of a world: which features fired, with which coefficients, adding what."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import embedding_bag

from .sampling import CHUNK, Active

DETAILS = ("support", "coefficients", "contributions")


@dataclass(frozen=True)
class Truth:
    """The truth of n samples, one entry per firing, sorted by sample.

    Attributes
    ----------
    size : tuple of int
        Numbers of samples and of features.
    samples, features : Tensor
        Which feature fired in which sample, int64, shape (firings,).
    starts : Tensor or None
        Where each firing's coefficients begin: firing k has ``coefficients[starts[k] : starts[k] + d]``, d the linear
        dimension of its feature.
    rows : Tensor or None
        Row of the stacked bases that each coefficient belongs to, shape (coefficients,).
    coefficients : Tensor or None
        Coefficients of the slices in their bases, shape (coefficients,).
    contributions : Tensor or None
        Slices in the space of x, shape (firings, width). The bias, the noise and the contributions of a sample's
        firings add up to x.
    """

    size: tuple[int, int]
    samples: Tensor
    features: Tensor
    starts: Tensor | None = None
    rows: Tensor | None = None
    coefficients: Tensor | None = None
    contributions: Tensor | None = None

    def dense(self) -> Tensor:
        """Which features fired, as a Boolean matrix of shape (n, features)."""
        out = torch.zeros(self.size, dtype=torch.bool, device=self.samples.device)
        out[self.samples, self.features] = True
        return out


@dataclass(frozen=True)
class Sample:
    """A sample of a world.

    Attributes
    ----------
    x : Tensor
        Activations, float32, shape (n, width).
    noise : Tensor or None
        The isotropic noise in them, shape (n, width), zero in a world without noise. It is kept together with the
        contributions only.
    truth : Truth
        What fired.
    """

    x: Tensor
    noise: Tensor | None
    truth: Truth


def join(chunks: Sequence[Active], n: int, features: int, bases: Tensor, detail: str) -> Truth:
    """The truth of the first ``n`` samples of consecutive chunks, in the given detail."""
    samples = torch.cat([chunk.samples + k * CHUNK for k, chunk in enumerate(chunks)])
    kept = int((samples < n).sum())  # samples are sorted, so the firings of the first n come first
    size, samples, fired = (n, features), samples[:kept], torch.cat([chunk.features for chunk in chunks])[:kept]
    if detail == "support":
        return Truth(size, samples, fired)
    offsets = [0]
    for chunk in chunks:
        offsets.append(offsets[-1] + chunk.rows.numel())
    starts = torch.cat([chunk.starts + offset for chunk, offset in zip(chunks, offsets[:-1], strict=True)])
    end = int(starts[kept]) if kept < starts.numel() else offsets[-1]
    starts = starts[:kept]
    rows = torch.cat([chunk.rows for chunk in chunks])[:end]
    coefficients = torch.cat([chunk.coefficients for chunk in chunks])[:end]
    if detail == "coefficients":
        return Truth(size, samples, fired, starts, rows, coefficients)
    contributions = embedding_bag(rows, bases, starts, mode="sum", per_sample_weights=coefficients)
    return Truth(size, samples, fired, starts, rows, coefficients, contributions)
