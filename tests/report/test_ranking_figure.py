"""Rankings in a notebook: tables and figure hold what the ranking says."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.figure import Figure

from sasa_theory.benchmark import Plan, Standings, standings, tier
from sasa_theory.benchmark.shipped import shipped
from sasa_theory.report.ranking_figure import comparison_frame, draw_ranking, ranking_frame


@pytest.fixture(scope="module")
def found() -> Standings:
    return standings(Plan(tier=tier("smoke"), specs=tier("smoke").baselines), shipped("smoke"))[0]


def test_a_row_a_design_and_a_column_a_metric(found):
    frame = ranking_frame(found)
    assert list(frame.index[: len(found.rankings["recovery"].order)]) == list(found.rankings["recovery"].order)
    value = found.rankings["recovery"].values["topk"]
    assert frame.loc["topk", "recovery"] == f"{value.mean:.3f} ± {value.high - value.mean:.3f}"
    assert frame.shape[1] == len(found.rankings)


def test_comparisons_are_seen_from_the_design_asked_for(found):
    ahead = comparison_frame(found, "sasa/paper", "recovery").loc["topk"]
    behind = comparison_frame(found, "topk", "recovery").loc["sasa/paper"]
    assert (float(ahead["advantage"]), ahead["told apart"]) == (-float(behind["advantage"]), "yes")
    assert (float(ahead["from"]), float(ahead["to"])) == (-float(behind["to"]), -float(behind["from"]))
    assert float(ahead["from"]) > 0
    with pytest.raises(ValueError, match="did you mean"):
        comparison_frame(found, "sasa/papr", "recovery")


def test_the_figure_shows_means_in_order_with_truth_and_chance(found):
    ax = draw_ranking(found, "recovery", Figure().subplots())
    ranking = found.rankings["recovery"]
    points = ax.containers[0].lines[0]
    np.testing.assert_allclose(
        np.asarray(points.get_xdata(), dtype=float), [ranking.values[name].mean for name in ranking.order]
    )
    assert [label.get_text() for label in ax.get_yticklabels()] == list(ranking.order)
    assert ax.get_ylim()[0] > ax.get_ylim()[1]  # best on top
    assert {"truth", "chance", "theory's limit where it is lowest"} <= set(ax.get_legend_handles_labels()[1])
