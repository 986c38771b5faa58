"""C2: with one group active per input, no partition among any number of groups beats one group of enough rank."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sasa_theory import bounds
from sasa_theory.bounds.validate import Floats
from sasa_theory.tolerances import ROUNDING, SOLVER

from . import intervals
from .contract import Chart, Claim, Effort, Evidence
from .measuring.nuclear_solver import objective, solve, solve_factors, solve_overlapping
from .measuring.partitions import Kind, Labels, cut, local_search, partition_risk, refine
from .measuring.slices import Law, cell_moments, inputs, overlap_moments, power_spectrum

_KINDS: tuple[Kind, ...] = ("random", "slabs", "cones", "double cones", "shells", "clusters", "outliers")


@dataclass(frozen=True)
class Setting:
    """``trials`` partitions of ``n`` inputs of energy 1 among ``groups`` groups with maps of rank up to ``rank``."""

    case: str
    law: Law
    groups: int
    d: int
    rank: int
    lam: float
    n: int
    trials: int
    power: float = 1.0


class PartitionOptimality(Claim[Setting]):
    """One group is the global minimiser over all partitions; its value bounds every trained model from below."""

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
    )
    reference = ("derived here; trace subadditivity: Rotfel'd (1969)", "arXiv 2606.06333 (objective)")
    chart = Chart("groups", ("case", "law", "lam"), "groups G", "objective J / E||x||^2", log_x=True)

    def grid(self, effort: Effort) -> list[Setting]:
        """Partitions of every kind, refined and searched; and those that attain the bound, which fix it from above."""
        quick = effort == "quick"
        n, trials, d = (240, 12, 4) if quick else (1000, 100, 8)
        laws: tuple[Law, ...] = ("gaussian", "heavy", "one-hot")
        return [
            *(Setting("one group", law, 1, d, d, lam, n, 1) for law in laws for lam in (0.02, 0.2, 0.6)),
            *(Setting("one group of least rank", "gaussian", 1, d, r, 2.2 / (r + 1) / _harmonic(d), n, 1)
              for r in range(1, d)),
            *(Setting("one-hot, a group per axis", "one-hot", m, m, m, lam, 12 * m, 1)
              for m in (2, 3, 4, 8, 16) for lam in (0.02, 0.2)),
            *(Setting("all directions cut", "heavy", g, d, d, 1.5, n, trials) for g in (2, 4, 16)),
            *(Setting(kind, law, g, d, d, 0.2, n, trials)
              for kind in _KINDS for law in ("gaussian", "heavy") for g in (2, 4, 16)),
            *(Setting(f"{kind}, refined", "heavy", g, d, d, 0.2, n, trials) for kind in _KINDS for g in (2, 4)),
            *(Setting("searched", law, g, 2, 2, 0.2, 60, 1) for law in ("sphere", "one-hot") for g in (2, 3, 6)),
        ]  # fmt: skip

    def falsifiers(self, effort: Effort) -> list[Setting]:
        """Groups of too small a rank against one such group; two groups active together; a bias for each group."""
        n = 400 if effort == "quick" else 4000
        return [
            Setting("rank below d", "sphere", 2, 2, 1, 0.05, n, 3, power=0.0),  # lam = .1 for inputs of energy 2
            Setting("rank below d", "gaussian", 4, 4, 2, 0.1, n, 3, power=0.0),
            Setting("two active", "sphere", 2, 2, 2, 0.005, n, 1, power=np.log2(100)),  # standard deviations 10 : 1
            Setting("own biases", "gaussian", 2, 2, 2, 1.0, n, 1),
        ]

    def measure(self, setting: Setting, rng: np.random.Generator) -> Evidence:
        """Solve for the maps of every cell; the interval reaches down to the solver's certificate.

        The maps are free: a limit on their rank can only raise the objective.
        """
        groups, lam = setting.groups, setting.lam
        spectrum = power_spectrum(setting.d, setting.power)
        points = inputs(setting.n, spectrum, setting.law, rng)
        bound = float(bounds.partition_floor(spectrum, lam))
        if setting.case == "one group of least rank":
            whole = points.T @ points / setting.n
            risk = float(objective(whole, solve_factors(whole, lam, setting.rank, rng), lam))
            return intervals.exact(risk, "==", bound, tolerance=SOLVER)
        value, certified = partition_risk(points, _partitions(points, setting, rng), groups, lam)
        attained = setting.case in ("one group", "one-hot, a group per axis", "all directions cut")
        # a solver that stops early only raises J, so that an inequality needs no slack for it
        return Evidence(
            relation="==" if attained else ">=",
            bound=bound,
            measured=float(value.min()),
            low=float(certified.min()),
            high=float(value.min()),
            samples=value.size,
            tolerance=SOLVER if attained else ROUNDING,
        )

    def falsify(self, setting: Setting, rng: np.random.Generator) -> Evidence:
        """Look for a partition below what one group reaches where the theorem does not reach."""
        lam, groups = setting.lam, setting.groups
        spectrum = power_spectrum(setting.d, setting.power)
        points = inputs(setting.n, spectrum, setting.law, rng)
        one_group = bounds.single_group_optimum(spectrum, lam, rank=setting.rank).risk
        if setting.case == "two active":
            both = points[:, 0] * points[:, 1] > 0
            risk = float(solve_overlapping(overlap_moments(points, both), lam).risk)
        elif setting.case == "own biases":
            labels = (points[:, 0] > 0).astype(np.intp)
            centred = points - np.stack([points[labels == g].mean(0) for g in range(groups)])[labels]
            risk = float(partition_risk(centred, labels, groups, lam)[0])
        else:

            def fit(moments: Floats) -> Floats:
                return np.stack([solve_factors(cell, lam, setting.rank, rng, starts=1) for cell in moments])

            risk = np.inf
            for _ in range(setting.trials):
                labels = refine(points, cut(points, groups, "double cones", rng), groups, fit)
                moments = cell_moments(points, labels, groups)
                risk = min(risk, float(objective(moments, fit(moments), lam).sum()))
        return intervals.exact(risk, ">=", one_group, samples=setting.trials)


def _partitions(points: Floats, setting: Setting, rng: np.random.Generator) -> Labels:
    """Group of each input in each trial, shape (trials, n)."""
    groups, name = setting.groups, setting.case.split(",")[0]
    if name == "one-hot":
        return np.abs(points).argmax(axis=1)[None]
    kind: Kind = next((k for k in _KINDS if k == name), "random")
    labels = np.stack([cut(points, groups, kind, rng) for _ in range(setting.trials)])
    if setting.case.endswith("refined"):
        return refine(points, labels, groups, lambda moments: solve(moments, setting.lam).maps)
    if setting.case == "searched":
        return local_search(points, labels[0], groups, setting.lam, rng)[None]
    return labels


def _harmonic(d: int) -> float:
    return float((1 / np.arange(1, d + 1)).sum())
