"""B1: an l1 code in the true basis costs more than in a dense dictionary, by a factor that grows with the dimension."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import ortho_group

from sasa_theory import bounds
from sasa_theory.bounds.validate import Floats

from . import intervals
from .contract import Chart, Claim, Effort, Evidence
from .measuring.gauges import EXACT_UP_TO, gauge, gauge_by_program, mean_gauge
from .measuring.geometry import even_lines, one_hot, sphere, trained_lines
from .measuring.true_basis import basis_with_spare, signed_basis


@dataclass(frozen=True)
class Setting:
    """A dictionary of ``atoms`` unit atoms on a d-dimensional slice; ``draws`` points where the mean is sampled."""

    case: str
    d: int
    atoms: int
    draws: int = 1


class TrueBasisCost(Claim[Setting]):
    """The mean gauge of the signed true basis, of even rays, and its infimum 1."""

    id = "B1"
    title = "cost of the true basis"
    statement = (
        r"E\, \mathrm{gauge}_{\{\pm v_1, \ldots, \pm v_d\}}(x) = \frac{d\,\Gamma(d/2)}{\sqrt{\pi}\,\Gamma((d+1)/2)},"
        r"\quad E\, \mathrm{gauge}_{N\ \mathrm{even\ rays}}(x) = \frac{\tan(\pi/N)}{\pi/N},"
        r"\quad \mathrm{any\ other} \geq 1"
    )
    plain = (
        "The l1 price of the true basis grows like the square root of the dimension, although atoms spread densely"
        " enough bring it down to 1."
    )
    assumptions = ("the direction is uniform on the slice's sphere", "the atoms have length 1", "codes are optimal")
    reference = ("derived here", "arXiv 2606.06333")
    chart = Chart("atoms", ("case",), "atoms", "mean gauge on the unit sphere", log_x=True, log_y=True)

    def grid(self, effort: Effort) -> list[Setting]:
        """The true basis and even rays, whose gauges are known, and dictionaries that can only stay above 1."""
        sampled = ((8, 3000), (16, 1500)) if effort == "quick" else ((6, 40_000), (8, 30_000), (16, 15_000), (32, 4000))
        rays = (3, 4, 5, 8, 16, 64, 256) if effort == "quick" else (3, 4, 5, 6, 7, 8, 16, 32, 64, 256, 1024)
        return [
            *(Setting("true basis", d, 2 * d) for d in (2, 3, 4)),
            *(Setting("true basis", d, 2 * d, draws) for d, draws in sampled),
            *(Setting("even rays", 2, n) for n in rays),
            *(Setting("random lines", d, n) for d, n in ((2, 12), (3, 24), (3, 200), (4, 48), (4, 200))),
            *(Setting("trained", d, n) for d, n in ((3, 16), (3, 64), (4, 100))),
        ]

    def falsifiers(self, effort: Effort) -> list[Setting]:
        """Directions that are not uniform, a dictionary that is not the basis, rays not even, atoms not of length 1."""
        return [
            *(Setting(case, d, 2 * d, 1000) for case in ("one-hot z", "cube corners") for d in (2, 4, 8)),
            *(Setting("basis and a spare", d, 2 * d + 1) for d in (2, 3, 4)),
            Setting("uneven rays", 2, 8),
            Setting("long atoms", 3, 24),
        ]

    def measure(self, setting: Setting, rng: np.random.Generator) -> Evidence:
        """Integrate the gauge over the sphere; in higher dimensions solve a linear program for each random point."""
        d, n = setting.d, setting.atoms
        if setting.case == "even rays":
            return intervals.exact(mean_gauge(even_lines(n, signed=False)), "==", float(bounds.polygon_gauge(n)))
        if setting.case == "true basis":
            bound = float(bounds.true_basis_gauge(d))
            atoms = signed_basis(d) @ ortho_group.rvs(d, random_state=rng)
            if d <= EXACT_UP_TO:
                return intervals.exact(mean_gauge(atoms), "==", bound)
            return intervals.mean(gauge_by_program(sphere(setting.draws, d, rng), atoms), "==", bound)
        atoms = trained_lines(n, d, rng, signed=False) if setting.case == "trained" else _lines(n, d, rng)
        return intervals.exact(mean_gauge(atoms), ">=", 1.0)

    def falsify(self, setting: Setting, rng: np.random.Generator) -> Evidence:
        """Compare with the same values where one assumption is left."""
        d, n = setting.d, setting.atoms
        if setting.case == "long atoms":
            return intervals.exact(mean_gauge(2 * _lines(n, d, rng)), ">=", 1.0)
        if setting.case == "uneven rays":
            angle = 2 * np.pi * np.linspace(0, 1, n, endpoint=False) ** 1.5
            rays = np.stack([np.cos(angle), np.sin(angle)], axis=1)
            return intervals.exact(mean_gauge(rays), "==", float(bounds.polygon_gauge(n)))
        bound, basis = float(bounds.true_basis_gauge(d)), signed_basis(d)
        if setting.case == "basis and a spare":
            return intervals.exact(mean_gauge(basis_with_spare(d, np.pi / 4)), "==", bound)
        if setting.case == "one-hot z":
            points = one_hot(setting.draws, d, rng)
        else:
            points = rng.choice([-1.0, 1.0], size=(setting.draws, d)) / np.sqrt(d)
        return intervals.mean(gauge(points, basis), "==", bound)


def _lines(n: int, d: int, rng: np.random.Generator) -> Floats:
    """Random atoms, each with its negative: they surround the origin, shape (n, d)."""
    half = sphere(n // 2, d, rng)
    return np.vstack([half, -half])
