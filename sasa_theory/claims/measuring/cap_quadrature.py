"""Caps of the sphere by numerical integration of ``sin^(d-2)``, and what follows from them; no bound is used.

A cap of half-angle t holds the points within angle t of its pole; a secant is one over the cosine of that angle.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.integrate import quad
from scipy.optimize import minimize_scalar

_LARGEST_LOGIT = 30.0  # search range of a share q: from 1e-13 to 1 - 1e-13


def log_cap(d: int, angle: float) -> float:
    """Log of the normalised measure of a cap of half-angle ``angle`` <= pi/2."""
    return _log_moment(d, angle, lambda t: 1.0) - _log_moment(d, np.pi / 2, lambda t: 1.0) - float(np.log(2))


def mean_secant(d: int, angle: float) -> float:
    """Mean secant of the points of a cap of half-angle ``angle`` < pi/2."""
    plain = _log_moment(d, angle, lambda t: 1.0)
    return float(np.exp(_log_moment(d, angle, lambda t: 1 / np.cos(t)) - plain))


def log_atoms_for_mean(d: int, excess: float) -> float:
    """Log of ``max_q (1-q) / cap(arccos(1 / (1 + excess/q)))``: caps that hold all but q, whatever q, by search."""

    def log_atoms(logit: float) -> float:
        share = 1 / (1 + np.exp(-logit))
        edge = float(np.arccos(1 / (1 + excess / share)))
        return float(-np.log1p(np.exp(logit))) - log_cap(d, edge)

    grid = np.linspace(-_LARGEST_LOGIT, _LARGEST_LOGIT, 61)
    best = grid[np.argmax([log_atoms(x) for x in grid])]
    found = minimize_scalar(lambda x: -log_atoms(x), bounds=(best - 1, best + 1), method="bounded")
    return float(-found.fun)


def _log_moment(d: int, angle: float, weight: Callable[[float], float]) -> float:
    """Log of ``int_0^angle weight(t) sin(t)^(d-2) dt``, scaled by its largest value before it is taken."""
    top = np.sin(angle)
    scaled, _ = quad(lambda t: weight(t) * (np.sin(t) / top) ** (d - 2), 0, angle, epsabs=0, epsrel=1e-10, limit=200)
    return float(np.log(scaled) + (d - 2) * np.log(top))
