"""One run: a design, a world, a seed and a budget in; a record out. What workers do, on whichever machine."""

from __future__ import annotations

import json
import platform
import sys
import time
from dataclasses import asdict, dataclass
from functools import cached_property
from importlib.metadata import version
from typing import Any

from sasa_theory.designs.contract import Design
from sasa_theory.metrics import Score, judge, metric
from sasa_theory.training import Budget, Diverged, Recipe, train
from sasa_theory.workers import one_thread
from synthetic import World

from . import twins
from .budgets import Size
from .entrants import Entrant, entrant
from .records import Measured, Purpose, Record, digest
from .suites import Arena
from .twins import agreement

FORMAT = 1
"""Raised when worlds, designs or training change so that old records must not be compared with new ones."""

HELD_OUT = 2**20
"""Seed of trials, which no run uses."""

_WEIGHTS, _BATCHES, _JUDGED, _TWIN = (k << 28 for k in (1, 2, 4, 8))
"""Added to the seed for weights, batches, the rows that designs are judged on, and the twin's weights and batches.

With one seed for all, weights would be drawn from the numbers that the world's directions were drawn from. Together
below 2^32: PyTorch's generators on the CPU ignore what is above.
"""


@dataclass(frozen=True, kw_only=True)
class Job:
    """What to run.

    Attributes
    ----------
    spec : str
        The design, see :func:`sasa_theory.benchmark.entrants.entrant`.
    design : dict
        What determines the design, as it was when the benchmark began.
    arena : Arena
        The world's declaration.
    seed : int
        Of world, weights, batches and rows.
    size : Size
        Of the design.
    budget : Budget
        Of training.
    lr : float or None
        Peak learning rate; None where nothing is trained.
    factor : float or None
        Coefficient as a multiple of the middle of the search; None where there is none.
    rows : int
        Labelled rows that the design is judged on.
    metrics : tuple of str
        Names of metrics.
    purpose : str
        A run may be judged beside null and oracle, and trained once more for its seed consistency; a trial is not.
    training : tuple of (str, value)
        Fields of the recipe in which it differs from the defaults, the learning rate aside.
    thorough : bool
        Whether a run is judged beside null and oracle, and trained once more.
    """

    spec: str
    design: dict[str, Any]
    arena: Arena
    seed: int
    size: Size
    budget: Budget
    lr: float | None
    factor: float | None
    rows: int
    metrics: tuple[str, ...]
    purpose: Purpose = "run"
    training: tuple[tuple[str, Any], ...] = ()
    thorough: bool = True

    @property
    def recipe(self) -> Recipe | None:
        """How it is trained: the same for every design, but for the learning rate."""
        return None if self.lr is None else Recipe(lr=self.lr, **dict(self.training))

    @property
    def calibrated(self) -> bool:
        """Whether null, oracle and a twin are measured as well."""
        return self.purpose == "run" and self.thorough

    @cached_property
    def key(self) -> str:
        """Key of the record that it will give."""
        return digest(identity(self))


def identity(job: Job) -> dict[str, Any]:
    """Everything that determines the metrics of a job's record, as plain values that JSON gives back unchanged."""
    recipe = job.recipe
    plain = {
        "format": FORMAT,
        "design": job.design,
        "world": job.arena.config.to_dict(),
        "seed": job.seed,
        "size": asdict(job.size),
        "budget": None if recipe is None else asdict(job.budget),
        "recipe": None if recipe is None else recipe.to_dict(),
        "factor": job.factor,
        "rows": job.rows,
        "calibrated": job.calibrated,
        "metrics": {name: metric(name).version for name in sorted(job.metrics)},
        "twins": twins.VERSION if job.calibrated else None,
    }
    values: dict[str, Any] = json.loads(json.dumps(plain))
    return values


def run(job: Job) -> Record:
    """Build, train and judge.

    Training that diverges gives a record without metrics that says so. Runs on one thread, so that the last bits do not
    depend on how many there are; in a process with several threads one run waits for another.

    Raises
    ------
    ValueError
        If the design cannot be built, trained or judged, or is no longer what it was; a note says in which run.
    """
    with one_thread():
        entered = entrant(job.spec)
        if entered.identity() != job.design:
            raise ValueError(f"{job.spec} is not what it was when the benchmark began; start the same command again")
        values: dict[str, Any] = {
            "identity": identity(job),
            "design": entered.label,
            "world": job.arena.name,
            "seed": job.seed,
            "purpose": job.purpose,
            "versions": versions(),
        }
        try:
            return _run(job, entered, values)
        except Exception as error:
            error.add_note(f"while {entered.label} was run in {job.arena.name} with seed {job.seed}, lr {job.lr}")
            raise


def versions() -> dict[str, str]:
    """Versions of what the last digits depend on."""
    packages = ("sasa-theory", "torch", "numpy", "scipy")
    return {"python": platform.python_version(), **{name: version(name) for name in packages}}


def _run(job: Job, entered: Entrant, values: dict[str, Any]) -> Record:
    world = World.build(job.arena.config, job.seed)
    judged = _JUDGED + job.seed
    began = time.process_time()
    try:
        design = _trained(job, entered, world, job.seed)
    except Diverged as error:
        seconds = time.process_time() - began
        return Record(metrics={}, failed=f"training diverged: {error}", training=seconds, **values)
    trained = time.process_time()
    scores = judge(design, world, rows=job.rows, seed=judged, only=job.metrics, calibrate=job.calibrated)
    metrics = {name: _measured(score) for name, score in scores.items()}
    if job.calibrated:
        metrics |= agreement(design, _twin(job, entered, world), world, job.rows, judged)
    return Record(
        metrics=metrics,
        training=trained - began,
        judging=time.process_time() - trained,
        parameters=sum(p.numel() for p in design.parameters() if p.requires_grad),
        peak_memory=_peak_memory(),
        **values,
    )


def _trained(job: Job, entered: Entrant, world: World, seed: int) -> Design:
    design = entered.build(world, job.size, _WEIGHTS + seed, job.factor)
    if job.recipe is None:
        return design
    return train(design, world, job.budget, job.recipe, seed=_BATCHES + seed, progress=False).design


def _twin(job: Job, entered: Entrant, world: World) -> Design | None:
    try:
        return _trained(job, entered, world, _TWIN + job.seed)
    except Diverged:
        return None


def _measured(score: Score) -> Measured:
    return Measured(
        version=score.metric.version, value=score.value, null=score.null, oracle=score.oracle, floor=score.floor
    )


def _peak_memory() -> int:
    if sys.platform == "win32":  # it has no such count
        return 0
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak
