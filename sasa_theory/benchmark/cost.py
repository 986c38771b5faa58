"""How long a benchmark will take, before it starts: from recorded runs where there are any, else from a few steps."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from statistics import median

from sasa_theory.metrics import judge
from sasa_theory.training import Budget, train
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
        self._seen: dict[tuple[str, str, Purpose], list[float]] = defaultdict(list)

    def of(self, contest: Contest, purpose: Purpose) -> float:
        """Seconds of one run, or trial, of a contest."""
        name = contest.entered.label, contest.arena.name, purpose
        if name not in self._seconds:
            self._seconds[name] = self._recorded(contest, purpose) or _timed(contest, purpose)
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


def _timed(contest: Contest, purpose: Purpose) -> float:
    job = _some_job(contest, purpose)
    world = World.build(job.arena.config, job.seed)

    def training(steps: int) -> float:
        design = contest.entered.build(world, job.size, job.seed, job.factor)
        budget = Budget(tokens=steps * job.budget.batch_size, batch_size=job.budget.batch_size)
        began = time.perf_counter()
        train(design, world, budget, job.recipe, seed=job.seed, progress=False)
        return time.perf_counter() - began

    def judging(rows: int) -> float:
        design = contest.entered.build(world, job.size, job.seed, job.factor)
        began = time.perf_counter()
        judge(design, world, rows=rows, only=job.metrics, calibrate=purpose == "run")
        return time.perf_counter() - began

    trained = _extrapolated(training, *_STEPS, job.budget.steps) if job.recipe is not None else 0.0
    trained *= 2 if purpose == "run" else 1  # its twin
    return trained + _extrapolated(judging, *_ROWS, job.rows)


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
