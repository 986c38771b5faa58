"""Gates with one threshold by a plain root finder, and their slopes by differences; nothing here knows a bound.

The gates of scores z are ``F((z_j - b) / alpha)`` for a distribution function F, with the threshold b at which they sum
to the budget. F is the Laplace law's, or the logistic one for contrast.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit

from sasa_theory.bounds.validate import Floats

Law = Callable[[Floats], Floats]
_STEP = 1e-5  # of central differences, in units of alpha or of the budget: truncation and rounding both below 1e-5


def laplace(t: Floats) -> Floats:
    """Distribution function of the standard Laplace law."""
    tail = np.exp(-np.abs(t)) / 2
    return np.where(t < 0, tail, 1 - tail)


def logistic(t: Floats) -> Floats:
    """Distribution function of the standard logistic law."""
    return np.asarray(expit(t), dtype=float)


def gates_by_root(scores: Floats, budget: float, alpha: float, law: Law = laplace) -> tuple[Floats, float]:
    """Gates in the order of the scores, shape (n,), and their threshold; Brent's method on the plain sum.

    Both laws have at most the mass e^-t beyond t, which brackets the threshold.
    """

    def gates(threshold: float) -> Floats:
        return law((scores - threshold) / alpha)

    n = len(scores)
    reach = alpha * np.log(4 * n / min(budget, n - budget))
    low, high = scores.min() - reach, scores.max() + reach
    threshold = brentq(lambda b: gates(b).sum() - budget, low, high, xtol=1e-14 * alpha, rtol=1e-15)
    return gates(threshold), float(threshold)


def slopes_in_score(scores: Floats, index: int, budget: float, alpha: float, law: Law = laplace) -> Floats:
    """Derivatives of every gate in the score at ``index``, by central differences, shape (n,)."""
    step = _STEP * alpha * np.eye(len(scores))[index]
    above, below = (gates_by_root(scores + h, budget, alpha, law)[0] for h in (step, -step))
    return (above - below) / (2 * _STEP * alpha)


def slopes_in_budget(scores: Floats, budget: float, alpha: float, law: Law = laplace) -> Floats:
    """Derivatives of every gate in the budget, by central differences, shape (n,)."""
    above, below = (gates_by_root(scores, budget + h, alpha, law)[0] for h in (_STEP, -_STEP))
    return (above - below) / (2 * _STEP)


def spaced_scores(n: int, rng: np.random.Generator, *, tied_at: int = 0) -> Floats:
    """Scores between -1/3 and 2/3 in random order, ``1/(2n)`` apart at least.

    With ``tied_at`` = k > 0 the scores of rank k and k + 1 from above are equal.
    """
    ordered = (np.arange(n, 0.0, -1.0) + rng.uniform(-0.25, 0.25, n)) / n - 1 / 3
    if tied_at:
        ordered[tied_at] = ordered[tied_at - 1]
    return rng.permutation(ordered)
