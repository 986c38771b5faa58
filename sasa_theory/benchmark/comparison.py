"""From records to rankings, world by world and metric by metric, and to what limits each design."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sasa_theory.metrics import METRICS
from sasa_theory.metrics.contract import Direction

from .comparing import Estimate, estimate
from .diagnosis import Case, Diagnosis, Standing, diagnose
from .paired import Paired
from .plan import Contest, Done, Plan
from .ranking import LEVEL, Ranking, rank
from .records import Record
from .suites import Arena
from .tuning import outcome, spent
from .twins import NAMES

HEADLINES = (
    "recovery",
    "dimension_error",
    "units_90",
    "merge_rate",
    "support_f1",
    "seed_consistency",
    "ev",
)
"""What is ranked: recovery, dimension, splitting, merging, gates, seeds, reconstruction; never a sum."""


@dataclass(frozen=True)
class Around:
    """What the values of a metric are to be compared with.

    Attributes
    ----------
    null : tuple of float, or None
        Lowest and highest value of chance over designs and seeds.
    oracle : float or None
        Mean value of the truth over designs and seeds.
    floor : tuple of float, or None
        Lowest and highest limit that theory sets, over designs: it depends on their form.
    """

    null: tuple[float, float] | None
    oracle: float | None
    floor: tuple[float, float] | None


@dataclass(frozen=True)
class Standings:
    """All designs in one world.

    Attributes
    ----------
    arena : Arena
        The world.
    rankings : mapping of str to Ranking
        By metric.
    around : mapping of str to Around
        Chance, truth and theory, by metric.
    costs : mapping of str to Estimate
        Seconds of training by design, never ranked: records may be of different machines. NaN where a seed failed.
    spending : mapping of str to float
        By design, mean over seeds of what it spends over what the world's size allows: active columns, units or bits.
        NaN where a seed failed. Nothing enforces the budget in ranked runs.
    setups : mapping of str to str
        What was compared, in words: size, and what was chosen among how many trials. By design, but for truth and
        chance.
    diagnoses : mapping of str to Diagnosis
        By design, but for truth, chance and those that failed.
    failed : mapping of str to str
        Designs with a seed whose training failed, and why.
    """

    arena: Arena
    rankings: Mapping[str, Ranking]
    around: Mapping[str, Around]
    costs: Mapping[str, Estimate]
    spending: Mapping[str, float]
    setups: Mapping[str, str]
    diagnoses: Mapping[str, Diagnosis]
    failed: Mapping[str, str]


def standings(plan: Plan, done: Done, metrics: Sequence[str] = HEADLINES) -> tuple[Standings, ...]:
    """Compare the designs of a plan whose runs are all done.

    Metrics that were not measured, or are not defined for any design, are left out.
    """
    return tuple(_in(arena, plan, done, metrics) for arena in plan.tier.arenas)


def direction(metric: str) -> Direction:
    """Which values of a metric, or of the consistency of seeds, are better."""
    return METRICS[metric].direction if metric in METRICS else "higher"


def title(metric: str) -> str:
    """What it is called in tables."""
    return METRICS[metric].title if metric in METRICS else NAMES[metric]


def _in(arena: Arena, plan: Plan, done: Done, metrics: Sequence[str]) -> Standings:
    contests = [contest for contest in plan.contests if contest.arena is arena]
    records = {c.entered.label: [done[job.key] for job in c.runs(done)] for c in contests}
    failed = {name: run.failed for name, runs in records.items() for run in runs if run.failed}
    rankings = {}
    for metric in metrics:
        paired = _paired(metric, records)
        if paired is not None and paired.defined:
            rankings[metric] = rank(paired)
    cases = {
        contest.entered.label: Case(
            metrics={name: _standing(name, records[contest.entered.label]) for name in plan.metrics},
            units=contest.size.units,
            columns=contest.size.columns,
            features=arena.config.size,
            dimensions=sum(arena.config.dims),
        )
        for contest in contests
        if contest.entered.trains and contest.entered.label not in failed
    }
    every = [record for runs in records.values() for record in runs]
    return Standings(
        arena=arena,
        rankings=rankings,
        around={metric: _around(metric, every) for metric in rankings},
        costs={name: _cost(runs) for name, runs in records.items()},
        spending={name: _mean([spent(run, arena.size, plan.match) for run in runs]) for name, runs in records.items()},
        setups={contest.entered.label: _setup(contest, done) for contest in contests if contest.trials},
        diagnoses={name: diagnose(case) for name, case in cases.items()},
        failed=failed,
    )


def _cost(runs: Sequence[Record]) -> Estimate:
    """Seconds of training; a run that failed stopped early, and its seconds say nothing."""
    if any(run.failed for run in runs):
        return Estimate(np.nan, np.nan, np.nan)
    return estimate([run.training for run in runs], LEVEL)


def _setup(contest: Contest, done: Done) -> str:
    trials = {tried: done[job.key] for tried, job in contest.trials.items()}
    said = outcome(trials, contest.size, contest.tier, contest.match)
    return f"{contest.size}, matched in {contest.match}; {said}"


def _paired(metric: str, records: Mapping[str, Sequence[Record]]) -> Paired | None:
    values = {name: [run.value(metric) for run in runs] for name, runs in records.items()}
    truths = [_mean(_bounds(metric, runs, "oracle")) for runs in zip(*records.values(), strict=True)]
    if direction(metric) != "nearest":
        return Paired(metric=metric, direction=direction(metric), values=values)
    if not np.isfinite(truths).all():
        return None
    return Paired(metric=metric, direction="nearest", values=values, oracle=truths)


def _standing(metric: str, records: Sequence[Record]) -> Standing:
    seeds = tuple(run.value(metric) for run in records)
    null, oracle, floor = (_known(_mean(_bounds(metric, records, name))) for name in ("null", "oracle", "floor"))
    return Standing(_mean(seeds), null, oracle, floor, seeds)


def _around(metric: str, records: Sequence[Record]) -> Around:
    nulls = [run.metrics[metric].null for run in records if metric in run.metrics]
    pairs = np.array([null for null in nulls if null is not None and np.isfinite(null).all()])
    floors = _bounds(metric, records, "floor")
    return Around(
        null=(float(pairs[:, 0].min()), float(pairs[:, 1].max())) if len(pairs) else None,
        oracle=_known(_mean(_bounds(metric, records, "oracle"))),
        floor=(min(floors), max(floors)) if floors else None,
    )


def _bounds(metric: str, records: Sequence[Record], name: str) -> list[float]:
    """Null (its middle), oracle or floor of each record that has it."""
    found = [getattr(run.metrics[metric], name) for run in records if metric in run.metrics]
    return [float(np.mean(value)) for value in found if value is not None and np.isfinite(value).all()]


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if len(values) else np.nan


def _known(value: float) -> float | None:
    return None if np.isnan(value) else value
