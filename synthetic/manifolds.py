"""Curves and surfaces in the plane and in space, drawn from uniform numbers, with their exact mean and covariance."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import torch
from torch import Tensor

TORUS_RADII = (2.0, 1.0)
"""Distance R from the torus' centre to the centre of its tube, and the tube's radius r."""
MOEBIUS_HALF_WIDTH = 0.5
"""Half the width h of the band around the unit circle."""
HELIX_TURNS = 2
"""Whole turns of the helix; its height runs over [-1, 1], its radius is 1."""
ROLL_ANGLES = (1.5 * math.pi, 4.5 * math.pi)
"""First and last angle (a, b) of the roll's spiral, which is also its radius there."""
ROLL_HALF_LENGTH = 3.0 * math.pi
"""Half the extent H of the roll along its axis."""


@dataclass(frozen=True)
class Manifold:
    """A law on a curve or surface: the image of independent uniform numbers.

    Attributes
    ----------
    intrinsic_dim : int
        Dimension of the manifold.
    uniforms : int
        Number u of uniform numbers in [0, 1) that make one point.
    embed : callable
        Maps uniform numbers, shape (n, u), to points, shape (n, linear_dim).
    mean : tuple of float
        Exact mean of the points.
    covariance : tuple of tuple of float
        Exact covariance of the points; positive definite, so the points span the whole space.
    """

    intrinsic_dim: int
    uniforms: int
    embed: Callable[[Tensor], Tensor]
    mean: tuple[float, ...]
    covariance: tuple[tuple[float, ...], ...]

    @property
    def linear_dim(self) -> int:
        """Dimension of the space that the manifold spans."""
        return len(self.mean)

    @property
    def energy(self) -> float:
        """Exact mean squared distance from the mean: the trace of the covariance."""
        return sum(row[i] for i, row in enumerate(self.covariance))


def circle(u: Tensor) -> Tensor:
    """Unit circle, uniform in arc length: ``(cos t, sin t)``."""
    t = _angle(u[:, 0])
    return torch.stack((t.cos(), t.sin()), dim=1)


def disk(u: Tensor) -> Tensor:
    """Unit disk, uniform in area: ``sqrt(v) (cos t, sin t)`` with v uniform on [0, 1)."""
    return u[:, 1:].sqrt() * circle(u)


def torus(u: Tensor) -> Tensor:
    """Torus ``((R + r cos v) cos w, (R + r cos v) sin w, r sin v)``, uniform in area.

    Area needs ``v`` with density proportional to ``1 + (r/R) cos v``. A uniform v that is turned by pi with probability
    ``(1 - (r/R) cos v)/2`` has exactly this density, so nothing is rejected.
    """
    R, r = TORUS_RADII
    v = _angle(u[:, 1])
    v = torch.where(2 * u[:, 2] > 1 + (r / R) * v.cos(), v + math.pi, v)
    return torch.cat(((R + r * v.cos()).unsqueeze(1) * circle(u), r * v.sin().unsqueeze(1)), dim=1)


def moebius(u: Tensor) -> Tensor:
    """Moebius band ``((1 + s cos(t/2)) cos t, (1 + s cos(t/2)) sin t, s sin(t/2))``, s uniform on [-h, h).

    Uniform in its parameters, not in area.
    """
    half = _angle(u[:, 0]) / 2
    s = MOEBIUS_HALF_WIDTH * (2 * u[:, 1] - 1)
    return torch.cat(((1 + s * half.cos()).unsqueeze(1) * circle(u), (s * half.sin()).unsqueeze(1)), dim=1)


def helix(u: Tensor) -> Tensor:
    """Helix ``(cos t, sin t, t/T)``, t uniform on [-T, T), T half its turns: uniform in arc length."""
    height = 2 * u[:, 0] - 1
    t = math.pi * HELIX_TURNS * height
    return torch.stack((t.cos(), t.sin(), height), dim=1)


def swiss_roll(u: Tensor) -> Tensor:
    """Swiss roll ``(t cos t, t sin t, s)``, t uniform on [a, b), s uniform on [-H, H).

    Uniform in its parameters, not in area.
    """
    a, b = ROLL_ANGLES
    t = a + (b - a) * u[:, 0]
    return torch.stack((t * t.cos(), t * t.sin(), ROLL_HALF_LENGTH * (2 * u[:, 1] - 1)), dim=1)


def _angle(u: Tensor) -> Tensor:
    return 2 * math.pi * u


def _diagonal(*variances: float) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(v * (i == j) for j in range(len(variances))) for i, v in enumerate(variances))


def _torus() -> Manifold:
    R, r = TORUS_RADII
    plane = (R**2 + 1.5 * r**2) / 2  # E cos v = r/(2R), E cos^2 v = 1/2
    return Manifold(2, 3, torus, (0.0, 0.0, 0.0), _diagonal(plane, plane, r**2 / 2))


def _moebius() -> Manifold:
    width = MOEBIUS_HALF_WIDTH**2 / 3  # E s^2
    plane, tilt = 0.5 + width / 4, width / 4
    return Manifold(2, 2, moebius, (0.0,) * 3, ((plane, 0.0, 0.0), (0.0, plane, tilt), (0.0, tilt, width / 2)))


def _helix() -> Manifold:
    climb = -1 / (math.pi * HELIX_TURNS)  # E[sin t (t/T)] over whole turns
    return Manifold(1, 1, helix, (0.0,) * 3, ((0.5, 0.0, 0.0), (0.0, 0.5, climb), (0.0, climb, 1 / 3)))


def _swiss_roll() -> Manifold:
    # With cos a = cos b = 0, sin a = -1 and sin b = 1, integration by parts gives each moment of the spiral.
    a, b = ROLL_ANGLES
    mx, my = (a + b) / (b - a), 2 / (b - a)
    square, cross = (a * a + a * b + b * b) / 3, (a + b) / 4 - mx * my
    return Manifold(
        2,
        2,
        swiss_roll,
        (mx, my, 0.0),
        (
            (square / 2 - 0.25 - mx * mx, cross, 0.0),
            (cross, square / 2 + 0.25 - my * my, 0.0),
            (0.0, 0.0, ROLL_HALF_LENGTH**2 / 3),
        ),
    )


MANIFOLDS: Mapping[str, Manifold] = MappingProxyType(
    {
        "circle": Manifold(1, 1, circle, (0.0, 0.0), _diagonal(0.5, 0.5)),
        "disk": Manifold(2, 2, disk, (0.0, 0.0), _diagonal(0.25, 0.25)),
        "torus": _torus(),
        "moebius": _moebius(),
        "helix": _helix(),
        "swiss_roll": _swiss_roll(),
    }
)
"""The manifolds by name. The sphere, which exists in every dimension, is a kind of :class:`synthetic.features.Feature`
of its own."""
