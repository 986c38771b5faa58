"""Experiments carried out: what a folder holds, and that it is continued or left alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from real_models import training
from real_models.corpora import InMemory
from real_models.experiment import Experiment
from real_models.sites import Site
from real_models.training import DESIGN, EXPERIMENT, carry_out, claim, estimate, hook_name, prepare, trained_design
from sasa_theory.saved_files import read_fields
from sasa_theory.training import Budget, train

from . import tiny
from .small_runs import TEXTS, experiment, source


def prepared(wanted: Experiment) -> training.Prepared:
    return prepare(wanted, tiny.language(), InMemory(TEXTS))


def test_a_folder_holds_experiment_checkpoint_log_and_the_design_that_training_gives(tmp_path: Path):
    wanted = experiment()
    design = carry_out(prepared(wanted), tmp_path / "run", progress=False)
    assert {path.name for path in (tmp_path / "run").iterdir()} == {EXPERIMENT, "log.jsonl", "step-000030", DESIGN}
    assert Experiment.read(tmp_path / "run" / EXPERIMENT) == wanted
    alone = train(wanted.build(16), source(), wanted.budget, wanted.recipe, progress=False).design
    loaded = trained_design(tmp_path / "run")
    x = torch.randn(5, 16)
    assert torch.equal(alone(x), design(x))
    assert torch.equal(alone(x), loaded(x))
    metadata = read_fields(tmp_path / "run" / DESIGN / "cfg.json")["metadata"]
    assert (metadata["model_name"], metadata["hook_name"]) == ("tiny", "blocks.1.hook_resid_post")


def test_an_interrupted_run_goes_on_to_the_same_weights(tmp_path: Path, monkeypatch):
    wanted, whole = experiment(), tmp_path / "whole"
    expected = carry_out(prepared(wanted), whole, progress=False)
    begun = prepared(wanted)
    stream = begun.source.batches

    class Stopping:
        def __init__(self, inner):
            self.inner, self.taken = inner, 0

        def __iter__(self):
            return self

        def __next__(self):
            self.taken += 1
            if self.taken > 12:
                raise KeyboardInterrupt
            return next(self.inner)

        def state_dict(self):
            return self.inner.state_dict()

        def load_state_dict(self, state):
            self.inner.load_state_dict(state)

    monkeypatch.setattr(begun.source, "batches", lambda *args: Stopping(stream(*args)))
    with pytest.raises(KeyboardInterrupt):
        carry_out(begun, tmp_path / "cut", progress=False, checkpoint_steps=5)
    with pytest.raises(ValueError, match=r"no trained design yet.*--resume"):
        trained_design(tmp_path / "cut")
    resumed = carry_out(prepared(wanted), tmp_path / "cut", resume=True, progress=False)
    for name, tensor in expected.state_dict().items():
        assert torch.equal(tensor, resumed.state_dict()[name]), name


def test_a_run_that_is_done_is_left_as_it_is(tmp_path: Path):
    carry_out(prepared(experiment()), tmp_path, progress=False)
    before = (tmp_path / "log.jsonl").read_bytes()
    with pytest.raises(ValueError, match="continue it with --resume"):
        carry_out(prepared(experiment()), tmp_path, progress=False)
    carry_out(prepared(experiment()), tmp_path, resume=True, progress=False)
    assert (tmp_path / "log.jsonl").read_bytes() == before


def test_another_experiment_is_not_continued(tmp_path: Path):
    claim(tmp_path, experiment(), resume=False)
    with pytest.raises(ValueError, match=r"site was '1.resid_post', got '0.resid_post'"):
        claim(tmp_path, experiment(site=Site(0)), resume=True)
    with pytest.raises(ValueError, match=r"recipe\.lr was 0\.01, got 0\.02"):
        claim(tmp_path, experiment(recipe=replace(experiment().recipe, lr=0.02)), resume=True)


def test_a_refused_run_leaves_no_experiment_behind(tmp_path: Path):
    impossible = experiment(recipe=replace(experiment().recipe, warmup=100))
    with pytest.raises(ValueError, match="warmup of 100 steps does not fit"):
        carry_out(prepared(impossible), tmp_path / "run", progress=False)
    assert not (tmp_path / "run" / EXPERIMENT).exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"site": Site(9)}, "has blocks 0 to 2, got 9.resid_post; the nearest is 2.resid_post"),
        ({"settings": {"groups": 10, "rank": 3}}, "active"),
        ({"settings": {"groups": 10, "rank": 30, "active": 2}}, "rank must be at most width = 16"),
    ],
)
def test_what_cannot_work_is_refused_before_training(changes, message):
    with pytest.raises(ValueError, match=message):
        prepared(experiment(**changes))


def test_a_text_that_is_missing_is_noticed_before_the_model_is_loaded(tmp_path: Path):
    with pytest.raises(ValueError, match="no file matches"):
        prepare(experiment(model="/nowhere", corpus=str(tmp_path / "*.txt")))
    (tmp_path / "a.txt").write_text("text")
    with pytest.raises(ValueError, match=r"holds no config.json"):
        prepare(experiment(model="/nowhere", corpus=str(tmp_path / "*.txt")))


def test_too_little_memory_is_refused(monkeypatch):
    monkeypatch.setattr("real_models.resources.free_memory", lambda device: 1000)
    with pytest.raises(ValueError, match="training needs"):
        prepared(experiment())


def test_the_estimate_names_the_tokens():
    assert "960 tokens" in estimate(prepared(experiment(budget=Budget(tokens=960, batch_size=32))))


@pytest.mark.parametrize(
    ("site", "name"),
    [("7.resid_pre", "blocks.7.hook_resid_pre"), ("0.mlp_out", "blocks.0.hook_mlp_out")],
)
def test_sites_as_transformer_lens_spells_them(site, name):
    found = hook_name(experiment(site=Site.parse(site)))
    assert found == name
    assert str(Site.parse(found)) == site
