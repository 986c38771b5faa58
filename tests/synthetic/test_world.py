"""Worlds: truth explains the data, moments are exact, and the bits depend on the seed alone."""

from __future__ import annotations

import json
from dataclasses import fields, replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from synthetic import (
    Constant,
    Copula,
    Dictionary,
    Exactly,
    Feature,
    Features,
    Forest,
    Independent,
    Listed,
    Magnitude,
    PerFeature,
    World,
    WorldConfig,
    preset,
    presets,
)

SEEDS = st.integers(0, 2**31 - 1)
NAMES = st.sampled_from(sorted(presets()))


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def small(name: str, seed: int = 0, **overrides: object) -> World:
    return World.build(preset(name, "small", **overrides), seed)


@given(seed=SEEDS, name=NAMES, n=st.integers(1, 2500), noise=st.sampled_from([0.0, 0.1]))
def test_contributions_bias_and_noise_add_up_to_the_activations(seed, name, n, noise):
    world = small(name, seed, noise=noise)
    sample = world.sample(n, generator(seed), truth="contributions")
    truth = sample.truth
    built = (world.bias + sample.noise).index_add(0, truth.samples, truth.contributions)
    assert sample.x.shape == (n, world.width)
    torch.testing.assert_close(sample.x, built, rtol=1e-4, atol=1e-4 * float(sample.x.abs().max()))
    assert bool(sample.noise.any()) == (noise > 0)


@given(seed=SEEDS, name=NAMES)
def test_coefficients_lie_on_the_rows_of_their_features(seed, name):
    world = small(name, seed)
    truth = world.sample(300, generator(seed), truth="contributions").truth
    first = np.cumsum([0, *world.config.dims])
    for k in range(0, len(truth.features), 37):
        feature, start = int(truth.features[k]), int(truth.starts[k])
        own = slice(start, start + world.config.dims[feature])
        assert truth.rows[own].tolist() == list(range(first[feature], first[feature + 1]))
        torch.testing.assert_close(
            truth.coefficients[own] @ world.bases[truth.rows[own]], truth.contributions[k], rtol=1e-4, atol=1e-3
        )
    assert len(truth.rows) == sum(world.config.dims[i] for i in truth.features.tolist())


@given(seed=SEEDS, name=NAMES, n=st.integers(1, 1500))
def test_details_agree_and_dense_truth_lists_the_firings(seed, name, n):
    world = small(name)
    support = world.sample(n, generator(seed)).truth
    more = world.sample(n, generator(seed), truth="coefficients").truth
    assert torch.equal(support.samples, more.samples)
    assert torch.equal(support.features, more.features)
    assert (support.coefficients, more.contributions) == (None, None)
    dense = support.dense()
    assert dense.shape == (n, world.config.size)
    assert int(dense.sum()) == len(support.samples)
    assert bool(dense[support.samples, support.features].all())
    assert bool((support.samples.diff() >= 0).all())


@given(seed=SEEDS, name=NAMES, sizes=st.lists(st.integers(1, 3000), min_size=1, max_size=4))
def test_the_stream_does_not_depend_on_the_batch_size(seed, name, sizes):
    world = small(name)
    whole = world.sample(sum(sizes), generator(seed)).x
    stream = world.batches(sizes[0], generator(seed))
    parts = [next(stream)]
    for size in sizes[1:]:
        resumed = world.batches(size, generator(0))
        resumed.load_state_dict(stream.state_dict())
        stream = resumed
        parts.append(next(stream))
    assert torch.equal(torch.cat(parts), whole)


@given(seed=SEEDS, name=NAMES, batch=st.integers(1, 1500), before=st.integers(0, 4))
def test_a_resumed_stream_continues_with_the_same_bits(seed, name, batch, before):
    world = small(name)
    stream = world.batches(batch, generator(seed))
    for _ in range(before):
        next(stream)
    resumed = world.batches(batch, generator(seed + 1))
    next(resumed)  # what it has drawn ahead must be forgotten
    resumed.load_state_dict(stream.state_dict())
    for _ in range(2):
        assert torch.equal(next(stream), next(resumed))


