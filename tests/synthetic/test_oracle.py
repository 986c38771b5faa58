"""The oracle and the card: published check values, and worlds where the answer is known."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import pytest
import torch

from synthetic import (
    Dictionary,
    Exactly,
    Feature,
    Features,
    Independent,
    Listed,
    Magnitude,
    World,
    WorldConfig,
    preset,
)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize(
    ("name", "variance", "recall", "exact"),
    [("sasa_dimension", 0.962, 0.94, 0.76), ("sasa_rank", 0.905, 0.805, 0.11)],
)
def test_oracle_of_the_sasa_worlds_without_noise(name, variance, recall, exact):
    oracle = World.build(preset(name, noise=0.0), 1).oracle(3000, generator())
    # Worlds of other seeds scatter by some .005; the exact share of 3000 samples by .01 on top.
    assert oracle.explained_variance.value == pytest.approx(variance, abs=0.01)
    assert oracle.support_recall.value == pytest.approx(recall, abs=0.015)
    assert oracle.exact_support.value == pytest.approx(exact, abs=0.04)
    for estimate in (oracle.explained_variance, oracle.support_recall, oracle.exact_support):
        assert estimate.low < estimate.value < estimate.high < estimate.low + 0.05


def test_support_is_exact_inside_the_recovery_theorem():
    world = World.build(preset("theorem", "medium"), 0)
    card = world.card()
    assert card.inside_limit == 1.0
    assert card.superposition > 1
    oracle = world.oracle(2000, generator())
    assert oracle.exact_support.value == oracle.support_recall.value == 1.0
    assert 0.9 < oracle.explained_variance.value < 1.0


def test_orthogonal_features_are_recovered_perfectly_and_noise_costs_what_it_should():
    config = WorldConfig(32, (Features(Feature("subspace", 2), 10),), Exactly(3), Dictionary("orthogonal"), bias=4.0)
    perfect = World.build(config, 0).oracle(1000, generator())
    assert perfect.explained_variance.value == pytest.approx(1.0, abs=1e-5)
    assert perfect.exact_support.value == 1.0
    noise = 0.01
    noisy = World.build(replace(config, noise=noise), 0).oracle(20_000, generator())
    # Six of 32 noise dimensions pass through the selected subspaces.
    expected = 1 - noise * (1 - 6 / 32) / (1 + noise)
    assert noisy.explained_variance.value == pytest.approx(expected, abs=2e-3)


def test_selecting_fewer_features_explains_less():
    world = World.build(preset("sasa_dimension", "small"), 0)
    few, right = (world.oracle(3000, generator(), s=s) for s in (1, 2))
    assert few.explained_variance.value < right.explained_variance.value - 0.1
    assert few.exact_support.value == 0.0
    assert few.support_recall.value <= 0.5
    assert right == world.oracle(3000, generator())  # by default as many as fired
    with pytest.raises(ValueError, match="s must be in"):
        world.oracle(10, generator(), s=33)


def test_selecting_more_features_than_fired_is_not_exact():
    config = WorldConfig(16, (Features(Feature("subspace", 1), 8),), Exactly(2), Dictionary("orthogonal"))
    oracle = World.build(config, 0).oracle(500, generator(), s=3)
    assert oracle.support_recall.value == 1.0
    assert oracle.exact_support.value == 0.0


def test_variance_is_counted_about_the_mean():
    # Two of four orthogonal features add a constant 1 each, so the variance is 4 * 1/2 * 1/2; one of the two is missed.
    features = (Features(Feature("subspace", 1, radius="sphere"), 4),)
    one_sided = Magnitude(one_sided=True)
    world = World.build(WorldConfig(4, features, Exactly(2), Dictionary("orthogonal"), one_sided), 0)
    assert world.oracle(5000, generator(), s=1).explained_variance.value == pytest.approx(0.0, abs=0.01)


def test_the_oracle_is_the_same_in_many_blocks(monkeypatch):
    world = World.build(preset("sasa_dimension", "small", bias=3.0), 0)
    whole = world.oracle(500, generator())
    monkeypatch.setattr("synthetic.oracle._BLOCK_ENTRIES", 7 * len(world.bases))
    blocks = world.oracle(500, generator())
    for name in ("explained_variance", "support_recall", "exact_support"):
        one, other = getattr(whole, name), getattr(blocks, name)
        assert (other.value, other.low, other.high) == pytest.approx((one.value, one.low, one.high), rel=1e-6)


def test_intervals_cover_at_their_rate():
    world = World.build(preset("sasa_dimension", "small"), 0)
    truth = world.oracle(200_000, generator(99))
    runs = [world.oracle(400, generator(seed)) for seed in range(120)]
    for name in ("explained_variance", "support_recall", "exact_support"):
        value = getattr(truth, name).value
        covered = sum(getattr(run, name).low <= value <= getattr(run, name).high for run in runs)
        assert 102 <= covered <= 119  # expected 114; both ends lie more than 4 standard errors out or at certainty


def test_the_number_of_firings_may_vary_and_samples_may_be_silent():
    config = WorldConfig(
        16, (Features(Feature("subspace", 1), 4),), Independent(Listed((0.3,) * 4)), Dictionary("orthogonal")
    )
    oracle = World.build(config, 0).oracle(3000, generator())
    assert oracle.explained_variance.value == pytest.approx(1.0, abs=1e-5)
    assert oracle.exact_support.value == 1.0


def test_card_of_the_dimension_world():
    card = World.build(preset("sasa_dimension"), 0).card()
    assert (card.width, card.features, card.dimensions) == (768, 256, 1664)
    assert card.superposition == pytest.approx(1664 / 768)
    assert card.coherence_max == pytest.approx(0.317, abs=0.03)
    assert card.coherence_mean == pytest.approx(0.138, abs=0.003)
    assert card.recovery_limit == pytest.approx(1 / 7)
    assert card.inside_limit == pytest.approx(0.54, abs=0.02)
    assert card.expected_active == pytest.approx(4.0)
    assert card.firing_entropy == pytest.approx(math.log2(math.comb(256, 4)))
    assert card.noise_share == pytest.approx(0.01 / 1.01)


def test_card_prints_every_number():
    text = str(World.build(preset("sasa_dimension", "small"), 0).card())
    for part in ("64", "32", "80 (1.25 x width)", "expected active", "2.00", "below 0.333", "bits", "0.99%"):
        assert part in text


def test_card_of_the_synthsae_world_without_building_it():
    config = preset("synthsae16k")
    assert config.size == 16_384
    marginals = config.firing.marginals(config.size)
    assert marginals.sum() == pytest.approx(34.5, abs=1.0)  # the source reports about 34
    assert marginals.max() == pytest.approx(0.4)
    trees = config.firing.forest
    assert trees.size == 128 * (1 + 4 + 16 + 64)
    for level, parents in itertools.pairwise([range(128), *trees.levels()]):
        assert marginals[list(parents)].sum() <= marginals[list(level)].sum() + 1e-9
