"""A3: at fixed k the number of atoms is exponential in d - k; with k proportional to d the wall is gone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sasa_theory import bounds

from . import intervals
from .contract import Chart, Claim, Effort, Evidence
from .measuring.geometry import maximal_packing, near_subspace_weights


@dataclass(frozen=True)
class Setting:
    """A slice of dimension ``d`` coded with ``k`` active atoms at chordal distance ``eps``."""

    case: str
    d: int
    k: int
    eps: float
    draws: int


class GrowthRate(Claim[Setting]):
    """How fast the number of atoms grows as the error falls, as the dimension grows, and with k in step with d."""

    id = "A3"
    title = "rate"
    statement = (
        r"\log N \sim \frac{d-k}{k} \log\frac{1}{\varepsilon} \quad (k\ \mathrm{fixed}), \qquad"
        r" N \leq k\, L^{(1)}\left(\lceil d/k \rceil, \varepsilon\right) \quad (k \propto d)"
    )
    plain = "With k active atoms fixed, atoms multiply with every dimension; with k growing in step they only add up."
    assumptions = ("the direction is uniform on the slice's sphere", "k stays fixed as d grows")
    reference = ("derived here", "arXiv 2606.06333: exponent (d-k)/k")
    chart = Chart("d", ("case", "k"), "intrinsic dimension d", "slope of log N, or atoms", log_y=True)

    def grid(self, effort: Effort) -> list[Setting]:
        """Slopes of log N against log 1/eps and against d, and the volume that bounds the block construction."""
        draws = 100_000 if effort == "quick" else 1_000_000
        dims = (2, 3, 4, 6, 8, 12, 16)
        packed = (3,) if effort == "quick" else (3, 4)
        return [
            *(Setting("slope in 1/eps", d, k, 0.02, draws) for k in (1, 2, 4) for d in dims if d > k),
            *(Setting("packing's slope in 1/eps", d, 1, 0.12, 0) for d in packed),
            *(Setting("slope in d", 300, k, eps, draws) for k, eps in ((1, 0.3), (2, 0.3), (4, 0.3), (1, 0.15))),
            *(Setting("blocks, k = d/2", d, d // 2, 0.3, draws) for d in (4, 8, 16, 32)),
            *(Setting("blocks, k = d/3", d, d // 3, 0.3, draws) for d in (6, 12, 24)),
        ]  # fmt: skip

    def falsifiers(self, effort: Effort) -> list[Setting]:
        """The number of active atoms grows with the dimension."""
        return [Setting("k grows with d", d, d // 2, 0.3, 0) for d in (8, 16)]

    def measure(self, setting: Setting, rng: np.random.Generator) -> Evidence:
        """Take slopes of measured volumes and packings; count the blocks' atoms by volume."""
        d, k, eps = setting.d, setting.k, setting.eps
        if setting.case == "slope in 1/eps":
            growth = self._log_atoms(d, k, eps, setting.draws, rng) - self._log_atoms(d, k, 4 * eps, setting.draws, rng)
            # the exponent is the limit eps -> 0; at eps = .08 the next term bends the line by under half a percent
            return intervals.exact(
                growth / np.log(4), "==", float(bounds.rate_exponent(d, k)), samples=setting.draws, tolerance=0.02
            )
        if setting.case == "slope in d":
            growth = self._log_atoms(d, k, eps, setting.draws, rng) - self._log_atoms(
                d - 100, k, eps, setting.draws, rng
            )
            # the limit of large d: the next term is log(d/(d-100)) (1 - k/2) / (100 k)
            return intervals.exact(
                growth / 100, "==", float(bounds.rate_per_dimension(k, eps)), samples=setting.draws, tolerance=0.02
            )
        if setting.case == "packing's slope in 1/eps":
            sizes = [len(maximal_packing(float(np.arcsin(e)), d, rng)) for e in (3 * eps, eps)]
            slope = np.log(sizes[1] / sizes[0]) / np.log(3)
            # random packings of this size vary by several percent; the exponent is the limit eps -> 0
            return intervals.exact(slope, "==", float(bounds.rate_exponent(d, k)), samples=sum(sizes), tolerance=0.12)
        lines = near_subspace_weights(-(-d // k), 1, float(np.sin(np.arcsin(eps) / 2)), setting.draws, rng)
        # k blocks, each covered by as many lines as have room for disjoint caps of half the angle
        return intervals.exact(
            k / lines.mean(), "==", float(bounds.block_ceiling(d, k, eps)), samples=setting.draws, tolerance=0.02
        )

    def falsify(self, setting: Setting, rng: np.random.Generator) -> Evidence:
        """Cut the slice into planes, cover each with as many lines as it takes, and double the dimension."""
        per_plane = len(maximal_packing(float(np.arcsin(setting.eps)), 2, rng))
        growth = np.log(setting.d * per_plane) - np.log(setting.d / 2 * per_plane)
        slope = growth / (setting.d / 2)
        return intervals.exact(slope, ">=", float(bounds.rate_per_dimension(1, setting.eps)), tolerance=0.02)

    @staticmethod
    def _log_atoms(d: int, k: int, eps: float, draws: int, rng: np.random.Generator) -> float:
        """Log of the atoms whose k-subsets, were they disjoint, fill the sphere, up to a constant of k."""
        return float(-np.log(near_subspace_weights(d, k, eps, draws, rng).mean()) / k)
