"""The records that come along: complete, up to date, and saying what this project claims."""

from __future__ import annotations

from functools import cache

import pytest

from sasa_theory.benchmark.comparison import Standings, standings
from sasa_theory.benchmark.plan import Plan
from sasa_theory.benchmark.shipped import shipped
from sasa_theory.benchmark.suites import BASELINES, tier

SHIPPED = ("smoke",)


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
