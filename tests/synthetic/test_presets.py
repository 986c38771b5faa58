"""Presets: what each name stands for, its scales, and its errors."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch

from synthetic import (
    SCALES,
    Copula,
    Dictionary,
    Feature,
    Features,
    Forest,
    Independent,
    Magnitude,
    PerFeature,
    Preset,
    World,
    WorldConfig,
    Zipf,
    preset,
    presets,
)


def test_every_preset_cites_its_source_and_grows_with_the_scale():
    for name, entry in presets().items():
        assert isinstance(entry, Preset)
        assert entry.summary.endswith(".")
        assert "arXiv" in entry.source
        widths = [preset(name, scale).width for scale in SCALES]
        assert widths == sorted(set(widths))
        assert preset(name) == preset(name, "paper")


@pytest.mark.parametrize("name", sorted(presets()))
def test_medium_worlds_build_and_sample(name):
    world = World.build(preset(name, "medium"), 0)
    x = world.sample(1000, torch.Generator().manual_seed(0)).x
    assert x.shape == (1000, world.width)
    assert x.dtype == torch.float32
    assert bool(x.isfinite().all())


def test_the_dimension_world_is_that_of_its_source():
    config = preset("sasa_dimension")
    assert (config.width, config.size, sum(config.dims)) == (768, 256, 1664)
    assert Counter(config.dims) == dict.fromkeys((1, 2, 3, 4, 6, 8, 12, 16), 32)
    assert (config.firing.active, config.noise, config.energy) == (4, 0.01, "total")


def test_the_rank_world_is_that_of_its_source():
    config = preset("sasa_rank")
    assert (config.width, config.size, sum(config.dims)) == (768, 256, 1152)
    assert (config.firing.active, config.noise, config.power) == (8, 0.01, 80652.6)
    world = World.build(config, 0)
    scales = world.parameters.means.numpy()
    assert 0.5 <= scales.min() < 0.55
    assert 1.95 < scales.max() <= 2.0
    ratio = world.energies() / (np.array(config.dims) * scales**2)
    np.testing.assert_allclose(ratio, ratio[0], rtol=1e-5)  # energy grows as dimension times scale squared


def test_the_bsf_world_is_half_lines_half_manifolds_at_unit_power():
    config = preset("bsf_toy")
    kinds = [law.kind for law in config.laws]
    assert (config.width, config.size, kinds.count("subspace")) == (128, 128, 64)
    assert {kinds.count(kind) for kind in set(kinds) - {"subspace"}} == {9, 10}
    world = World.build(config, 0)
    assert float(world.marginals() @ world.energies()) == pytest.approx(1.0)


def test_the_manifolds_are_a_circle_a_sphere_and_a_helix():
    assert [law.kind for law in preset("manifolds").laws] == ["circle", "sphere", "helix"]
    assert preset("manifolds").dims == (2, 3, 3)


def test_the_synthsae_world_is_that_of_its_source():
    config = preset("synthsae16k")
    assert config == WorldConfig(
        width=768,
        features=(Features(Feature("subspace", dim=1, radius="sphere"), count=16_384),),
        firing=Independent(
            Zipf(exponent=0.5, most=0.4, least=5e-4),
            Copula(rank=25, scale=0.1),
            Forest(roots=128, branching=4, depth=3, exclusive=True),
        ),
        dictionary=Dictionary("low_coherence"),
        magnitude=Magnitude(
            mean=PerFeature("linear", 5.0, 4.0),
            spread=PerFeature("folded_normal", 0.5, 0.5),
            one_sided=True,
            by_parent=True,
        ),
        energy="total",
        noise=0.0,
        bias=0.5,
        power=0.0,
    )


def test_the_summary_of_the_synthsae_world_counts_its_children_right():
    config = preset("synthsae16k")
    firing, forest = config.firing, config.firing.forest
    declared, exact = firing.rates.probabilities(config.size), firing.marginals(config.size)
    overflow = forest.conditional(declared).sum(axis=1) > 1 - 1e-12
    kept = np.isclose(exact, declared, rtol=1e-12)[forest.roots : forest.size]
    assert f"{overflow.mean():.0%} of the parents".replace("%", " %") in presets()["synthsae16k"].summary
    assert f"{kept.sum()} of {kept.size:,} children" in presets()["synthsae16k"].summary
    assert f"{exact.sum():.1f} features are active" in presets()["synthsae16k"].summary


def test_absorption_parents_fire_alone_one_time_in_five():
    config = preset("absorption", "small")
    dense = World.build(config, 0).sample(40_000, torch.Generator().manual_seed(1)).truth.dense()
    parent, children = dense[:, 0], dense[:, 4:7]
    assert not bool((children.any(dim=1) & ~parent).any())
    alone = (parent & ~children.any(dim=1)).sum() / parent.sum()
    assert float(alone) == pytest.approx(0.2, abs=0.04)
    assert float(parent.double().mean()) == pytest.approx(0.1, abs=0.01)


def test_overrides_replace_fields():
    assert preset("sasa_dimension", "small", noise=0.5).noise == 0.5


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("sasa_dimensions",), "preset must be one of .*; did you mean 'sasa_dimension'"),
        (("manifolds", "smal"), "scale must be one of .*; did you mean 'small'"),
    ],
)
def test_unknown_names_come_with_the_nearest(arguments, message):
    with pytest.raises(ValueError, match=message):
        preset(*arguments)


def test_unknown_fields_come_with_the_nearest():
    with pytest.raises(ValueError, match=r"field of WorldConfig must be one of .*; did you mean 'noise'"):
        preset("manifolds", noize=0.1)
