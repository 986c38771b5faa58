"""E2: soft top-k by Laplace sums has a closed-form root, closed-form Jacobians and the hard mask as its limit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from sasa_theory import bounds
from sasa_theory.bounds import SoftTopK
from sasa_theory.bounds.validate import Floats
from sasa_theory.tolerances import SOLVER

from . import intervals
from .contract import Chart, Claim, Effort, Evidence
from .measuring.laplace_gates import (
    Law,
    gates_by_root,
    laplace,
    logistic,
    slopes_in_budget,
    slopes_in_score,
    spaced_scores,
)


@dataclass(frozen=True)
class Setting:
    """``draws`` vectors of ``scores`` scores, gated with budget ``kappa`` at scale ``alpha``.

    "The budget" in the name of a case is the last score that the hard mask keeps, the one of rank kappa rounded up.
    """

    case: str
    alpha: float
    kappa: float
    scores: int
    draws: int


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
    chart = Chart("alpha", ("case", "kappa"), "scale alpha", "threshold, gate, slope or sum of gates", log_x=True)

    def grid(self, effort: Effort) -> list[Setting]:
        """Root, gates and both Jacobians from sharp to flat scales; the mask at small scales."""
        draws = 20 if effort == "quick" else 200
        scales = (0.002, 0.01, 0.03, 0.1, 0.3, 1.0, 10.0)
        root = ("threshold", "largest gate", "gate at the budget", "smallest gate", "budget spent", "common shift")
        slopes = ("slope in own score", "slope in another score", "slope in budget")
        return [
            *(Setting(case, alpha, kappa, 40, draws)
              for case in root for kappa in (0.3, 5.0, 17.5, 39.6) for alpha in scales),
            *(Setting("least rise between ranks", alpha, kappa, 40, draws)
              for kappa in (0.3, 5.0, 39.6) for alpha in (0.1, 1.0, 10.0)),
            *(Setting(case, alpha, kappa, 8, draws // 4)
              for case in slopes for kappa in (1.0, 2.5, 7.2) for alpha in (0.2, 1.0, 10.0)),
            *(Setting("mass on the largest", alpha, kappa, 40, draws)
              for kappa in (1.0, 5.0, 39.0) for alpha in (1e-9, 1e-6, 1e-4)),
        ]  # fmt: skip

    def falsifiers(self, effort: Effort) -> list[Setting]:
        """Gates of another law; ties at the budget, a budget that is not whole, a scale that is not small."""
        draws = 20 if effort == "quick" else 200
        return [
            Setting("logistic threshold", 1.0, 5.0, 40, draws),
            Setting("logistic gates", 0.1, 5.0, 40, draws),
            Setting("logistic slopes", 1.0, 2.5, 8, draws // 4),
            Setting("logistic slopes in budget", 1.0, 2.5, 8, draws // 4),
            Setting("tie at the budget", 1e-4, 5.0, 40, draws),
            Setting("budget not whole", 1e-4, 5.5, 40, draws),
            Setting("scale not small", 1.0, 5.0, 40, draws),
        ]

    def measure(self, setting: Setting, rng: np.random.Generator) -> Evidence:
        """Report the draw in which the plain computation differs most from the closed form."""
        return _compare(setting, setting.case, laplace, rng)

    def falsify(self, setting: Setting, rng: np.random.Generator) -> Evidence:
        """Compare in the same way with gates of another law, or where the limit is not the hard mask."""
        law = logistic if setting.case.startswith("logistic") else laplace
        return _compare(setting, _FALSIFIES[setting.case], law, rng)


def _compare(setting: Setting, case: str, law: Law, rng: np.random.Generator) -> Evidence:
    """Take one comparison in every draw and report the worst."""
    tied_at = int(setting.kappa) if setting.case == "tie at the budget" else 0
    draws = (spaced_scores(setting.scores, rng, tied_at=tied_at) for _ in range(setting.draws))
    measured, bound = np.array([_PAIRS[case](z, setting, law) for z in draws]).T
    scale = np.maximum(np.abs(measured), np.abs(bound))
    worst = int((np.abs(measured - bound) / np.where(scale > 0, scale, 1.0)).argmax())
    # root finder and differences: the density of the Laplace law has a kink, so central differences err by the step
    return intervals.exact(measured[worst], "==", bound[worst], samples=setting.draws, tolerance=SOLVER)


def _closed(z: Floats, s: Setting) -> SoftTopK:
    return bounds.soft_topk(z, s.kappa, s.alpha)


def _gates(z: Floats, s: Setting, law: Law) -> Floats:
    return gates_by_root(z, s.kappa, s.alpha, law)[0]


def _at_budget(z: Floats, s: Setting) -> int:
    """Position of the last score that the hard mask keeps."""
    return int(np.argsort(-z)[int(np.ceil(s.kappa)) - 1])


def _gate(z: Floats, s: Setting, law: Law, place: int) -> tuple[float, float]:
    return _gates(z, s, law)[place], _closed(z, s).gates[place]


def _slope(z: Floats, s: Setting, law: Law, source: int) -> tuple[float, float]:
    """How the gate at the budget answers to the score at ``source``."""
    place = _at_budget(z, s)
    slopes = slopes_in_score(z, source, s.kappa, s.alpha, law)
    return slopes[place], _closed(z, s).jacobian_scores[place, source]


def _slope_in_budget(z: Floats, s: Setting, law: Law) -> tuple[float, float]:
    place = _at_budget(z, s)
    return slopes_in_budget(z, s.kappa, s.alpha, law)[place], _closed(z, s).jacobian_budget[place]


def _least_rise(z: Floats, s: Setting, law: Law) -> tuple[float, float]:
    """Least difference of the gates of neighbouring scores; positive if the gates keep the order of the scores."""
    order = np.argsort(z)
    return np.diff(_gates(z, s, law)[order]).min(), np.diff(_closed(z, s).gates[order]).min()


def _shifted(z: Floats, s: Setting, law: Law) -> tuple[float, float]:
    place = _at_budget(z, s)
    return _gates(z + 3.0, s, law)[place], _closed(z, s).gates[place]


def _mass(z: Floats, s: Setting, law: Law) -> tuple[float, float]:
    """Sum of the gates on the ``kappa`` largest scores (rounded down), where the hard mask puts all of the budget."""
    return _gates(z, s, law)[np.argsort(-z)[: int(s.kappa)]].sum(), s.kappa


_PAIRS: dict[str, Callable[[Floats, Setting, Law], tuple[float, float]]] = {
    "threshold": lambda z, s, law: (gates_by_root(z, s.kappa, s.alpha, law)[1], _closed(z, s).threshold),
    "largest gate": lambda z, s, law: _gate(z, s, law, int(z.argmax())),
    "gate at the budget": lambda z, s, law: _gate(z, s, law, _at_budget(z, s)),
    "smallest gate": lambda z, s, law: _gate(z, s, law, int(z.argmin())),
    "budget spent": lambda z, s, law: (_gates(z, s, law).sum(), _closed(z, s).gates.sum()),
    "common shift": _shifted,
    "least rise between ranks": _least_rise,
    "slope in own score": lambda z, s, law: _slope(z, s, law, _at_budget(z, s)),
    "slope in another score": lambda z, s, law: _slope(z, s, law, (_at_budget(z, s) + 1) % s.scores),
    "slope in budget": _slope_in_budget,
    "mass on the largest": _mass,
}
"""What each case of the grid computes plainly from one vector of scores, and what the closed form or theory says."""

_FALSIFIES = {
    "logistic threshold": "threshold",
    "logistic gates": "gate at the budget",
    "logistic slopes": "slope in own score",
    "logistic slopes in budget": "slope in budget",
    "tie at the budget": "mass on the largest",
    "budget not whole": "mass on the largest",
    "scale not small": "mass on the largest",
}
"""The comparison of the grid that each falsifier takes."""
