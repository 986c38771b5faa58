"""A4: a number of atoms that always suffices with one active, and the exact number on a circle."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sasa_theory import bounds

from . import intervals
from .contract import Chart, Claim, Effort, Evidence
from .measuring.geometry import best_cosine, even_count, maximal_packing, near_subspace_weights, sphere


@dataclass(frozen=True)
class Setting:
    """A d-dimensional slice covered at chordal distance ``eps`` with one active atom."""

    case: str
    d: int
    eps: float
    draws: int
    signed: bool = True


class AtomCeiling(Claim[Setting]):
    """A maximal set of points more than arcsin(eps) apart covers, and there is room for only so many."""

    id = "A4"
    title = "ceiling"
    statement = (
        r"L^{(1)}(\varepsilon) \leq \frac{1}{2\,\mathrm{cap}_d(\theta/2)}, \quad \theta = \arcsin\varepsilon;"
        r" \qquad d = 2:\ L^{(1)}(\varepsilon) = \left\lceil \frac{\pi}{2\theta} \right\rceil"
    )
    plain = "A computable number of well-spread atoms always covers a feature; on a circle the number is exact."
    assumptions = ("the atoms are more than arcsin(eps) apart", "no further atom of that kind fits")
    reference = ("derived here; the volume argument for packings",)
    chart = Chart("d", ("case", "eps", "signed"), "intrinsic dimension d", "atoms", log_y=True)

    def grid(self, effort: Effort) -> list[Setting]:
        """Packings under the ceiling; cap and ceiling by volume; exact counts on the circle."""
        draws = 100_000 if effort == "quick" else 200_000
        deep = (2, 3, 4) if effort == "quick" else (2, 3, 4, 5)
        return [
            *(Setting("maximal packing", d, 0.5, 0, signed) for d in deep for signed in (True, False)),
            *(Setting("maximal packing", d, 0.3, 0) for d in (2, 3)),
            *(Setting("room for caps", d, 0.5, draws, s) for d in (2, 3, 4, 6, 8, 12, 16, 32) for s in (True, False)),
            *(Setting("one cap", d, 0.5, draws, signed=False) for d in (2, 3, 4, 6, 8, 12, 16, 32)),
            *(Setting("circle", 2, eps, 0, s) for eps in (0.9, 0.5, 0.3, 0.1, 0.05) for s in (True, False)),
        ]

    def falsifiers(self, effort: Effort) -> list[Setting]:
        """Atoms that cover but were not kept apart: random ones, drawn until they cover."""
        return [Setting("random until covered", d, eps, 200_000) for d, eps in ((2, 0.03), (3, 0.1))]

    def measure(self, setting: Setting, rng: np.random.Generator) -> Evidence:
        """Build the packing, measure the volume of its caps, or count even lines until they cover."""
        d, eps, signed = setting.d, setting.eps, setting.signed
        theta = float(np.arcsin(eps))
        if setting.case == "circle":
            return intervals.exact(even_count(eps, signed=signed), "==", float(bounds.circle_count(eps, signed=signed)))
        ceiling = float(bounds.atom_ceiling(d, eps, signed=signed))
        if setting.case == "maximal packing":
            size = len(maximal_packing(theta, d, rng, signed=signed))
            return intervals.exact(size, "<=", ceiling, samples=size)
        if setting.case == "one cap":
            weights = near_subspace_weights(d, 1, eps, setting.draws, rng) / 2
            return intervals.mean(weights, "==", float(bounds.cap_measure(d, theta)))
        two_caps = intervals.mean(near_subspace_weights(d, 1, np.sin(theta / 2), setting.draws, rng), "==", 0.0)
        lines = 1.0 if signed else 2.0
        room, low, high = (lines / v for v in (two_caps.measured, two_caps.high, two_caps.low))
        return Evidence("==", ceiling, room, low, high, setting.draws)

    def falsify(self, setting: Setting, rng: np.random.Generator) -> Evidence:
        """Draw atoms at random until all fresh points are covered; their number passes the ceiling."""
        limit = np.sqrt(1 - setting.eps**2)
        uncovered, size = sphere(setting.draws, setting.d, rng), 0
        while len(uncovered):
            uncovered = uncovered[best_cosine(uncovered, sphere(10, setting.d, rng)) < limit]
            size += 10
        return intervals.exact(size, "<=", float(bounds.atom_ceiling(setting.d, setting.eps)), samples=setting.draws)
