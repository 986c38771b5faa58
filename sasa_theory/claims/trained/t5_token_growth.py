"""T5: trained SASA needs about as many inputs as a feature has dimensions, trained vector SAEs exponentially many."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil, inf

import numpy as np

from sasa_theory import bounds
from sasa_theory.bounds.validate import Floats
from sasa_theory.claims import intervals
from sasa_theory.claims.contract import Chart, Claim, Effort, Evidence, Relation
from sasa_theory.claims.measuring.subspaces import random_bases

from .growth import fit_growth
from .token_search import covered_share, fewest, slice_rows, train_on, unit_bases

EPS = 0.5
_AMBIENT = 16
_HALF, _ALL = 0.5, 0.95  # shares to be covered by one atom, and by one group: groups are held to more
_ATOMS = 16  # atoms of a vector SAE, as a multiple of what the target needs at least: fewer reach it later or never
_GROUPS = 2  # one would do
_FINITE = 0.1  # D1 is a limit, and training stops short of PCA: relative to the kept share, mean of the runs
_WITHIN = 2 / 3  # for a SASA that may need up to 3 d inputs: (3 d - d) / 3 d
_ATOM_LR, _GROUP_LR = 0.01, 0.02  # the highest at which training is stable and finds what smaller ones find
_LEAST_RATE = float(np.log(1.5))  # the floor's is log 2 in the limit; small d are rounded up
_LARGEST_POWER = 2.0  # D1 and the noise-free count give 1; few runs at small d scatter about it


@dataclass(frozen=True)
class Setting:
    """``runs`` trainings of a preset on few inputs of one d-dimensional slice in ``ambient`` dimensions.

    Where ``samples`` is 0 the fewest that suffice are sought, on a grid that grows by ``ratio``.
    """

    case: str
    design: str
    d: int
    runs: int
    steps: int
    ratio: float = 1.25
    samples: int = 0
    ambient: int = _AMBIENT
    signal: float = 0.0


class TokenGrowth(Claim[Setting]):
    """Distinct inputs to coverage: the visiting floor binds trained vector SAEs; SASA needs about d."""

    id = "T5"
    title = "tokens to coverage"
    tags = frozenset({"trained"})
    statement = (
        r"m_{\mathrm{vector}}(d) \geq \frac{\delta}{p(d)} \sim e^{\Omega(d)}, \quad"
        r" d \leq m_{\mathrm{SASA}}(d) \leq 3 d, \quad"
        r" \frac{1}{d} \Vert V' \hat V \Vert_F^2 \approx \frac{1 - \gamma/\ell^2}{1 + \gamma/\ell}"
    )
    plain = (
        "Trained top-1 vector SAEs cover half of a feature's directions from no fewer distinct inputs than the"
        " exponential floor on learners that visit; trained SASA covers nearly all of them from d to 3 d."
    )
    assumptions = (
        "one isolated slice in 16 dimensions, uniform on its sphere; fresh directions in the test",
        "a fixed set of distinct inputs, seen for many epochs: steps are not what is short",
        "vector SAEs keep one active atom and have 16 times as many atoms as the target needs",
        "SASA has two groups of rank d and no nuclear penalty (one group where there is noise)",
    )
    reference = ("derived here", "Johnstone & Lu (2009)", "arXiv 2606.06333")
    chart = Chart("d", ("case", "design"), "intrinsic dimension d", "distinct inputs, or kept share", log_y=True)

    def grid(self, effort: Effort) -> list[Setting]:
        """Vector SAEs with and without signs, SASA without noise, SASA in noise."""
        if effort == "fast":
            return [
                *(Setting("vector SAE", "topk/signed", d, 1, 200, 1.5) for d in (2, 3, 4)),
                Setting("vector SAE", "topk", 3, 1, 200, 1.5),
                *(Setting("SASA", "sasa/no_nuclear", d, 1, 300) for d in (2, 4)),
                Setting("SASA in noise", "sasa/no_nuclear", 4, 2, 300, samples=64, ambient=32, signal=4.0),
            ]
        runs, last, steps = (2, 6, 300) if effort == "quick" else (5, 7, 1_000)
        many = 3 if effort == "quick" else 10
        return [
            *(Setting("vector SAE", "topk/signed", d, runs, steps) for d in range(2, last + 1)),
            *(Setting("vector SAE", "topk", d, runs, steps) for d in range(2, last - 1)),
            *(Setting("SASA", "sasa/no_nuclear", d, runs, 500) for d in range(2, last + 1)),
            *(Setting("SASA in noise", "sasa/no_nuclear", d, many, 400, samples=m, ambient=32, signal=ell)
              for d, m, ell in ((2, 32, 4.0), (4, 32, 4.0), (4, 96, 4.0), (4, 96, 2.0), (8, 96, 4.0))),
        ]  # fmt: skip

    def falsifiers(self, effort: Effort) -> list[Setting]:
        """The other design under each law, and atoms that need no visit."""
        steps = 250 if effort == "fast" else 400
        return [
            Setting("vector SAE under SASA's law", "topk/signed", 5, 1, steps, samples=15),
            Setting("groups of one dimension under SASA's law", "sasa/no_nuclear", 4, 1, steps, samples=12),
            Setting("groups of one dimension in noise", "sasa/no_nuclear", 4, 2, steps, 1.0, 64, 32, 4.0),
            Setting("atoms that start inside the slice", "topk/signed", 4, 1, steps, samples=2, ambient=4),
        ]

    def measure(self, setting: Setting, rng: np.random.Generator) -> Evidence:
        """Seek the fewest inputs in each run, and report the run that is nearest to failing; average kept shares."""
        d = setting.d
        if setting.case == "SASA in noise":
            return _in_noise(setting, setting.d, rng)
        if setting.case == "SASA":
            each = [_fewest(setting, range(1, 5 * d + 1), rng) for _ in range(setting.runs)]
            worst = max(each, key=lambda m: max(m / (3 * d), d / m))
            return _counted(each, worst, "==", d, above=_WITHIN)
        floor = _floor(setting)
        sizes = {ceil(floor * setting.ratio**j) for j in range(-_steps(0.4, setting), _steps(12.0, setting) + 1)}
        each = [_fewest(setting, sorted(sizes), rng) for _ in range(setting.runs)]
        return _counted(each, min(each), ">=", floor)

    def falsify(self, setting: Setting, rng: np.random.Generator) -> Evidence:
        """Train on as many inputs as the law that does not apply calls enough, or too few."""
        if setting.case.endswith("in noise"):
            return _in_noise(setting, 1, rng)
        _, share = _trained_share(setting, setting.samples, rng)
        if setting.case.startswith("atoms"):
            enough = float(setting.samples) if share >= _HALF else inf
            return intervals.exact(enough, ">=", _floor(setting))
        return intervals.exact(share, ">=", _ALL)

    def conclude(
        self, found: Sequence[tuple[Setting, Evidence]], rng: np.random.Generator
    ) -> list[tuple[Setting, Evidence]]:
        """Fit both laws to each design's inputs over d, and judge the slope of the one that theory expects."""
        said = []
        for design, exponential in (("topk/signed", True), ("topk", True), ("sasa/no_nuclear", False)):
            rows = [(s, e) for s, e in found if s.design == design and s.case in ("vector SAE", "SASA") and s.d > 1]
            if len(rows) < 3:
                continue
            d = np.array([s.d for s, _ in rows], dtype=float)
            each = [np.array(e.also["each"]) for _, e in rows]
            case = "growth a dimension" if exponential else "power of the dimension"
            said.append((replace(rows[-1][0], case=case), _growth(d, each, exponential, rng)))
        return said


