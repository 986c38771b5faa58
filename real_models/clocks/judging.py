"""Designs on a clock transformer's residual stream: trained over several seeds, judged against the known circles."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from sasa_theory import designs
from sasa_theory.bounds.validate import count
from sasa_theory.designs.contract import Design
from sasa_theory.metrics import METRICS, Observation, observe
from sasa_theory.metrics.irreducibility import irreducibilities
from sasa_theory.metrics.judge import random_like, true_subspaces
from sasa_theory.training import Budget, Ensemble, Recipe, train

from .rotation import Circle, fitted, moved, of_subspace, of_units, random_subspace, ranked
from .separation import frequencies
from .world import ClockWorld

LARGE = 9
"""Hours that a clock must have to be judged: class means of fewer are few, and have a large part in common."""

OF_CLOCKS = ("units_90", "units_entropy", "units_at_once", "served", "capture", "recovery", "exact_dimension")
"""Metrics that have a value for each clock."""

OF_ALL = ("ev", "l0_columns", "l0_bits")
"""Metrics of all rows together."""

BATCH = 256


@dataclass(frozen=True, kw_only=True)
class Entrant:
    """A design and how it is trained.

    Attributes
    ----------
    design : str
        Name of a preset.
    settings : mapping
        Of the preset, but for the width.
    lr : float
        Learning rate.
    steps : int
        Of :data:`BATCH` rows.
    restarts : int
        Trainings from different initial weights, of which the one of least training loss is kept.
    """

    design: str
    settings: Mapping[str, Any]
    lr: float = 1e-2
    steps: int = 1000
    restarts: int = 5

    def __post_init__(self) -> None:
        count("steps", self.steps)
        count("restarts", self.restarts)


def trained(entrant: Entrant, world: ClockWorld, seeds: Iterable[int]) -> list[Design]:
    """The best of some restarts for each seed, behind token-level layer norm: large radii then weigh no more.

    Restarts differ in their initial weights; all see the same batches. The best is the one of least loss over the last
    steps, which needs no label: where two groups have come to share a feature, the loss is higher.
    """
    starts = [seed * entrant.restarts + start for seed in seeds for start in range(entrant.restarts)]
    members = [designs.get(entrant.design, width=world.width, seed=start, **entrant.settings) for start in starts]
    budget = Budget(tokens=entrant.steps * BATCH, batch_size=BATCH)
    recipe = Recipe(lr=entrant.lr, normalise="layer_norm")
    found = train(Ensemble(members), world, budget, recipe, progress=False)
    assert isinstance(found.design, Ensemble)
    losses = torch.tensor(found.log[-1].members["loss"]).unflatten(0, (-1, entrant.restarts))
    best = losses.argmin(dim=1) + entrant.restarts * torch.arange(len(losses))
    members = found.design.split()
    return [members[i].eval() for i in best.tolist()]


def large(world: ClockWorld) -> list[int]:
    """Numbers of the clocks of at least :data:`LARGE` hours; of all clocks if there is none."""
    hours = world.taught.lesson.clocks.hours
    return [i for i, p in enumerate(hours) if p >= LARGE] or list(range(len(hours)))


def judged(design: Design, world: ClockWorld) -> dict[str, list[float]]:
    """Metrics of a design on all rows: for each large clock, or one value for all rows.

    Besides those of :data:`OF_CLOCKS` and :data:`OF_ALL`, the mixture index and the separability of what each clock's
    main unit adds, and ``irreducibility``, ``(1 - M) S`` in bits.
    """
    return _values(observe(design, world, rows=len(world.x)))


def chance(design: Design, world: ClockWorld) -> dict[str, list[float]]:
    """The same of a random dictionary of the design's shape."""
    return judged(random_like(observe(design, world, rows=len(world.x)))[0], world)


def truth(design: Design, world: ClockWorld) -> dict[str, list[float]]:
    """The same of the true subspaces."""
    return judged(true_subspaces(observe(design, world, rows=len(world.x))), world)


def rotations(
    world: ClockWorld, sasa: Design, vectors: Mapping[str, Design], seed: int
) -> dict[str, dict[str, list[float]]]:
    """The causal test of each large clock, see :mod:`.rotation`, in every arm that has to be told from the others.

    Parameters
    ----------
    world : ClockWorld
        The clocks.
    sasa : Design
        Design of groups; its arm is the one group that adds most on the clock.
    vectors : mapping of str to Design
        Designs of atoms. Each has three arms: its best atom, as many of its best atoms as a group has columns, and as
        many as together add the energy that is nearest to the group's.
    seed : int
        Of random subspaces of the group's rank.

    Returns
    -------
    dict
        ``moved``: share of moved answers by arm, for each clock; ``atoms``: how many atoms the last kind of arm took.
    """
    clocks = world.taught.lesson.clocks
    rank = int(sasa.units().bincount().max())
    moves: dict[str, list[float]] = {}
    atoms: dict[str, list[float]] = {}
    for i in large(world):
        waves = tuple(frequencies(world, i))
        x = world.x[(clocks.clock == i) & clocks.seen]
        group = ranked(sasa, x)
        views = {"SASA: its group": of_units(sasa, group.order[:1])}
        for name, design in vectors.items():
            best = ranked(design, x)
            number = best.number(float(group.energies[0]))
            views[f"{name}: best atom"] = of_units(design, best.order[:1])
            views[f"{name}: {rank} atoms"] = of_units(design, best.order[:rank])
            views[f"{name}: same energy"] = of_units(design, best.order[:number])
            atoms.setdefault(name, []).append(float(number))
        views["random subspace"] = of_subspace(random_subspace(world.width, rank, seed), world.bias)
        views["true subspace"] = of_subspace(world.basis(i), world.bias)
        for arm, view in views.items():
            moves.setdefault(arm, []).append(moved(world, i, fitted(world, i, view, waves)))
        nothing = Circle(lambda x: x, world.bias, x.new_zeros(2 * len(waves), world.width), waves)
        moves.setdefault("no edit", []).append(moved(world, i, nothing))
    return {"moved": moves, "atoms": atoms}


def _values(observation: Observation) -> dict[str, list[float]]:
    world = observation.rows.world
    assert isinstance(world, ClockWorld)
    chosen = large(world)
    values = {name: [observation.kept(METRICS[name].measure).value] for name in OF_ALL}
    for name in OF_CLOCKS:
        each = observation.kept(METRICS[name].measure).each
        assert each is not None
        values[name] = each.double()[chosen].tolist()
    indices = [irreducibilities(observation)[i] for i in chosen]
    for name in ("mixture", "separability", "score"):
        values["irreducibility" if name == "score" else name] = [
            torch.nan if one is None else float(getattr(one, name)) for one in indices
        ]
    return values
