"""An experiment as plain values, and published runs with the numbers that were published."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from real_models.corpora import Files
from real_models.experiment import Experiment, open_corpus
from real_models.presets import matched_budget_sweep, real_presets
from real_models.sites import Site
from sasa_theory.training import Budget, recipe


def experiment(**changes) -> Experiment:
    values = {
        "model": "gpt2",
        "site": Site(7, "resid_pre"),
        "corpus": "sotu",
        "design": "sasa/paper",
        "settings": {"groups": 8, "rank": 2, "active": 2},
        "recipe": recipe("sasa/paper"),
        "budget": Budget(tokens=8192),
    }
    return Experiment(**{**values, **changes})


@pytest.mark.parametrize("name", sorted(real_presets()))
def test_every_preset_is_read_back_from_its_text_and_can_be_built(name):
    preset = real_presets()[name].experiment
    assert Experiment.from_dict(json.loads(preset.to_json())) == preset
    small = {"groups": 8, "atoms": 16, "active": 2, "k": 4}
    settings = {field: small.get(field, value) for field, value in preset.settings.items()}
    assert replace(preset, settings=settings).build(12).width == 12


@pytest.mark.parametrize(
    ("name", "site", "sizes", "tokens", "context", "dtype"),
    [
        ("gpt2/sasa-paper", "7.resid_pre", (2048, 6, 10, 512), 150_000_000, 128, "float32"),
        ("mistral/sasa-paper", "8.resid_pre", (4096, 8, 10, 256), 500_000_000, 512, "bfloat16"),
        ("mistral/sasa-release", "19.resid_post", (8192, 4, 15, 256), None, 1024, "bfloat16"),
    ],
)
def test_published_numbers(name, site, sizes, tokens, context, dtype):
    preset = real_presets()[name]
    settings, found = preset.experiment.settings, preset.experiment
    assert str(found.site) == site
    assert tuple(settings[field] for field in ("groups", "rank", "active", "aux_count")) == sizes
    assert (found.harvest.length, found.dtype, found.budget.batch_size) == (context, dtype, 4096)
    assert (found.recipe.lr, found.recipe.warmup, found.recipe.decay) == (2e-4, 1000, 0.2)
    assert tokens in (None, found.budget.tokens)
    assert any("not published" in note for note in preset.notes)


def test_paper_and_release_differ_where_they_should():
    paper, release = (real_presets()[f"gpt2/sasa-{name}"].experiment for name in ("paper", "release"))
    assert (paper.recipe.optimiser, paper.recipe.weight_decay, paper.recipe.normalise) == ("adamw", 1e-3, "layer_norm")
    assert (release.recipe.optimiser, release.recipe.normalise) == ("adam", "layer_norm_raw")
    assert (paper.harvest.skip, release.harvest.skip) == (1, 0)
    mistral = real_presets()["mistral/sasa-release"].experiment
    assert mistral.settings["penalty_coefficient"] == 0.632


def test_the_sweep_has_sixteen_models_three_arms_and_nine_ablations_of_one_size():
    sweep = matched_budget_sweep()
    assert len(sweep) == 16 + 3 + 9
    models = {name: each.experiment for name, each in sweep.items()}
    for name, each in models.items():
        settings = each.settings
        assert settings.get("atoms", settings.get("groups", 0) * settings.get("rank", 0)) == 12_288, name
        assert each.recipe.lr == (2e-4 if each.design == "sasa/release" else 4e-4), name
        assert (each.recipe.warmup, each.budget.tokens, each.seed) == (0, 300_000_000, 42), name
    active = {name: each.settings["active"] for name, each in models.items() if name.startswith("sweep/sasa")}
    assert active == {"sweep/sasa-30": 5, "sweep/sasa-60": 10, "sweep/sasa-120": 20, "sweep/sasa-240": 40}
    assert {models[f"sweep/rank{r}-nuclear{c}"].settings["active"] * r for r in (3, 6, 12) for c in (0, 10, 100)} == {
        60
    }
    assert models["sweep/rank6-nuclear0"].settings["penalty"] == "none"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"design": "sasa/papr"}, "did you mean 'sasa/paper'"),
        ({"settings": {"grups": 8}}, "did you mean 'groups'"),
        ({"settings": {"width": 8}}, "setting of sasa/paper must be one of"),
        ({"dtype": "float8"}, "dtype must be one of"),
        ({"model": ""}, "model must be named"),
    ],
)
def test_what_cannot_be_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        experiment(**changes)


def test_a_budget_of_columns_may_stand_for_active_groups():
    assert experiment(settings={"groups": 8, "rank": 2, "l0": 6}).build(4).config.active == 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda v: v.pop("site"), "field site of the experiment is missing"),
        (lambda v: v.update(sight="7.resid_pre"), "did you mean 'site'"),
        (lambda v: v.update(site="seven"), "a site is spelt BLOCK.STREAM"),
        (lambda v: v["budget"].update(token=3), "did you mean 'tokens'"),
        (lambda v: v["budget"].pop("tokens"), "tokens"),
        (lambda v: v["harvest"].update(lenght=3), "did you mean 'length'"),
        (lambda v: v["recipe"].update(lr=-1), "lr must be in"),
    ],
)
def test_damaged_values_are_refused_by_name(change, message):
    values = experiment().to_dict()
    change(values)
    with pytest.raises(ValueError, match=message):
        Experiment.from_dict(values)


def test_files_that_hold_no_experiment(tmp_path: Path):
    with pytest.raises(ValueError, match="real train"):
        Experiment.read(tmp_path / "experiment.json")
    for text, message in (("{", "holds no experiment"), ("[]", "holds no experiment, but list")):
        (tmp_path / "experiment.json").write_text(text)
        with pytest.raises(ValueError, match=message):
            Experiment.read(tmp_path / "experiment.json")


def test_corpora_by_name(tmp_path: Path, monkeypatch):
    monkeypatch.setenv("SASA_THEORY_CACHE", str(tmp_path))
    (tmp_path / "a.txt").write_text("one")
    found = open_corpus(str(tmp_path / "*.txt"))
    assert isinstance(found, Files)
    assert [path.name for path in found.paths] == ["a.txt"]
    with pytest.raises(ValueError, match="no file matches"):
        open_corpus(str(tmp_path / "*.jsonl"))
    with pytest.raises(ValueError, match="sasa-theory real fetch sotu"):
        open_corpus("sotu")
    (tmp_path / "sotu").mkdir()
    (tmp_path / "sotu" / "1790.txt").write_text("Fellow citizens")
    assert list(open_corpus("sotu").documents(0, 1)) == ["Fellow citizens"]
