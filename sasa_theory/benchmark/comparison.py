"""From records to rankings, world by world and metric by metric, and to what limits each design."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .compared import Around, compare, mean, standing
from .comparing import Estimate
from .diagnosis import Case, Diagnosis, diagnose
from .plan import Contest, Done, Plan
from .ranking import Ranking
from .suites import Arena
from .tuning import outcome, spent

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


def _in(arena: Arena, plan: Plan, done: Done, metrics: Sequence[str]) -> Standings:
    contests = [contest for contest in plan.contests if contest.arena is arena]
    records = {c.entered.label: [done[job.key] for job in c.runs(done)] for c in contests}
    found = compare(records, metrics)
    cases = {
        contest.entered.label: Case(
            metrics={name: standing(name, records[contest.entered.label]) for name in plan.metrics},
            units=contest.size.units,
            columns=contest.size.columns,
            features=arena.config.size,
            dimensions=sum(arena.config.dims),
        )
        for contest in contests
        if contest.entered.trains and contest.entered.label not in found.failed
    }
    return Standings(
        arena=arena,
        rankings=found.rankings,
        around=found.around,
        costs=found.costs,
        spending={name: mean([spent(run, arena.size, plan.match) for run in runs]) for name, runs in records.items()},
        setups={contest.entered.label: _setup(contest, done) for contest in contests if contest.trials},
        diagnoses={name: diagnose(case) for name, case in cases.items()},
        failed=found.failed,
    )


def _setup(contest: Contest, done: Done) -> str:
    trials = {tried: done[job.key] for tried, job in contest.trials.items()}
    said = outcome(trials, contest.size, contest.tier, contest.match)
    return f"{contest.size}, matched in {contest.match}; {said}"
