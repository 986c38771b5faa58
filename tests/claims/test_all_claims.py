"""Every claim holds on its whole quick grid, and every one of its falsifiers is violated."""

from __future__ import annotations

import pytest

from sasa_theory.claims import CLAIMS, plan, run, select, trained_claims

EVERY = {**CLAIMS, **trained_claims()}


@pytest.mark.parametrize("claim_id", CLAIMS)
def test_claim_holds_and_its_falsifiers_fail(claim_id):
    wanted = {"measure": "holds", "falsify": "violated"}
    records = [run(task) for task in plan(select([claim_id]), "quick", seed=1)]
    wrong = [(r.task.kind, r.setting, r.evidence) for r in records if r.evidence.verdict != wanted[r.task.kind]]
    assert not wrong
    assert {r.task.kind for r in records} == set(wanted)


@pytest.mark.parametrize("claim_id", EVERY)
def test_full_effort_looks_further(claim_id):
    claim = EVERY[claim_id]
    assert claim.grid("full") != claim.grid("quick")
    assert len(claim.grid("full")) >= len(claim.grid("quick"))


@pytest.mark.parametrize("claim_id", EVERY)
def test_claim_states_itself(claim_id):
    claim = EVERY[claim_id]
    assert claim.plain.endswith(".")
    assert claim.plain.count(". ") == 0
    assert claim.assumptions
    assert claim.reference
