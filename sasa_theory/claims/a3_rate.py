"""A3: at fixed k the number of atoms is exponential in d - k; with k proportional to d the wall is gone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import block_diag

from sasa_theory import bounds
from sasa_theory.bounds.validate import Floats

from . import intervals
from .contract import Chart, Claim, Effort, Evidence, Relation
from .measuring.geometry import best_cosine, even_count, even_lines, maximal_packing, near_subspace_weights, sphere


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
    assumptions = ("the direction is uniform on the slice's sphere", "k atoms are active, and k stays fixed as d grows")
    reference = ("derived here", "arXiv 2606.06333: exponent (d-k)/k")
    chart = Chart("d", ("case", "k"), "intrinsic dimension d", "slope of log N, or atoms", log_y=True)

    def grid(self, effort: Effort) -> list[Setting]:
        """Slopes of log N against log 1/eps and against d; block dictionaries, and the room that bounds them."""
        draws = 100_000 if effort == "quick" else 1_000_000
        packed = (3,) if effort == "quick" else (3, 4)
        dims = (2, 3, 4, 6, 8, 12, 16)
        return [
            *(Setting("slope in 1/eps", d, k, 0.02, draws) for k in (1, 2, 4) for d in dims if d > k),
            *(Setting("packing's slope in 1/eps", d, 1, 0.12, 0) for d in packed),
            *(Setting("slope in d", 300, k, eps, draws) for k, eps in ((1, 0.3), (2, 0.3), (4, 0.3), (1, 0.15))),
            *(Setting("blocks, k = d/2", d, d // 2, 0.3, draws // 5) for d in (4, 8, 16, 32)),
            *(Setting("blocks, k = d/3", d, d // 3, 0.3, draws // 5) for d in (6, 12, 24)),
            *(Setting("room in blocks", d, d // b, 0.3, draws) for b in (2, 3) for d in (2 * b, 4 * b, 8 * b)),
        ]

    def falsifiers(self, effort: Effort) -> list[Setting]:
        """The number of active atoms grows with the dimension, or is not the one counted."""
        draws = 20_000 if effort == "quick" else 200_000
        return [
            *(Setting("k grows with d", d, d // 2, 0.3, draws) for d in (4, 8)),
            *(Setting("one more active than counted", d, 1, 0.02, draws) for d in (3, 6)),
        ]

    def measure(self, setting: Setting, rng: np.random.Generator) -> Evidence:
        """Take slopes of sampled volumes and of packings; build block dictionaries that cover."""
        d, k, eps, draws = setting.d, setting.k, setting.eps, setting.draws
        if setting.case == "slope in 1/eps":
            return self._exponent(setting, k, rng)
        if setting.case == "slope in d":
            ends = [(dim, k, eps) for dim in (d, d - 100)]
            # the limit of large d: the next term is log(d/(d-100)) (1 - k/2) / (100 k)
            return _slope(ends, draws, 100.0, "==", float(bounds.rate_per_dimension(k, eps)), rng)
        if setting.case == "packing's slope in 1/eps":
            sizes = [len(maximal_packing(float(np.arcsin(e)), d, rng)) for e in (3 * eps, eps)]
            slope = np.log(sizes[1] / sizes[0]) / np.log(3)
            # random packings of this size vary by several percent; the exponent is the limit eps -> 0
            return intervals.exact(slope, "==", float(bounds.rate_exponent(d, k)), samples=sum(sizes), tolerance=0.12)
        ceiling = float(bounds.block_ceiling(d, k, eps))
        if setting.case == "room in blocks":  # in each block, as many lines as have room for caps of half the angle
            room = intervals.mean(near_subspace_weights(d // k, 1, np.sin(np.arcsin(eps) / 2), draws, rng), "==", 0.0)
            return Evidence("==", ceiling, k / room.measured, k / room.high, k / room.low, draws)
        return intervals.exact(_covering_size(d, k, eps, draws, rng), "<=", ceiling, samples=draws)

    def falsify(self, setting: Setting, rng: np.random.Generator) -> Evidence:
        """Double dimension and active atoms together, or take the slope with another number of active atoms."""
        d, k, eps, draws = setting.d, setting.k, setting.eps, setting.draws
        if setting.case.startswith("one more"):
            return self._exponent(setting, k + 1, rng)
        sizes = [_covering_size(dim, dim // 2, eps, draws, rng) for dim in (d, 2 * d)]
        growth = np.log(sizes[1] / sizes[0]) / d
        return intervals.exact(growth, ">=", float(bounds.rate_per_dimension(k, eps)), samples=draws)

    def _exponent(self, setting: Setting, active: int, rng: np.random.Generator) -> Evidence:
        """Slope between eps and 4 eps; the exponent is the limit eps -> 0, half a percent away at eps = .08."""
        ends = [(setting.d, active, eps) for eps in (setting.eps, 4 * setting.eps)]
        return _slope(ends, setting.draws, np.log(4), "==", float(bounds.rate_exponent(setting.d, setting.k)), rng)


def _slope(
    ends: list[tuple[int, int, float]],
    draws: int,
    run: float,
    relation: Relation,
    bound: float,
    rng: np.random.Generator,
) -> Evidence:
    """Slope of log N between two triples (d, k, eps), N the atoms whose k-subsets would fill the sphere if disjoint.

    Up to a constant of k, ``log N = -log(share) / k`` with the share that one subset reaches, found by sampling.
    """
    logs = []
    for d, k, eps in ends:
        share = intervals.mean(near_subspace_weights(d, k, eps, draws, rng), "==", 0.0)
        logs.append(-np.log([share.high, share.measured, share.low]) / k)
    (low, centre, high), (low_2, centre_2, high_2) = logs
    slope, least, most = ((a - b) / run for a, b in ((centre, centre_2), (low, high_2), (high, low_2)))
    return Evidence(relation, bound, float(slope), float(least), float(most), draws, tolerance=0.02)


def _covering_size(d: int, k: int, eps: float, draws: int, rng: np.random.Generator) -> float:
    """Number of atoms of a dictionary that codes each of k blocks by one line; infinite if fresh points say no.

    Within its block every direction lies within eps of a line, so the residual is at most eps times the length.
    """
    width = d // k
    spread = 0.9 * float(np.arcsin(eps))  # spare room for gaps that a random packing may have left
    lines = even_lines(even_count(eps)) if width == 2 else maximal_packing(spread, width, rng)
    atoms: Floats = block_diag(*[lines] * k)
    points = sphere(draws, d, rng).reshape(draws, k, width)
    length = np.linalg.norm(points, axis=2)
    cosine = best_cosine((points / length[..., None]).reshape(-1, width), lines).reshape(draws, k)
    worst = np.sqrt(1 - ((length * cosine) ** 2).sum(axis=1).min())
    return float(len(atoms)) if worst <= eps else np.inf
