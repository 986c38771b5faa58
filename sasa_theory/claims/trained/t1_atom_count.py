"""T1: a trained design that uses few atoms at a time needs exponentially many for a feature, SASA one group."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from sasa_theory import bounds
from sasa_theory.bounds.validate import Floats
from sasa_theory.metrics import METRICS, Observation

from .. import intervals
from ..contract import Chart, Claim, Effort, Evidence
from .counting import EPS, HALF, MOST, cover, distortion, explained, fired_and_reached, observed, splitting
from .fitting import new_seed
from .t1_arms import FEATURES, FOUR, GROWING, LINES, RAYS, RELU, SASA, TWO, Setting, spheres, trained
from .t1_conclusions import errors, laws, slower, under_ceiling

COUNTS = ("units_entropy", "units_90", "units_shapley", "units_at_once", "co_firing")
"""Metrics that count units; all are one if a feature has one unit."""


class AtomCount(Claim[Setting]):
    """What is counted on trained designs grows as the theory of coverings says, and not at all for SASA."""

    id = "T1"
    title = "atoms grow with the dimension"
    statement = (
        r"\log N_{\mathrm{trained}}(d) \approx a + b\,d, \quad \log\frac{1}{\varepsilon} \leq b \ \mathrm{at}\ k = 1;"
        r"\qquad N \leq k\,L^{(1)}(\lceil d/k \rceil) \ \mathrm{for}\ k > 1; \qquad N_{\mathrm{SASA}}(d) = 1"
    )
    plain = (
        "Atoms that trained TopK designs need to cover half of a feature, one at a time, grow exponentially with its"
        " dimension; more active atoms sink the wall, k = d/2 removes it; SASA spends one group."
    )
    assumptions = (
        "features are spheres in orthogonal subspaces, one active in each row",
        "counts are of atoms that cover half of the sphere to within 0.5, chosen greedily among those that fire; what"
        " all atoms together do not cover has no count",
        "SASA has as many groups as there are features, of rank d + 1 (1 for d = 1), and is the best of four starts by"
        " its error",
        "Adam, learning rate 0.003 for TopK, 0.01 for ReLU and SASA",
    )
    reference = ("arXiv 2606.06333, Definition 2", "derived here (A2, A3, A4, A5)")
    tags = frozenset({"trained"})
    chart = Chart("d", ("case", "k"), "intrinsic dimension d", "units that cover half", log_y=True)

    def grid(self, effort: Effort) -> list[Setting]:
        """Every design at every dimension; those of one atom a slice twice, as laws of growth are fitted to them."""
        columns, steps, batch = {"fast": (512, 160, 512), "quick": (1024, 600, 1024), "full": (4096, 2000, 4096)}[
            effort
        ]
        dims = {"fast": (2, 3, 4, 6), "quick": tuple(range(1, 9)), "full": (*range(1, 9), 12, 16)}[effort]
        some = {"fast": (6,), "quick": dims[1:], "full": dims[1:]}[effort]
        few = {"fast": (4,), "quick": (1, 2, 3, 4, 6, 8), "full": dims}[effort]
        twice = {"fast": (0,), "quick": (0, 1), "full": (0, 1, 2)}[effort]

        # a dimension to spare, but not the twice as many that would let two features merge at no cost
        rooms = [(d, d + 1 if d > 1 else 1) for d in (dims[::3] if effort == "fast" else dims)]

        def vector(case: str, d: int, k: int, repeat: int = 0) -> Setting:
            return Setting(case, d, k, columns, steps, batch, repeat=repeat)

        return [
            *(vector(case, d, 1, repeat) for case in (RAYS, LINES) for d in dims for repeat in twice),
            *(vector(TWO, d, 2) for d in some),
            *(vector(FOUR, d, 4) for d in some),
            *(vector(GROWING, d, -(-d // 2)) for d in some),
            *(vector(RELU, d, 1) for d in few),
            *(Setting(SASA, d, 1, FEATURES * room, 200, 512, room) for d, room in rooms),
        ]

    def falsifiers(self, effort: Effort) -> list[Setting]:
        """Groups too small for their features, as many atoms as dimensions, slices that fill no dimension."""
        return [
            Setting("SASA, r < d", 4, 1, FEATURES * 8, 200, 512, rank=2),
            Setting("k = d against the floor of one", 4, 4, 256, 200, 512),
            Setting("one-hot z", 8, 1, 256, 200, 512),
        ]

    def measure(self, setting: Setting, rng: np.random.Generator) -> Evidence:
        """Train, read every count, and compare the one that belongs to the design with its floor."""
        world = spheres(setting, rng)
        design = trained(setting, world, rng)
        observation = observed(design, world, new_seed(rng))
        counts = splitting(observation)
        also: dict[str, float | tuple[float, ...]] = {
            **counts,
            "explained": explained(design, world, new_seed(rng)),
        }
        if setting.case == SASA:
            return replace(_one_group(observation), also=also)
        if setting.case == RELU:
            return replace(intervals.exact(counts["co_firing"], ">=", setting.d), also=also)
        points = 1024 if setting.k == 1 else 256  # several for each atom that is needed
        half, most = (cover(observation, setting.k, share, points, new_seed(rng)) for share in (HALF, MOST))
        also |= {"count_half": half.counts, "count_most": most.counts}
        if setting.k == 1 and setting.d > 1:  # a single line has no floor, and may serve two features at once
            error = distortion(observation, new_seed(rng), signed=setting.case == LINES)
            also["distortion"] = (error.measured, error.low, error.high, error.bound, float(error.samples))
        closest = half.closest
        return replace(intervals.exact(closest.chosen, ">=", closest.floor, samples=points), also=also)

    def falsify(self, setting: Setting, rng: np.random.Generator) -> Evidence:
        """Train outside the assumptions, and compare with one group, or with the floor for one atom at a time."""
        kind = "discrete" if setting.case == "one-hot z" else "subspace"
        world = spheres(setting, rng, kind=kind)
        observation = observed(trained(setting, world, rng), world, new_seed(rng))
        if setting.case.startswith(SASA):
            return _one_group(observation)
        if kind == "discrete":
            atoms, hits, points = fired_and_reached(observation)
        else:
            points = 1024
            found = cover(observation, setting.k, MOST, points, new_seed(rng)).found[0]
            atoms, hits = found.chosen, round(found.fresh * points)

        def log_floor(uncovered: float) -> Floats:
            return bounds.log_atom_floor(setting.d, 1, EPS, delta=uncovered, signed=True)

        return intervals.at_coverage(atoms, log_floor, hits, points, ">=")

    def conclude(
        self, found: Sequence[tuple[Setting, Evidence]], rng: np.random.Generator
    ) -> list[tuple[Setting, Evidence]]:
        """Laws of growth, ceilings, and errors against the distortion floor."""
        arms = {case: [pair for pair in found if pair[0].case == case] for case in (RAYS, LINES, TWO, FOUR, GROWING)}
        said = [*laws(arms[RAYS], rng), *laws(arms[LINES], rng), *slower(arms[TWO], arms[RAYS], rng)]
        for arm in arms.values():
            said += under_ceiling(arm)
        return [*said, *errors(arms[RAYS]), *errors(arms[LINES])]


def _one_group(observation: Observation) -> Evidence:
    """The largest of all counts of units, which must be one."""
    counts = [float(METRICS[name].measure(observation).value) for name in COUNTS]
    return intervals.exact(max(counts), "==", 1.0, samples=len(counts))
