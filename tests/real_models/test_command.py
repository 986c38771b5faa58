"""The commands: from the words of the command line to files."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from .spoken import SHORT, SIZES, common, real


def test_train_resume_evaluate_and_compare(model, text, tmp_path: Path):
    asked = ["train", *common(model, text), "--design", "sasa/paper", *SIZES, *SHORT]
    for seed in (0, 1):
        status, said = real(*asked, "--seed", seed, "--out", tmp_path / f"s{seed}")
        assert status == 0, said
        assert "640 tokens" in said
        assert f"Next: sasa-theory real eval {tmp_path / f's{seed}'}" in said
    status, said = real(*asked, "--out", tmp_path / "s0")
    assert (status, "continue it with --resume" in said) == (2, True)
    assert real(*asked, "--out", tmp_path / "s0", "--resume")[0] == 0
    status, said = real("eval", tmp_path / "s0", tmp_path / "s1", "--rows", 300, "--sequences", 2)
    assert status == 0, said
    assert "text that training has not read" in said
    found = json.loads((tmp_path / "s0" / "evaluation.json").read_text())
    assert found["rows"] == 300
    assert 0 <= found["consistency"]["subspaces"] <= 1
    status, said = real("eval", tmp_path / "s0" / "design")
    assert (status, "check-checkpoint" in said) == (2, True)
    status, said = real(
        "check-checkpoint", tmp_path / "s0" / "design", "--corpus", text, "--rows", 200, "--sequences", 2,
        "--harvest", "length=16", "--harvest", "sequences=4", "--out", tmp_path / "numbers.json",
    )  # fmt: skip
    assert status == 0, said
    assert "32 columns in 12 units of width 16" in said
    assert json.loads((tmp_path / "numbers.json").read_text())["unseen"] is None


def test_compare(model, text, tmp_path: Path):
    designs = ["sasa/paper[groups=10,rank=3,active=2]", "topk[atoms=30,k=6]"]
    asked = ["compare", *designs, *common(model, text), "--recipe", "warmup=2", "--harvest", "length=16", *SHORT]
    asked += ["--points", "2", "--held-out", "4", "--sequences", "2", "--out", tmp_path]
    status, said = real(*asked)
    assert status == 0, said
    curves = json.loads((tmp_path / "curves.json").read_text())["curves"]
    assert [len(points) for points in curves.values()] == [2, 2]
    assert (tmp_path / "curves.png").is_file()
    assert real(*asked)[0] == 2
    assert real(*asked, "--resume")[0] == 0


def test_several_runs_read_one_cache(model, text, tmp_path: Path):
    place = tmp_path / "cache"
    asked = [*common(model, text), *SHORT, "--cache", place, "--recipe", "warmup=2", "--harvest", "length=16"]
    one = ["--design", "sasa/paper", "--set", "groups=10", "--set", "rank=3", "--set", "active=2"]
    status, said = real("train", *asked, *one, "--out", tmp_path / "sasa", "--estimate")
    assert (status, "cache: 640 rows of width 16 in 1 shards" in said) == (0, True), said
    assert not place.exists()
    assert real("train", *asked, *one, "--out", tmp_path / "sasa")[0] == 0
    rest = ["--design", "topk", "--set", "atoms=30", "--set", "k=6", "--tokens", "320"]
    status, said = real("train", *asked, *rest, "--out", tmp_path / "topk")
    assert (status, "640 rows of width 16 in 1 shards: 0.00 GiB, 0.00 GiB still to be written" in said) == (0, True)
    for run in ("sasa", "topk"):
        experiment = json.loads((tmp_path / run / "experiment.json").read_text())
        assert experiment["cache"] == {"folder": str(place), "rows": 640}
    status, said = real("eval", tmp_path / "topk", "--rows", 300, "--sequences", 2)
    assert (status, "text that training has not read" in said) == (0, True), said
    designs = ["sasa/paper[groups=10,rank=3,active=2]", "topk[atoms=30,k=6]"]
    held = ["--points", "2", "--held-out", "4", "--sequences", "2", "--out", tmp_path / "curves"]
    status, said = real("compare", *designs, *asked, *held)
    assert status == 0, said
    assert said.count("640 rows of width 16") == 2  # told for each before anything starts
    status, said = real(
        "compare", *designs, *[word for word in asked if word not in ("--cache", place)], *held, "--resume"
    )
    assert (status, "is of another source" in said) == (2, True), said
    status, said = real("train", *asked, *one, "--tokens", "641", "--out", tmp_path / "more")
    assert (status, "has 640 rows, training reads 641 tokens" in said) == (2, True), said
    status, said = real("train", *asked, *one, "--site", "0.resid_post", "--out", tmp_path / "other")
    assert (status, "source.site is '1.resid_post' there, '0.resid_post' here" in said) == (2, True), said
    assert not (tmp_path / "other").exists()


def test_first_letters_are_measured_if_asked_for(model, text, tmp_path: Path, monkeypatch):
    run = tmp_path / "run"
    assert real("train", *common(model, text), "--design", "sasa/paper", *SIZES, *SHORT, "--out", run)[0] == 0
    asked = ["eval", run, "--rows", 200, "--sequences", 0]
    status, said = real(*asked, "--absorption")
    assert (status, "is a word after a space; the first-letter task needs such" in said) == (2, True), said
    assert not (run / "evaluation.json").exists()
    seen = []
    monkeypatch.setattr("real_models.evaluation.spelling", lambda *args, **options: seen.append(options))
    assert real(*asked)[0] == 0
    assert real(*asked, "--absorption")[0] == 0
    assert real(*asked, "--probing", "--words", 500)[0] == 0
    assert [(each["absorption"], each["probing"], each["words"]) for each in seen] == [
        (True, False, 2000),
        (False, True, 500),
    ]


def test_an_estimate_writes_nothing(model, text, tmp_path: Path):
    asked = ["train", *common(model, text), "--design", "sasa/paper", *SIZES, *SHORT, "--out", tmp_path / "run"]
    status, said = real(*asked, "--estimate")
    assert (status, "GiB" in said) == (0, True)
    assert not (tmp_path / "run").exists()


def test_ctrl_c_leaves_what_resume_goes_on_from(model, text, tmp_path: Path, monkeypatch):
    def stops(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr("real_models.training.train", stops)
    asked = ["train", *common(model, text), "--design", "sasa/paper", *SIZES, *SHORT, "--out", tmp_path / "run"]
    status, said = real(*asked)
    assert (status, "the same command with --resume goes on" in said) == (130, True)
    monkeypatch.undo()
    assert real(*asked, "--resume")[0] == 0


def test_presets_are_listed_and_printed():
    status, said = real("presets")
    assert (status, "sweep/sasa-240" in said) == (0, True)
    status, said = real("presets", "mistral/sasa-paper")
    assert (status, "lambda is not published" in said) == (0, True)
    assert json.loads(said[said.index("{") :])["site"] == "8.resid_pre"
    assert real("presets", "mistral")[0] == 2


def test_every_command_has_an_example():
    for command in ("presets", "fetch", "train", "eval", "compare", "concepts", "demo", "check-checkpoint"):
        status, said = real(command, "--help")
        assert status == 0
        assert f"Example: sasa-theory real {command}" in said
        assert "Exit status: 0" in said


@pytest.mark.parametrize("words", [[], ["--help"], ["train", "--help"], ["eval", "--help"], ["compare", "--help"]])
def test_help_does_not_import_torch(words):
    check = (
        "import sys; from typer.testing import CliRunner; from real_models.command import app; "
        f"CliRunner().invoke(app, {words}); sys.exit(any(m in sys.modules for m in ('transformers', 'torch')))"
    )
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0