def _trained_share(setting: Setting, m: int, rng: np.random.Generator) -> tuple[Floats, float]:
    """Train on m rows; what the units span, and the share of the slice's directions that one of them covers."""
    d, vector = setting.d, setting.design.startswith("topk")
    basis, rows = slice_rows(m, d, setting.ambient, rng)
    if vector:
        atoms = ceil(_ATOMS * _floor(setting))
        sizes = {"atoms": atoms, "k": 1, "dead_after": 1_000, "aux_relative": False, "aux_coefficient": 0.5}
    else:
        one = setting.case.startswith("groups of one")
        sizes = {"groups": _GROUPS * d if one else _GROUPS, "rank": 1 if one else d, "active": 1}
    lr = _ATOM_LR if vector else _GROUP_LR
    units = unit_bases(train_on(rows, setting.design, rng, steps=setting.steps, lr=lr, **sizes))
    return units, covered_share(units, basis, EPS, rng, signed=setting.design != "topk")


def _fewest(setting: Setting, sizes: Sequence[int], rng: np.random.Generator) -> float:
    """Fewest inputs of one run: every size draws slice, first inputs and weights from the same generator."""
    seed = int(rng.integers(2**31))
    target = _HALF if setting.case == "vector SAE" else _ALL
    return fewest(list(sizes), lambda m: _trained_share(setting, m, np.random.default_rng(seed))[1] >= target)


