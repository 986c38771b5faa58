"""Which runs a benchmark consists of, and which of them can start now: the whole state is what has been recorded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import get_args

from sasa_theory.bounds.validate import choice, count
from sasa_theory.metrics import METRICS, metric

from .budgets import Match, Size
from .entrants import Entrant, entrant
from .job import HELD_OUT, Job
from .records import Record
from .suites import BOUNDS, Arena, Tier
from .tuning import Choice, choose, grid, needed, report

Done = Mapping[str, Record]
"""Records by key."""


@dataclass(frozen=True)
class Contest:
    """One design in one world: trials on the held-out seed, then runs with what they chose.

    Attributes
    ----------
    entered : Entrant
        The design.
    arena : Arena
        The world.
    size : Size
        The design's size there.
    tier : Tier
        Budget, rows, and the search.
    match : str
        In what sizes agree.
    seeds : int
        Number of runs.
    metrics : tuple of str
        What runs are judged by.
    """

    entered: Entrant
    arena: Arena
    size: Size
    tier: Tier
    match: Match
    seeds: int
    metrics: tuple[str, ...]
    _runs: dict[Choice, tuple[Job, ...]] = field(default_factory=dict, init=False, repr=False, compare=False)

    @cached_property
    def trials(self) -> Mapping[Choice, Job]:
        """Jobs of the search, by what they try; none where there is nothing to choose between."""
        metrics = needed(self.tier, self.match)
        tried = grid(self.entered, self.tier)
        if len(tried) < 2:
            return {}
        return {each: replace(self._job(each, HELD_OUT), metrics=metrics, purpose="trial") for each in tried}

    def chosen(self, done: Done) -> Choice | None:
        """What the trials chose; None while they are not all done."""
        if not self.trials:
            return next(iter(grid(self.entered, self.tier)), Choice(None, None))
        records = self._trial_records(done)
        if len(records) < len(self.trials):
            return None
        return choose(records, self.size, self.tier, self.match)

    def runs(self, done: Done) -> tuple[Job, ...]:
        """Jobs to be ranked; none while the trials are not all done."""
        chosen = self.chosen(done)
        if chosen is None:
            return ()
        if chosen not in self._runs:
            self._runs[chosen] = tuple(self._job(chosen, seed) for seed in range(self.seeds))
        return self._runs[chosen]

    def told(self, record: Record, done: Done) -> Record:
        """A run's record that also says what was tried before."""
        if record.purpose == "trial":
            return record
        return replace(record, trials=report(self._trial_records(done), needed(self.tier, self.match)))

    def _trial_records(self, done: Done) -> dict[Choice, Record]:
        return {tried: done[job.key] for tried, job in self.trials.items() if job.key in done}

    def _job(self, chosen: Choice, seed: int) -> Job:
        return Job(
            spec=self.entered.spec,
            design=self.entered.identity(),
            arena=self.arena,
            seed=seed,
            size=self.size,
            budget=self.tier.budget,
            lr=chosen.lr,
            factor=chosen.factor,
            rows=self.tier.rows,
            metrics=self.metrics,
            training=self.tier.training,
            thorough=self.tier.thorough,
        )


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A benchmark.

    Attributes
    ----------
    tier : Tier
        Worlds, budget and search.
    specs : tuple of str
        Designs, the new ones first; truth and chance are added.
    match : str
        In what the designs' sizes agree, see :data:`sasa_theory.benchmark.budgets.Match`.
    seeds : int or None
        Runs of each design in each world; the tier's number if None.
    metrics : tuple of str
        What runs are judged by.

    Raises
    ------
    ValueError
        If a design, a metric or ``match`` is unknown, two designs have one name, or there are no seeds.
    """

    tier: Tier
    specs: tuple[str, ...]
    match: Match = "columns"
    seeds: int | None = None
    metrics: tuple[str, ...] = field(default_factory=lambda: tuple(METRICS))

    def __post_init__(self) -> None:
        choice("match", self.match, get_args(Match))
        for name in (*self.metrics, *needed(self.tier, self.match)):
            metric(name)  # refuses what there is not
        count("seeds", self.tier.seeds if self.seeds is None else self.seeds)
        object.__setattr__(self, "specs", tuple(dict.fromkeys((*self.specs, *BOUNDS))))

        names = [entrant(spec).label for spec in self.specs]
        for spec, name in zip(self.specs, names, strict=True):
            if names.count(name) > 1:
                raise ValueError(f"designs must be told apart by name, but {spec} is not the only one called {name}")

    @cached_property
    def contests(self) -> tuple[Contest, ...]:
        """Every design in every world."""
        seeds = self.tier.seeds if self.seeds is None else self.seeds
        return tuple(
            Contest(
                entered,
                arena,
                entered.size(arena.size, self.match, arena.config.width),
                self.tier,
                self.match,
                seeds,
                self.metrics,
            )
            for entered in map(entrant, self.specs)
            for arena in self.tier.arenas
        )

    def due(self, done: Done) -> dict[str, tuple[Contest, Job]]:
        """Jobs that can start and are not done, by key; none if the benchmark is complete."""
        return {
            job.key: (contest, job)
            for contest in self.contests
            for job in (*contest.trials.values(), *contest.runs(done))
            if job.key not in done
        }

    def missing(self, done: Done) -> list[tuple[Contest, int, int]]:
        """For each contest, the numbers of trials and of runs that are not done."""
        counts = []
        for contest in self.contests:
            runs = contest.runs(done)
            trials = sum(job.key not in done for job in contest.trials.values())
            counts.append((contest, trials, sum(job.key not in done for job in runs) if runs else contest.seeds))
        return counts

    def records(self, done: Done) -> list[Record]:
        """Records of all runs that are done, in the order of the plan."""
        return [done[job.key] for contest in self.contests for job in contest.runs(done) if job.key in done]
