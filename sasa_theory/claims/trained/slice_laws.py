"""Laws of one feature slice as weighted points, symmetric like the law itself; nothing here knows a bound.

A sample is never exactly symmetric, and what an encoder gains along the path is small: on random points it would learn
the sample's own asymmetry.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from scipy.integrate import lebedev_rule
from scipy.stats import chi

from sasa_theory.bounds.validate import Floats

LawName = Literal["unit sphere", "Gaussian radii", "dependent", "one-hot"]
"""``dependent``: on the circle with density proportional to ``1 + 2 z_1 z_2``; it is even, but not invariant."""

_SHELLS = 5  # radii that stand for a Gaussian's, scaled to mean 1
_FINER = 4  # in the plane, points of the fine rule per point of the coarse one
_POINTS = 480  # of the coarse rule on the circle
_ORDER, _FINE_ORDER = 31, 131  # of Lebedev's rules on the sphere: 350 and 5810 points


class Law(NamedTuple):
    """A law of z: ``points`` of shape (n, d) and their ``weights``, shape (n,), which sum to 1."""

    points: Floats
    weights: Floats

    def mean(self, values: Floats) -> float:
        """Mean of one value a point, shape (n,)."""
        return float(self.weights @ values)


def slice_law(name: LawName, d: int, *, fine: bool = False) -> Law:
    """The law of this name in 2 or 3 dimensions, with mean norm 1.

    Encoders are fitted on the coarse rule and judged on the fine one, which holds none of its points in the plane and
    few on the sphere.
    """
    if name == "one-hot":
        return Law(np.vstack([np.eye(d), -np.eye(d)]), np.full(2 * d, 0.5 / d))
    points, weights = _circle(fine) if d == 2 else _sphere(fine)
    if name == "dependent":
        return Law(points, weights * (1 + 2 * points[:, 0] * points[:, 1]))
    if name == "Gaussian radii":
        radii = chi.ppf((np.arange(_SHELLS) + 0.5) / _SHELLS, d)
        points = np.vstack([radius * points for radius in radii / radii.mean()])
        weights = np.tile(weights, _SHELLS) / _SHELLS
    return Law(points, weights)


def _circle(fine: bool) -> Law:
    """Even points, none on an axis or a diagonal."""
    n = _POINTS * (_FINER if fine else 1)
    angle = (np.arange(n) + 0.5) * 2 * np.pi / n
    return Law(np.stack([np.cos(angle), np.sin(angle)], axis=1), np.full(n, 1 / n))


def _sphere(fine: bool) -> Law:
    """Lebedev's rule, with the symmetry of the octahedron."""
    points, weights = lebedev_rule(_FINE_ORDER if fine else _ORDER)
    return Law(points.T, weights / weights.sum())
