"""How much of a feature lies near one hyperplane: most of it, if the feature is a mixture of lower-dimensional ones.

Every affine map of the points leaves the index as it is, so that points are whitened only to make the search easy.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from sasa_theory.bounds.validate import real
from sasa_theory.tolerances import FLAT

ANGLES = 90
"""Directions tried in a plane: the nearest is off by a degree at most, a fifth of what a band of eps = 0.1 forgives."""

RESTARTS = 64
"""Random starts of the search in more than two dimensions."""

STEPS = 150
"""Steps of each."""

_STEP = 0.1  # of the search, on the unit sphere
_COLDEST = 0.03  # temperature of the last step, well below eps
_HELD = 1 << 20  # numbers held at a time


class Mixture(NamedTuple):
    """Share of the points near the best hyperplane.

    Attributes
    ----------
    plug_in : float
        For the hyperplane that is best for these very points: too high, as every maximum over a sample is.
    held_out : float
        For the hyperplanes that are best for one half of the points (even, odd rows), the share of the other half, mean
        of both: not too high, and a little too low where the best hyperplane is hard to find.
    """

    plug_in: float
    held_out: float


class _Band(NamedTuple):
    """``|v.f - u| < eps sqrt(1 + u^2)`` of whitened points, and the share of the points it was found for."""

    share: float
    direction: Tensor
    offset: float


def mixture_index(points: Tensor, eps: float = 0.1, *, generator: torch.Generator | None = None) -> Mixture:
    """``max over v, c of P(|v.f + c| < eps sqrt(E(v.f + c)^2))``, the share of the points near one hyperplane.

    The best offset c is found exactly for every direction v tried. In one and two dimensions the directions are swept;
    in more, they are found by ascent on a smoothed share from random starts, and more points may lie near a hyperplane
    that was not found.

    Parameters
    ----------
    points : Tensor, shape (n, d)
        The feature where it is active.
    eps : float
        Half-width of the band, relative to the root mean square distance from the hyperplane; in (0, 1).
    generator : torch.Generator, optional
        Of the random starts; a fresh one of seed 0 if omitted.

    Returns
    -------
    Mixture
        1 if all points coincide. For many points: uniform on a circle 0.219, on a sphere 0.106, Gaussian 0.080, two
        orthogonal lines at least 0.5.

    Raises
    ------
    ValueError
        If ``eps`` is outside its range, there are fewer than two points, or one is not finite.

    References
    ----------
    arXiv 2405.14860, section 3.
    """
    eps = float(real("eps", eps, 0.0, 1.0, open_low=True, open_high=True))
    generator = torch.Generator().manual_seed(0) if generator is None else generator
    white = whitened(points)
    if white.shape[1] == 0:
        return Mixture(1.0, 1.0)
    even, odd = white[::2], white[1::2]
    held_out = (_inside(odd, _search(even, eps, generator), eps) + _inside(even, _search(odd, eps, generator), eps)) / 2
    return Mixture(_search(white, eps, generator).share, held_out)


def whitened(points: Tensor) -> Tensor:
    """Points with mean 0 and covariance I, in as many dimensions as they vary in, shape (n, at most d), float64.

    If that is all of them, the axes stay where they are: principal axes of isotropic points would be those of rounding.

    Raises
    ------
    ValueError
        If ``points`` is not of shape (n, d) with n >= 2, or not finite.
    """
    if points.ndim != 2 or len(points) < 2:
        raise ValueError(f"points must have shape (n, d) with n >= 2, got {tuple(points.shape)}")
    if not points.isfinite().all():
        raise ValueError("points must be finite, got NaN or infinity among them")
    x = points.double()
    left, singular, right = torch.linalg.svd(x - x.mean(dim=0), full_matrices=False)
    varying = singular > FLAT * torch.maximum(singular.amax(), FLAT * x.norm())
    if len(varying) == x.shape[1] and varying.all():
        return left @ right * math.sqrt(len(x))
    return left[:, varying] * math.sqrt(len(x))


def _search(white: Tensor, eps: float, generator: torch.Generator) -> _Band:
    d = white.shape[1]
    if d > 2:
        return _best(white, _ascend(white, eps, generator), eps)
    if d == 1:
        return _best(white, white.new_ones(1, 1), eps)
    angle = torch.arange(ANGLES, dtype=torch.float64, device=white.device) * (math.pi / ANGLES)
    return _best(white, torch.stack((angle.cos(), angle.sin()), dim=1), eps)


def _best(white: Tensor, directions: Tensor, eps: float) -> _Band:
    """The band of the largest share over the directions, each of norm 1, and all offsets.

    A projection p is inside when ``(p - u)^2 < eps^2 (1 + u^2)``, i.e. for u in an interval of its own; the best u lies
    in most of these intervals, from the last that opens to the first that closes.
    """
    found = _Band(-1.0, directions[0], 0.0)
    opened = torch.arange(1, len(white) + 1, device=white.device)
    for some in directions.split(max(1, _HELD // len(white))):
        p = (some @ white.mT).sort(dim=1).values
        reach = eps * (p.square() + 1 - eps**2).sqrt()
        opening, closing = (p - reach) / (1 - eps**2), (p + reach) / (1 - eps**2)  # both ascending
        closed = torch.searchsorted(closing, opening, right=True)
        most, where = (opened - closed).flatten().max(dim=0)
        if float(most) / len(white) > found.share:
            k, i = divmod(int(where), len(white))
            offset = float(opening[k, i] + closing[k, closed[k, i]]) / 2
            found = _Band(float(most) / len(white), some[k], offset)
    return found


def _inside(white: Tensor, band: _Band, eps: float) -> float:
    distance = (white @ band.direction - band.offset).abs()
    return float((distance < eps * math.sqrt(1 + band.offset**2)).double().mean())


def _ascend(white: Tensor, eps: float, generator: torch.Generator) -> Tensor:
    """Directions at the end of an ascent on ``mean sigmoid((eps - |z|) / T)``, T falling, from random starts.

    With a column of ones beside the whitened points, ``z = (v.f + c) / rms`` is linear in the unit vector (v, c).
    """
    ones = torch.cat((white, white.new_ones(len(white), 1)), dim=1)
    w = torch.randn(RESTARTS, ones.shape[1], generator=generator, dtype=torch.float64).to(white.device)
    w = w / w.norm(dim=1, keepdim=True)
    for temperature in torch.logspace(0, math.log10(_COLDEST), STEPS).tolist():
        z = w @ ones.mT
        soft = torch.sigmoid((eps - z.abs()) / temperature)
        slope = -(soft * (1 - soft) * z.sign()) @ ones
        w = w + _STEP * slope / slope.norm(dim=1, keepdim=True).clamp_min(torch.finfo(torch.float64).tiny)
        w = w / w.norm(dim=1, keepdim=True)
    v = w[:, :-1]
    return v / v.norm(dim=1, keepdim=True).clamp_min(torch.finfo(torch.float64).tiny)
