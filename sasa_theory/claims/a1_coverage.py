"""A1: no dictionary covers more of a feature than the coverage inequality allows."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from sasa_theory import bounds

from . import intervals
from .contract import Chart, Claim, Effort, Evidence, Relation
from .measuring.geometry import even_lines, near_subspace_weights, one_hot, residual, sphere, trained_lines


@dataclass(frozen=True)
class Setting:
    """A dictionary of ``atoms`` atoms, ``k`` of them active, on a d-dimensional slice."""

    case: str
    d: int
    k: int
    atoms: int
    eps: float
    draws: int
    signed: bool = True


class CoverageInequality(Claim[Setting]):
    """N atoms with k active come near at most ``C(N, k) p`` of the slice."""

    id = "A1"
    title = "coverage inequality"
    statement = (
        r"\Pr_{x \in S^{d-1}}\left[\min_{|T|=k} \mathrm{dist}(x, \mathrm{span}\,a_T) \leq \varepsilon\right]"
        r" \leq \binom{N}{k}\, I_{\varepsilon^2}\left(\frac{d-k}{2}, \frac{k}{2}\right)"
    )
    plain = "Whatever the dictionary, N atoms with k active reach only a computable share of a d-dimensional feature."
    assumptions = ("the direction is uniform on the slice's sphere", "at most k < d atoms are active")
    reference = ("derived here", "arXiv 2606.06333, Definition 2")
    chart = Chart("d", ("case", "k"), "intrinsic dimension d", "share of the slice within eps", log_y=True)

    def grid(self, effort: Effort) -> list[Setting]:
        """Every kind of dictionary under the bound, and those that attain it: one subset, disjoint or narrow ones."""
        draws = 200_000 if effort == "quick" else 2_000_000
        dims = (2, 3, 4, 6, 8, 12, 16) if effort == "quick" else (2, 3, 4, 6, 8, 12, 16, 24, 32, 64)
        return [
            *(Setting("one subset", d, k, k, 0.4, draws // 2) for k in (1, 2, 4) for d in dims if d > k),
            *(Setting("disjoint lines", d, 1, d, 0.4, draws) for d in (2, 3, 4, 5)),
            *(Setting("disjoint rays", d, 1, d, 0.4, draws, signed=False) for d in (2, 3, 4, 5)),
            *(Setting("trained", d, 1, 24, 0.4, draws) for d in (3, 4, 5, 6)),
            *(Setting("random", d, 2, 8, 0.3, draws // 4) for d in (3, 4, 6)),
            *(Setting("random", d, 3, 8, 0.3, draws // 4) for d in (4, 6)),
            *(Setting("narrow", d, k, 8, 0.015, 4 * draws) for d, k in ((4, 2), (5, 3))),
        ]

    def falsifiers(self, effort: Effort) -> list[Setting]:
        """Directions that fill fewer dimensions than d, and one more active atom than the bound is told of."""
        draws = 100_000 if effort == "quick" else 1_000_000
        return [
            Setting("one-hot z", 8, 1, 8, 0.3, draws),
            Setting("2-dimensional z", 6, 1, 4, 0.3, draws),
            Setting("two active, counted as one", 4, 1, 8, 0.2, draws),
        ]

    def measure(self, setting: Setting, rng: np.random.Generator) -> Evidence:
        """Count fresh uniform directions near the dictionary; single subsets by importance sampling."""
        d, k, n, eps = setting.d, setting.k, setting.atoms, setting.eps
        if setting.case == "one subset":
            weights = near_subspace_weights(d, k, eps, setting.draws, rng)
            return intervals.mean(weights, "==", float(bounds.near_subspace_measure(d, k, eps)))
        bound = float(bounds.coverage_bound(n, d, k, eps, signed=setting.signed))
        relation: Relation = "<="
        if setting.case.startswith("disjoint"):
            atoms, relation = np.eye(d), "=="
        elif setting.case in ("trained", "narrow"):
            atoms = trained_lines(n, d, rng)
        else:
            atoms = sphere(n, d, rng)
        points = sphere(setting.draws, d, rng)
        hits = int((residual(points, atoms, k, signed=setting.signed) <= eps).sum())
        if setting.case == "narrow":  # subsets overlap only near shared atoms: several percent at this eps
            return replace(intervals.share(hits, setting.draws, "==", bound), below=0.12)
        return intervals.share(hits, setting.draws, relation, bound)

    def falsify(self, setting: Setting, rng: np.random.Generator) -> Evidence:
        """Count in the same way where the direction or the number of active atoms is not what the bound assumes."""
        d, n, draws, active = setting.d, setting.atoms, setting.draws, setting.k
        if setting.case == "one-hot z":
            points, atoms = one_hot(draws, d, rng), np.eye(d)[:n]
        elif setting.case == "2-dimensional z":
            points, atoms = sphere(draws, 2, rng) @ np.eye(2, d), even_lines(n) @ np.eye(2, d)
        else:
            points, atoms, active = sphere(draws, d, rng), sphere(n, d, rng), setting.k + 1
        hits = int((residual(points, atoms, active) <= setting.eps).sum())
        return intervals.share(hits, draws, "<=", float(bounds.coverage_bound(n, d, setting.k, setting.eps)))
