"""The lower-risk path from the true basis to split features (B2).

One spare atom ``u_t = cos t v_1 + sin t v_2`` starts as a copy of ``v_1`` (t = 0) beside the signed true basis.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from .special import log_beta
from .validate import Floats, count, real


def mean_pair_radius(d: ArrayLike) -> Floats:
    r"""Mean length of two coordinates of a unit vector of R^d, :math:`E\sqrt{z_1^2+z_2^2} = B(\tfrac d2, \tfrac12)/2`.

    1 at d = 2. Multiply by ``E ||z||`` for any rotation-invariant z.

    Raises
    ------
    ValueError
        If d is not a whole number >= 2.
    """
    return (0.5 * np.exp(log_beta(count("d", d, 2) / 2, 0.5)))[()]


def split_path_change(t: ArrayLike, pair_radius: ArrayLike) -> Floats:
    r"""Change of the mean gauge when the spare atom stands at angle t.

    .. math:: E\sqrt{z_1^2+z_2^2}\; \frac{\tan\frac t2 + \tan(\frac\pi4 - \frac t2) - 1}{\pi}

    Strictly negative for 0 < t < pi/2 and least at t = pi/4, for every d >= 2 and every radial law.

    Parameters
    ----------
    t : array_like
        Angle in radians, in [0, pi/2].
    pair_radius : array_like
        ``E sqrt(z_1^2 + z_2^2)`` of the slice's law, >= 0; :func:`mean_pair_radius` for the unit sphere.

    Raises
    ------
    ValueError
        If an argument is outside its range.
    """
    t = real("t", t, 0.0, np.pi / 2)
    half = np.tan(t / 2)
    # tan(pi/4 - t/2) = (1 - half)/(1 + half); the sum minus 1 is half - 2 half/(1 + half), free of cancellation
    return real("pair_radius", pair_radius, 0.0) * (-half * (1 - half) / (1 + half)) / np.pi


def split_path_slope(pair_radius: ArrayLike) -> Floats:
    """One-sided slope of the mean gauge at t = 0+: ``-E sqrt(z_1^2 + z_2^2) / (2 pi)``, a first-order descent.

    Raises
    ------
    ValueError
        If ``pair_radius`` is negative.
    """
    return -real("pair_radius", pair_radius, 0.0) / (2 * np.pi)


def lasso_slope_circle(lam: ArrayLike) -> Floats:
    r"""Slope at t = 0+ of the lasso risk ``E min_c 1/2||x - Ac||^2 + lam 1'c`` on the unit circle.

    .. math:: -E[(z_1 - \lambda)_+ \min((z_2)_+, \lambda)]

    Zero from lam = 1 on: nothing is coded and nothing changes.

    Raises
    ------
    ValueError
        If lam is negative.
    """
    lam = np.minimum(real("lam", lam, 0.0), 1.0)
    start, end = np.arcsin(lam), np.arccos(lam)  # z_2 passes lam at `start`; z_1 falls to lam at `end`
    start = np.minimum(start, end)

    def rising(angle: Floats) -> Floats:  # integral of (cos - lam) sin
        return 0.5 * np.sin(angle) ** 2 + lam * (np.cos(angle) - 1)

    def flat(angle: Floats) -> Floats:  # integral of (cos - lam) lam
        return lam * (np.sin(angle) - lam * angle)

    return (-(rising(start) + flat(end) - flat(start)) / (2 * np.pi))[()]
