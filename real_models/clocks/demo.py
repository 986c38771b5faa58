"""The demonstration: from an untrained transformer to verdicts on its known circles, in worker processes."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import torch

from real_models.results import plain
from sasa_theory.bounds.validate import count
from sasa_theory.designs.contract import Design
from sasa_theory.limits import whole_cores
from sasa_theory.workers import begin_worker, one_blas_thread_each, one_thread

from .judging import Entrant, chance, judged, large, rotations, trained, truth
from .separation import SINGLE, Separated, Separation, frequencies, separation
from .transformer import Lesson, teach
from .world import ClockWorld, clock_world

GROUPS = {"groups": 24, "rank": 3, "active": 1, "balance": 0.0, "auxiliary": "none"}
ATOMS = {"atoms": 72, "k": 3}

ENTRANTS = {
    "SASA": Entrant(design="sasa/paper", settings=GROUPS),
    "TopK": Entrant(design="topk", settings=ATOMS),
    "signed TopK": Entrant(design="topk/signed", settings=ATOMS),
}
"""As many columns each, and as many of them active; the same batches, steps and restarts.

Learning rates (.003, .01, .02; of SASA .005, .01, .02), batches (128, 256, 512) and the coefficient of SASA (.02, .05,
.1, .2) were chosen on seeds from 100 on, for the fewest units a clock in each design. SASA goes without revival: of
2,000 rows in all, what fires seldom is soon called dead, and clocks are split in two.
"""

WIDER = {
    "SASA": replace(ENTRANTS["SASA"], settings=GROUPS | {"rank": 6}),
    "TopK": replace(ENTRANTS["TopK"], settings={"atoms": 144, "k": 6}),
    "signed TopK": replace(ENTRANTS["signed TopK"], settings={"atoms": 144, "k": 6}),
}
"""The same with room for the up to six dimensions of a clock whose embedding is learned."""

FALSIFIED = {
    "SASA": replace(ENTRANTS["SASA"], settings=GROUPS | {"active": 2}, steps=200),
    "TopK": replace(ENTRANTS["TopK"], settings=ATOMS | {"k": 6}, steps=200),
}
"""The same with room for the two circles that each input of the single clock has."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What the demonstration does.

    Attributes
    ----------
    lesson : Lesson
        The transformer.
    seeds : int
        Trainings of each design.
    falsifier : Lesson or None
        The transformer of one clock; None to go without.
    entrants, falsified : mapping
        Designs on the first and on the second. Both begin with one of groups, ``SASA``. If the first are omitted, they
        are :data:`ENTRANTS`, or :data:`WIDER` where embeddings are learned.
    """

    lesson: Lesson = field(default_factory=Lesson)
    seeds: int = 5
    falsifier: Lesson | None = SINGLE
    entrants: Mapping[str, Entrant] = field(default_factory=dict)
    falsified: Mapping[str, Entrant] = field(default_factory=lambda: FALSIFIED)

    def __post_init__(self) -> None:
        count("seeds", self.seeds, 2)
        if not self.entrants:
            object.__setattr__(self, "entrants", WIDER if self.lesson.learned else ENTRANTS)


@dataclass(frozen=True, kw_only=True)
class Found:
    """What was found, in plain values.

    Attributes
    ----------
    plan : Plan
        What was done.
    accuracy : float
        Of the transformer, on sums that it has not seen.
    clocks : list of int
        Hours of the clocks that were judged.
    dims : list of int
        Dimension of each of them.
    values : dict
        Metric values by design and name: one list a seed, of one value for each clock, or of one for all rows.
    null, oracle : dict
        Likewise for a random dictionary of each design's shape, and for the true subspaces.
    moved : dict
        Share of moved answers by arm: one list a seed, of one value for each clock.
    atoms : dict
        How many atoms add as much energy as the group: the same.
    separated : dict of str to Separated
        Of each design on the clocks, among whose planes there is something to separate.
    falsified : dict of str to Separated
        Of each design on the single clock.
    world : ClockWorld
        The activations.
    designs : dict
        The designs of the first seed.
    seconds : float
        Wall time.
    """

    plan: Plan
    accuracy: float
    clocks: list[int]
    dims: list[int]
    values: dict[str, dict[str, list[list[float]]]]
    null: dict[str, dict[str, list[float]]]
    oracle: dict[str, list[float]]
    moved: dict[str, list[list[float]]]
    atoms: dict[str, list[list[float]]]
    separated: dict[str, Separated]
    falsified: dict[str, Separated]
    world: ClockWorld
    designs: dict[str, Design]
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """Everything but activations and designs, as plain values; undefined ones are None."""
        kept = ("accuracy", "clocks", "dims", "values", "null", "oracle", "moved", "atoms", "seconds")
        found = {"plan": asdict(self.plan)} | {name: getattr(self, name) for name in kept}
        for name in ("separated", "falsified"):
            found[name] = {design: asdict(one) for design, one in getattr(self, name).items()}
        values: dict[str, Any] = plain(found)
        return values


def demonstrate(plan: Plan, *, jobs: int | None = None, folder: Path | None = None, progress: bool = True) -> Found:
    """Train the transformers unless they are cached, and all designs; judge, turn circles, separate.

    Parameters
    ----------
    plan : Plan
        What to do.
    jobs : int, optional
        Worker processes; as many as there are cores if omitted, 0 for none: all is done in this process.
    folder : Path, optional
        Of cached transformers; see :func:`.transformer.teach`.
    progress : bool
        Whether to draw a progress bar on a terminal while transformers are trained in this process.

    Raises
    ------
    ValueError
        If a cached transformer is damaged.
    """
    start = time.monotonic()
    with one_thread(), _workers(jobs) as workers:
        single = None if plan.falsifier is None else workers.submit(_taught, plan.falsifier, folder)
        taught = teach(plan.lesson, folder=folder, progress=progress)
        world = clock_world(taught, dims=None if plan.lesson.learned else 2)
        seeds = range(plan.seeds)
        fits = {
            name: workers.submit(_fit, entrant, plan.lesson, folder, seeds) for name, entrant in plan.entrants.items()
        }
        if single is not None:
            single.result()
        falsified = {}
        if plan.falsifier is not None:
            for name, entrant in plan.falsified.items():
                falsified[name] = workers.submit(_falsified, entrant, plan.falsifier, folder, seeds)
        members = {name: fit.result() for name, fit in fits.items()}
        each = [
            workers.submit(_judged, {name: of[seed] for name, of in members.items()}, plan.lesson, folder, seed)
            for seed in seeds
        ]
        around = workers.submit(_calibrated, {name: of[0] for name, of in members.items()}, plan.lesson, folder)
        by_seed = [one.result() for one in each]
        null, oracle = around.result()
        failed = {name: one.result() for name, one in falsified.items()}
    chosen = large(world)
    return Found(
        plan=plan,
        accuracy=taught.accuracy,
        clocks=[plan.lesson.clocks.hours[i] for i in chosen],
        dims=[len(world.basis(i)) for i in chosen],
        values={
            name: {metric: [one.values[name][metric] for one in by_seed] for metric in by_seed[0].values[name]}
            for name in members
        },
        null=null,
        oracle=oracle,
        moved={arm: [one.moved[arm] for one in by_seed] for arm in by_seed[0].moved},
        atoms={name: [one.atoms[name] for one in by_seed] for name in by_seed[0].atoms},
        separated={name: Separated.of([one.separations[name] for one in by_seed]) for name in members},
        falsified=failed,
        world=world,
        designs={name: of[0] for name, of in members.items()},
        seconds=time.monotonic() - start,
    )


@dataclass(frozen=True)
class _OfSeed:
    values: dict[str, dict[str, list[float]]]
    moved: dict[str, list[float]]
    atoms: dict[str, list[float]]
    separations: dict[str, Separation]


@cache
def _world(lesson: Lesson, folder: Path | None) -> ClockWorld:
    """The world of a cached transformer; in each process made once."""
    return clock_world(teach(lesson, folder=folder, progress=False), dims=None if lesson.learned else 2)


def _taught(lesson: Lesson, folder: Path | None) -> None:
    teach(lesson, folder=folder, progress=False)


def _fit(entrant: Entrant, lesson: Lesson, folder: Path | None, seeds: Sequence[int]) -> list[Design]:
    return trained(entrant, _world(lesson, folder), seeds)


def _judged(designs: dict[str, Design], lesson: Lesson, folder: Path | None, seed: int) -> _OfSeed:
    world = _world(lesson, folder)
    first, *others = designs
    turned = rotations(world, designs[first], {name: designs[name] for name in others}, seed)
    planes = [world.basis(i)[:2] for i in large(world)]
    apart = {name: separation(design, world, planes, seed=seed) for name, design in designs.items()}
    values = {name: judged(design, world) for name, design in designs.items()}
    return _OfSeed(values, turned["moved"], turned["atoms"], apart)


def _calibrated(
    designs: dict[str, Design], lesson: Lesson, folder: Path | None
) -> tuple[dict[str, dict[str, list[float]]], dict[str, list[float]]]:
    world = _world(lesson, folder)
    null = {name: chance(design, world) for name, design in designs.items()}
    return null, truth(next(iter(designs.values())), world)


def _falsified(entrant: Entrant, lesson: Lesson, folder: Path | None, seeds: Sequence[int]) -> Separated:
    world = _world(lesson, folder)
    planes = list(frequencies(world).values())
    members = trained(entrant, world, seeds)
    return Separated.of(
        [separation(member, world, planes, seed=seed) for seed, member in zip(seeds, members, strict=True)]
    )


class _Here(Executor):
    """Does what is submitted at once, in this process."""

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        done: Future[Any] = Future()
        done.set_result(fn(*args, **kwargs))
        return done


@contextmanager
def _workers(jobs: int | None) -> Iterator[Executor]:
    """Fresh processes with one thread each; this process itself if there are to be none."""
    if jobs == 0:
        yield _Here()
        return
    with one_blas_thread_each():
        context = multiprocessing.get_context("spawn")
        executor = ProcessPoolExecutor(jobs or whole_cores(), context, initializer=_begin)
        try:
            yield executor
        finally:
            executor.shutdown(cancel_futures=True)


def _begin() -> None:
    begin_worker()
    torch.set_num_threads(1)
