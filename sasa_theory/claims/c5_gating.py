"""C5: Top-s gating selects the right groups while the features are less coherent than a limit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sasa_theory import bounds
from sasa_theory.bounds.validate import Floats

from . import intervals
from .contract import Chart, Claim, Effort, Evidence
from .measuring.selection import family_of, first_wrong, opposed_family, random_codes
from .measuring.subspaces import random_bases


@dataclass(frozen=True)
class Setting:
    """``active`` of ``features`` d-dimensional subspaces are active, slice norms between ``least`` and ``largest``.

    ``width`` is the ambient dimension of random subspaces whose overlaps are scaled to every coherence.
    """

    case: str
    active: int
    features: int
    d: int
    least: float = 1.0
    largest: float = 1.0
    width: int = 0
    draws: int = 1


class RightGating(Claim[Setting]):
    """No selection is wrong below the coherence limit, and opposed features are selected wrongly right above it."""

    id = "C5"
    title = "Top-s gating is right"
    statement = (
        r"\mu < \frac{a}{a + 2(s-1)\,b} \quad \Rightarrow \quad"
        r" \min_{i\ \mathrm{active}} \Vert V_i' x \Vert > \max_{j\ \mathrm{inactive}} \Vert V_j' x \Vert"
    )
    plain = "Below a limit on the overlap of features, set by how many are active, the largest responses are right."
    assumptions = (
        "no noise and no bias",
        "tied orthonormal encoders",
        "exactly s features are active",
        "active slices have norms in [a, b]",
        "the principal cosines of any two features are at most mu",
    )
    reference = ("arXiv 2606.06333, Proposition 3.5 (equal norms)", "derived here (norms in [a, b])")
    chart = Chart("active", ("case", "least"), "active features s", "coherence at the first error", log_y=True)

    def grid(self, effort: Effort) -> list[Setting]:
        """Opposed features, which attain the limit, and random ones, which are selected rightly far beyond it."""
        draws = 1_000 if effort == "quick" else 20_000
        more = () if effort == "quick" else (16, 32, 64)
        return [
            *(Setting("opposed features", s, s + 1, d, 2.0, 2.0) for s in (2, 3, 4, 8, *more) for d in (1, 3)),
            *(Setting("opposed, unequal norms", s, s + 1, 2, a, 2.0) for s in (2, 4, 8) for a in (0.2, 1.0)),
            *(Setting("random subspaces", s, 4 * s, 3, a, 1.0, 6 * s, draws) for s in (2, 3, 4, 8) for a in (0.5, 1.0)),
            *(Setting("random lines", s, 4 * s, 1, 1.0, 1.0, 2 * s, draws) for s in (2, 4, 8)),
        ]

    def falsifiers(self, effort: Effort) -> list[Setting]:
        """Opposed features with each assumption left in turn."""
        return [
            *(Setting("coherence 2 % beyond the limit", s, s + 1, 2) for s in (2, 8)),
            *(Setting("one active feature more than counted", s, s + 2, 2) for s in (2, 8)),
            *(Setting("an active norm below a", s, s + 1, 2, 0.5) for s in (2, 8)),
            *(Setting("an inactive encoder twice as long", s, s + 1, 2) for s in (2, 8)),
        ]

    def measure(self, setting: Setting, rng: np.random.Generator) -> Evidence:
        """Raise the coherence until the first selection among all draws is wrong."""
        s, n, d = setting.active, setting.features, setting.d
        limit = float(bounds.coherence_limit(s, setting.least, setting.largest))
        if setting.case.startswith("random"):
            family = family_of(random_bases(setting.width, d, rng, n))
            codes = random_codes(setting.draws, n, d, s, (setting.least, setting.largest), rng)
            return intervals.exact(first_wrong(family, codes), ">=", limit, samples=setting.draws)
        return intervals.exact(first_wrong(opposed_family(n, d), _weak_first(setting)), "==", limit)

    def falsify(self, setting: Setting, rng: np.random.Generator) -> Evidence:
        """Raise the coherence in the same way where one assumption does not hold."""
        s, n = setting.active, setting.features
        limit, gain = float(bounds.coherence_limit(s)), np.ones(n)
        if setting.case.startswith("coherence"):
            limit *= 1.02
        elif setting.case.startswith("an inactive"):
            gain[-1] = 2.0
        return intervals.exact(first_wrong(opposed_family(n, setting.d), _weak_first(setting), gain), ">=", limit)


def _weak_first(setting: Setting) -> Floats:
    """One draw in which all features but the last are active in the same direction, the first with the least norm."""
    codes = np.zeros((1, setting.features, setting.d))
    codes[0, :-1, 0] = setting.largest
    codes[0, 0, 0] = setting.least
    return codes
