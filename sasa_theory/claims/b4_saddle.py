"""B4: the true basis is a local minimum among dictionaries of its size, and none once an atom has a spare copy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.linalg import expm
from scipy.optimize import minimize

from sasa_theory import bounds
from sasa_theory.bounds.validate import Floats

from . import intervals
from .contract import Chart, Claim, Effort, Evidence
from .measuring.gauges import mean_gauge
from .measuring.geometry import sphere, unit
from .measuring.true_basis import basis_with_spare, signed_basis


@dataclass(frozen=True)
class Setting:
    """Atoms of the true basis, each moved by at most ``step`` and put back on the sphere, in ``trials`` ways."""

    case: str
    d: int
    step: float
    trials: int = 1


class KinkAtTheTrueBasis(Claim[Setting]):
    """What small moves of the atoms do to the mean gauge, without and with a copied spare."""

    id = "B4"
    title = "local minimum without a spare, kink with one"
    statement = (
        r"\min_{\Vert a_i \mp v_i \Vert \leq h,\ \Vert a_i \Vert = 1} E\,\mathrm{gauge}_{\{a_i\}} ="
        r" E\,\mathrm{gauge}_{\{\pm v_i\}};"
        r"\quad E\,\mathrm{gauge}_{\{\pm v_i\} \cup \{u_h\}} < E\,\mathrm{gauge}_{\{\pm v_i\}},"
        r"\; u_h = \cos h\, v_1 + \sin h\, v_2"
    )
    plain = (
        "Moving the true basis's own atoms a little never lowers the l1 price, but moving a spare copy of one of them"
        " lowers it in proportion to the move: the true basis is a minimum only for a dictionary with no atom to spare."
    )
    assumptions = (
        "the dictionary holds the 2 d signed basis atoms and no other (first part), or one spare copy (second part)",
        "the atoms have length 1",
        "the direction is uniform on the slice's sphere",
        "codes are optimal",
    )
    reference = ("derived here", "arXiv 2606.06333")
    chart = Chart("step", ("case", "d"), "size h of the move", "mean gauge on the unit sphere")

    def grid(self, effort: Effort) -> list[Setting]:
        """Random and optimised moves of all atoms, rotations, which change nothing, and a spare that moves alone."""
        quick = effort == "quick"
        steps = (0.05, 0.1, 0.2) if quick else (0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3)
        return [
            *(Setting("random moves", d, h, 50 if quick else 1000) for d in (2, 3, 4) for h in steps),
            *(Setting("worst moves", d, h) for d in (2, 3, 4) for h in steps),
            *(Setting("rotation", d, h) for d in (2, 3, 4) for h in steps),
            *(Setting("spare moves", d, h) for d in (2, 3, 4) for h in steps),
        ]

    def falsifiers(self, effort: Effort) -> list[Setting]:
        """The first part where the dictionary has a spare copy, whichever way it moves, or atoms of any length."""
        trials = 50 if effort == "quick" else 1000
        return [
            *(Setting("any move of a spare", d, h, trials) for d in (2, 3, 4) for h in (0.001, 0.1)),
            Setting("worst moves with a spare", 3, 0.1),
            Setting("worst moves of any length", 3, 0.1),
        ]

    def measure(self, setting: Setting, rng: np.random.Generator) -> Evidence:
        """Integrate the mean gauge after the move; of several moves keep the lowest value."""
        d, h = setting.d, setting.step
        basis, bound = signed_basis(d), float(bounds.true_basis_gauge(d))
        if setting.case == "rotation":
            turn = rng.standard_normal((d, d))
            turn -= turn.T
            return intervals.exact(mean_gauge(basis @ expm(h * turn / np.linalg.norm(turn, 2))), "==", bound)
        if setting.case == "spare moves":
            change = float(bounds.split_path_change(h, bounds.mean_pair_radius(d)))
            return intervals.exact(mean_gauge(basis_with_spare(d, h)), "==", bound + change)
        if setting.case == "worst moves":
            return intervals.exact(_lowest(basis, h, unit, rng), ">=", bound)
        values = [mean_gauge(unit(basis + h * _moves(2 * d, d, rng))) for _ in range(setting.trials)]
        return intervals.exact(min(values), ">=", bound, samples=setting.trials)

    def falsify(self, setting: Setting, rng: np.random.Generator) -> Evidence:
        """Ask whether the gauge stays up where a spare moves, by its highest trial, or where lengths may change."""
        d, h = setting.d, setting.step
        bound, spared = float(bounds.true_basis_gauge(d)), basis_with_spare(d, 0.0)
        if setting.case == "worst moves with a spare":
            return intervals.exact(_lowest(spared, h, unit, rng), ">=", bound)
        if setting.case == "worst moves of any length":
            return intervals.exact(_lowest(signed_basis(d), h, np.asarray, rng), ">=", bound)
        values = []
        for _ in range(setting.trials):
            across = np.append(0.0, sphere(1, d - 1, rng))
            values.append(mean_gauge(np.vstack([signed_basis(d), np.cos(h) * spared[0] + np.sin(h) * across])))
        return intervals.exact(max(values), ">=", bound, samples=setting.trials)


def _moves(n: int, d: int, rng: np.random.Generator) -> Floats:
    """Random vectors of length at most 1, uniform in the ball, shape (n, d)."""
    return sphere(n, d, rng) * rng.random((n, 1)) ** (1 / d)


def _lowest(atoms: Floats, step: float, onto: Callable[[Floats], Floats], rng: np.random.Generator) -> float:
    """Lowest mean gauge that descent finds when every atom may move by at most ``step`` before the map ``onto``."""

    def value(flat: Floats) -> float:
        moves = flat.reshape(atoms.shape)
        length = np.linalg.norm(moves, axis=1, keepdims=True)
        return mean_gauge(onto(atoms + step * moves / np.maximum(length, 1.0)))

    start = _moves(len(atoms), atoms.shape[1], rng)
    return float(minimize(value, start.ravel(), method="L-BFGS-B", options={"maxiter": 15}).fun)
