"""C4: a penalty on both factors sees the map's nuclear norm, one on the decoder alone only the angles of its rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sasa_theory import bounds
from sasa_theory.bounds.validate import Floats
from sasa_theory.tolerances import SOLVER

from . import intervals
from .contract import Chart, Claim, Effort, Evidence
from .measuring.factors import (
    change_gauge,
    factor_penalty,
    least_factor_penalty,
    nuclear_norm,
    random_gauge,
    spectrum_from_grams,
)
from .measuring.geometry import sphere, unit


@dataclass(frozen=True)
class Setting:
    """A group of ``rank`` latents: encoder (width, rank) and decoder (rank, width), tried in ``draws`` forms."""

    case: str
    rank: int
    width: int
    draws: int


class VariationalForms(Claim[Setting]):
    """``min 1/2 (||D||^2 + ||E||^2)`` over factors of M is its nuclear norm; that of r unit rows is in [sqrt r, r]."""

    id = "C4"
    title = "what penalties see"
    statement = (
        r"\Vert M\Vert_* = \min_{M = DE} \frac{1}{2}\left(\Vert D\Vert_F^2 + \Vert E\Vert_F^2\right)"
        r" = \sum_j \sigma_j\left(G_D^{1/2} G_E^{1/2}\right),"
        r" \quad \sqrt{r} \leq \Vert D\Vert_* \leq r \;\mathrm{for\;unit\;rows}"
    )
    plain = (
        "Weight decay on both factors penalises the map's dimension; a penalty on unit decoder rows only their angles."
    )
    assumptions = ("the penalty covers encoder and decoder", "for the decoder's range: every row has length 1")
    reference = ("Srebro, Rennie and Jaakkola (2004)", "arXiv 2606.06333, appendix B.3", "derived here")
    chart = Chart("rank", ("case",), "rank r of the group", "penalty", log_x=True, log_y=True)

    def grid(self, effort: Effort) -> list[Setting]:
        """Optimised and random gauges of random maps, and decoders from parallel to orthonormal rows."""
        ranks, draws = ((1, 2, 3, 4, 6, 8), 200) if effort == "quick" else ((1, 2, 3, 4, 6, 8, 12, 16), 2000)
        cases = ("least over gauges", "any gauge", "from Grams", "parallel rows", "orthonormal rows",
                 "unit rows, upper end", "unit rows, lower end")  # fmt: skip
        return [Setting(case, r, 2 * r, 3 if case == "least over gauges" else draws) for case in cases for r in ranks]

    def falsifiers(self, effort: Effort) -> list[Setting]:
        """Rows of free length, and a penalty on the decoder alone, which falls while the map stays what it is."""
        cases = ("long rows", "short rows", "decoder alone")
        return [Setting(case, r, 2 * r, 100) for case in cases for r in (2, 4, 8)]

    def measure(self, setting: Setting, rng: np.random.Generator) -> Evidence:
        """Try gauges of one map, or decoders of unit rows."""
        case, r, draws = setting.case, setting.rank, setting.draws
        low, high = (float(end) for end in bounds.decoder_penalty_range(r))
        if case.endswith("rows"):
            rows = np.eye(r) if case == "orthonormal rows" else np.tile(np.eye(1, r), (r, 1))
            penalty = nuclear_norm(rows @ _frame(setting, rng))
            return intervals.exact(penalty, "==", high if case == "orthonormal rows" else low)
        if case.startswith("unit rows"):
            penalties = [nuclear_norm(unit(_skewed_rows(setting, rng))) for _ in range(draws)]
            if case.endswith("upper end"):
                return intervals.exact(max(penalties), "<=", high, samples=draws)
            return intervals.exact(min(penalties), ">=", low, samples=draws)
        encoder, decoder = rng.standard_normal((2, r, setting.width)) / np.sqrt(setting.width)
        encoder = encoder.T
        bound = nuclear_norm(encoder @ decoder)
        if case == "from Grams":
            return intervals.exact(spectrum_from_grams(encoder, decoder).sum(), "==", bound)
        if case == "any gauge":
            penalties = [factor_penalty(*change_gauge(encoder, decoder, random_gauge(r, rng))) for _ in range(draws)]
            return intervals.exact(min(penalties), ">=", bound, samples=draws)
        least = min(least_factor_penalty(encoder, decoder, rng) for _ in range(draws))
        return intervals.exact(least, "==", bound, samples=draws, tolerance=SOLVER)

    def falsify(self, setting: Setting, rng: np.random.Generator) -> Evidence:
        """Compare in the same way without unit rows, or with the decoder's penalty in place of both factors'."""
        case, r, draws = setting.case, setting.rank, setting.draws
        low, high = (float(end) for end in bounds.decoder_penalty_range(r))
        if case == "decoder alone":  # of a projector, whose nuclear norm is r; rows are scaled into the encoder
            decoder = _frame(setting, rng)
            gauges = [change_gauge(decoder.T, decoder, random_gauge(r, rng)) for _ in range(draws)]
            penalties = [nuclear_norm(unit(rows)) for _, rows in gauges]
            return intervals.exact(min(penalties), ">=", nuclear_norm(decoder.T @ decoder), samples=draws)
        lengths = (1.0, 3.0) if case == "long rows" else (0.0, 0.3)
        penalties = [nuclear_norm(rng.uniform(*lengths, (r, 1)) * unit(_skewed_rows(setting, rng)))
                     for _ in range(draws)]  # fmt: skip
        if case == "long rows":
            return intervals.exact(max(penalties), "<=", high, samples=draws)
        return intervals.exact(min(penalties), ">=", low, samples=draws)


def _frame(setting: Setting, rng: np.random.Generator) -> Floats:
    """Orthonormal rows in a random position, shape (rank, width)."""
    return np.linalg.qr(rng.standard_normal((setting.width, setting.rank)))[0].T


def _skewed_rows(setting: Setting, rng: np.random.Generator) -> Floats:
    """Rows from nearly parallel to nearly orthogonal: a common direction of random weight plus noise."""
    noise = rng.standard_normal((setting.rank, setting.width))
    return noise + 10.0 ** rng.uniform(-2, 3) * sphere(1, setting.width, rng)
