"""What trials choose: the best within the budget, whatever happens to the others."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from sasa_theory.benchmark import Measured, Size
from sasa_theory.benchmark.entrants import entrant
from sasa_theory.benchmark.tuning import Choice, choose, grid, outcome, report, spent

from . import micro

SIZE = Size(6, 3, 2)  # 6 active columns


def chosen(*trials: tuple[float, float] | str, metric: str = "recovery") -> int:
    """Position of what is chosen among trials of these values and active columns, or failures."""
    records = {}
    for k, trial in enumerate(trials):
        fields = {"failed": trial} if isinstance(trial, str) else {"metrics": _metrics(metric, *trial)}
        records[Choice(float(k), None)] = micro.record(k, **fields)
    return int(choose(records, SIZE, replace(micro.TIER, chosen_by=metric), "columns").lr)


def _metrics(metric: str, value: float, columns: float) -> dict[str, Measured]:
    return {metric: Measured(version=1, value=value), "l0_columns": Measured(version=1, value=columns)}


@pytest.mark.parametrize(
    ("trials", "expected"),
    [
        (((0.5, 6), (0.9, 6), (0.7, 6)), 1),
        (((0.5, 6), (0.9, 60), (0.7, 6.5)), 2),  # the best does not keep to the budget
        (((0.9, 90), (0.5, 60), (0.7, 80)), 1),  # none does
        (("diverged", (0.1, 6), "diverged"), 1),
        (("diverged", (0.9, 90), (0.5, 60)), 2),
        (("diverged", "diverged"), 0),
        (((math.nan, 6), (0.1, 6)), 1),
    ],
)
def test_the_best_within_the_budget_is_chosen(trials, expected):
    assert chosen(*trials) == expected


def test_less_may_be_better():
    assert chosen((0.5, 6), (0.1, 6), (0.7, 6), metric="dimension_error") == 1


@pytest.mark.parametrize(
    ("values", "expected"),
    [((0.9, 0.899, 0.7), 1), ((0.9, 0.8, 0.7), 0), ((0.7, 0.8, 0.8001), 1), ((1.0, 0.5, 0.9999), 0)],
)
def test_of_those_as_good_as_the_best_the_one_nearest_the_middle_is_chosen(values, expected):
    tier = replace(micro.TIER, rates=(0.0, 1.0, 2.0))
    trials = {
        Choice(float(k), None): micro.record(k, metrics=_metrics("recovery", value, 6))
        for k, value in enumerate(values)
    }
    assert choose(trials, SIZE, tier, "columns").lr == expected


def test_every_design_searches_the_same_grid():
    tier = replace(micro.TIER, rates=(1e-3, 1e-2), factors=(0.5, 1.0, 2.0))
    assert {each.lr for each in grid(entrant("topk"), tier)} == {1e-3, 1e-2}
    assert len(grid(entrant("topk"), tier)) == 2
    assert grid(entrant("relu"), tier) == grid(entrant("sasa/paper"), tier)
    assert len(grid(entrant("relu"), tier)) == 6
    assert grid(entrant("oracle"), tier) == grid(entrant("random"), tier) == ()


@pytest.mark.parametrize(
    ("columns", "chosen", "said"),
    [
        ((6, 6, 6), 1, "lr 0.003, factor 1, chosen among 3 trials"),
        ((90, 90, 6), 2, "lr 0.01 (at the edge of the search), factor 3 (at the edge of the search), chosen among 3"),
        ((90, 60, 80), 1, "lr 0.003, factor 1, chosen among 3 trials, of which none keeps to the budget"),
        ((), 0, "chosen among 3 trials, of which every one failed"),
    ],
)
def test_what_is_doubtful_about_a_choice_is_said(columns, chosen, said):
    tier = replace(micro.TIER, rates=(1e-3, 3e-3, 1e-2), factors=(1 / 3, 1.0, 3.0))
    tried = [Choice(lr, factor) for lr, factor in zip(tier.rates, tier.factors, strict=True)]
    fields = [{"metrics": _metrics("recovery", float(k == 1), spent)} for k, spent in enumerate(columns)]
    fields = fields or [{"failed": "training diverged"}] * 3
    trials = {each: micro.record(k, **given) for k, (each, given) in enumerate(zip(tried, fields, strict=True))}
    assert choose(trials, SIZE, tier, "columns") == tried[chosen]
    assert said in outcome(trials, SIZE, tier, "columns")
    assert ("budget" in outcome(trials, SIZE, tier, "columns")) == ("budget" in said)


def test_what_is_spent_is_a_share_of_the_budget_that_sizes_agree_in():
    names = ("l0_columns", "l0_units", "l0_bits")
    record = micro.record(metrics={name: Measured(version=1, value=3.0) for name in names})
    assert spent(record, SIZE, "columns") == 3 / 6
    assert spent(record, SIZE, "units") == 3 / 2
    assert spent(record, SIZE, "bits") == 3 / SIZE.bits
    assert spent(record, Size(2, 3, 2), "bits") == math.inf  # all units active: nothing to say
    assert math.isnan(spent(micro.record(), SIZE, "columns"))


def test_the_report_names_what_was_tried_and_what_came_of_it():
    tried = {Choice(1e-3, 2.0): micro.record(metrics=_metrics("ev", 0.5, 3.0))}
    assert report(tried, ("ev", "l0_columns")) == ({"lr": 1e-3, "factor": 2.0, "ev": 0.5, "l0_columns": 3.0},)
