"""What trials choose: the best within the budget, whatever happens to the others."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from sasa_theory.benchmark import Measured, Size
from sasa_theory.benchmark.entrants import entrant
from sasa_theory.benchmark.tuning import Choice, choose, grid, report

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


def test_every_design_searches_the_same_grid():
    tier = replace(micro.TIER, rates=(1e-3, 1e-2), factors=(0.5, 1.0, 2.0))
    assert {each.lr for each in grid(entrant("topk"), tier)} == {1e-3, 1e-2}
    assert len(grid(entrant("topk"), tier)) == 2
    assert grid(entrant("relu"), tier) == grid(entrant("sasa/paper"), tier)
    assert len(grid(entrant("relu"), tier)) == 6
    assert grid(entrant("oracle"), tier) == grid(entrant("random"), tier) == ()


def test_the_report_names_what_was_tried_and_what_came_of_it():
    tried = {Choice(1e-3, 2.0): micro.record(metrics=_metrics("ev", 0.5, 3.0))}
    assert report(tried, ("ev", "l0_columns")) == ({"lr": 1e-3, "factor": 2.0, "ev": 0.5, "l0_columns": 3.0},)
