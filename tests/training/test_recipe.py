"""Recipes and budgets: impossible settings are refused by name, published ones are found by preset."""

from __future__ import annotations

from typing import Any

import pytest

from sasa_theory.designs import presets
from sasa_theory.training import Budget, Recipe, recipe
from sasa_theory.training.recipes import RECIPES


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"optimiser": "adamm"}, "did you mean 'adam'"),
        ({"schedule": "cosin"}, "did you mean 'cosine'"),
        ({"normalise": "layernorm"}, "did you mean 'layer_norm'"),
        ({"lr": 0.0}, "lr must be in"),
        ({"lr": float("nan")}, "lr must be in"),
        ({"betas": (0.9, 1.0)}, r"betas must lie in \[0, 1\)"),
        ({"betas": 0.9}, "betas must be a pair"),
        ({"eps": 0.0}, "eps"),
        ({"decay": 1.5}, "decay must be in"),
        ({"floor": -0.1}, "floor must be in"),
        ({"ema": 1.0}, "ema must be in"),
        ({"clip": -1.0}, "clip must be in"),
        ({"warmup": 2.5}, "warmup must be a whole number"),
        ({"resample_every": -1}, "resample_every"),
        ({"weight_decay": 0.1}, "needs optimiser 'adamw'"),
        ({"autocast": "bf16"}, "autocast must be True or False"),
    ],
)
def test_impossible_recipes_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Recipe(**settings)


def test_recipes_survive_json_and_unknown_fields_name_the_nearest() -> None:
    original = Recipe(optimiser="adamw", lr=1e-3, weight_decay=1e-3, warmup=7, ema=0.99)
    assert Recipe.from_dict(original.to_dict()) == original
    with pytest.raises(ValueError, match="did you mean 'warmup'"):
        Recipe.from_dict({"warm_up": 3})


def test_budgets_count_whole_batches() -> None:
    assert Budget(tokens=10_000, batch_size=1000).steps == 10
    assert Budget(tokens=1999, batch_size=1000).steps == 1
    with pytest.raises(ValueError, match=r"tokens must be at least batch_size = 4096, got 100; .* 4096"):
        Budget(tokens=100)


def test_every_preset_has_a_recipe_that_fits_a_long_run() -> None:
    for name in [*presets(), *RECIPES]:
        assert recipe(name).warmup_steps(100_000) <= 2000


def test_published_settings() -> None:
    sasa = recipe("sasa/paper")
    assert (sasa.optimiser, sasa.lr, sasa.weight_decay, sasa.warmup, sasa.normalise) == (
        "adamw", 2e-4, 1e-3, 1000, "layer_norm",
    )  # fmt: skip
    assert recipe("sasa/release").weight_decay == 0
    assert (sasa.space, recipe("sasa/release").space, recipe("relu").space) == ("normalised", "raw", None)
    assert recipe("gated").betas == (0.0, 0.999)
    assert (recipe("topk/openai").ema, recipe("topk/openai").normalise) == (0.999, "layer_norm")
    assert recipe("topk/signed") == recipe("topk")
    assert recipe("random") == Recipe()
    assert recipe("topk", lr=1.0).lr == 1.0


def test_unknown_recipes_name_the_nearest() -> None:
    with pytest.raises(ValueError, match="did you mean 'sasa/paper'"):
        recipe("sasa/papr")
    with pytest.raises(ValueError, match="did you mean 'weight_decay'"):
        recipe("sasa/paper", weightdecay=0.0)
