"""`results`, through which notebooks measure: nothing twice, and nothing of another run thrown away."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from sasa_theory import verification
from sasa_theory.claims.evidence_log import EvidenceLog, read_records
from sasa_theory.verification import results


def numbers(found):
    return [(record.task, record.evidence) for result in found for record in result.records]


@pytest.fixture
def measured(monkeypatch):
    """Numbers of measurements that each call had to make."""
    made = []
    verify = verification.verify

    def counted(tasks, executor, *, done, on_record):
        made.append(len(tasks) - len(done))
        return verify(tasks, None, done=done, on_record=on_record)

    monkeypatch.setattr(verification, "verify", counted)
    return made


def test_what_is_kept_is_not_measured_again(tmp_path, measured):
    first = results("C5", folder=tmp_path)
    assert numbers(results("C5", folder=tmp_path)) == numbers(first)
    assert numbers(results("C4", "C5", folder=tmp_path)[1:]) == numbers(first)
    assert (measured[0] > 0, measured[1], measured[2] > 0) == (True, 0, True)
    assert {line["claim"] for line in read_records(tmp_path / "evidence.jsonl")} == {"C5", "C4"}


def test_effort_and_folder_come_from_the_environment(tmp_path, measured, monkeypatch):
    monkeypatch.setenv("SASA_THEORY_EFFORT", "quick")
    monkeypatch.setenv("SASA_THEORY_EVIDENCE", str(tmp_path / "new"))
    (result,) = results("C5")
    assert {record.task.effort for record in result.records} == {"quick"}
    assert len(read_records(tmp_path / "new" / "evidence.jsonl")) == len(result.records)
    monkeypatch.setenv("SASA_THEORY_EFFORT", "quik")
    with pytest.raises(ValueError, match="did you mean 'quick'"):
        results("C5")


@pytest.mark.parametrize(("effort", "seed"), [("quick", 0), ("fast", 1)])
def test_evidence_of_another_run_stays(tmp_path, measured, effort, seed):
    results("C5", effort="fast", seed=0, folder=tmp_path)
    before = (tmp_path / "evidence.jsonl").read_bytes()
    other = results("C5", effort=effort, seed=seed, folder=tmp_path)
    assert numbers(results("C5", effort=effort, seed=seed, folder=tmp_path)) == numbers(other)
    assert (tmp_path / "evidence.jsonl").read_bytes() == before
    assert measured[2] == 0


def test_evidence_of_other_source_code_is_not_taken(tmp_path, measured, monkeypatch):
    results("C5", folder=tmp_path)
    monkeypatch.setattr("sasa_theory.claims.evidence_log.source_digest", lambda: "changed")
    results("C5", folder=tmp_path)
    assert measured[1] == measured[0]


def test_two_at_once_lose_nothing(tmp_path, measured):
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda claim: results(claim, folder=tmp_path), ("C5", "C4")))
    log = EvidenceLog(tmp_path / "evidence.jsonl", "fast", 0, resume=True)
    assert {record.task.claim for record in log.kept} == {"C5", "C4"}


def test_without_a_folder_nothing_is_left(tmp_path, measured, monkeypatch):
    monkeypatch.delenv("SASA_THEORY_EVIDENCE", raising=False)
    monkeypatch.chdir(tmp_path)
    assert results("C5")[0].outcome == "verified"
    assert not list(tmp_path.iterdir())