@pytest.mark.parametrize("name", sorted(presets()))
def test_threads_do_not_change_the_bits(name):
    world = small(name)
    threads = torch.get_num_threads()
    drawn = []
    try:
        for number in (1, 2, 3):
            torch.set_num_threads(number)
            drawn.append(world.sample(5000, generator(3)))
    finally:
        torch.set_num_threads(threads)
    for other in drawn[1:]:
        assert torch.equal(drawn[0].x, other.x)
        assert torch.equal(drawn[0].truth.features, other.truth.features)


def test_shards_share_out_the_chunks_of_the_stream():
    world = small("sasa_dimension")
    whole = world.sample(6 * 1024, generator(5)).x.reshape(6, 1024, -1)
    for rank in range(3):
        stream = world.batches(2048, generator(5), shard=(rank, 3))
        assert torch.equal(next(stream), torch.cat((whole[rank], whole[rank + 3])))
        single = world.batches(1024, generator(5), shard=(rank, 3))
        assert torch.equal(next(single), whole[rank])
        assert torch.equal(next(single), whole[rank + 3])


def test_a_world_in_which_nothing_fires_is_silent():
    firing = Independent(Listed((0.0, 0.0)), Copula(2, 0.1))
    world = World.build(WorldConfig(3, (Features(Feature("subspace", 1), 2),), firing), 0)
    sample = world.sample(5, generator(0), truth="contributions")
    assert sample.x.tolist() == [[0.0] * 3] * 5
    assert sample.truth.contributions.shape == (0, 3)
    assert not bool(sample.truth.dense().any())


def test_streams_differ_by_seed_and_between_chunks():
    world = small("sasa_dimension")
    first, second = world.sample(2048, generator(0)).x, world.sample(2048, generator(1)).x
    assert not torch.equal(first[0], second[0])
    assert len(torch.unique(torch.cat((first, second)), dim=0)) == 4096


def test_building_depends_on_the_seed_alone():
    one, two = small("synthsae16k", 7), small("synthsae16k", 7)
    assert torch.equal(one.bases, two.bases)
    assert torch.equal(one.parameters.loadings, two.parameters.loadings)
    assert not torch.equal(one.bases, small("synthsae16k", 8).bases)


def measured(world: World, n: int, seed: int) -> tuple[np.ndarray, np.ndarray, torch.Tensor, np.ndarray]:
    """Firing rates, mean squared slice norms with their standard errors, and x, from a sample."""
    sample = world.sample(n, generator(seed), truth="contributions")
    square = sample.truth.contributions.double().square().sum(dim=1).numpy()
    features = sample.truth.features.numpy()
    counts = np.bincount(features, minlength=world.config.size)
    mean = np.bincount(features, square, world.config.size) / np.maximum(counts, 1)
    fourth = np.bincount(features, square**2, world.config.size) / np.maximum(counts, 1)
    error = np.sqrt(np.maximum(fourth - mean**2, 0) / np.maximum(counts, 1))
    return counts / n, mean, sample.x, error


@pytest.mark.parametrize("name", sorted(presets()))
def test_energies_are_exact(name):
    world = small(name)
    rates, mean, _, error = measured(world, 40_000, 11)
    often = rates * 40_000 > 400
    assert often.sum() >= 3
    deviation = np.abs(mean - world.energies())[often]
    assert (deviation <= 6 * error[often] + 1e-5 * mean[often]).all()


def test_energy_per_dim_grows_with_the_dimension_and_total_does_not():
    features = tuple(Features(Feature("subspace", d, energy=2.0)) for d in (1, 2, 5))
    config = WorldConfig(16, features, Exactly(1))
    np.testing.assert_allclose(World.build(config, 0).energies(), [2, 2, 2])
    np.testing.assert_allclose(World.build(replace(config, energy="per_dim"), 0).energies(), [2, 4, 10])


