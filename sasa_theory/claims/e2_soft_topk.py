"""E2: soft top-k by Laplace sums has a closed-form root, closed-form Jacobians and the hard mask as its limit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq

from sasa_theory import bounds
from sasa_theory.bounds.validate import Floats
from sasa_theory.tolerances import SOLVER

from . import intervals
from .contract import Chart, Claim, Effort, Evidence


@dataclass(frozen=True)
class Setting:
    """``draws`` vectors of ``scores`` scores, gated with budget ``kappa`` at scale ``alpha``.

    ``tied`` makes the scores on the two sides of the budget equal.
    """

    case: str
    scores: int
    kappa: float
    alpha: float
    draws: int
    tied: bool = False


class SoftTopKGates(Claim[Setting]):
    """The closed forms agree with a root finder and with finite differences; small scales give the hard mask."""

    id = "E2"
    title = "soft top-k"
    statement = (
        r"p_j = F\left(\frac{z_j - b}{\alpha}\right), \quad \sum_j p_j = \kappa, \quad"
        r" \frac{\partial p_j}{\partial z_i} = \frac{w_j}{\alpha}\left(\delta_{ij} - \frac{w_i}{\sum_l w_l}\right),"
        r" \quad \frac{\partial p_j}{\partial \kappa} = \frac{w_j}{\sum_l w_l}, \quad w_j = F'"
    )
    plain = "Laplace gates spend a real-valued budget exactly, have simple gradients, and become top-k at small scales."
    assumptions = (
        "gates are Laplace distribution functions of the scores, with one threshold",
        "for the limit: the scale is small beside the gap at the budget, a whole number, and no two scores tie there",
    )
    reference = ("arXiv 2605.06610", "derived here (root and Jacobians)")
    chart = Chart("alpha", ("case", "kappa"), "scale alpha", "value of the closed form in its worst entry", log_x=True)

    def grid(self, effort: Effort) -> list[Setting]:
        """Root, gates and both Jacobians from sharp to flat scales; the mask at small scales; order and shift."""
        draws = 20 if effort == "quick" else 200
        scales = (0.002, 0.01, 0.1, 1.0, 100.0)
        plain, slopes = ("threshold", "gates", "budget spent"), ("slope in scores", "slope in budget")
        return [
            *(Setting(case, 40, kappa, alpha, draws)
              for case in plain for kappa in (0.3, 5.0, 17.5, 39.6) for alpha in scales),
            *(Setting(case, 8, kappa, alpha, draws // 4)
              for case in slopes for kappa in (1.0, 2.5, 7.2) for alpha in (0.2, 1.0, 10.0)),
            *(Setting("mass on the largest", 40, kappa, alpha, draws) for kappa in (1.0, 5.0, 39.0)
              for alpha in (1e-4, 1e-6, 1e-9)),
            *(Setting(case, 40, 5.5, alpha, draws) for case in ("order", "common shift") for alpha in scales),
        ]  # fmt: skip

    def falsifiers(self, effort: Effort) -> list[Setting]:
        """Ties at the budget, a budget that is not whole, a scale that is not small."""
        draws = 20 if effort == "quick" else 200
        return [
            Setting("mass on the largest", 40, 5.0, 1e-4, draws, tied=True),
            Setting("mass on the largest", 40, 5.5, 1e-4, draws),
            Setting("mass on the largest", 40, 5.0, 1.0, draws),
        ]

    def measure(self, setting: Setting, rng: np.random.Generator) -> Evidence:
        """Report the entry, of all draws, in which the plain computation differs most from the closed form."""
        pairs = [_COMPARE[setting.case](_scores(setting, rng), setting) for _ in range(setting.draws)]
        measured, bound = (np.concatenate([np.ravel(part) for part in parts]) for parts in zip(*pairs, strict=True))
        if setting.case == "order":
            return intervals.exact(measured.min(), ">=", 0.0, samples=measured.size)
        scale = np.maximum(np.abs(measured), np.abs(bound))
        worst = int((np.abs(measured - bound) / np.where(scale > 0, scale, 1.0)).argmax())
        # root finder and differences: the density of the Laplace law has a kink, so central differences err by the step
        return intervals.exact(measured[worst], "==", bound[worst], samples=measured.size, tolerance=SOLVER)

    def falsify(self, setting: Setting, rng: np.random.Generator) -> Evidence:
        """Sum the gates on the largest scores in the same way where the limit is not the hard mask."""
        return self.measure(setting, rng)


def _scores(setting: Setting, rng: np.random.Generator) -> Floats:
    """Scores between -1/3 and 2/3 in random order, 1/(2n) apart at least, but the two around the budget if ``tied``."""
    n, k = setting.scores, int(setting.kappa)
    ordered = (np.arange(n, 0.0, -1.0) + rng.uniform(-0.25, 0.25, n)) / n - 1 / 3
    if setting.tied:
        ordered[k] = ordered[k - 1]
    return rng.permutation(ordered)


def _plain_gates(z: Floats, kappa: float, alpha: float) -> tuple[Floats, float]:
    """Gates and threshold by a bracketing root finder on the plain sum."""

    def gates(b: float) -> Floats:
        t = (z - b) / alpha
        tail = np.exp(-np.abs(t)) / 2
        return np.where(t < 0, tail, 1 - tail)

    reach = alpha * np.log(4 * len(z) / min(kappa, len(z) - kappa))
    b = brentq(lambda b: gates(b).sum() - kappa, z.min() - reach, z.max() + reach, xtol=1e-14 * alpha, rtol=1e-15)
    return gates(b), b


def _slopes(z: Floats, s: Setting) -> Floats:
    """Derivatives ``dp_j/dz_i`` at [j, i] by central differences."""
    steps = 1e-5 * s.alpha * np.eye(len(z))
    rise = [_plain_gates(z + h, s.kappa, s.alpha)[0] - _plain_gates(z - h, s.kappa, s.alpha)[0] for h in steps]
    return np.stack(rise, axis=1) / (2e-5 * s.alpha)


def _budget_slopes(z: Floats, s: Setting) -> Floats:
    """Derivatives ``dp_j/dkappa`` by central differences."""
    return (_plain_gates(z, s.kappa + 1e-5, s.alpha)[0] - _plain_gates(z, s.kappa - 1e-5, s.alpha)[0]) / 2e-5


def _largest(z: Floats, s: Setting) -> Floats:
    """Sum of the gates on the ``kappa`` largest scores (rounded down)."""
    return bounds.soft_topk(z, s.kappa, s.alpha).gates[np.argsort(-z)[: int(s.kappa)]].sum()


_COMPARE: dict[str, Callable[[Floats, Setting], tuple[ArrayLike, ArrayLike]]] = {
    "threshold": lambda z, s: (_plain_gates(z, s.kappa, s.alpha)[1], bounds.soft_topk(z, s.kappa, s.alpha).threshold),
    "gates": lambda z, s: (_plain_gates(z, s.kappa, s.alpha)[0], bounds.soft_topk(z, s.kappa, s.alpha).gates),
    "budget spent": lambda z, s: (bounds.soft_topk(z, s.kappa, s.alpha).gates.sum(), s.kappa),
    "slope in scores": lambda z, s: (_slopes(z, s), bounds.soft_topk(z, s.kappa, s.alpha).jacobian_scores),
    "slope in budget": lambda z, s: (_budget_slopes(z, s), bounds.soft_topk(z, s.kappa, s.alpha).jacobian_budget),
    "mass on the largest": lambda z, s: (_largest(z, s), s.kappa),
    "order": lambda z, s: (np.diff(bounds.soft_topk(np.sort(z), s.kappa, s.alpha).gates), 0.0),
    "common shift": lambda z, s: (
        bounds.soft_topk(z + 3, s.kappa, s.alpha).gates, bounds.soft_topk(z, s.kappa, s.alpha).gates
    ),
}  # fmt: skip
"""What each case computes plainly from one vector of scores, and what the closed form or the theory says."""