def _floor(setting: Setting) -> float:
    """Fewest inputs for half of the directions, if each places one atom (D2)."""
    signed = setting.design != "topk"
    return float(np.exp(bounds.log_visiting_floor(setting.d, EPS, delta=1 - _HALF, signed=signed)))


def _steps(factor: float, setting: Setting) -> int:
    """Steps of the grid to a factor."""
    return round(abs(np.log(factor)) / np.log(setting.ratio))


def _counted(each: list[float], worst: float, relation: Relation, bound: float, above: float = 0.0) -> Evidence:
    """Evidence of one run's number of inputs, with those of all runs."""
    found = intervals.exact(worst, relation, bound, samples=len(each))
    return replace(found, above=above, also={"each": tuple(each)})


def _in_noise(setting: Setting, rank: int, rng: np.random.Generator) -> Evidence:
    """Mean share of a Gaussian feature's subspace that the best group of this rank keeps, beside D1's."""
    d, n, m, ell = setting.d, setting.ambient, setting.samples, setting.signal
    kept = []
    for _ in range(setting.runs):
        basis = random_bases(n, d, rng)[0]
        rows = np.sqrt(ell) * rng.standard_normal((m, d)) @ basis.T + rng.standard_normal((m, n))
        sizes = {"groups": 1 if rank == d else d, "rank": rank, "active": 1}
        units = unit_bases(train_on(rows, setting.design, rng, steps=setting.steps, lr=_GROUP_LR, **sizes))
        kept.append(float(((units @ basis) ** 2).sum(axis=(1, 2)).max()) / d)
    bound = float(bounds.spiked_cosine(ell, n, m))
    found = intervals.exact(float(np.mean(kept)), "==", bound, samples=setting.runs, tolerance=_FINITE)
    return replace(found, also={"each": tuple(kept)})


def _growth(d: Floats, each: list[Floats], exponential: bool, rng: np.random.Generator) -> Evidence:
    """Slope of the law that theory expects, beside the other law."""
    growth = fit_growth(np.repeat(d, [len(runs) for runs in each]), np.concatenate(each), rng)
    slope = growth.rate if exponential else growth.exponent
    return Evidence(
        relation=">=" if exponential else "<=",
        bound=_LEAST_RATE if exponential else _LARGEST_POWER,
        measured=slope.value,
        low=slope.low,
        high=slope.high,
        samples=sum(map(len, each)),
        also={"rate": growth.rate.value, "power": growth.exponent.value, "misfit": growth.misfit.value},
    )