def test_children_scale_with_all_their_ancestors():
    magnitude = Magnitude(PerFeature("linear", 3.0, 1.0), PerFeature("linear", 1.0, 1.0), by_parent=True)
    firing = Independent(Constant(0.4), forest=Forest(1, 1, 2))
    config = WorldConfig(4, (Features(Feature("subspace", 1, radius="sphere"), 3),), firing, magnitude=magnitude)
    world = World.build(config, 0)
    np.testing.assert_allclose(world.energies(), [10, 5 * 10 / 9, 2 * 5 / 4 * 10 / 9], rtol=1e-6)
    _, mean, _, error = measured(world, 100_000, 1)
    assert (np.abs(mean - world.energies()) < 6 * error).all()


def test_one_sided_features_fire_in_one_direction_and_keep_their_energy():
    magnitude = Magnitude(PerFeature("linear", 2.0, 2.0), PerFeature("linear", 0.5, 0.5), one_sided=True)
    config = WorldConfig(4, (Features(Feature("subspace", 1), 2), Features(Feature("subspace", 2))), Exactly(3))
    one = World.build(replace(config, magnitude=magnitude), 0)
    truth = one.sample(2000, generator(0), truth="coefficients").truth
    lines = truth.coefficients[truth.rows < 2]
    assert bool((lines >= 0).all())
    assert bool((truth.coefficients[truth.rows >= 2] < 0).any())
    np.testing.assert_allclose(one.energies(), 4.25)


@pytest.mark.parametrize("noise", [0.01, 0.5])
def test_noise_is_the_declared_fraction_of_the_signal(noise):
    world = small("sasa_rank", noise=noise)
    sample = world.sample(20_000, generator(2), truth="contributions")
    signal = float(world.marginals() @ world.energies())
    power = sample.noise.double().square().sum(dim=1)
    assert float(power.mean()) == pytest.approx(noise * signal, rel=6 * float(power.std() / power.mean()) / 20_000**0.5)
    assert float((sample.noise.double().var(dim=0) / power.mean() * world.width).max()) < 1.1  # isotropic
    assert world.card().noise_share == pytest.approx(noise / (1 + noise))


def test_declared_power_is_that_of_the_stream():
    world = small("sasa_rank", noise=0.3, bias=50.0, power=100.0)
    square = world.sample(60_000, generator(4)).x.double().square().sum(dim=1)
    assert float(square.mean()) == pytest.approx(100.0, abs=6 * float(square.std()) / 60_000**0.5)
    assert float(world.bias.norm()) > 5  # part of the power is the bias


def test_numbers_per_feature_follow_their_law():
    folded = PerFeature("folded_normal", 3.0, 2.0).draw(200_000, generator(0)).double()
    assert float(folded.min()) >= 0
    assert float(folded.square().mean()) == pytest.approx(13.0, rel=0.01)
    assert PerFeature("linear", 5.0, 4.0).draw(3, generator(0)).tolist() == [5.0, 4.5, 4.0]
    uniform = PerFeature("uniform", 1.0, 3.0).draw(10_000, generator(0))
    assert (float(uniform.min()), float(uniform.max())) == pytest.approx((1.0, 3.0), abs=0.01)


def test_bias_has_the_declared_norm():
    assert float(small("synthsae16k").bias.norm()) == pytest.approx(0.5, rel=1e-5)


OWN_ENERGIES = WorldConfig(
    8, (Features(Feature("helix", energy=3.0), 3), Features(Feature("subspace", 2, energy=0.2), 3)), Exactly(2)
)


