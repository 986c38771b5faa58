"""Points whose mixture and separability are known."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor


def gaussian(n: int, d: int, seed: int) -> Tensor:
    """Isotropic Gaussian."""
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def circle(n: int) -> Tensor:
    """Evenly spaced on a circle, in an order that spreads every part of it over the whole circle."""
    angle = torch.arange(n, dtype=torch.float64) * math.pi * (math.sqrt(5) - 1)
    return torch.stack((angle.cos(), angle.sin()), dim=1)


def sphere(n: int, d: int, seed: int) -> Tensor:
    """Uniform on a sphere in d dimensions."""
    return torch.nn.functional.normalize(gaussian(n, d, seed), dim=1)


def uniform(n: int, seed: int) -> Tensor:
    """Uniform on a square."""
    return torch.rand(n, 2, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def disk(n: int, seed: int) -> Tensor:
    """Uniform on a disk."""
    return sphere(n, 2, seed) * uniform(n, seed + 1)[:, :1].sqrt()


def mixture(n: int, dims: Sequence[int], seed: int) -> Tensor:
    """Gaussians in orthogonal subspaces of these dimensions, one at a time, in a random frame."""
    of = torch.repeat_interleave(torch.arange(len(dims)), torch.tensor(dims))
    who = torch.randint(len(dims), (n, 1), generator=torch.Generator().manual_seed(seed))
    return gaussian(n, len(of), seed) * (who == of) @ orthogonal(len(of), seed + 1)


def orthogonal(d: int, seed: int) -> Tensor:
    """A random orthogonal matrix."""
    return torch.linalg.qr(gaussian(d, d, seed)).Q
