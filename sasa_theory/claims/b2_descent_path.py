"""B2: from the true basis a spare atom descends at first order into feature splitting."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.stats import chi

from sasa_theory import bounds
from sasa_theory.bounds.validate import Floats
from sasa_theory.tolerances import SOLVER

from . import intervals
from .contract import Chart, Claim, Effort, Evidence
from .measuring.exact_lasso import lasso_value
from .measuring.gauges import EXACT_UP_TO, gauge, mean_gauge
from .measuring.geometry import even_lines, sphere
from .measuring.true_basis import basis_with_spare, signed_basis

_STEP = 1e-4  # angle of the finite difference for the gauge's slope, whose error is about its square
_LASSO_STEP = 3e-3  # the same for the lasso's, on a circle of points that must resolve it: error 2e-5 at most
_SMALL_LAM = 1e-5  # the lasso risk per lam departs from the mean gauge by 2 lam of its change


@dataclass(frozen=True)
class Setting:
    """The spare atom at angle ``t`` on a d-dimensional slice; ``lam`` = 0 stands for the gauge, the limit."""

    case: str
    d: int
    t: float
    lam: float = 0.0
    draws: int = 1


class DescentPath(Claim[Setting]):
    """The change of the l1 price along the path of one spare atom from one basis direction to the next."""

    id = "B2"
    title = "descent path into splitting"
    statement = (
        r"E\,\mathrm{gauge}_t - E\,\mathrm{gauge}_0 = E\sqrt{z_1^2+z_2^2}\;"
        r"\frac{\tan\frac{t}{2} + \tan(\frac{\pi}{4} - \frac{t}{2}) - 1}{\pi} < 0,"
        r"\quad \mathrm{slope\ at\ } 0^+ = -\frac{E\sqrt{z_1^2+z_2^2}}{2\pi}"
    )
    plain = (
        "Turning a spare copy of one true direction towards another lowers the l1 price at once, at first order, and"
        " most halfway between them."
    )
    assumptions = (
        "the law of z is rotation invariant, so that z_1 and z_2 are positive together a quarter of the time",
        "the penalty is small beside the norm of z, except in the lasso's own slope on the unit circle",
        "codes are optimal",
    )
    reference = ("derived here", "arXiv 2606.06333")
    chart = Chart(
        "t", ("case", "d", "lam"), "angle t of the spare atom (radians)", "change of risk / lam (slope at t = 0)"
    )

    def grid(self, effort: Effort) -> list[Setting]:
        """The whole path on the sphere and for other radii, its lowest point, its slope at 0, and the lasso's."""
        draws = 60_000 if effort == "quick" else 600_000
        path = tuple(np.linspace(0, np.pi / 2, 7 if effort == "quick" else 25)[1:-1].tolist())
        far = (5, 8) if effort == "quick" else (5, 6, 8)
        points = 20_000 if effort == "quick" else 200_000
        return [
            *(Setting("unit sphere", d, t) for d in (2, 3, 4) for t in path),
            *(Setting("unit sphere", d, t, draws=draws) for d in far for t in (0.4, np.pi / 4)),
            *(Setting("Gaussian", d, t, draws=draws) for d in (2, 3, 5) for t in (0.4, 1.2)),
            *(Setting("lowest point", d, np.pi / 4) for d in (2, 3, 4)),
            *(Setting("slope", d, 0.0) for d in (2, 3, 4)),
            *(Setting("lasso", 2, t, _SMALL_LAM, points) for t in path),
            *(Setting("lasso slope", 2, 0.0, lam, points) for lam in (0.03, 0.1, 0.3, 0.6, 0.9)),
        ]

    def falsifiers(self, effort: Effort) -> list[Setting]:
        """No two coordinates positive together, a direction not uniform, a penalty that silences all codes."""
        draws = 60_000 if effort == "quick" else 600_000
        return [
            *(Setting(case, d, 0.8, draws=draws) for case in ("one-hot z", "opposite signs") for d in (2, 3)),
            Setting("anisotropic z", 3, 0.8, draws=draws),
            Setting("lasso", 2, 0.8, 1.2, 20_000),
            Setting("lasso slope, radius 2", 2, 0.0, 0.3, 20_000),
        ]

    def measure(self, setting: Setting, rng: np.random.Generator) -> Evidence:
        """Integrate, or sample with the same points, the price with the spare at angle t and at 0."""
        d, t = setting.d, setting.t
        if setting.case.startswith("lasso"):
            return self._lasso(setting, radius=1.0)
        radius = float(bounds.mean_pair_radius(d))
        if setting.case == "slope":
            # forward difference without its first-order error: 2 f(h)/h - f(2h)/(2h)
            slope = 2 * _change(d, _STEP) / _STEP - _change(d, 2 * _STEP) / (2 * _STEP)
            return intervals.exact(slope, "==", float(bounds.split_path_slope(radius)), tolerance=SOLVER)
        bound = float(bounds.split_path_change(t, radius))
        if setting.case == "lowest point":
            found = minimize_scalar(lambda angle: _change(d, angle), bounds=(0.01, 1.56), method="bounded")
            return intervals.exact(float(found.fun), "==", bound, samples=int(found.nfev), tolerance=SOLVER)
        if setting.case == "unit sphere" and d <= EXACT_UP_TO:
            return intervals.exact(_change(d, t), "==", bound)
        if setting.case == "unit sphere":
            return intervals.mean(_changes(sphere(setting.draws, d, rng), t), "==", bound)
        points = rng.standard_normal((setting.draws, d))
        return intervals.mean(_changes(points, t), "==", bound * float(chi.mean(d)))

    def falsify(self, setting: Setting, rng: np.random.Generator) -> Evidence:
        """Compare with the same closed forms under other laws of z, or under a penalty that is not small."""
        d, draws = setting.d, setting.draws
        if setting.case.startswith("lasso"):
            return self._lasso(setting, radius=2.0 if setting.case.endswith("radius 2") else 1.0)
        points = sphere(draws, d, rng)
        radius = float(bounds.mean_pair_radius(d))
        if setting.case == "one-hot z":
            points = np.eye(d)[rng.integers(d, size=draws)]
        elif setting.case == "opposite signs":
            points[:, 1] = -np.sign(points[:, 0]) * np.abs(points[:, 1])
        else:
            points = rng.standard_normal((draws, d)) * np.array([3.0] + [1.0] * (d - 1))
            radius = float(np.hypot(points[:, 0], points[:, 1]).mean())
        return intervals.mean(_changes(points, setting.t), "==", float(bounds.split_path_change(setting.t, radius)))

    def _lasso(self, setting: Setting, radius: float) -> Evidence:
        """Change of the lasso risk on a circle per lam; at t = 0 its one-sided slope."""
        t, lam = setting.t, setting.lam
        circle = radius * even_lines(setting.draws, signed=False)
        base = lasso_value(circle, signed_basis(2), lam)

        def change(angle: float) -> float:
            return float((lasso_value(circle, basis_with_spare(2, angle), lam) - base).mean()) / lam

        if t > 0:
            bound = bounds.split_path_change(t, bounds.mean_pair_radius(2))
            return intervals.exact(change(t), "==", float(bound), samples=setting.draws, tolerance=SOLVER)
        slope = 2 * change(_LASSO_STEP) / _LASSO_STEP - change(2 * _LASSO_STEP) / (2 * _LASSO_STEP)
        bound = bounds.lasso_slope_circle(lam) / lam
        return intervals.exact(slope, "==", float(bound), samples=setting.draws, tolerance=SOLVER)


def _change(d: int, t: float) -> float:
    """Exact change of the mean gauge on the unit sphere."""
    return mean_gauge(basis_with_spare(d, t)) - mean_gauge(signed_basis(d))


def _changes(points: Floats, t: float) -> Floats:
    """Change of each point's gauge."""
    d = points.shape[1]
    return gauge(points, basis_with_spare(d, t)) - gauge(points, signed_basis(d))
