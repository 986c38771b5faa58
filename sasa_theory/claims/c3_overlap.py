"""C3: the edge of C2: two groups active together can beat one, and two overlapping features are cheaper merged."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq

from sasa_theory import bounds
from sasa_theory.bounds.validate import Floats
from sasa_theory.tolerances import SOLVER

from . import intervals
from .contract import Chart, Claim, Effort, Evidence
from .measuring.nuclear_solver import solve, vanishing_lambda
from .measuring.partitions import partition_risk
from .measuring.second_group import Cell, best_cell, opposite_quadrants, steepest_slope
from .measuring.slices import cell_moments, even_ellipse, inputs, overlap_moments, two_features


@dataclass(frozen=True)
class Setting:
    """``n`` inputs or even angles of a d-dimensional slice with standard deviations from ``stretch`` down to 1.

    ``lam`` is 0 where it is searched for.
    """

    case: str
    stretch: float
    lam: float
    d: int
    n: int


class OverlapEdge(Claim[Setting]):
    """A second group, active with the optimal first one on a cell C, pays exactly when its pressure exceeds 1."""

    id = "C3"
    title = "when a second group pays"
    statement = (
        r"\min_{M_1, M_2} J < J^* \;\Leftrightarrow\; p = \frac{2}{\lambda}\Vert (I - M^*) S_C\Vert_{op} > 1,"
        r" \quad \left. dJ/d\tau\right|_{\tau = 0^+} = \lambda (1 - p)"
    )
    plain = "Two groups that fire together can beat one on a stretched feature, and never on a round one."
    assumptions = (
        "the second group is active together with the first, which is at its one-group optimum",
        "for a gain: the slice is anisotropic",
        "for merging: the two features are not orthogonal",
    )
    reference = ("derived here",)
    chart = Chart("stretch", ("case", "lam"), "ratio of standard deviations", "p, edge lam, J / J* or merged / apart",
                  log_x=True, log_y=True)  # fmt: skip

    def grid(self, effort: Effort) -> list[Setting]:
        """Slope on random cells, edge of the gain, optimised gains, and features of cosine ``(c^2-1)/(c^2+1)``."""
        quick = effort == "quick"
        n, angles, dims = (400, 720, (2, 4, 8)) if quick else (4000, 7200, (2, 4, 8, 16, 32))
        return [
            *(Setting("pressure, opposite quadrants", c, 0.5, 2, angles) for c in (1.0, 2.0, 3.0, 5.0, 10.0, 30.0)),
            *(Setting(f"pressure, random cell, d = {d}", c, lam, d, n)
              for d in dims for lam in (0.1, 1.0) for c in (1.0, 2.0, 4.0, 10.0)),
            *(Setting("edge, opposite quadrants", c, 0.0, 2, angles) for c in (3.0, 4.0, 6.0, 10.0)),
            *(Setting("gain, best cell", c, 0.5, 2, angles) for c in (3.0, 5.0, 10.0)),
            Setting("no gain, round", 1.0, 0.5, 2, angles),
            Setting("no gain, large lam", 3.0, 4.5, 2, angles),  # std (1, 1/3) at lam = .5, in units of the smaller
            *(Setting("merged features", c, 0.2, 2, 4) for c in (1.2, 1.5, 2.0, 3.0)),
        ]  # fmt: skip

    def falsifiers(self, effort: Effort) -> list[Setting]:
        """A round slice, orthogonal features, groups that take turns, and a first group off its optimum."""
        n, angles = (400, 720) if effort == "quick" else (4000, 7200)
        return [
            Setting("round slice", 4.0, 0.0, 2, angles),
            Setting("orthogonal features", 2.0, 0.2, 2, 4),
            Setting("groups take turns", 10.0, 0.5, 2, angles),
            Setting("first group unshrunk", 4.0, 1.0, 4, n),
            Setting("first group absent", 4.0, 1.0, 4, n),
        ]

    def measure(self, setting: Setting, rng: np.random.Generator) -> Evidence:
        """Differentiate or minimise the objective of two groups on given inputs."""
        case, lam, c = setting.case, setting.lam, setting.stretch
        if case.startswith("pressure, random"):
            points, cell = _random_cell(setting, rng)
            return _compare_pressure(points, cell, solve(points.T @ points / setting.n, lam).maps, lam)
        if case == "merged features":
            points = two_features(_cosine(c))
            return _compare_merged(points, points, lam)
        points = even_ellipse(setting.n, c)
        if case.startswith("edge"):
            return _compare_edge(points, points)
        if case.startswith("pressure"):
            return _compare_pressure(
                points, opposite_quadrants(points), solve(points.T @ points / setting.n, lam).maps, lam
            )
        return _compare_gain(points, *best_cell(points, lam), lam)

    def falsify(self, setting: Setting, rng: np.random.Generator) -> Evidence:
        """Compare in the same way where nothing is to be gained, or where the slope is another."""
        case, lam, c = setting.case, setting.lam, setting.stretch
        if case == "round slice":
            return _compare_edge(even_ellipse(setting.n, 1.0), even_ellipse(setting.n, c))
        if case == "orthogonal features":
            return _compare_merged(two_features(0.0), two_features(_cosine(c)), lam)
        if case == "groups take turns":
            points = even_ellipse(setting.n, c)
            cell, _ = best_cell(points, lam)
            return _compare_gain(points, cell, float(partition_risk(points, cell.astype(np.intp), 2, lam)[0]), lam)
        points, cell = _random_cell(setting, rng)
        first = np.eye(setting.d) if case == "first group unshrunk" else np.zeros((setting.d, setting.d))
        return _compare_pressure(points, cell, first, lam)


def _compare_pressure(points: Floats, cell: Cell, first: Floats, lam: float) -> Evidence:
    """Slope of the objective along the best second map, as a pressure ``1 - slope/lam``."""
    second, inner = overlap_moments(points, cell)[0]
    measured = 1 - steepest_slope(points, cell, first, lam) / lam
    bound = bounds.second_group_pressure(second, inner, lam)
    return intervals.exact(measured, "==", bound, samples=len(points), tolerance=SOLVER)


def _compare_edge(points: Floats, assumed: Floats) -> Evidence:
    """Largest ``lam`` at which a second group is used on two opposite quadrants; where the assumed inputs say so."""
    whole, inner = overlap_moments(assumed, opposite_quadrants(assumed))[0]

    def excess(lam: float) -> float:
        return bounds.second_group_pressure(whole, inner, lam) - 1

    least, most = (scale * float(np.trace(whole)) for scale in (1e-6, 10.0))
    bound = brentq(excess, least, most) if excess(least) > 0 else 0.0
    measured = vanishing_lambda(overlap_moments(points, opposite_quadrants(points)), 1)
    return intervals.exact(measured, "==", float(bound), samples=len(points), tolerance=SOLVER)


def _compare_gain(points: Floats, cell: Cell, risk: float, lam: float) -> Evidence:
    """``J / J*`` of two groups against what the pressure promises: a fall by ``(lam (p - 1))^2 / (4 ||S_C||)`` or more.

    That is the fall along the steepest rank-one map, whose own energy on the cell is at most ``||S_C||``.
    """
    second, inner = overlap_moments(points, cell)[0]
    alone = float(solve(second, lam).risk)
    slope = lam * max(bounds.second_group_pressure(second, inner, lam) - 1, 0.0)
    promised = slope**2 / (4 * float(np.linalg.norm(inner, 2))) if slope > 0 else 0.0
    return intervals.exact(risk / alone, "<=" if slope > 0 else "==", 1 - promised / alone, samples=len(points),
                           tolerance=SOLVER)  # fmt: skip


def _compare_merged(points: Floats, assumed: Floats, lam: float) -> Evidence:
    """Objective of one group that takes both features over that of a group for each."""
    labels = np.array([0, 0, 1, 1])
    apart = float(partition_risk(points, labels, 2, lam)[0])
    merged = float(partition_risk(points, 0 * labels, 1, lam)[0])
    floors = [
        bounds.partition_floor(np.linalg.svd(cells, compute_uv=False), lam).sum()
        for cells in (cell_moments(assumed, 0 * labels, 1), cell_moments(assumed, labels, 2))
    ]
    return intervals.exact(merged / apart, "==", floors[0] / floors[1], tolerance=SOLVER)


def _cosine(stretch: float) -> float:
    """Cosine of two equal features whose common second moment has this ratio of standard deviations."""
    return (stretch**2 - 1) / (stretch**2 + 1)


def _random_cell(setting: Setting, rng: np.random.Generator) -> tuple[Floats, Cell]:
    """Gaussian inputs, and a double cone between two hyperplanes that holds about half of them."""
    spectrum = np.geomspace(setting.stretch**2, 1.0, setting.d)
    points = inputs(setting.n, spectrum, "gaussian", rng)
    frame, _ = np.linalg.qr(rng.standard_normal((setting.d, 2)))
    return points, (points / np.sqrt(spectrum) @ frame).prod(axis=1) > 0
