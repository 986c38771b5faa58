"""F1: what random subspaces and pure noise score on the metrics of subspaces and circles."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sasa_theory import bounds

from . import intervals
from .contract import Chart, Claim, Effort, Evidence
from .measuring.circle_fit import explained_share
from .measuring.geometry import even_lines
from .measuring.subspaces import random_bases, shared_energy


@dataclass(frozen=True)
class Setting:
    """Subspaces of dimensions ``p`` and ``q`` in R^size, or a circle of ``size`` points fitted from p coordinates."""

    case: str
    p: int
    size: int
    draws: int
    q: int = 0


class Nulls(Claim[Setting]):
    """Chance alone scores ``max(p, q)/n`` for two subspaces and ``p/(m-1)`` for a circle of m points."""

    id = "F1"
    title = "nulls of the metrics"
    statement = (
        r"E\left[\frac{1}{\min(p,q)} \sum_i \cos^2\theta_i\right] = \frac{\max(p,q)}{n},"
        r"\quad E\left[R^2\right] = \frac{p}{m-1}"
    )
    plain = "Random subspaces overlap, and noise fits a circle, by an amount that is known: a score must beat it."
    assumptions = (
        "one of the two subspaces is uniformly random and independent of the other",
        "the coordinates are Gaussian noise, the same law for all points",
        "the phases are known, the fit has an intercept",
    )
    reference = ("derived here",)
    chart = Chart(
        "size", ("case", "p", "q"), "ambient dimension n, or points m", "mean squared cosine, or R^2", log_x=True
    )

    def grid(self, effort: Effort) -> list[Setting]:
        """Pairs of subspaces of equal and unequal dimension; circles from a few points to many."""
        draws = 2_000 if effort == "quick" else 20_000
        wide = (8, 16, 32, 64) if effort == "quick" else (8, 16, 32, 64, 128)
        return [
            *(Setting("subspaces", 1, n, 10 * draws, 1) for n in wide),  # a single cosine varies most
            *(Setting("subspaces", p, n, draws, q) for p, q in ((2, 2), (4, 4), (2, 6), (8, 3)) for n in wide),
            *(Setting("circle", p, m, 2 * draws) for p, m in ((2, 7), (6, 7), (2, 12), (6, 12), (11, 12), (6, 24))),
            *(Setting("circle", p, m, 2 * draws) for p, m in ((6, 48), (24, 48))),
        ]

    def falsifiers(self, effort: Effort) -> list[Setting]:
        """Subspaces with a common direction or drawn near the same axes; coordinates or phases that know the answer."""
        draws = 500 if effort == "quick" else 5_000
        return [
            Setting("subspaces that share a direction", 4, 32, draws, 4),
            Setting("subspaces near the same axes", 4, 32, draws, 4),
            Setting("coordinates that carry the circle", 6, 12, draws),
            Setting("best of ten orders", 6, 12, draws),
        ]

    def measure(self, setting: Setting, rng: np.random.Generator) -> Evidence:
        """Average over fresh subspaces, or over fresh noise."""
        p, q, size, draws = setting.p, setting.q, setting.size, setting.draws
        if setting.case == "subspaces":
            score = shared_energy(random_bases(size, p, rng, draws), random_bases(size, q, rng, draws))
            return intervals.mean(score, "==", float(bounds.random_subspace_cosine(p, q, size)))
        score = explained_share(rng.standard_normal((draws, size, p)), even_lines(size, signed=False))
        return intervals.mean(score, "==", float(bounds.circular_fit_r2(p, size)))

    def falsify(self, setting: Setting, rng: np.random.Generator) -> Evidence:
        """Average in the same way over subspaces or coordinates that are not independent noise."""
        p, q, size, draws = setting.p, setting.q, setting.size, setting.draws
        if setting.case.startswith("subspaces"):
            left, right = rng.standard_normal((draws, size, p)), rng.standard_normal((draws, size, q))
            if setting.case == "subspaces that share a direction":
                left[..., 0] = right[..., 0]
            else:
                left[:, : size // 4] *= 2
                right[:, : size // 4] *= 2
            score = shared_energy(np.linalg.qr(left)[0], np.linalg.qr(right)[0])
            return intervals.mean(score, "==", float(bounds.random_subspace_cosine(p, q, size)))
        coordinates, circle = rng.standard_normal((draws, size, p)), even_lines(size, signed=False)
        if setting.case == "coordinates that carry the circle":
            coordinates[..., :2] += circle
            score = explained_share(coordinates, circle)
        else:
            score = np.max([explained_share(coordinates, rng.permutation(circle)) for _ in range(10)], axis=0)
        return intervals.mean(score, "==", float(bounds.circular_fit_r2(p, size)))
