"""Soft top-k by Laplace sums (LapSum): gates that add up to a real-valued budget, in closed form (E2).

Source: arXiv 2605.06610 uses the operator in SoftSAE; root and Jacobians are derived here. The gates of scores ``z``
are ``p_j = F((z_j - b) / alpha)`` with ``F`` the Laplace distribution function and ``b`` the unique root of
``sum_j p_j = kappa``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import logsumexp

from .validate import Floats, real


@dataclass(frozen=True)
class SoftTopK:
    """Gates of one score vector.

    Attributes
    ----------
    gates : ndarray, shape (m,)
        ``p_j`` in [0, 1], summing to kappa, in the order of the scores.
    threshold : float
        The root ``b``, in the units of the scores.
    jacobian_scores : ndarray, shape (m, m)
        ``dp_j/dz_i = (w_j/alpha) (delta_ij - w_i / sum w)`` at [j, i], ``w_j = F'((z_j - b)/alpha)``.
    jacobian_budget : ndarray, shape (m,)
        ``dp_j/dkappa = w_j / sum w``.
    """

    gates: Floats
    threshold: float
    jacobian_scores: Floats
    jacobian_budget: Floats


def soft_topk(scores: ArrayLike, kappa: float, alpha: float) -> SoftTopK:
    """Solve for the gates of one score vector.

    Between two neighbouring sorted scores the condition is a quadratic in ``exp(b/alpha)``; the interval is found by
    bisection on the exact sum, and all exponentials are taken relative to the threshold's interval, so that nothing
    overflows as alpha tends to 0 (where the gates tend to the hard mask for whole kappa without ties).

    Parameters
    ----------
    scores : array_like, shape (m,)
        Finite real scores, m >= 2.
    kappa : float
        Sum of the gates, strictly between 0 and m.
    alpha : float
        Scale of the Laplace distribution, > 0, in the units of the scores.

    Raises
    ------
    ValueError
        If an argument is outside its range or ``scores`` is not one-dimensional.
    """
    z = real("scores", scores, -np.finfo(float).max, np.finfo(float).max)
    if z.ndim != 1 or len(z) < 2:
        raise ValueError(f"scores must be one-dimensional with at least 2 entries, got shape {z.shape}")
    budget = float(real("kappa", kappa, 0.0, len(z), open_low=True, open_high=True))
    scale = float(real("alpha", alpha, 0.0, open_low=True))
    ordered = np.sort(z)[::-1]
    pivot = ordered[int(np.ceil(budget)) - 1]  # the root lies near it: differences from it keep their digits
    b = _threshold((ordered - pivot) / scale, budget)
    u = (z - pivot) / scale - b
    w = 0.5 * np.exp(-np.abs(u))
    share = _softmax(-np.abs(u))
    jacobian = (np.diag(w) - np.outer(w, share)) / scale
    return SoftTopK(laplace_cdf(u), float(pivot + b * scale), jacobian, share)


def laplace_cdf(t: ArrayLike) -> Floats:
    """Distribution function of the standard Laplace law: ``e^t / 2`` for t <= 0, ``1 - e^-t / 2`` above.

    Raises
    ------
    ValueError
        If ``t`` is not finite.
    """
    t = real("t", t)
    tail = 0.5 * np.exp(-np.abs(t))
    return np.where(t <= 0, tail, 1 - tail)[()]


def _threshold(z: Floats, kappa: float) -> float:
    """Root b of ``sum F(z_j - b) = kappa`` for scores sorted in descending order, in units of the scale."""
    low, high = 0, len(z)  # the sum at b = z[i] grows with i: find how many scores lie above the root
    while low < high:
        middle = (low + high) // 2
        if laplace_cdf(z - z[middle]).sum() < kappa:
            low = middle + 1
        else:
            high = middle
    above = low
    # A u^2 + 2 (kappa - q) u - B = 0 for u = e^b, A = sum_{above} e^-z, B = sum_{below} e^z, q = number above
    log_a = logsumexp(-z[:above]) if above else -np.inf
    log_b = logsumexp(z[above:]) if above < len(z) else -np.inf
    if above == 0:
        return float(log_b - np.log(2 * kappa))
    if above == len(z):
        return float(np.log(2 * (above - kappa)) - log_a)
    surplus = above - kappa
    with np.errstate(divide="ignore"):
        log_surplus = np.log(np.abs(surplus))
    log_root = 0.5 * np.logaddexp(2 * log_surplus, log_a + log_b)  # of the discriminant
    larger = np.logaddexp(log_surplus, log_root)
    return float(larger - log_a if surplus >= 0 else log_b - larger)


def _softmax(x: Floats) -> Floats:
    weights = np.exp(x - x.max())
    return weights / weights.sum()
