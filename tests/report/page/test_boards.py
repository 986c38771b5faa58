"""From records alone the same rankings and diagnoses come as from the plan that made them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sasa_theory.benchmark import Plan, standings, tier
from sasa_theory.benchmark.shipped import shipped
from sasa_theory.report.page.boards import boards
from sasa_theory.report.page.leaderboard import table
from sasa_theory.report.page.wording import rounded, with_interval

from .conftest import renamed


def test_rankings_and_diagnoses_are_those_of_the_benchmark(runs):
    expected = standings(Plan(tier=tier("smoke"), specs=tier("smoke").baselines), shipped("smoke"))
    for board, known in zip(boards(runs), expected, strict=True):
        assert board.world == known.arena.name
        assert board.compared.rankings == known.rankings
        assert board.compared.around == known.around
        found = {entry.name: entry.diagnosis for entry in board.entries if entry.diagnosis is not None}
        assert found == known.diagnoses


def test_cells_hold_what_the_ranking_says_beside_chance_truth_and_limit(runs):
    board = boards(runs)[0]
    shown = table(board)
    ranking = board.compared.rankings["recovery"]
    column = [note.name for note in shown.columns].index("recovery")
    for row in shown.rows:
        cell, value = row.cells[column], ranking.values[row.name]
        assert (cell.text, cell.interval, cell.order) == (rounded(value), with_interval(value), value.mean)
        assert cell.tier == ranking.tier(row.name)
    cells = {row.name: row.cells[column] for row in shown.rows}
    assert cells["oracle"].at == pytest.approx(1.0)
    assert cells["random"].at < 0.2 < cells["topk"].at < 1
    assert "chance 0.0" in cells["topk"].beside
    assert "truth 1" in cells["topk"].beside
    assert abs(cells["topk"].limit - cells["topk"].at) < 0.05  # a single column can hold no more of these features
    assert set(shown.below) == {"truth", "chance", "theory's limit", "detectable difference"}


def test_only_runs_of_one_world_budget_and_metric_version_share_a_board(runs):
    theorem = [run for run in runs if run.world == "theorem"]
    topk = [run for run in theorem if run.design == "topk"]

    def altered(**changes):
        return [replace(run, identity={**run.identity, **changes}) for run in topk]

    longer = altered(budget={"tokens": 10**6, "batch_size": 512})
    newer = altered(metrics={**topk[0].identity["metrics"], "recovery": 99})
    found = boards([*theorem, *longer, *newer])
    sizes = {board.title: {entry.name for entry in board.entries} for board in found}
    assert len(found) == 3
    assert sizes["theorem, 1,000,000 rows"] == {"topk", "oracle", "random"}  # truth and chance stand beside any budget
    assert {"topk"} in sizes.values()


def test_a_design_with_too_few_shared_seeds_is_shown_and_not_ranked(runs):
    theorem = [run for run in runs if run.world == "theorem"]
    late = [renamed(run, "late") for run in theorem if run.design == "topk" and run.seed < 2]
    (board,) = boards([*theorem, *late])
    assert board.compared.rankings["recovery"].seeds == 5
    assert "late" in board.unranked
    assert "late" not in board.compared.rankings["recovery"].values
    assert board.entries[-1].name == "late"
    enough = [renamed(run, "late") for run in theorem if run.design == "topk" and run.seed < 3]
    (board,) = boards([*theorem, *enough])
    assert board.compared.rankings["recovery"].seeds == 3  # all on the same seeds
    assert not board.unranked


def test_one_name_for_two_sizes_is_numbered(runs):
    topk = [run for run in runs if run.world == "theorem" and run.design == "topk"]
    small = {"units": 48, "rank": 1, "active": 4}
    both = [*topk, *(replace(run, identity={**run.identity, "size": small}) for run in topk)]
    assert {entry.name for entry in boards(both)[0].entries} == {"topk (1)", "topk (2)"}


def test_a_design_whose_seed_failed_is_unranked_and_says_why(runs):
    theorem = [run for run in runs if run.world == "theorem"]
    own = [renamed(run, "mine") for run in theorem if run.design == "topk"]
    own[0] = replace(own[0], metrics={}, failed="training diverged: loss is nan")
    (board,) = boards([*theorem, *own])
    row = next(row for row in table(board).rows if row.name == "mine")
    assert "loss is nan" in row.remark
    assert {cell.tier for cell in row.cells} == {None}
    assert row.seconds.order is None


def test_digits_stop_where_the_interval_begins():
    from sasa_theory.benchmark.comparing import Estimate

    assert rounded(Estimate(0.12345, 0.1, 0.14)) == "0.12"
    assert rounded(Estimate(0.12345, 0.123, 0.1239)) == "0.123"
    assert rounded(Estimate(12.345, 2.0, 22.0)) == "12"
    assert with_interval(Estimate(0.5, 0.45, 0.55)) == "0.50 ± 0.05"
