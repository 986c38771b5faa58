"""C1: the penalty shrinks every direction of a slice by a known factor, and cuts rare and high-dimensional ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.stats import ortho_group

from sasa_theory import bounds
from sasa_theory.bounds.validate import Floats
from sasa_theory.tolerances import SOLVER

from . import intervals
from .contract import Chart, Claim, Effort, Evidence
from .measuring.geometry import sphere
from .measuring.nuclear_solver import objective, rank_of, solve, solve_factors, vanishing_lambda
from .measuring.slices import inputs, power_spectrum

Quantity = Literal["risk", "response", "rank", "critical lam"]


@dataclass(frozen=True)
class Setting:
    """A slice of the given energy, active with probability ``usage``, and one group of at most ``rank``.

    ``lam`` is 0 where it is searched for.
    """

    case: str
    quantity: Quantity
    d: int
    rank: int
    lam: float
    energy: float = 1.0
    usage: float = 1.0


_POWER = {"isotropic": 0.0, "rare": 0.0, "decaying": 1.0, "steep": 3.0, "half empty": 0.5}


class SingleGroupOptimum(Claim[Setting]):
    """The optimal map of one group keeps each direction by ``(1 - lam/(2 s_j))_+`` and costs ``sum phi(s_j)``."""

    id = "C1"
    title = "one group's optimum"
    statement = (
        r"\min_{\mathrm{rank}\, M \leq r} E\Vert x - Mx\Vert^2 + \lambda \Vert M\Vert_*"
        r" = \sum_{j \leq r} \phi(s_j) + \sum_{j > r} s_j,"
        r" \quad M^* = \sum_{j \leq r} \left(1 - \frac{\lambda}{2 s_j}\right)_+ u_j u_j'"
    )
    plain = "A nuclear-norm penalty shrinks each direction by its energy and usage, and drops the weak ones entirely."
    assumptions = (
        "one group serves the slice alone",
        "s_j are the eigenvalues of E xx', with usage and mean included",
        "for the drop of the rank at lam* = 2 pi t^2 / d: the slice is isotropic",
    )
    reference = ("derived here", "arXiv 2606.06333 (objective)")
    chart = Chart("d", ("quantity", "case"), "intrinsic dimension d", "J, w'Mw, rank / d or lam*", log_x=True)

    def grid(self, effort: Effort) -> list[Setting]:
        """Objective, response, rank and critical penalty of isotropic, rare, decaying and rank-deficient slices."""
        dims = (2, 3, 4, 6, 8, 12, 16, 24) if effort == "quick" else (2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64)
        solved: tuple[Quantity, ...] = ("risk", "response", "rank")
        spectra = ("isotropic", "decaying", "steep", "half empty")
        return [
            *(Setting(case, "risk", d, d, 0.1) for case in spectra for d in dims),
            *(Setting(f"{case}, r = 2", "risk", d, 2, 0.1) for case in ("isotropic", "decaying") for d in dims),
            *(Setting(case, "response", d, d, 0.1) for case in ("isotropic", "decaying", "half empty") for d in dims),
            *(Setting("steep, r = 2", "response", d, 2, 0.1) for d in dims),
            *(Setting(case, "rank", d, d, 0.1) for case in ("isotropic", "decaying", "half empty") for d in dims),
            *(Setting("rare", quantity, d, d, 0.1, 2.0, 0.25) for quantity in solved for d in dims),
            *(Setting("isotropic", "critical lam", d, d, 0.0) for d in dims),
            *(Setting("rare", "critical lam", d, d, 0.0, 2.0, 0.25) for d in dims),
        ]  # fmt: skip

    def falsifiers(self, effort: Effort) -> list[Setting]:
        """An anisotropic slice outlives lam*; usage or the mean left out of s_j; more directions than the bound's r."""
        dims = (4, 8) if effort == "quick" else (4, 8, 16, 32)
        return [
            *(Setting("anisotropic at lam*", "critical lam", d, d, 0.0) for d in dims),
            *(Setting("usage left out", "risk", d, d, 0.1, 1.0, 0.25) for d in dims),
            *(Setting("mean left out", "risk", d, d, 0.1) for d in dims),
            *(Setting("one direction more", "risk", d, 2, 0.1) for d in dims),
        ]

    def measure(self, setting: Setting, rng: np.random.Generator) -> Evidence:
        """Solve on the second moment of inputs that are zero while the feature rests."""
        d, lam, usage = setting.d, setting.lam, setting.usage
        spectrum = setting.energy * power_spectrum(d, _POWER[setting.case.split(",")[0]])
        if setting.case == "half empty":
            spectrum[d // 2 :] = 0.0
        basis = _basis(d, rng)
        second = _second_moment(spectrum, basis, usage, rng)
        if setting.quantity == "critical lam":
            return _compare_drop(second, setting.energy, usage)
        theory = bounds.single_group_optimum(usage * spectrum, lam, rank=setting.rank)
        best = solve_factors(second, lam, setting.rank, rng) if setting.rank < d else solve(second, lam).maps
        if setting.quantity == "rank":
            return intervals.exact(float(rank_of(best)) / d, "==", theory.effective_rank / d)
        if setting.quantity == "response":  # to a random direction w: every eigenvalue enters, each with its own axis
            w = sphere(1, d, rng)[0]
            return intervals.exact(w @ best @ w, "==", theory.shrinkage @ (basis.T @ w) ** 2, tolerance=SOLVER)
        return intervals.exact(float(objective(second, best, lam)), "==", theory.risk, tolerance=SOLVER)

    def falsify(self, setting: Setting, rng: np.random.Generator) -> Evidence:
        """Solve in the same way on a slice that the closed form is not told about."""
        d, lam = setting.d, setting.lam
        spectrum, basis = setting.energy * power_spectrum(d, 1.0), _basis(d, rng)
        second = _second_moment(spectrum, basis, setting.usage, rng)
        if setting.case == "anisotropic at lam*":
            return _compare_drop(second, setting.energy, setting.usage)
        if setting.case == "mean left out":
            second += np.outer(basis[:, 0], basis[:, 0])
        theory = bounds.single_group_optimum(spectrum, lam, rank=setting.rank)
        return intervals.exact(float(solve(second, lam).risk), "==", theory.risk, tolerance=SOLVER)


def _compare_drop(second: Floats, energy: float, usage: float) -> Evidence:
    """Penalty at which a slice's map vanishes, against that of an isotropic slice of the same energy."""
    bound = float(bounds.critical_lambda(energy, len(second), usage))
    return intervals.exact(vanishing_lambda(second[None, None], 0), "==", bound, tolerance=SOLVER)


def _basis(d: int, rng: np.random.Generator) -> Floats:
    return np.asarray(ortho_group.rvs(d, random_state=rng), dtype=float)


def _second_moment(spectrum: Floats, basis: Floats, usage: float, rng: np.random.Generator) -> Floats:
    """Mean ``xx'`` over inputs of which a share ``usage`` lies in the slice and the others are zero."""
    n = 16 * len(spectrum)
    points = np.zeros((n, len(spectrum)))
    active = round(n * usage)
    points[:active] = inputs(active, spectrum, "gaussian", rng) @ basis.T
    return points.T @ points / n
