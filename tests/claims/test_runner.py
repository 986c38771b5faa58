"""Planning, seeding, judging and resuming of runs."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, replace

import pytest

from sasa_theory.claims import (
    CLAIMS,
    Chart,
    Claim,
    Evidence,
    Record,
    Result,
    Task,
    plan,
    run,
    select,
    trained_claims,
    verify,
)
from sasa_theory.claims.evidence_log import EvidenceLog, read_records


def record(kind, verdict, margin_from=1.0):
    measured = {"holds": margin_from, "violated": -1.0, "inconclusive": 0.0}[verdict]
    width = 5.0 if verdict == "inconclusive" else 0.0
    evidence = Evidence(">=", 0.5, measured, measured - width, measured + width, 1)
    assert evidence.verdict == verdict
    return Record(Task("A1", kind, 0, "quick", 0), {"case": "x"}, evidence, 0.1)


@pytest.mark.parametrize(
    ("inside", "outside", "outcome"),
    [
        (["holds", "holds"], ["violated"], "verified"),
        (["holds", "violated"], ["violated"], "violated"),
        (["holds", "inconclusive"], ["violated"], "inconclusive"),
        (["holds"], ["violated", "holds"], "vacuous"),
        (["holds"], ["inconclusive"], "vacuous"),
        (["holds"], [], "vacuous"),
    ],
)
def test_outcome(inside, outside, outcome):
    records = [record("measure", v) for v in inside] + [record("falsify", v) for v in outside]
    assert Result(CLAIMS["A1"], tuple(records)).outcome == outcome


def test_closest_is_the_violated_one_then_the_smallest_margin():
    good, better, bad = record("measure", "holds", 1.0), record("measure", "holds", 2.0), record("measure", "violated")
    assert Result(CLAIMS["A1"], (better, good)).closest == good
    assert Result(CLAIMS["A1"], (better, bad, good)).closest == bad


def test_select_names_the_nearest_claim():
    assert [claim.id for claim in select(["c2", "A1"])] == ["A1", "C2"]
    assert [claim.id for claim in select()] == list(CLAIMS)
    with pytest.raises(ValueError, match=r"'A6'.*did you mean 'A"):
        select(["A6"])


def test_a_measurement_depends_on_its_place_and_seed_only():
    tasks = plan(select(["A5"]), "quick", seed=3)[:4]
    alone = run(tasks[2])
    together = verify(tasks)[0].records[2]
    assert alone.evidence == together.evidence
    assert run(replace(tasks[2], seed=4)).evidence.measured != alone.evidence.measured


def test_records_survive_the_round_trip_through_json():
    for task in plan(select(["A4"]), "quick", seed=0)[:3]:
        fresh = run(task)
        back = Record.from_json(json.loads(json.dumps(fresh.to_json())))
        assert (back.task, back.evidence, back.setting) == (fresh.task, fresh.evidence, fresh.setting)


def test_infinite_bounds_are_valid_json():
    line = json.dumps(
        Record(Task("A1", "measure", 0, "quick", 0), {}, Evidence("<=", float("inf"), 1, 1, 1, 1), 0).to_json()
    )
    assert "Infinity" not in line
    assert Record.from_json(json.loads(line)).evidence.bound == float("inf")


def test_resuming_runs_only_what_is_missing(tmp_path):
    tasks = plan(select(["A5"]), "quick", seed=0)[:5]
    log = EvidenceLog(tmp_path / "evidence.jsonl", "quick", 0)
    for task in tasks[:3]:
        log.append(run(task))
    with log.path.open("a") as file:
        file.write('{"claim": "A5", "ki')  # what kill -9 may leave
    resumed = EvidenceLog(log.path, "quick", 0, resume=True)
    assert [r.task for r in resumed.kept] == tasks[:3]
    fresh = []
    verify(tasks, done=resumed.kept, on_record=fresh.append)
    assert [r.task for r in fresh] == tasks[3:]
    assert len(read_records(log.path)) == 3


@pytest.mark.parametrize(("effort", "seed", "named"), [("full", 0, "effort"), ("quick", 1, "seed")])
def test_resuming_another_run_is_refused(tmp_path, effort, seed, named):
    EvidenceLog(tmp_path / "e.jsonl", "quick", 0)
    with pytest.raises(ValueError, match=f"another {named}.*without --resume"):
        EvidenceLog(tmp_path / "e.jsonl", effort, seed, resume=True)


@pytest.mark.parametrize("content", ["", "not json\n", '{"format": 1}\n{"claim": "A1"}\n', "[1, 2]\n"])
def test_a_foreign_file_is_refused(tmp_path, content):
    path = tmp_path / "e.jsonl"
    path.write_text(content)
    with pytest.raises(ValueError, match=r"e\.jsonl.*without --resume"):
        EvidenceLog(path, "quick", 0, resume=True)
    assert path.read_text() == content


def test_changed_source_code_is_another_run(tmp_path, monkeypatch):
    EvidenceLog(tmp_path / "e.jsonl", "quick", 0)
    monkeypatch.setattr("sasa_theory.claims.evidence_log.source_digest", lambda: "changed")
    with pytest.raises(ValueError, match="another source"):
        EvidenceLog(tmp_path / "e.jsonl", "quick", 0, resume=True)


@dataclass(frozen=True)
class Place:
    case: str
    x: int


class Doubling(Claim[Place]):
    """A claim that trains nothing, but is one that does as far as the runner can see."""

    id, title, statement, plain = "T0", "doubling", "2x", "Doubling doubles."
    assumptions, reference, tags = ("none",), ("here",), frozenset({"trained"})
    chart = Chart("x", (), "x", "2 x")

    def grid(self, effort):
        return [Place("grid", x) for x in range(1, {"fast": 3, "quick": 4, "full": 6}[effort])]

    def falsifiers(self, effort):
        return [Place("tripling", 1)]

    def measure(self, setting, rng):
        curve = (float(rng.random()), float("nan"))
        return Evidence("==", 2.0 * setting.x, 2.0 * setting.x, 2.0 * setting.x, 2.0 * setting.x, 1, also={"c": curve})

    def falsify(self, setting, rng):
        return Evidence("==", 2.0, 3.0, 3.0, 3.0, 1)

    def conclude(self, found, rng):
        slope = (found[-1][1].measured - found[0][1].measured) / (found[-1][0].x - found[0][0].x)
        return [(Place("slope", 0), Evidence("==", self.expected, slope, slope, slope, len(found)))]

    expected = 2.0


@pytest.fixture
def doubling(monkeypatch):
    claim = Doubling()
    monkeypatch.setitem(trained_claims(), "T0", claim)
    return claim


def test_conclusions_are_drawn_from_all_measurements_and_count_like_them(doubling, monkeypatch):
    result = verify(plan([doubling], "quick", seed=0))[0]
    assert result.outcome == "verified"
    assert [r.task.kind for r in result.records] == ["measure"] * 3 + ["falsify", "conclude"]
    assert result.records[-1].setting == {"case": "slope", "x": 0}
    monkeypatch.setattr(Doubling, "expected", 3.0)
    assert verify(plan([doubling], "quick", seed=0))[0].outcome == "violated"


def test_what_was_found_on_the_way_survives_the_round_trip(doubling):
    fresh = run(plan([doubling], "fast", seed=0)[0])
    line = json.dumps(fresh.to_json())
    assert "NaN" not in line
    (number, nothing), (again, still_nothing) = (
        fresh.evidence.also["c"],
        Record.from_json(json.loads(line)).evidence.also["c"],
    )
    assert (number, math.isnan(nothing)) == (again, math.isnan(still_nothing))


def test_only_claims_that_train_have_something_faster_than_quick(doubling):
    assert [len(plan([doubling], effort, 0)) for effort in ("fast", "quick", "full")] == [3, 4, 6]
    assert len(plan(select(["A1"]), "fast", 0)) == len(plan(select(["A1"]), "quick", 0))


def test_claims_that_train_are_chosen_by_name_or_all_together(doubling):
    assert [claim.id for claim in select(["t0", "A1"])] == ["A1", "T0"]
    assert "T0" in [claim.id for claim in select(trained=True)]
    assert "T0" not in [claim.id for claim in select()]
