"""T7: whether designs that choose how many latents fire choose as many as features are present."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from sasa_theory.bounds.validate import Floats
from sasa_theory.claims import intervals
from sasa_theory.claims.contract import Chart, Claim, Effort, Evidence, Relation
from sasa_theory.designs.atoms.softsae import SoftSAE
from sasa_theory.designs.contract import Design
from synthetic import World, WorldConfig
from synthetic.config import Dictionary, Features
from synthetic.features import Feature
from synthetic.firing import Exactly, Independent
from synthetic.rates import Constant

from .fitting import fit, new_seed

FEATURES, ATOMS_PER_DIMENSION = 16, 3
_RATE = 0.15  # each feature fires by its own coin: 2.4 a row on average, from 0 to 7
_ROWS = 4_000
_FOLLOWS = 0.75  # least correlation of thresholds; what is left are features shared by two atoms, and faint codes
_SLOW = 0.3  # least correlation of SoftSAE with slow gates: runs scatter widely above it
_TOO_MANY = 1.5  # least excess of top-AFA

_SETTINGS: dict[str, dict[str, Any]] = {
    "softsae, slow gates": {
        "alpha_start": 0.3, "alpha_end": 0.05, "alpha_share": 0.9, "budget_coefficient": 0.1, "hard_share": 0.1,
    },
    "softsae": {},
    "batch-topk": {},
    "jumprelu": {"sparsity": 0.02, "threshold": 0.1, "bandwidth": 0.1},
    "top-afa": {},
    "topk/signed": {},
}  # fmt: skip
"""What is changed in each preset; atoms and the mean number of active ones follow from the world."""


@dataclass(frozen=True)
class Setting:
    """``runs`` trainings in worlds of ``dim``-dimensional features; ``active`` is 0 where their number varies."""

    case: str
    design: str
    dim: int
    runs: int
    steps: int
    active: int = 0


class SoftCount(Claim[Setting]):
    """Numbers of latents beside numbers of features, row by row."""

    id = "T7"
    title = "number of latents and of features"
    tags = frozenset({"trained"})
    statement = (
        r"\mathrm{corr}(\hat k, |S|)_{\mathrm{threshold}} \geq 0.75, \quad"
        r" \mathrm{corr}(\hat k, |S|)_{\mathrm{SoftSAE,\ slow}} \geq 0.3, \quad"
        r" \mathrm{slope}_{\mathrm{SoftSAE}} \leq \mathrm{slope}_{\mathrm{BatchTopK}}, \quad"
        r" \frac{E\,k_{\mathrm{top-AFA}}}{d\,E|S|} \geq 1.5"
    )
    plain = (
        "Plain thresholds follow the number of features present; SoftSAE's count follows it if its gates harden slowly,"
        " but shrunk towards the mean; top-AFA fires far too many latents."
    )
    assumptions = (
        "16 features in orthogonal subspaces of one dimension d, each present in 15 % of the rows, no noise",
        "48 atoms a dimension, 500 steps of 128 rows (1,500 in full), k set to the true mean",
        "slow gates: alpha falls from .3 to .05 over 90 % of the steps, budget coefficient .1",
    )
    reference = ("arXiv 2605.06610", "arXiv 2412.06410", "arXiv 2407.14435", "arXiv 2503.24277")
    chart = Chart("dim", ("case", "design"), "dimension of each feature", "correlation, or latents per dimension")

    def grid(self, effort: Effort) -> list[Setting]:
        """Thresholds, SoftSAE with gates that harden slowly and as published, top-AFA."""
        dims = (1,) if effort == "fast" else (1, 2)
        runs, steps = (1, 400) if effort == "fast" else (2, 500) if effort == "quick" else (5, 1_500)
        return [
            Setting(case, design, dim, runs, steps)
            for dim in dims
            for case, design in (
                ("threshold", "batch-topk"),
                ("threshold", "jumprelu"),
                ("SoftSAE", "softsae, slow gates"),
                ("SoftSAE as published", "softsae"),
                ("top-AFA", "top-afa"),
            )
        ]

    def falsifiers(self, effort: Effort) -> list[Setting]:
        """A fixed number of latents, and a world in which the number of features never varies."""
        steps = 200 if effort == "fast" else 500
        return [
            Setting("threshold: a fixed number instead", "topk/signed", 1, 1, steps),
            Setting("SoftSAE, always two features", "softsae, slow gates", 1, 1, steps, active=2),
            Setting("top-AFA: a fixed number instead", "topk/signed", 1, 1, steps),
        ]

    def measure(self, setting: Setting, rng: np.random.Generator) -> Evidence:
        """Train, and compare counts on fresh rows; averages of the runs."""
        runs = [_compared(setting, rng) for _ in range(setting.runs)]
        also = {name: tuple(run[name] for run in runs) for name in ("correlation", "slope", "excess", "explained")}
        relation: Relation = ">="
        if setting.case.startswith("top-AFA"):
            name, bound = "excess", _TOO_MANY
        elif setting.case == "SoftSAE as published":
            name, relation, bound = "slope", "<=", 1.0
        else:
            name, bound = "correlation", _SLOW if setting.case.startswith("SoftSAE") else _FOLLOWS
        found = intervals.exact(float(np.mean(also[name])), relation, bound, samples=setting.runs)
        return replace(found, also=also)

    def falsify(self, setting: Setting, rng: np.random.Generator) -> Evidence:
        """The same comparison where nothing varies; the correlation of a constant counts as 0."""
        return self.measure(setting, rng)

    def conclude(
        self, found: Sequence[tuple[Setting, Evidence]], rng: np.random.Generator
    ) -> list[tuple[Setting, Evidence]]:
        """With a feature more, SoftSAE fires fewer latents more than BatchTopK, on either schedule."""
        slopes = {(s.design, s.dim): float(np.mean(e.also["slope"])) for s, e in found}
        return [
            (
                replace(setting, case="slope beside BatchTopK's"),
                intervals.exact(slopes[setting.design, setting.dim], "<=", slopes["batch-topk", setting.dim]),
            )
            for setting, _ in found
            if setting.design.startswith("softsae")
        ]


def varying_world(dim: int, seed: int, active: int = 0) -> World:
    """Features of one dimension in orthogonal subspaces; by their own coins, or always ``active`` of them."""
    features = (Features(Feature("subspace", dim, radius="sphere"), FEATURES),)
    firing = Exactly(active) if active else Independent(Constant(_RATE))
    width = FEATURES * (dim + 1)
    return World.build(WorldConfig(width, features, firing, dictionary=Dictionary("orthogonal")), seed)


def trained(design: str, world: World, steps: int, rng: np.random.Generator) -> Design:
    """A design with three atoms for each dimension of the features, for as many active ones as there are dimensions."""
    dims = sum(world.config.dims)
    settings = dict(_SETTINGS[design])
    if design not in ("jumprelu", "top-afa"):
        settings["k"] = round(float(world.marginals().sum()) * dims / FEATURES)
    if design != "jumprelu":
        settings["dead_after"] = 2_000
    name = design.split(",")[0]
    return fit(name, world, rng, steps=steps, batch=128, lr=0.01, atoms=ATOMS_PER_DIMENSION * dims, **settings)


@torch.no_grad()
def counted(design: Design, world: World, generator: torch.Generator) -> tuple[Floats, Floats, float]:
    """Latents and features in fresh rows, shapes (rows,), and the explained share of their power.

    Of a SoftSAE, the real number that its network answers; of others, the latents that are not 0.
    """
    sample = world.sample(_ROWS, generator)
    x = sample.x
    latents = design.counts(x) if isinstance(design, SoftSAE) else (design.encode(x) != 0).sum(dim=1)
    present = torch.bincount(sample.truth.samples, minlength=_ROWS)
    explained = 1 - float((x - design(x)).square().sum() / x.square().sum())
    return latents.double().numpy(), present.double().numpy(), explained


def _compared(setting: Setting, rng: np.random.Generator) -> dict[str, float]:
    """Correlation, slope per dimension, excess and explained power of one training in one world."""
    world = varying_world(setting.dim, new_seed(rng), setting.active)
    design = trained(setting.design, world, setting.steps, rng)
    latents, present, explained = counted(design, world, torch.Generator().manual_seed(new_seed(rng)))
    shared = float(((latents - latents.mean()) * (present - present.mean())).mean())
    spread = float(latents.std() * present.std())
    return {
        "correlation": shared / spread if spread > 0 else 0.0,
        "slope": shared / float(present.var()) / setting.dim if present.var() > 0 else 0.0,
        "excess": float(latents.mean() / present.mean()) / setting.dim,
        "explained": explained,
    }
