"""Figures: every statement renders, and what is drawn is what was measured."""

from __future__ import annotations

import io

import numpy as np
import pytest
from matplotlib.mathtext import math_to_image

from sasa_theory.claims import CLAIMS, Result, plan, select, trained_claims, verify
from sasa_theory.report.figures import claim_figure, evidence_frame, save_figure

EVERY = {**CLAIMS, **trained_claims()}


@pytest.fixture(scope="module")
def result() -> Result:
    return verify(plan(select(["A5"]), "quick", seed=0))[0]


@pytest.mark.parametrize("claim_id", EVERY)
def test_every_statement_renders(claim_id):
    math_to_image(f"${EVERY[claim_id].statement}$", io.BytesIO(), format="svg")


@pytest.mark.parametrize("claim_id", EVERY)
def test_charts_name_fields_of_the_setting(claim_id):
    claim = EVERY[claim_id]
    for setting in (*claim.grid("quick"), *claim.falsifiers("quick")):
        assert hasattr(setting, "case")
        for field in (claim.chart.x, *claim.chart.by):
            assert hasattr(setting, field)


def test_a_panel_for_each_case_and_one_for_the_falsifiers(result):
    figure = claim_figure(result)
    cases = list(dict.fromkeys(r.setting["case"] for r in result.records if r.task.kind == "measure"))
    titles = [ax.get_title() for ax in figure.axes if ax.get_title()]
    assert titles == [*cases, "falsifiers: outside the assumptions"]
    assert "A5" in figure.get_suptitle()
    assert "verified" in figure.get_suptitle()


def test_points_intervals_and_slopes_are_the_records(result):
    figure = claim_figure(result)
    ax = next(ax for ax in figure.axes if ax.get_title() == "even lines")
    rows = [r for r in result.records if r.setting["case"] == "even lines"]
    theory, points = ax.lines[0], ax.containers[0].lines[0]
    np.testing.assert_allclose(theory.get_ydata(), [r.evidence.bound for r in rows])
    np.testing.assert_allclose(np.asarray(points.get_ydata(), dtype=float), [r.evidence.measured for r in rows])
    slope = np.polyfit(np.log([r.setting["atoms"] for r in rows]), np.log([r.evidence.bound for r in rows]), 1)[0]
    assert f"theory {slope:.3g}" in ax.get_legend().get_texts()[0].get_text()


def test_frame_has_a_row_per_record(result):
    frame = evidence_frame(result)
    assert len(frame) == len(result.records)
    assert {"case", "d", "bound", "measured", "low", "high", "verdict"} <= set(frame.columns)


def test_saved_under_the_claims_name(result, tmp_path):
    path = save_figure(result, tmp_path)
    assert path == tmp_path / "A5.png"
    assert path.read_bytes().startswith(b"\x89PNG")
