"""Logistic probes: convex, so that what they find depends on nothing but the data."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit

from sasa_theory.bounds.validate import Floats, real

PENALTY = 1e-3
"""Weight of the squared norm of the probe, on data of mean square 1 a row, unless told otherwise."""

_STEPS, _SMALL = 500, 1e-7


class Logistic(NamedTuple):
    """Linear probes, one a target: ``P(target) = sigmoid(x . weight + bias)``.

    Attributes
    ----------
    weight : ndarray, shape (targets, width)
    bias : ndarray, shape (targets,)
    """

    weight: Floats
    bias: Floats

    def says(self, x: Floats) -> NDArray[np.bool_]:
        """Which targets the probes see in each row, shape (n, targets)."""
        return x @ self.weight.T + self.bias > 0


def fit_logistic(x: Floats, targets: NDArray[np.bool_], penalty: float = PENALTY) -> Logistic:
    """Fit a probe to each target; both answers weigh the same, however rare one is.

    Minimises ``sum_i w_i log(1 + exp(-s_i (x_i . v + b))) + penalty / 2 ||v||^2`` with ``sum_i w_i = 1``, half of it on
    either answer, after x was centred and divided by one number so that ``mean ||x||^2 = 1``: an orthogonal turn of x
    turns the probe, and its scale does not matter.

    Parameters
    ----------
    x : ndarray, shape (n, width)
    targets : ndarray of bool, shape (n, targets)
    penalty : float

    Raises
    ------
    ValueError
        If a target is never there or always there, or the penalty is not above 0.
    """
    real("penalty", penalty, 0.0, open_low=True)
    hits = targets.sum(axis=0)
    if not ((hits > 0) & (hits < len(targets))).all():
        raise ValueError("each target must be true in some rows and false in others; one is the same in all")
    centre = x.mean(axis=0)
    scale = float(np.sqrt(((x - centre) ** 2).sum() / len(x))) or 1.0
    z, signs = (x - centre) / scale, np.where(targets, 1.0, -1.0)
    weights = np.where(targets, 0.5 / hits, 0.5 / (len(targets) - hits))

    def value(flat: Floats) -> tuple[float, Floats]:
        w = flat.reshape(targets.shape[1], -1)
        margins = signs * (z @ w[:, :-1].T + w[:, -1])
        losses = (weights * np.logaddexp(0.0, -margins)).sum() + penalty / 2 * (w[:, :-1] ** 2).sum()
        slopes = -weights * signs * expit(-margins)
        gradient = np.column_stack((slopes.T @ z + penalty * w[:, :-1], slopes.sum(axis=0)))
        return float(losses), gradient.ravel()

    start = np.zeros(targets.shape[1] * (x.shape[1] + 1))
    best = minimize(
        value, start, jac=True, method="L-BFGS-B", options={"maxiter": _STEPS, "gtol": _SMALL, "ftol": 1e-12}
    )
    found = best.x.reshape(targets.shape[1], -1)
    weight = found[:, :-1] / scale
    return Logistic(weight, found[:, -1] - weight @ centre)


def f1(says: NDArray[np.bool_], truth: NDArray[np.bool_]) -> float:
    """Harmonic mean of precision and recall; 0 if nothing is right."""
    wrong, right = int((says != truth).sum()), int((says & truth).sum())
    return 2 * right / (2 * right + wrong) if right else 0.0


def balanced_accuracy(says: NDArray[np.bool_], truth: NDArray[np.bool_]) -> float:
    """Mean of the shares of right answers where the truth is yes and where it is no: 1/2 by chance."""
    return float(((says[truth]).mean() + (~says[~truth]).mean()) / 2)
