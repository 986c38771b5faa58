"""Every claim that trains holds at fast effort, its falsifiers are violated, and it draws."""

from __future__ import annotations

import io

import pytest

from sasa_theory.claims import Result, trained_claims
from sasa_theory.report.figures import claim_figure
from sasa_theory.verification import results


@pytest.fixture(scope="module")
def found(evidence) -> dict[str, Result]:
    """All of them at once, so that one pair of processes serves all; notebooks find them in the same folder."""
    measured = results(*trained_claims(), effort="fast", folder=evidence) if trained_claims() else []
    return {result.claim.id: result for result in measured}


@pytest.mark.parametrize("claim_id", trained_claims())
def test_claim_holds_and_its_falsifiers_fail(claim_id, found):
    wanted = {"measure": "holds", "conclude": "holds", "falsify": "violated"}
    records = found[claim_id].records
    wrong = [(r.task.kind, r.setting, r.evidence) for r in records if r.evidence.verdict != wanted[r.task.kind]]
    assert not wrong
    assert {"measure", "falsify"} <= {r.task.kind for r in records}
    assert found[claim_id].outcome == "verified"


@pytest.mark.parametrize("claim_id", trained_claims())
def test_fast_effort_is_no_more_than_quick(claim_id):
    claim = trained_claims()[claim_id]
    assert claim.tags == {"trained"}
    assert len(claim.grid("fast")) <= len(claim.grid("quick"))
    assert len(claim.falsifiers("fast")) <= len(claim.falsifiers("quick"))


@pytest.mark.parametrize("claim_id", trained_claims())
def test_its_figure_draws(claim_id, found):
    claim_figure(found[claim_id]).savefig(io.BytesIO(), dpi=40)
