"""T6: what the norm of a code beside that of its input reveals of tiling, and what it does not."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from sasa_theory import bounds
from sasa_theory.bounds.validate import Floats
from sasa_theory.claims import intervals
from sasa_theory.claims.contract import Chart, Claim, Effort, Evidence
from sasa_theory.claims.measuring.frames import coherence, equiangular
from sasa_theory.designs.linear import LinearDesign
from sasa_theory.metrics import METRICS, observe
from synthetic import World, WorldConfig
from synthetic.config import Dictionary, Features
from synthetic.features import Feature
from synthetic.firing import Exactly

from .fitting import fit, new_seed

FEATURES, ATOMS = 4, 16
_ROWS = 2_000
_PAIR = 0.3  # cosine of two true directions
_SINGLE = 1e-3  # float32 codes and lengths, relative
_TOO_MANY = 1.5  # least excess of top-AFA over what the features need


@dataclass(frozen=True)
class Setting:
    """``runs`` trainings on spheres of dimension ``d`` (circles for 2), one at a time, with ``k`` active atoms."""

    case: str
    design: str
    d: int
    k: int
    runs: int
    steps: int


class AFARatio(Claim[Setting]):
    """Length of the code over length of what it decodes to, for trained designs whose tiling is measured too."""

    id = "T6"
    title = "what top-AFA reveals"
    tags = frozenset({"trained"})
    statement = (
        r"\frac{\Vert f \Vert}{\Vert z \Vert} = 1 \mathrm{\ though\ tiled\ } (k = 1), \quad"
        r" \frac{\Vert f \Vert}{\Vert z \Vert} = \frac{1}{\sqrt{1.3}} = .877 \mathrm{\ though\ not\ tiled}, \quad"
        r" \frac{1}{\sqrt{1 + \varepsilon (k-1)}} \leq \frac{\Vert f \Vert}{\Vert z \Vert}"
        r" \leq \frac{1}{\sqrt{1 - \varepsilon (k-1)}}"
    )
    plain = (
        "A code as long as its input says that the atoms which fire together are orthogonal, not that features are"
        " whole: trained tilings reach 1, true pairs of features may not."
    )
    assumptions = (
        "z is what the code decodes to, less the offset; atoms have norm 1",
        "four spheres in orthogonal subspaces, one present in each row, 64 atoms",
        "eps is the largest |cosine| between atoms that fire together in the row",
    )
    reference = ("arXiv 2503.24277", "Welch (1974)", "derived here")
    chart = Chart("d", ("case", "design"), "dimension of each feature d", "||f|| / ||z||, or units")

    def grid(self, effort: Effort) -> list[Setting]:
        """The ratio and the tiling of TopK, orthonormal groups, a true pair, every row's interval, top-AFA's count."""
        dims = (2,) if effort == "fast" else (2, 3)
        runs, steps = {"fast": (1, 300), "quick": (1, 500), "full": (5, 2_000)}[effort]
        return [
            Setting("two true features, cosine .3", "truth", 1, 2, 1, 0),
            *(
                Setting(case, design, d, k, runs, steps)
                for d in dims
                for case, design, k in (
                    ("ratio, one atom at a time", "topk/signed", 1),
                    ("atoms a feature, one at a time", "topk/signed", 1),
                    ("row nearest to the lower end", "topk", 2),
                    ("row nearest to the upper end", "topk", 2),
                    ("ratio of an orthonormal group", "sasa/ideal", 1),
                    ("atoms of top-AFA over dimensions", "top-afa", 0),
                )
            ),
            Setting("whole dictionary for k", "topk", 2, 2, 1, steps),
        ]

    def falsifiers(self, effort: Effort) -> list[Setting]:
        """Rows without orthonormality, one active atom fewer than there are, one group in place of many atoms."""
        steps = 300
        return [
            Setting("ratio of a group, rows not orthonormal", "sasa/no_nuclear", 2, 1, 1, steps),
            Setting("row nearest to the lower end, one atom not counted", "topk", 2, 2, 1, steps),
            Setting("atoms a feature, groups instead", "sasa/ideal", 2, 1, 1, steps),
            Setting("atoms of TopK over dimensions", "topk", 2, 2, 1, steps),
        ]

    def measure(self, setting: Setting, rng: np.random.Generator) -> Evidence:
        """Train and compare; of several runs the one that leaves least room."""
        if setting.design == "truth":
            atoms = equiangular(2, _PAIR)
            return intervals.exact(np.sqrt(2.0) / np.linalg.norm(atoms.sum(axis=0)), "==", 1 / np.sqrt(1 + _PAIR))
        found = [self._run(setting, rng) for _ in range(setting.runs)]
        return min(found, key=lambda evidence: evidence.margin)

    def falsify(self, setting: Setting, rng: np.random.Generator) -> Evidence:
        """The same comparison, of another design or with a wrong count."""
        return self._run(setting, rng)

    def _run(self, setting: Setting, rng: np.random.Generator) -> Evidence:
        d, case = setting.d, setting.case
        world = spheres(d, new_seed(rng))
        design = trained(setting, world, rng)
        observation = observe(design, world, _ROWS, new_seed(rng))
        codes, lengths, active = coded(design, world, new_seed(rng))
        ratio = np.linalg.norm(codes, axis=1) / lengths
        also = {
            "ratio": float(ratio.mean()),
            "active": float(active.sum(axis=1).mean()),
            "units_90": METRICS["units_90"].measure(observation).value,
        }
        if case.startswith("ratio"):
            worst = ratio[np.abs(ratio - 1).argmax()]
            evidence = intervals.exact(worst, "==", 1.0, samples=len(ratio), tolerance=_SINGLE)
        elif case.startswith("atoms a feature"):
            evidence = intervals.exact(also["units_90"], ">=", d + 1, samples=FEATURES)
        elif case.startswith("atoms of"):
            evidence = intervals.exact(also["active"] / d, ">=", _TOO_MANY, samples=len(ratio))
        elif case.startswith("row"):
            evidence = _nearest(setting, design, ratio, active)
        else:
            atoms = design.decoder.detach().double().numpy()
            crosses = coherence(atoms / np.linalg.norm(atoms, axis=1, keepdims=True)) * (len(atoms) - 1)
            least = float(bounds.welch_bound(len(atoms), design.width)) * (len(atoms) - 1)
            evidence = intervals.exact(crosses, ">=", max(1.0, least))  # from 1 on the upper end is infinite
        return replace(evidence, also=also)


def spheres(d: int, seed: int) -> World:
    """Four spheres in orthogonal d-dimensional subspaces of one dimension more each, one present in each row."""
    features = (Features(Feature("subspace", d, radius="sphere"), FEATURES),)
    config = WorldConfig(FEATURES * (d + 1), features, Exactly(1), dictionary=Dictionary("orthogonal"))
    return World.build(config, seed)


def trained(setting: Setting, world: World, rng: np.random.Generator) -> LinearDesign:
    """The setting's design: 64 atoms, or eight groups of the features' dimension."""
    sizes: dict[str, Any]
    if setting.design.startswith("sasa"):
        sizes = {"groups": 2 * FEATURES, "rank": setting.d, "active": 1}
    else:
        sizes = {"atoms": FEATURES * ATOMS, "dead_after": 2_000} | ({"k": setting.k} if setting.k else {})
    design = fit(setting.design, world, rng, steps=setting.steps, batch=128, lr=0.01, **sizes)
    assert isinstance(design, LinearDesign)
    return design


@torch.no_grad()
def coded(design: LinearDesign, world: World, seed: int) -> tuple[Floats, Floats, Floats]:
    """Codes of fresh rows, the lengths of what they decode to less the offset, and which entries are not 0.

    Rows that nothing fires for are left out.
    """
    x = world.sample(_ROWS, torch.Generator().manual_seed(seed)).x
    codes = design.encode(x)
    lengths = (codes.double() @ design.decoder.double()).norm(dim=1)
    some = lengths > 0
    return codes[some].double().numpy(), lengths[some].numpy(), (codes[some] != 0).numpy().astype(float)


def _nearest(setting: Setting, design: LinearDesign, ratio: Floats, active: Floats) -> Evidence:
    """The row whose ratio leaves least room to an end of its own interval, given the atoms that fire in it."""
    atoms = design.decoder.detach().double().numpy()
    atoms = atoms / np.linalg.norm(atoms, axis=1, keepdims=True)
    gram = np.abs(atoms @ atoms.T) - 2 * np.eye(len(atoms))
    eps = np.array([max(0.0, gram[np.ix_(row, row)].max()) for row in active.astype(bool)])
    counted = active.sum(axis=1) - (1 if setting.case.endswith("not counted") else 0)
    lower, upper = bounds.afa_interval(np.ones(len(ratio)), eps.clip(0, 1), np.maximum(counted, 1))
    if "upper" in setting.case:
        worst = int((upper / ratio).argmin())
        return intervals.exact(ratio[worst], "<=", upper[worst], samples=len(ratio), tolerance=_SINGLE)
    worst = int((ratio / lower).argmin())
    return intervals.exact(ratio[worst], ">=", lower[worst], samples=len(ratio), tolerance=_SINGLE)
