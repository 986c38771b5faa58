"""How long a benchmark will take, before it starts: from recorded runs where there are any, else from a few steps."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from statistics import median

from sasa_theory.metrics import judge
from sasa_theory.training import Budget, Diverged, train
from sasa_theory.workers import one_thread
from synthetic import World

from .job import Job
from .plan import Contest, Done, Plan
from .records import Purpose, Record

_STEPS, _ROWS = (8, 24), (512, 1024)
"""Numbers of steps, and of rows, that are timed; the rest is a straight line through both."""


class Costs:
    """Seconds that the runs of a plan take, each on one thread.

    Parameters
    ----------
    plan : Plan
        The benchmark.
    done : mapping of str to Record
        Earlier records by key; those of the same design, world and number of steps are believed.
    """

    def __init__(self, plan: Plan, done: Done) -> None:
        self._plan, self._done = plan, done
        self._seconds: dict[tuple[str, str, Purpose], float] = {}
        self._training: dict[tuple[str, str], float] = {}
        self._judging: dict[tuple[str, Purpose], float] = {}
        self._seen: dict[tuple[str, str, Purpose], list[float]] = defaultdict(list)

    def of(self, contest: Contest, purpose: Purpose) -> float:
        """Seconds of one run, or trial, of a contest."""
        name = contest.entered.label, contest.arena.name, purpose
        if name not in self._seconds:
            self._seconds[name] = self._recorded(contest, purpose) or self._timed(contest, purpose)
        return self._seconds[name]

    def learn(self, record: Record) -> None:
        """Believe a new record rather than what was believed before."""
        name = record.design, record.world, record.purpose
        self._seen[name].append(record.seconds)
        self._seconds[name] = median(self._seen[name])

    def total(self, done: Done) -> float:
        """Seconds of everything that is missing."""
        return sum(
            (trials * self.of(contest, "trial") if trials else 0.0) + (runs * self.of(contest, "run") if runs else 0.0)
            for contest, trials, runs in self._plan.missing(done)
        )

    def _timed(self, contest: Contest, purpose: Purpose) -> float:
        """Training is timed for each design; judging once for each world, since sizes are matched."""
        design, world = contest.entered.label, contest.arena.name
        with one_thread():
            if (design, world) not in self._training:
                self._training[design, world] = _training(contest)
            if (world, purpose) not in self._judging:
                self._judging[world, purpose] = _judging(contest, purpose)
        trainings = 2 if _some_job(contest, purpose).calibrated else 1  # there is a twin
        return trainings * self._training[design, world] + self._judging[world, purpose]

    def _recorded(self, contest: Contest, purpose: Purpose) -> float | None:
        budget = vars(contest.tier.budget)
        seconds = [
            record.seconds
            for record in self._done.values()
            if (record.design, record.world, record.purpose) == (contest.entered.label, contest.arena.name, purpose)
            and record.identity["budget"] in (budget, None)
            and not record.failed
        ]
        return median(seconds) if seconds else None


def _training(contest: Contest) -> float:
    """Seconds of one training run of a contest; 0 if it diverges within the few steps that are timed."""
    job = _some_job(contest, "run")
    if job.recipe is None:
        return 0.0
    world = World.build(job.arena.config, job.seed)

    def seconds(steps: int) -> float:
        design = contest.entered.build(world, job.size, job.seed, job.factor)
        budget = Budget(tokens=steps * job.budget.batch_size, batch_size=job.budget.batch_size)
        began = time.perf_counter()
        train(design, world, budget, job.recipe, seed=job.seed, progress=False)
        return time.perf_counter() - began

    try:
        return _extrapolated(seconds, *_STEPS, job.budget.steps)
    except Diverged:  # the run will say so in its record
        return 0.0


def _judging(contest: Contest, purpose: Purpose) -> float:
    """Seconds of judging the contest's design."""
    job = _some_job(contest, purpose)
    world = World.build(job.arena.config, job.seed)
    design = contest.entered.build(world, job.size, job.seed, job.factor)

    def seconds(rows: int) -> float:
        began = time.perf_counter()
        judge(design, world, rows=rows, only=job.metrics, calibrate=job.calibrated)
        return time.perf_counter() - began

    return _extrapolated(seconds, *_ROWS, job.rows)


def _some_job(contest: Contest, purpose: Purpose) -> Job:
    trials = list(contest.trials.values())
    if not trials:
        return contest.runs({})[0]
    return trials[0] if purpose == "trial" else replace(trials[0], purpose="run", metrics=contest.metrics)


def _extrapolated(seconds: Callable[[int], float], few: int, more: int, target: int) -> float:
    """Seconds for ``target`` from those for ``few`` and ``more``, after a call that warms up."""
    seconds(few)
    lower, upper = seconds(few), seconds(more)
    if target <= more:
        return upper
    return upper + max(0.0, upper - lower) / (more - few) * (target - more)
