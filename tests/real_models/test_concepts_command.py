"""`sasa-theory real concepts` from two runs to tables, a file and a picture."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from real_models import training
from real_models.activations import Harvest
from real_models.command import app
from real_models.corpora import InMemory
from real_models.experiment import Experiment
from real_models.sites import Site
from sasa_theory.training import Budget, recipe

from . import worded

SETTINGS = {"topk": {"atoms": 12, "k": 4}, "sasa/paper": {"groups": 5, "rank": 3, "active": 2}}


def run(folder: Path, design: str, site: str = "0.resid_post") -> Path:
    experiment = Experiment(
        model="worded",
        site=Site.parse(site),
        corpus="in memory",
        design=design,
        settings=SETTINGS[design],
        recipe=recipe(design),
        budget=Budget(tokens=32, batch_size=32),
        harvest=Harvest(length=16, sequences=4, buffer=4),
    )
    folder.mkdir()
    (folder / training.EXPERIMENT).write_text(experiment.to_json(), encoding="utf-8")
    training.save(experiment.build(worded.WIDTH), folder / training.DESIGN)
    return folder


@pytest.fixture(autouse=True)
def small_world(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "load", lambda *_, **__: worded.language())
    monkeypatch.setattr(training, "open_corpus", lambda _: InMemory(["The shop is closed on Monday ."] * 60))
    monkeypatch.setattr(training, "model_path", lambda name: name)
    monkeypatch.setenv("MPLBACKEND", "agg")


def test_two_runs_are_studied_side_by_side(tmp_path: Path) -> None:
    one, other = run(tmp_path / "one", "sasa/paper"), run(tmp_path / "other", "topk")
    arguments = ["concepts", str(one), str(other), "--concept", "weekdays", "--concept", "seasons"]
    told = CliRunner().invoke(app, [*arguments, "--background", "100", "--draws", "1"])
    assert told.exit_code == 0, told.output
    assert "7 labels on a circle" in told.output
    assert "weekdays, echoes" in told.output
    found = json.loads((one / "concepts.json").read_text(encoding="utf-8"))
    assert [each["concept"] for each in found] == ["weekdays", "seasons"]
    assert found[0]["activations"]["score"]["value"] == 1
    assert {each["design"] for each in found[0]["held"]} == {"sasa/paper", "topk"}
    assert found[0]["lists"]["effects"]
    assert (one / "concepts.png").stat().st_size > 10_000


def test_what_cannot_be_studied_is_told_in_one_sentence(tmp_path: Path) -> None:
    one, other = run(tmp_path / "one", "topk"), run(tmp_path / "other", "topk", "0.mlp_out")
    for arguments, sentence in (
        ([str(one), "--concept", "years"], "0 of 45 years are single tokens"),
        ([str(one), "--concept", "month"], "did you mean 'months'"),
        ([str(one), str(other)], "rivals must share model and site"),
        ([str(tmp_path)], "there is no"),
    ):
        told = CliRunner().invoke(app, ["concepts", *arguments, "--background", "100"], env={"COLUMNS": "400"})
        assert told.exit_code == 2
        assert sentence in told.output
    assert not (one / "concepts.json").exists()
