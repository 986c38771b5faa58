"""``sasa-theory report``: what it finds by itself, what it adds, what it refuses."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from sasa_theory.benchmark.shipped import shipped
from sasa_theory.cli import app

from .conftest import renamed, write_records


@pytest.fixture
def report(tmp_path, monkeypatch):
    """Runs the command in an empty folder; gives its result and what submit.json says."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str):
        result = CliRunner().invoke(app, ["report", *arguments])
        submit = tmp_path / "report" / "submit.json"
        return result, json.loads(submit.read_text()) if submit.exists() else None

    return run


def designs_of(submit) -> set[tuple[str, str]]:
    return {(entry["design"], entry["world"]) for entry in submit["benchmark"]}


def test_ones_own_runs_stand_beside_shipped_ones_that_can_be_compared(report, runs, tmp_path):
    own = [renamed(run, "mine.py:Mine") for run in runs if run.design == "topk" and run.world == "theorem"]
    again = [run for run in runs if run.design == "relu" and run.world == "theorem" and run.seed < 4]
    write_records([*own, *again], tmp_path / "bench-mine" / "records.jsonl")
    result, submit = report()
    assert result.exit_code == 0, result.output
    assert "Open report/index.html" in result.output
    expected = {(run.design, "theorem") for run in shipped("smoke").values() if run.world == "theorem"}
    assert designs_of(submit) == {("mine.py:Mine", "theorem"), *expected}
    (relu,) = [entry for entry in submit["benchmark"] if entry["design"] == "relu"]
    assert relu["seeds"] == [0, 1, 2, 3]  # whoever has run a design is shown that run


def test_evidence_is_found_and_without_runs_the_standard_tier_is_shown(report, evidence_file, tmp_path):
    (tmp_path / "verify").mkdir()
    (tmp_path / "verify" / "evidence.jsonl").write_bytes(evidence_file.read_bytes()[:-40])
    (tmp_path / "bench").mkdir()  # empty: nothing was run yet
    result, submit = report("--title", "Mine")
    assert result.exit_code == 0, result.output
    assert "Passed over: verify/evidence.jsonl: lines" in result.output
    assert {claim["claim"] for claim in submit["claims"]} == {"C4", "C5"}
    assert {world for _, world in designs_of(submit)} == {run.world for run in shipped("standard").values()}
    assert "<title>Mine</title>" in (tmp_path / "report" / "index.html").read_text()
    assert {path.name for path in tmp_path.iterdir()} == {"verify", "bench", "report"}


def test_no_shipped_records_are_added_if_not_wanted(report, runs, tmp_path):
    write_records(runs[:10], tmp_path / "records.jsonl")
    result, submit = report("records.jsonl", "--tier", "none")
    assert result.exit_code == 0, result.output
    assert designs_of(submit) == {(run.design, run.world) for run in runs[:10]}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere"], "there is no nowhere"),
        (["--tier", "smok"], "did you mean 'smoke'"),
        (["--tier", "none"], "nothing to report"),
        (["--scene", "manifolds"], "must be WORLD:FOLDER"),
    ],
)
def test_mistakes_are_refused_in_one_sentence(report, arguments, said, tmp_path):
    result, submit = report(*arguments)
    assert result.exit_code == 2
    assert said in " ".join(result.output.replace("│", " ").split())
    assert submit is None
    assert list(tmp_path.iterdir()) == []
