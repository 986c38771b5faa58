"""Bases of the features: independent, orthogonal, of prescribed coherence, of coherence near the least possible.

Every function returns the stacked bases, shape (sum(dims), width): feature i holds dims[i] consecutive rows, which are
orthonormal. They are drawn on the generator's device.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from scipy.optimize import brentq
from torch import Tensor

from sasa_theory.bounds.validate import at_most, count, real

from .pair_coherence import blocks_by_dim, coherence, rows_by_dim

_TOLERANCE = 1e-6
"""How near a prescribed coherence is met."""


def independent_bases(
    width: int, dims: Sequence[int], generator: torch.Generator, dtype: torch.dtype = torch.float32
) -> Tensor:
    """Independent uniformly random subspaces: the rows of QR factors of Gaussian matrices.

    Raises
    ------
    ValueError
        If a dimension is not a whole number between 1 and ``width``.
    """
    _check(width, dims)
    rows = sum(dims)
    return _orthonormalise(torch.randn(rows, width, generator=generator, device=generator.device, dtype=dtype), dims)


def orthogonal_bases(
    width: int, dims: Sequence[int], generator: torch.Generator, dtype: torch.dtype = torch.float32
) -> Tensor:
    """Features taken in order from random orthogonal frames; a new independent frame starts where one is full.

    While ``sum(dims) <= width`` all features are mutually orthogonal; beyond, the dictionary is a union of orthogonal
    families.

    Raises
    ------
    ValueError
        If a dimension is not a whole number between 1 and ``width``.
    """
    _check(width, dims)
    frames: list[int] = []
    room = 0
    for d in dims:
        if d > room:
            frames.append(0)
            room = width
        frames[-1] += d
        room -= d
    # A frame is one feature as large as all of its own together.
    return independent_bases(width, frames, generator, dtype)


def coherent_bases(
    width: int, dims: Sequence[int], mu: float, generator: torch.Generator, dtype: torch.dtype = torch.float32
) -> Tensor:
    r"""Features whose largest principal cosine, over all pairs, is ``mu``.

    Feature i spans the rows of :math:`\sqrt{1-\tau}\, V_i + \sqrt{\tau}\, C_i`, where :math:`V_i` comes from a
    low-coherence dictionary and :math:`C_i` holds the first :math:`d_i` rows of one random frame C that all features
    share. If ``sum(dims) + max(dims) <= width`` everything is orthogonal and, with tau = mu, every principal cosine of
    every pair equals mu. Otherwise tau is found by root finding on the measured coherence, which runs continuously from
    that of the low-coherence dictionary at tau = 0 to 1 at tau = 1; then the largest pair is at mu within 1e-6.

    Parameters
    ----------
    mu : float
        Target in [0, 1); it needs at least two features.

    Raises
    ------
    ValueError
        If an argument is outside its range, or ``mu`` lies below the coherence of the low-coherence dictionary; the
        message names that value, the least that this construction reaches.
    """
    _check(width, dims)
    real("mu", mu, 0.0, 1.0, open_high=True)
    if len(dims) < 2:
        raise ValueError(f"dims must name at least two features to prescribe a coherence, got {list(dims)}")
    shared = max(dims)
    if sum(dims) + shared <= width:
        frame = independent_bases(width, [sum(dims) + shared], generator, torch.float64)
        return _tilted(frame[shared:], frame[:shared], dims, mu).to(dtype)
    start = low_coherence_bases(width, dims, generator, torch.float64)
    common = independent_bases(width, [shared], generator, torch.float64)
    floor = coherence(start, dims).max
    if mu < floor - _TOLERANCE:
        raise ValueError(
            f"mu must be at least {floor:.6f}, what this construction reaches for {len(dims)} features of {sum(dims)} "
            f"dimensions in width {width}, got {mu:g}; raise mu or width, or use fewer features"
        )
    if mu <= floor + _TOLERANCE:
        return start.to(dtype)

    def excess(tau: float) -> float:
        return coherence(_orthonormalise(_tilted(start, common, dims, tau), dims), dims).max - mu

    tau = float(brentq(excess, 0.0, 1.0, xtol=1e-12, rtol=1e-12))
    return _orthonormalise(_tilted(start, common, dims, tau), dims).to(dtype)


def low_coherence_bases(
    width: int, dims: Sequence[int], generator: torch.Generator, dtype: torch.dtype = torch.float32
) -> Tensor:
    r"""Features that are mutually orthogonal if they fit, and otherwise have coherence at most :math:`1/\sqrt p`.

    With D = max(dims) and p the largest prime with ``2 p D <= width``, take the p^2 chirps
    :math:`v_{ab}(x) = \exp(2 \pi i (a x^2 + b x)/p)/\sqrt p`, x = 0..p-1. Two chirps of one a are orthogonal, others
    have an inner product of modulus :math:`1/\sqrt p` (a Gauss sum), so the real forms of v and iv make p orthonormal
    frames of R^{2p} with that coherence. Each of their vectors, tensored with the identity of R^D, gives D orthonormal
    rows, which are handed out to features of d_i <= D rows. The choice of frames and vectors and a rotation of R^width
    are random.

    For many vectors (D = 1) Welch's floor is close to 1/sqrt(width), so this is about sqrt(width / p) times the least
    possible: .0511 for 16,384 vectors in width 768, against a floor of .0353 and about .21 for independent vectors. If
    there are more features than the p frames hold, or width < 6 D, the bases are those of :func:`orthogonal_bases`,
    which bounds nothing beyond one frame: independent bases may then have lower coherence.

    Raises
    ------
    ValueError
        If a dimension is not a whole number between 1 and ``width``.
    """
    _check(width, dims)
    device, slots = generator.device, max(dims)
    p = _largest_prime(width // (2 * slots))
    vector, slot = _assign_slots(dims, slots)
    vectors = int(vector.max()) + 1
    if sum(dims) <= width or p < 3 or vectors > 2 * p * p:
        return orthogonal_bases(width, dims, generator, dtype)
    frames = torch.randperm(p, generator=generator, device=device)[: math.ceil(vectors / (2 * p))]
    pick = torch.randperm(2 * p * len(frames), generator=generator, device=device)[:vectors]
    chirps = _real_chirps(p, frames[pick // (2 * p)], pick % (2 * p)).to(dtype)
    rotation = independent_bases(width, [2 * p * slots], generator, dtype).reshape(slots, 2 * p, width)
    bases = torch.empty(sum(dims), width, device=device, dtype=dtype)
    for k in range(slots):
        rows = torch.nonzero(slot == k).flatten()
        bases[rows] = chirps[vector[rows]] @ rotation[k]
    return bases


def _check(width: int, dims: Sequence[int]) -> None:
    if len(dims) == 0:
        raise ValueError("dims must name at least one feature, got an empty sequence")
    at_most("dims", count("dims", list(dims)), "width", count("width", width))


def _orthonormalise(rows: Tensor, dims: Sequence[int]) -> Tensor:
    """Orthonormalise the rows of each feature."""
    out = torch.empty_like(rows)
    for (d, index), blocks in zip(rows_by_dim(dims).items(), blocks_by_dim(rows, dims).values(), strict=True):
        if d == 1:
            out[index] = torch.nn.functional.normalize(blocks.squeeze(1), dim=1)
        else:
            out[index] = torch.linalg.qr(blocks.mT).Q.mT.flatten(0, 1)
    return out


def _tilted(bases: Tensor, common: Tensor, dims: Sequence[int], tau: float) -> Tensor:
    """Mix the rows of each feature with the first rows of the common frame."""
    within = torch.cat([torch.arange(d) for d in dims])
    return math.sqrt(1 - tau) * bases + math.sqrt(tau) * common[within]


def _largest_prime(limit: int) -> int:
    """Largest prime <= limit, or 0."""
    return next((n for n in range(limit, 1, -1) if all(n % k for k in range(2, math.isqrt(n) + 1))), 0)


def _assign_slots(dims: Sequence[int], slots: int) -> tuple[Tensor, Tensor]:
    """Give every row a vector and one of its slots, so that no feature spreads over two vectors.

    Features are packed by decreasing dimension, each into the current vector if it still fits.
    """
    place: list[list[tuple[int, int]]] = [[] for _ in dims]
    vector, used = 0, 0
    for i in sorted(range(len(dims)), key=lambda i: -dims[i]):
        if used + dims[i] > slots:
            vector, used = vector + 1, 0
        place[i] = [(vector, used + k) for k in range(dims[i])]
        used += dims[i]
    flat = torch.tensor([row for rows in place for row in rows])
    return flat[:, 0], flat[:, 1]


def _real_chirps(p: int, a: Tensor, direction: Tensor) -> Tensor:
    """Real forms of chirps, shape (n, 2 p): direction b < p gives v_ab as (Re, Im), direction p + b gives i v_ab."""
    x = torch.arange(p, device=a.device)
    turns = (a[:, None] * x * x + (direction % p)[:, None] * x) % p  # exact in integers, whatever p
    phase = (2 * math.pi / p) * turns.double() + (math.pi / 2) * (direction >= p).double()[:, None]
    return torch.cat((phase.cos(), phase.sin()), dim=1) / math.sqrt(p)
