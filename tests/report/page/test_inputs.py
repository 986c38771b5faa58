"""Files are told by what they hold; what is nothing of ours is refused in one sentence."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from sasa_theory.report.page import read_inputs

from .conftest import language_results, write_records


def test_any_mix_of_files_and_folders_is_told_by_content(runs, evidence_file, tmp_path):
    write_records(runs[:6], tmp_path / "deep" / "down" / "records.jsonl")
    (tmp_path / "other.jsonl").write_bytes(evidence_file.read_bytes())
    for name, values in language_results("topk").items():
        (tmp_path / name).write_text(json.dumps(values))
    found = read_inputs([tmp_path, tmp_path / "other.jsonl", tmp_path / "deep"])  # the same file twice counts once
    assert [record.key for record in found.records] == [run.key for run in runs[:6]]
    assert {record.task.claim for record in found.evidence[0].records} == {"C4", "C5"}
    assert sorted(result.kind for result in found.language) == ["concepts", "curves", "demo", "evaluation"]
    assert found.notes == ()


def test_what_a_killed_run_left_is_passed_over_and_noted(runs, evidence_file, tmp_path):
    lines = [run.to_line() for run in runs[:3]]
    records = tmp_path / "records.jsonl"
    records.write_bytes(lines[0] + b"no record\n" + lines[1] + lines[2][:200])
    measured = tmp_path / "evidence.jsonl"
    measured.write_bytes(evidence_file.read_bytes()[:-50])
    found = read_inputs([records, measured])
    assert len(found.records) == 2
    assert "lines 2 hold no record and its last line is half written" in found.notes[0]
    assert found.notes[1].endswith("hold no measurement")


def test_records_of_another_version_are_left_out_and_counted(runs, tmp_path):
    older = [replace(run, identity={"seed": run.seed}) for run in runs[:2]]
    write_records([*older, *runs[2:5]], tmp_path / "records.jsonl")
    found = read_inputs([tmp_path])
    assert [record.key for record in found.records] == [run.key for run in runs[2:5]]
    assert found.notes[0].endswith("records of another version: 2")


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("records.jsonl", b"", "is empty"),
        ("records.jsonl", b"neither\nnor\n", "no whole record of bench and no evidence of verify"),
        ("evidence.jsonl", b'{"effort": "quick", "source": "0", "seed": 0}\n', "holds no measurement"),
        ("records.jsonl", b"\xff\xfe\x00", "cannot be read"),
        ("curves.json", b'{"curves": {}}', "no evaluation, curves, demo or concepts"),
        ("demo.json", b'{"accuracy": ', "no evaluation, curves, demo or concepts"),
        ("concepts.json", b"[]", "no evaluation, curves, demo or concepts"),
    ],
)
def test_what_is_nothing_of_ours_is_refused(tmp_path, name, content, said):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=said) as caught:
        read_inputs([tmp_path])
    assert name in str(caught.value)


def test_a_path_that_is_not_there_and_a_folder_without_records_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"there is no .*nowhere"):
        read_inputs([tmp_path / "nowhere"])
    (tmp_path / "notes.txt").write_text("nothing")
    with pytest.raises(ValueError, match="holds nothing to report"):
        read_inputs([tmp_path])