@pytest.mark.parametrize(
    "config", [preset("sasa_rank", "small"), preset("bsf_toy", "small"), preset("synthsae16k", "small"), OWN_ENERGIES]
)
def test_second_moments_are_those_of_the_coefficients(config):
    world = World.build(config, 0)
    n = 40_000
    truth = world.sample(n, generator(9), truth="coefficients").truth
    for feature in (0, world.config.size // 2, world.config.size - 1):
        d = world.config.dims[feature]
        starts = truth.starts[truth.features == feature]
        z = truth.coefficients[starts[:, None] + torch.arange(d)].double().numpy()
        products = z[:, :, None] * z[:, None, :]
        expected = world.second_moments()[feature]
        mean, square = products.sum(axis=0) / n, (products**2).sum(axis=0) / n
        assert (np.abs(mean - expected) <= 6 * np.sqrt(square / n) + 1e-9).all()


@pytest.mark.parametrize("name", sorted(presets()))
@pytest.mark.parametrize("scale", ["small", "medium", "paper"])
def test_configs_survive_json(name, scale):
    config = preset(name, scale)
    assert WorldConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


FEATURES = (Features(Feature("subspace", 2), 4),)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"width": 0}, "width must be in"),
        ({"width": 1}, "linear dimension of a feature must be in"),
        ({"features": ()}, "features must be a tuple of at least one Features"),
        ({"features": (Feature("circle"),)}, "features must be a Features"),
        ({"firing": 3}, "firing must be a Firing, got 3"),
        ({"firing": Exactly(5)}, "active must be at most number of features = 4, got 5"),
        ({"firing": Independent(Listed((0.1,)))}, "rates listed for 1"),
        ({"energy": "per_dimension"}, "did you mean 'per_dim'"),
        ({"noise": -0.1}, "noise must be in"),
        ({"power": 1.0, "magnitude": Magnitude(one_sided=True)}, "power must be 0 with one-sided magnitudes"),
        ({"magnitude": Magnitude(by_parent=True)}, "by_parent needs firing with a forest"),
    ],
)
def test_impossible_worlds_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        replace(WorldConfig(8, FEATURES, Exactly(2)), **change)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Dictionary("orthogonl"), "did you mean 'orthogonal'"),
        (lambda: Dictionary("independent", mu=0.2), "mu is for kind 'coherent' only"),
        (lambda: PerFeature("unifrom"), "did you mean 'uniform'"),
        (lambda: PerFeature("uniform", 2.0, 1.0), "a must be at most b = 1, got 2"),
        (lambda: Magnitude(PerFeature(a=0.0), by_parent=True), "mean must have positive a and b"),
        (lambda: WorldConfig.from_dict({"type": "World"}), "type must be one of"),
        (lambda: WorldConfig.from_dict({"type": "WorldConfig", "widht": 3}), "did you mean 'width'"),
        (lambda: WorldConfig.from_dict({"type": "WorldConfig", "width": 3}), "cannot be made from the fields width"),
        (lambda: WorldConfig.from_dict(Copula(1, 0.1).__dict__), "type must be one of"),
        (lambda: WorldConfig.from_dict({"type": "Constant", "probability": 0.1}), "config must be a WorldConfig"),
    ],
)
def test_errors_name_the_mend(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_arguments_of_sampling_are_checked():
    world = small("manifolds")
    with pytest.raises(ValueError, match="n must be in"):
        world.sample(0, generator(0))
    with pytest.raises(ValueError, match="did you mean 'coefficients'"):
        world.sample(1, generator(0), truth="coeficients")
    with pytest.raises(ValueError, match="batch_size must be in"):
        world.batches(0, generator(0))
    with pytest.raises(ValueError, match="rank of the shard must be in"):
        world.batches(1, generator(0), shard=(2, 2))
    for shard in (3, (1,), "01", (0, 1.5)):
        with pytest.raises(ValueError, match="shard"):
            world.batches(1, generator(0), shard=shard)
    with pytest.raises(ValueError, match="n must be in"):
        world.oracle(1, generator(0))


SPOILT_STATES = [
    ({"world": "0" * 16}, "world of the state is '0000000000000000', that of this stream"),
    ({"seed": "0"}, "seed must be a real number"),
    ({"seed": 2**53}, "seed must be in"),
    ({"position": -1}, "position must be in"),
    ({"position": 0.5}, "position must be a whole number"),
    ({"shard": [0, 3]}, "shard of the state is"),
    ({"shard": 2}, "shard of the state is 2"),
    ({"epoch": 1}, "field 'epoch' of the stream's state is unknown"),
]


@pytest.mark.parametrize(("change", "message"), SPOILT_STATES)
def test_spoilt_states_are_refused_and_leave_the_stream_alone(change, message):
    world = small("manifolds")
    stream, untouched = (world.batches(7, generator(0), shard=(1, 2)) for _ in range(2))
    with pytest.raises(ValueError, match=message):
        stream.load_state_dict({**stream.state_dict(), "position": 3, **change})
    assert torch.equal(next(stream), next(untouched))


def test_a_state_lacking_a_field_or_of_another_seeds_world_is_refused():
    stream = small("manifolds").batches(7, generator(0))
    with pytest.raises(ValueError, match="is missing"):
        stream.load_state_dict({"seed": 0})
    with pytest.raises(ValueError, match="world of the state is"):
        stream.load_state_dict(small("manifolds", seed=1).batches(7, generator(0)).state_dict())


def test_states_survive_readers_that_keep_every_number_as_a_float():
    world = small("manifolds")
    stream = world.batches(100, generator(0), shard=[1, 2])
    next(stream)
    resumed = world.batches(100.0, generator(1), shard=[1.0, 2.0])
    resumed.load_state_dict(json.loads(json.dumps(stream.state_dict()), parse_int=float))
    assert torch.equal(next(stream), next(resumed))
    assert torch.equal(world.sample(5.0, generator(0)).x, world.sample(5, generator(0)).x)


def test_small_samples_and_batches_keep_no_more_than_twice_their_memory():
    world = small("sasa_rank", noise=0.1)
    sample = world.sample(8, generator(0), truth="contributions")
    for rows in (sample.x, sample.noise, next(world.batches(100, generator(0))), world.sample(1500, generator(0)).x):
        assert rows.untyped_storage().nbytes() <= 2 * rows.nbytes


def test_noise_is_kept_with_the_contributions_only():
    world = small("sasa_rank", noise=0.1)
    assert world.sample(8, generator(0)).noise is None
    assert world.sample(8, generator(0), truth="coefficients").noise is None
    for truth in ("support", "contributions"):
        assert torch.equal(world.sample(8, generator(0), truth).x, world.sample(8, generator(0)).x)


@pytest.mark.parametrize("name", sorted(presets()))
def test_bits_do_not_depend_on_the_default_dtype(name):
    def drawn() -> tuple[torch.Tensor, ...]:
        world = small(name, noise=0.1)
        sample = world.sample(1500, generator(1), truth="contributions")
        world.oracle(50, generator(1))
        tensors = [getattr(world.parameters, f.name) for f in fields(world.parameters)]
        return (*tensors, sample.x, sample.noise, sample.truth.contributions, next(world.batches(10, generator(2))))

    expected = drawn()
    torch.set_default_dtype(torch.float64)
    try:
        others = drawn()
    finally:
        torch.set_default_dtype(torch.float32)
    for one, other in zip(expected, others, strict=True):
        assert one.dtype == other.dtype == torch.float32
        assert torch.equal(one, other)


def test_bases_of_single_features_make_up_the_stack():
    world = small("manifolds")
    single = [world.basis(i) for i in range(world.config.size)]
    assert tuple(len(basis) for basis in single) == world.config.dims
    assert torch.equal(torch.cat(single), world.bases)
    for i in (-1, world.config.size):
        with pytest.raises(ValueError, match="i must be in"):
            world.basis(i)


def test_a_world_shows_its_sizes():
    assert repr(small("sasa_dimension")) == "World(width=64, features=32, dims=80, device=cpu)"


def test_the_coherence_of_the_dictionary_can_be_prescribed():
    features = (Features(Feature("subspace", 2), 6),)
    world = World.build(WorldConfig(16, features, Exactly(1), Dictionary("coherent", 0.4)), 0)
    assert world.card().coherence_max == pytest.approx(0.4, abs=1e-4)
