"""The records that come along: complete, up to date, what the code gives today, and saying what this project claims."""

from __future__ import annotations

from functools import cache

import pytest

from sasa_theory.benchmark.comparison import Standings, standings
from sasa_theory.benchmark.job import run
from sasa_theory.benchmark.plan import Plan
from sasa_theory.benchmark.records import Record
from sasa_theory.benchmark.shipped import shipped
from sasa_theory.benchmark.suites import BASELINES, tier

SHIPPED = ("smoke", "standard")


@cache
def plan(name: str) -> Plan:
    return Plan(tier=tier(name), specs=tier(name).baselines)


@cache
def found(name: str) -> dict[str, Standings]:
    return {each.arena.name: each for each in standings(plan(name), shipped(name))}


@pytest.mark.parametrize("name", SHIPPED)
def test_no_run_of_a_baseline_is_missing_or_out_of_date(name):
    missing = [contest.entered.label for contest, trials, runs in plan(name).missing(shipped(name)) if trials or runs]
    assert not missing, f"remake them: python -m sasa_theory.benchmark.shipped {name}"


@pytest.mark.parametrize("name", SHIPPED)
def test_truth_ranks_first_and_chance_last_in_every_world(name):
    for world, standing in found(name).items():
        order = standing.rankings["recovery"].order
        assert (order[0], order[-1]) == ("oracle", "random"), world
        assert standing.rankings["recovery"].tier("random") == len(standing.rankings["recovery"].tiers), world


@pytest.mark.parametrize("name", SHIPPED)
@pytest.mark.parametrize("world", ["theorem", "manifolds"])
def test_sasa_recovers_what_atoms_of_the_same_budget_do_not(name, world):
    recovery = found(name)[world].rankings["recovery"]
    for other in set(BASELINES) - {"sasa/paper"}:
        assert recovery.values["sasa/paper"].low > recovery.values[other].high, other
        assert recovery.between("sasa/paper", other).apart, other


def again(design: str, purpose: str) -> tuple[Record, Record]:
    """The shipped record of a design's first run or trial in the first world, and what the same job gives now."""
    done = shipped("smoke")
    contest = next(each for each in plan("smoke").contests if each.entered.label == design)
    job = contest.runs(done)[0] if purpose == "run" else next(iter(contest.trials.values()))
    return done[job.key], run(job)


@pytest.mark.parametrize("design", ["oracle", "random"])
def test_what_is_not_trained_gives_the_shipped_numbers(design):
    """Other CPUs add float32 numbers in another order: the seventh digit, or a little more in ratios of small ones."""
    before, after = again(design, "run")
    assert after.metrics.keys() == before.metrics.keys()
    for name, kept in before.metrics.items():
        found = after.metrics[name]
        numbers = (found.value, *(found.null or ()), found.oracle, found.floor)
        expected = (kept.value, *(kept.null or ()), kept.oracle, kept.floor)
        for number, wanted in zip(numbers, expected, strict=True):
            assert number == wanted or number == pytest.approx(wanted, rel=1e-3, abs=1e-4, nan_ok=True), name


def test_a_training_gives_the_shipped_numbers():
    """A thousand steps magnify a last digit, but not by so much that another CPU would choose another learning rate."""
    before, after = again("relu", "trial")
    assert {name: found.value for name, found in after.metrics.items()} == {
        name: pytest.approx(kept.value, rel=0.05, abs=0.02) for name, kept in before.metrics.items()
    }
