"""C2: with one group active per input, no partition among any number of groups beats one group of enough rank."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import get_args

import numpy as np

from sasa_theory import bounds
from sasa_theory.bounds.validate import Floats
from sasa_theory.tolerances import ROUNDING, SOLVER

from . import intervals
from .contract import Chart, Claim, Effort, Evidence, Relation
from .measuring.nuclear_solver import objective, solve, solve_factors, solve_overlapping
from .measuring.partitions import Kind, Labels, cut, partition_risk, refine, search, top_group
from .measuring.second_group import opposite_quadrants
from .measuring.slices import Law, cell_moments, even_ellipse, inputs, overlap_moments, power_spectrum

_KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True)
class Setting:
    """``trials`` partitions of ``n`` inputs of energy 1 among ``groups`` groups with maps of rank up to ``rank``.

    Where partitions are searched, there is one search from each kind of partition, and every group must end with at
    least ``share`` of the inputs.
    """

    case: str
    law: Law
    groups: int
    d: int
    rank: int
    lam: float
    n: int
    trials: int
    power: float = 1.0
    share: float = 0.0


class PartitionOptimality(Claim[Setting]):
    """One group is the global minimiser over all partitions; its value bounds every trained model from below.

    Where the slice has a density, it is the only one: on the round 2-d slice the least price of a second group is known
    and reached. Inside a group, rotations alone are free: they leave every selection as it is.
    """

    id = "C2"
    title = "one group is optimal"
    statement = (
        r"\sum_g E\left[\Vert x - M_g x\Vert^2; C_g\right] + \lambda \sum_g \Vert M_g\Vert_*"
        r" \geq \sum_j \phi(s_j), \quad \phi(s) = \min_m\, s(1-m)^2 + \lambda |m|"
    )
    plain = "However the inputs are shared out among groups, it never costs less than one group that takes them all."
    assumptions = (
        "exactly one group is active per input",
        "all groups share one bias",
        "for one group to reach the bound: its rank is at least the number of s_j above lam/2",
        "for a second group to cost more: the slice has a density and its largest s_j exceeds lam/2",
        "for selections to stay: encoders change by rotations",
    )
    reference = ("derived here; trace subadditivity: Rotfel'd (1969)", "arXiv 2606.06333 (objective)")
    chart = Chart("groups", ("case", "law", "lam"), "groups G", "J / E||x||^2, or share of selections changed",
                  log_x=True)  # fmt: skip

    def grid(self, effort: Effort) -> list[Setting]:
        """Partitions of every kind, refined and searched; those that attain the bound fix it from above."""
        quick = effort == "quick"
        n, trials, d = (240, 12, 4) if quick else (1000, 100, 8)
        few, wide = (30, 2) if quick else (60, 4)  # inputs and dimension of a search, which tries thousands of moves
        laws: tuple[Law, ...] = ("gaussian", "heavy", "one-hot")
        searches: tuple[tuple[Law, int], ...] = (("sphere", 2), ("one-hot", 3))
        searches = searches if quick else (*searches, ("gaussian", 3), ("heavy", 6), ("one-hot", 6))
        return [
            *(Setting("one group", law, 1, d, d, lam, n, 1) for law in laws for lam in (0.02, 0.2, 0.6)),
            *(Setting("one group of least rank", "gaussian", 1, d, r, 2.2 / (r + 1) / _harmonic(d), n, 1)
              for r in range(1, d)),
            *(Setting("one-hot, a group per axis", "one-hot", m, m, m, lam, 12 * m, 1)
              for m in (2, 3, 4, 8, 16) for lam in (0.02, 0.2)),
            *(Setting("all directions cut", "heavy", g, d, d, 1.5, n, trials) for g in (2, 4, 16)),
            *(Setting(kind, law, g, d, d, 0.2, n, trials)
              for kind in _KINDS for law in ("gaussian", "heavy") for g in (2, 4, 16)),
            *(Setting(f"{kind}, refined", "heavy", g, d, d, 0.2, n, trials // 2) for kind in _KINDS for g in (2, 4)),
            *(Setting("searched", law, g, wide, wide, 0.2, few, len(_KINDS)) for law, g in searches),
            *(Setting("searched, all used", law, wide, wide, wide, 0.2, few, len(_KINDS), share=0.2)
              for law in laws[1:]),
            *(Setting("second group, round slice", "sphere", 2, 2, 2, lam, few + 1, len(_KINDS), 0.0, share)
              for lam, share in ((0.2, 0.05), (0.2, 0.25), (0.6, 0.25))),
            *(Setting("selections, rotated groups", "gaussian", g, d, d // 2, 0.2, n, 1) for g in (2, 4, 16)),
        ]  # fmt: skip

    def falsifiers(self, effort: Effort) -> list[Setting]:
        """Too small a rank; two groups active together; own biases; no density; a free change of basis in a group."""
        n = 400 if effort == "quick" else 4000
        return [
            Setting("rank 1 of 2", "sphere", 2, 2, 1, 0.05, n, 3, power=0.0),  # lam = .1 for inputs of energy 2
            Setting("rank 2 of 4", "gaussian", 4, 4, 2, 0.1, n, 3, power=0.0),
            Setting("two active", "sphere", 2, 2, 2, 0.005, n, 1, power=np.log2(100)),  # standard deviations 10 : 1
            Setting("own biases", "gaussian", 2, 2, 2, 1.0, n, 1),
            Setting("second group, one-hot slice", "one-hot", 2, 2, 2, 0.2, n + 1, 1, 0.0, share=0.25),
            Setting("selections, sheared groups", "gaussian", 4, 4, 2, 0.2, n, 1),
        ]

    def measure(self, setting: Setting, rng: np.random.Generator) -> Evidence:
        """Solve for the maps of every cell; the interval reaches down to the solver's certificate.

        The maps are free: a limit on their rank can only raise the objective.
        """
        if setting.case.startswith("selections"):
            turns = np.linalg.qr(rng.standard_normal((setting.groups, setting.rank, setting.rank)))[0]
            return _compare_selections(setting, turns, rng)
        groups, lam = setting.groups, setting.lam
        spectrum = power_spectrum(setting.d, setting.power)
        if setting.case == "second group, round slice":
            points, bound = even_ellipse(setting.n, 1.0) / np.sqrt(2), two_group_floor(setting.n, lam, setting.share)
        else:
            points = inputs(setting.n, spectrum, setting.law, rng)
            bound = float(bounds.partition_floor(spectrum, lam))
        if setting.case == "one group of least rank":
            whole = points.T @ points / setting.n
            risk = float(objective(whole, solve_factors(whole, lam, setting.rank, rng), lam))
            return intervals.exact(risk, "==", bound, tolerance=SOLVER)
        value, certified = partition_risk(points, _partitions(points, setting, rng), groups, lam)
        relation = _relation(setting)
        return Evidence(
            relation=relation,
            bound=bound,
            measured=float(value.min()),
            low=float(certified.min()),
            high=float(value.min()),
            samples=value.size,
            tolerance=ROUNDING,
            above=SOLVER if relation == "==" else 0.0,  # a solver that stops early only raises J
        )

    def falsify(self, setting: Setting, rng: np.random.Generator) -> Evidence:
        """Look for a partition below what one group reaches where the theorem does not reach."""
        lam, groups = setting.lam, setting.groups
        if setting.case.startswith("selections"):
            shears = rng.standard_normal((groups, setting.rank, setting.rank))
            return _compare_selections(setting, shears, rng)
        spectrum = power_spectrum(setting.d, setting.power)
        points = inputs(setting.n, spectrum, setting.law, rng)
        bound = bounds.single_group_optimum(spectrum, lam, rank=setting.rank).risk
        if setting.case == "two active":
            both = opposite_quadrants(points)
            risk = float(solve_overlapping(overlap_moments(points, both), lam).risk)
        elif setting.case == "own biases":
            labels = (points[:, 0] > 0).astype(np.intp)
            centred = points - np.stack([points[labels == g].mean(0) for g in range(groups)])[labels]
            risk = float(partition_risk(centred, labels, groups, lam)[0])
        elif setting.case.startswith("second group"):
            risk = float(partition_risk(points, cut(points, groups, "axes", rng), groups, lam)[0])
            bound = two_group_floor(setting.n, lam, setting.share)
        else:

            def fit(moments: Floats) -> Floats:
                return np.stack([solve_factors(cell, lam, setting.rank, rng, starts=1) for cell in moments])

            risk = np.inf
            for _ in range(setting.trials):
                labels = refine(points, cut(points, groups, "double cones", rng), groups, fit)
                moments = cell_moments(points, labels, groups)
                risk = min(risk, float(objective(moments, fit(moments), lam).sum()))
        return intervals.exact(risk, ">=", bound, samples=setting.trials)


def _relation(setting: Setting) -> Relation:
    """Equality where some partition attains the bound; searches are asked to find it."""
    attained = ("one group", "all directions cut", "searched", "second group, round slice")
    one_hot = setting.law == "one-hot"  # a group per axis ties with one group
    return "==" if one_hot or setting.case in attained else ">="


def _partitions(points: Floats, setting: Setting, rng: np.random.Generator) -> Labels:
    """Group of each input in each trial, shape (trials, n)."""
    groups, lam, name = setting.groups, setting.lam, setting.case.split(",")[0]
    if name == "one-hot":
        return cut(points, groups, "axes", rng)[None]
    if name in ("searched", "second group"):
        starts, least = [cut(points, groups, kind, rng) for kind in _KINDS], ceil(setting.share * setting.n)
        return np.stack([search(points, start, groups, lam, least=least) for start in starts])
    kind: Kind = next((k for k in _KINDS if k == name), "random")
    labels = np.stack([cut(points, groups, kind, rng) for _ in range(setting.trials)])
    if setting.case.endswith("refined"):
        return refine(points, labels, groups, lambda moments: solve(moments, lam).maps)
    return labels


def two_group_floor(n: int, lam: float, share: float) -> float:
    """Least J of groups that hold at least ``share`` each of n even angles, n odd, on a circle of energy 1.

    Two cells of a round slice share their axes, with eigenvalues ``a_j`` and ``1/2 - a_j``, so that they cost at least
    ``sum_j phi(a_j) + phi(1/2 - a_j)``. Of a cell of m angles the ``a_j`` have the sum ``m/n``, and the smaller is at
    least ``(m - sin(pi m/n) / sin(pi/n)) / 2n``: a double cone. The cost is concave in it and symmetric about ``m/2n``,
    hence least there, and the double cone reaches it. More groups merge into two at no loss (C2). Derived here.
    """
    m = np.arange(ceil(share * n), n // 2 + 1)
    least = (m - np.sin(np.pi * m / n) / np.sin(np.pi / n)) / (2 * n)
    eigenvalues = np.stack([least, m / n - least, 0.5 - least, 0.5 - m / n + least], axis=-1)
    return float(bounds.partition_floor(np.maximum(eigenvalues, 0.0), lam).min())


def _compare_selections(setting: Setting, turns: Floats, rng: np.random.Generator) -> Evidence:
    """Share of inputs that select another group once each encoder E_g is ``turns_g E_g``; theory says none."""
    points = inputs(setting.n, power_spectrum(setting.d, setting.power), setting.law, rng)
    encoders = rng.standard_normal((setting.groups, setting.rank, setting.d))
    changed = top_group(points, encoders) != top_group(points, turns @ encoders)
    return intervals.exact(changed.mean(), "==", 0.0, samples=setting.n)


def _harmonic(d: int) -> float:
    return float((1 / np.arange(1, d + 1)).sum())
