"""Ranks of spectra, spectra of units, and the dimension errors of dictionaries spoilt on purpose."""

from __future__ import annotations

import math
from functools import cache

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sasa_theory.metrics import METRICS, observe
from sasa_theory.metrics.dimension import (
    decoder_spectrum,
    entropy_rank,
    own_dimension,
    participation,
    rank90,
    stable_rank,
    used_dimension,
    used_spectrum,
)
from sasa_theory.testing.strategies import SEEDS
from synthetic import Feature, Features, World, preset

from . import dictionaries
from .worlds import leaning

RANKS = [rank90, stable_rank, participation, entropy_rank]
WORLD = dictionaries.world()


def random(seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def score(name: str, design, rows: int = 600) -> float:
    return METRICS[name].measure(observe(design, WORLD, rows)).value


@pytest.mark.parametrize("rank", RANKS)
@pytest.mark.parametrize("scale", [1e-300, 1.0, 1e200])
def test_equal_eigenvalues_are_counted_whatever_their_size(rank, scale: float) -> None:
    spectrum = torch.tensor([[1.0, 1, 1, 0, 0], [1, 0, 0, 0, 0], [1, 1, 1, 1, 1]], dtype=torch.float64) * scale
    torch.testing.assert_close(rank(spectrum), torch.tensor([3.0, 1.0, 5.0], dtype=torch.float64))


@pytest.mark.parametrize("rank", RANKS)
def test_nothing_has_no_dimension_and_rounding_adds_none(rank) -> None:
    assert rank(torch.zeros(2, 3)).tolist() == [0.0, 0.0]
    assert rank(torch.tensor([1.0, -1e-9, 0.0])) == 1.0
    assert math.isnan(rank(torch.tensor([1.0, math.nan])))


def test_known_values() -> None:
    spectrum = torch.tensor([4.0, 1.0, 16.0])
    assert rank90(spectrum) == 2
    assert stable_rank(spectrum) == pytest.approx(21 / 16)
    assert participation(spectrum) == pytest.approx(21**2 / 273)
    p = [4 / 7, 2 / 7, 1 / 7]
    assert entropy_rank(spectrum) == pytest.approx(math.exp(-sum(x * math.log(x) for x in p)))


def test_ten_equal_eigenvalues_reach_nine_tenths_with_nine() -> None:
    assert rank90(torch.full((10,), 0.1)) == 9
    assert rank90(torch.ones(9)) == 9


@pytest.mark.parametrize("spectrum", [(5, 31, 4), (6, 3, 1), (0.7, 0.2, 0.1)])
def test_nine_tenths_are_reached_whatever_rounding_says(spectrum: tuple[float, ...]) -> None:
    assert rank90(torch.tensor(spectrum, dtype=torch.float64)) == 2


@given(seed=SEEDS, n=st.integers(1, 8))
def test_ranks_are_ordered_and_know_neither_order_nor_scale(seed: int, n: int) -> None:
    spectrum = random(seed, n).square() + 1e-9
    found = [rank(spectrum) for rank in RANKS]
    for rank, value in zip(RANKS, found, strict=True):
        torch.testing.assert_close(rank(7.3 * spectrum.flip(0)), value)
    ninety, stable, participating, entropic = map(float, found)
    assert 1 <= stable <= participating + 1e-9 <= entropic + 2e-9 <= n + 3e-9
    assert 1 <= ninety <= n


@given(seed=SEEDS, rank=st.integers(1, 5), width=st.integers(1, 6))
def test_the_used_spectrum_is_that_of_the_map_in_any_gauge(seed: int, rank: int, width: int) -> None:
    decoder, codes = random(seed, 2, rank, width), random(seed + 1, 2, 20, rank)
    gauge = torch.eye(rank, dtype=torch.float64) + 0.5 * random(seed + 2, 2, rank, rank) / rank
    other = torch.linalg.inv(gauge).mT @ decoder
    second = codes.mT @ codes / 20
    whole = torch.linalg.eigvalsh(decoder.mT @ second @ decoder).flip(-1)[:, : min(rank, width)]
    torch.testing.assert_close(used_spectrum(decoder, second), whole, rtol=1e-8, atol=1e-10)
    torch.testing.assert_close(used_spectrum(other, gauge @ second @ gauge.mT), whole, rtol=1e-6, atol=1e-8)


def test_the_decoder_spectrum_follows_the_gauge_unless_it_is_orthogonal() -> None:
    decoder = random(0, 3, 8)
    turned = dictionaries.orthogonal(3, torch.Generator().manual_seed(1)).double() @ decoder
    torch.testing.assert_close(decoder_spectrum(turned), decoder_spectrum(decoder), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(decoder_spectrum(decoder), torch.linalg.svdvals(decoder).square())
    skewed = torch.diag(torch.tensor([1.0, 0.1, 0.1], dtype=torch.float64)) @ decoder
    assert rank90(decoder_spectrum(skewed)) < rank90(decoder_spectrum(decoder))


@pytest.mark.parametrize(
    ("form", "error", "bias", "exact"),
    [
        ("perfect", 0, 0, 1),
        ("split", 1, -1, 1 / 3),  # every unit has one dimension
        ("merged", 2 / 3, 0, 1 / 3),  # every unit has three; two features have none
        ("duplicated", 0, 0, 1),
    ],
)
def test_units_of_too_many_and_too_few_dimensions(form: str, error: float, bias: float, exact: float) -> None:
    design = getattr(dictionaries, form)(WORLD)
    assert score("dimension_error", design) == pytest.approx(error)
    assert score("dimension_bias", design) == pytest.approx(bias)
    assert score("exact_dimension", design) == pytest.approx(exact)


@pytest.mark.parametrize(
    ("name", "rank"),
    [
        ("dimension_error", rank90),
        ("stable_error", stable_rank),
        ("participation_error", participation),
        ("entropy_error", entropy_rank),
    ],
)
def test_each_error_counts_in_its_own_way(name: str, rank) -> None:
    observation = observe(dictionaries.merged(WORLD), WORLD, 600)
    reading = METRICS[name].measure(observation)
    expected = (used_dimension(observation, rank) - own_dimension(observation, rank)).abs()
    torch.testing.assert_close(reading.each, expected)
    assert reading.value == pytest.approx(float(expected.mean()))


@pytest.mark.parametrize("name", ["dimension_error", "stable_error", "participation_error", "entropy_error"])
def test_a_unit_of_full_rank_is_worse_than_the_truth(name: str) -> None:
    assert score(name, dictionaries.perfect(WORLD)) < 0.3
    assert score(name, dictionaries.Fixed([torch.eye(dictionaries.WIDTH)] * 6, 6)) > 3


def test_directions_that_are_hardly_used_do_not_count_but_for_the_decoder() -> None:
    bases = dictionaries.truth(WORLD)
    padded = [torch.cat((basis, bases[(i + 1) % 6][:1])) for i, basis in enumerate(bases)]
    encoders = [torch.cat((basis, 0.01 * block[-1:])) for basis, block in zip(bases, padded, strict=True)]
    design = dictionaries.Fixed(padded, 2, encoders=encoders, gates=bases)
    assert score("dimension_error", design) == 0
    assert score("decoder_rank", design) == pytest.approx(sum(d + 1 for d in dictionaries.DIMS) / 6)


def test_a_feature_that_no_unit_serves_has_no_dimension() -> None:
    design = dictionaries.Fixed(
        [0 * basis if i == 5 else basis for i, basis in enumerate(dictionaries.truth(WORLD))], 2
    )
    found = used_dimension(observe(design, WORLD, 600), rank90)
    assert found.tolist() == [1, 1, 2, 2, 3, 0]


@cache
def large() -> World:
    """Four features of as many equal dimensions that rank90 counts fewer."""
    features = (Features(Feature("subspace", 12, radius="sphere"), 4),)
    return World.build(preset("theorem", "small", width=56, features=features, noise=0.0), seed=0)


def large_score(name: str, design: dictionaries.Fixed) -> float:
    return METRICS[name].measure(observe(design, large(), 2000)).value


@pytest.mark.parametrize("name", ["dimension_error", "stable_error", "participation_error", "entropy_error"])
def test_of_large_features_the_truth_has_no_error_and_a_further_dimension_one(name: str) -> None:
    bases = dictionaries.truth(large())
    outside = torch.linalg.svd(torch.cat(bases)).Vh[48:]
    wider = [torch.cat((basis, outside[i : i + 1])) for i, basis in enumerate(bases)]
    others = torch.stack([basis[:1] for basis in bases]).sum(dim=0)  # of which the row's other feature has one
    read = [torch.cat((basis, others - basis[:1])) for basis in bases]
    assert large_score(name, dictionaries.Fixed(bases, 2)) == pytest.approx(0, abs=1e-3)
    assert large_score(name, dictionaries.Fixed(wider, 2, encoders=read, gates=bases)) > 0.3
    if name == "dimension_error":
        assert large_score("exact_dimension", dictionaries.Fixed(bases, 2)) == 1
        assert large_score("exact_dimension", dictionaries.Fixed(wider, 2, encoders=read, gates=bases)) == 0


def test_a_dropped_feature_has_no_dimension_though_a_unit_of_another_leans_towards_it() -> None:
    known = leaning()
    observation = observe(dictionaries.Fixed(dictionaries.truth(known)[:6], 2), known, 1000)
    assert used_dimension(observation, rank90).tolist() == [2] * 6 + [0] * 6
    assert METRICS["exact_dimension"].measure(observation).value == 0.5
    assert METRICS["dimension_error"].measure(observation).value == 1


def test_units_that_swap_half_of_their_features_have_the_dimension_of_neither() -> None:
    *rest, a, b = dictionaries.truth(WORLD)[:4]
    swapped = [torch.cat((a[:1], b[:1])), torch.cat((a[1:], b[1:]))]
    observation = observe(dictionaries.Fixed([*rest, *swapped, *dictionaries.truth(WORLD)[4:]], 4), WORLD, 600)
    assert used_dimension(observation, rank90).tolist() == [1, 1, 0, 0, 3, 3]


def test_columns_that_are_not_used_lower_utilisation_and_rank() -> None:
    assert score("utilisation", dictionaries.perfect(WORLD)) == pytest.approx(1, abs=0.02)
    assert score("full_rank", dictionaries.perfect(WORLD)) == 1
    bases = dictionaries.truth(WORLD)
    outside = torch.linalg.svd(torch.cat(bases)).Vh[sum(dictionaries.DIMS) :]
    padded = dictionaries.Fixed([*bases[:3], *(torch.cat((basis, outside[:1])) for basis in bases[3:]), outside], 2)
    expected = [1, 1, 1, 2 / 3, 3 / 4, 3 / 4]  # the seventh never fires
    observation = observe(padded, WORLD, 600)
    found = METRICS["utilisation"].measure(observation)
    assert found.each.tolist() == pytest.approx([*expected, math.nan], nan_ok=True, rel=0.02)
    assert found.value == pytest.approx(sum(expected) / 6, rel=0.02)
    assert METRICS["full_rank"].measure(observation).each[:6].tolist() == [1, 1, 1, 0, 0, 0]
    assert METRICS["full_rank"].measure(observation).value == 0.5


def test_full_rank_is_what_rank90_gives_to_equal_dimensions() -> None:
    assert large_score("full_rank", dictionaries.Fixed(dictionaries.truth(large()), 2)) == 1


def test_a_feature_that_never_occurs_is_left_out() -> None:
    reading = METRICS["exact_dimension"].measure(observe(dictionaries.split(WORLD), WORLD, 1))
    assert reading.each is not None
    assert int(reading.each.isnan().sum()) == 4  # two are active in the one row
    assert reading.value in (0.0, 0.5, 1.0)
