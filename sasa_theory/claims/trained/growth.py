"""Does a count grow exponentially or as a power? Both laws fitted by least squares to logarithms, and resampled."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sasa_theory.bounds.validate import Floats

_RESAMPLED = 2000
_LEVEL = 0.99
"""Of bootstrap intervals, whose ends a few thousand resamplings cannot place further out."""


@dataclass(frozen=True)
class Interval:
    """A number and where resampling puts it."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Growth:
    r"""Two laws of growth, :math:`\log N = a + b d` and :math:`\log N = a + c \log d`.

    Attributes
    ----------
    rate : Interval
        b, per dimension.
    exponent : Interval
        c.
    misfit : Interval
        Squared residuals of the exponential law as a share of those of both: below 1/2 it fits better. Both have two
        parameters, so that Akaike's criterion says the same.
    """

    rate: Interval
    exponent: Interval
    misfit: Interval


def fit_growth(dims: Floats, counts: Floats, rng: np.random.Generator) -> Growth:
    """Fit both laws; features are resampled with replacement within each dimension.

    Parameters
    ----------
    dims, counts : ndarray, shape (n,)
        Dimension of each feature and the number of units counted for it, > 0 and finite.
    rng : numpy.random.Generator
        Of the resampling.

    Raises
    ------
    ValueError
        If there are fewer than three dimensions: two parameters then fit any counts.
    """
    places = [np.flatnonzero(dims == d) for d in np.unique(dims)]
    if len(places) < 3:
        raise ValueError(f"a law of growth needs counts at three dimensions or more, got {len(places)}")
    logs = np.log(counts)
    drawn = np.tile(logs, (1 + _RESAMPLED, 1))
    for place in places:  # the dimensions stay, so that one design matrix serves all fits
        drawn[1:, place] = rng.choice(logs[place], (_RESAMPLED, place.size))
    (rate, left), (exponent, left_by_power) = _line(dims, drawn), _line(np.log(dims), drawn)
    fits = np.stack([rate, exponent, left / (left + left_by_power)], axis=1)
    ends = np.quantile(fits[1:], [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2], axis=0)
    return Growth(*(Interval(*map(float, row)) for row in np.stack([fits[0], *ends], axis=1)))


def _line(x: Floats, rows: Floats) -> tuple[Floats, Floats]:
    """Slope and squared residuals of the straight line through each row of values, shapes (rows,)."""
    coefficients = np.polyfit(x, rows.T, 1)
    left = np.square(rows.T - np.vander(x, 2) @ coefficients).sum(axis=0)
    return coefficients[0], left
