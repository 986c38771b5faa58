"""What every preset must do: train on worlds whose truth is known, and stay usable afterwards."""

from __future__ import annotations

from dataclasses import MISSING, fields
from functools import cache

import pytest
import torch

from sasa_theory import designs
from sasa_theory.training import Budget, Memory, Recipe, train
from synthetic import World, preset

SIZES = {"atoms": 64, "k": 6, "steps": 6, "groups": 16, "rank": 4, "active": 2, "sparsity": 0.005}
MORE = {
    "jumprelu/target": {"target_l0": 6},
    "sasa/release": {"penalty_coefficient": 1.0},  # 100 is meant for activations of mean squared norm 80653
    "sasa/release_map": {"penalty_coefficient": 1.0},
}
UNTRAINED = {"random", "random/groups"}


@cache
def activations(world: str) -> torch.Tensor:
    built = World.build(preset(world, scale="small"), seed=0)
    return built.sample(4096, torch.Generator().manual_seed(1)).x


def build(name: str, width: int) -> designs.Design:
    declared = designs.presets()[name]
    required = [f.name for f in fields(declared.config) if f.init and f.default is f.default_factory is MISSING]
    settings = {f: SIZES[f] for f in required if f not in {"width", *declared.settings}}
    return designs.get(name, width=width, **settings, **MORE.get(name, {}))


def explained(design: designs.Design, x: torch.Tensor) -> float:
    with torch.no_grad():
        return float(1 - (x - design(x)).square().sum() / (x - x.mean(dim=0)).square().sum())


@pytest.mark.parametrize("world", ["theorem", "manifolds"])
@pytest.mark.parametrize("name", sorted(designs.presets()))
def test_every_design_trains(name, world):
    x = activations(world)
    design = build(name, x.shape[1])
    before = explained(design.eval(), x)
    recipe = Recipe(lr=3e-3, warmup=0, clip=1.0, normalise="unit_mean_square") if name not in UNTRAINED else Recipe()
    trained = train(design, Memory(x), Budget(tokens=100 * 256, batch_size=256), recipe, progress=False)
    after = explained(trained.design, x)
    if name in UNTRAINED:
        assert after == before
    else:
        assert 1 - after < 0.9 * (1 - before)
        assert after > 0.15
        assert 0 < trained.log[-1].l0 <= design.columns


@pytest.mark.parametrize("name", sorted(set(designs.presets()) - UNTRAINED))
def test_every_design_trains_under_autocast(name):
    x = activations("theorem")
    design = build(name, x.shape[1])
    budget, recipe = Budget(tokens=3 * 64, batch_size=64), Recipe(lr=1e-2, warmup=0, autocast=True)
    trained = train(design, Memory(x), budget, recipe, progress=False)
    assert {parameter.dtype for parameter in trained.design.parameters()} == {torch.float32}
