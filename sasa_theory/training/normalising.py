"""One scale for all activations, so that learning rates and penalties mean the same everywhere."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import torch

from .source import Source

CALIBRATION = 2**14
"""Samples from which the scale is estimated."""


@runtime_checkable
class Rescalable(Protocol):
    """A design that can take over a scale of its inputs."""

    def absorb_scale(self, scale: float) -> None:
        """Turn a design trained on ``scale * x`` into the equal one for ``x``."""


def unit_mean_square_scale(source: Source, generator: torch.Generator, batch_size: int) -> float:
    """The scale c with ``E||c x||^2 = width``, from the first :data:`CALIBRATION` samples or a few more.

    Raises
    ------
    ValueError
        If the activations are all 0, or not finite.
    """
    total, rows = 0.0, 0
    stream = source.batches(batch_size, generator)
    while rows < CALIBRATION:
        batch = next(stream)
        total += float(torch.linalg.vector_norm(batch, dtype=torch.float64)) ** 2
        rows += len(batch)
    square = total / rows
    if not 0 < square < float("inf"):
        raise ValueError(f"the activations have mean squared norm {square}; clean the source, or set normalise='none'")
    return (source.width / square) ** 0.5
