"""Tiling versus dilution, on dictionaries where the answer is known in closed form."""

from __future__ import annotations

from math import log, log2
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from sasa_theory.designs import Design
from sasa_theory.metrics import METRICS, observe
from sasa_theory.metrics.turns import Turns, turns
from sasa_theory.testing.strategies import SEEDS

from .dictionaries import Fixed, duplicated, orthogonal, perfect, split, truth, world
from .diluted import Scaled, diluted

KNOWN = world()
NAMES = ("tiling_bits", "tiling_index", "tiling_order")


def measured(name: str, design: Design) -> Tensor:
    """Values of the features of two and three dimensions."""
    found = METRICS[name].measure(observe(design, KNOWN, 1_500)).each
    assert found is not None
    assert found[:2].isnan().all()  # no angular position
    return found[2:]


def value(name: str, added: Tensor, coordinates: Tensor) -> float:
    """Of one feature whose slices are shared like this."""
    one = Turns(*(part.unsqueeze(0) for part in turns(added, coordinates)))
    alone = SimpleNamespace(turns=one, power=torch.ones(1))
    seen: Any = SimpleNamespace(alone=alone, dims=torch.tensor([coordinates.shape[1]]))
    return METRICS[name].measure(seen).value


def circle(n: int) -> tuple[Tensor, Tensor]:
    angles = torch.arange(n, dtype=torch.float64) * 2 * torch.pi / n + 0.01
    return angles, torch.stack((angles.cos(), angles.sin()), dim=1)


@pytest.mark.parametrize("name", NAMES)
def test_one_unit_does_not_tile(name):
    assert measured(name, perfect(KNOWN)).numpy() == pytest.approx(0, abs=1e-12)


def test_halves_tile():
    assert measured("tiling_index", duplicated(KNOWN)).numpy() == pytest.approx(1)
    assert measured("tiling_bits", duplicated(KNOWN)).numpy() == pytest.approx(1, abs=0.02)
    order = measured("tiling_order", duplicated(KNOWN))
    assert (order[:2] > 0.95).all()  # 4 borders among 256 points of a circle
    assert (order[2:] > 0.8).all()


@pytest.mark.parametrize("name", NAMES)
def test_copies_that_fire_everywhere_are_diluted(name):
    assert measured(name, diluted(KNOWN)).numpy() == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("amplitudes", [(0.5, 0.5 + 1e-7), (0.9, 0.1), (2.0, -1.0)])
def test_copies_of_different_amplitudes_are_diluted_too(amplitudes):
    """Which of them is largest would depend on rounding, or never change; shares do not."""
    assert measured("tiling_index", Scaled(truth(KNOWN), amplitudes)).numpy() == pytest.approx(0, abs=1e-9)


def test_orthogonal_directions_of_a_circle_lie_in_between():
    """Shares cos^2 t and sin^2 t: one bit, of which ``E H = 2 - 1/ln 2`` are not known from the slice."""
    assert measured("tiling_index", split(KNOWN))[:2].numpy() == pytest.approx(1 / log(2) - 1, abs=0.05)  # 256 slices


def test_the_index_weighs_features_by_how_far_they_are_split():
    """Feature 2 tiled by halves, the others whole: the index is that of the one that is split."""
    bases = truth(KNOWN)
    design = Fixed([bases[0], bases[1], bases[2], bases[2], *bases[3:]], 3)
    full = design.encode

    def turn(x: Tensor) -> Tensor:
        codes = full(x)
        codes[codes[:, 2] > 0, 4:6] = 0
        codes[codes[:, 2] <= 0, 2:4] = 0
        return codes

    design.encode = turn
    found = METRICS["tiling_index"].measure(observe(design, KNOWN, 1_500))
    assert found.value == pytest.approx(1)
    assert found.each is not None
    assert found.each[3:].numpy() == pytest.approx(0, abs=1e-12)


@given(st.integers(2, 8), SEEDS)
def test_sectors_of_a_circle(sectors, seed):
    angles, slices = circle(240)
    which = (angles * sectors / (2 * torch.pi)).long().clamp_max(sectors - 1)
    which = torch.randperm(sectors, generator=torch.Generator().manual_seed(seed))[which]
    added = torch.nn.functional.one_hot(which, sectors).double()
    assert value("tiling_bits", added, slices) == pytest.approx(log2(sectors), rel=1e-3)
    assert value("tiling_index", added, slices) == pytest.approx(1)
    # a slice's neighbour may be either; at most both slices at each border look across it
    assert value("tiling_order", added, slices) >= 1 - 2 * sectors / 240 / (1 - 1 / sectors) - 0.01


@given(SEEDS, st.integers(2, 5))
def test_a_lottery_has_no_order(seed, units):
    """Units that alternate without regard to direction take turns, but have no places."""
    _, slices = circle(256)
    which = torch.randint(units, (256,), generator=torch.Generator().manual_seed(seed))
    added = torch.nn.functional.one_hot(which, units).double()
    assert value("tiling_index", added, slices) == pytest.approx(1)
    assert abs(value("tiling_order", added, slices)) < 0.5


@given(SEEDS, st.integers(2, 12), st.integers(1, 3))
def test_agreement_is_the_mean_over_pairs(seed, n, d):
    generator = torch.Generator().manual_seed(seed)
    added = torch.rand(n, 3, generator=generator, dtype=torch.float64)
    slices = torch.randn(n, d, generator=generator, dtype=torch.float64)
    slices = slices * (1 + 4 * torch.rand(n, 1, generator=generator, dtype=torch.float64))
    shares = added / added.sum(dim=1, keepdim=True)
    pairs = [(i, j) for i in range(n) for j in range(n) if i != j]
    strangers = sum(float(shares[i] @ shares[j]) for i, j in pairs) / len(pairs)
    found = turns(added, slices)
    assert found.strangers.item() == pytest.approx(strangers)
    if d == 1:
        return  # of one dimension, all slices on one side are equally near
    cosine = torch.nn.functional.cosine_similarity
    near = [max((float(cosine(slices[i], slices[j], dim=0)), j) for j in range(n) if j != i)[1] for i in range(n)]
    assert found.neighbours.item() == pytest.approx(sum(float(shares[i] @ shares[near[i]]) for i in range(n)) / n)


def test_what_rounding_adds_is_not_tiled():
    _, slices = circle(16)
    added = torch.ones(16, 2, dtype=torch.float64)
    added[:, 1] = torch.linspace(0, 1e-12, 16, dtype=torch.float64)
    assert value("tiling_index", added, slices) == 0
    assert value("tiling_order", added, slices) == 0


@given(SEEDS, st.integers(2, 6), st.integers(2, 4))
def test_information_is_between_nothing_and_all(seed, units, d):
    generator = torch.Generator().manual_seed(seed)
    added = torch.rand(50, units, generator=generator, dtype=torch.float64).log().neg()
    slices = torch.randn(50, d, generator=generator, dtype=torch.float64)
    turned = slices @ orthogonal(d, generator).double()
    mixed = added[:, torch.randperm(units, generator=generator)]
    found = [value(name, added, slices) for name in NAMES]
    assert 0 <= found[0] <= log2(units)
    assert 0 <= found[1] <= 1
    assert found[2] <= 1
    assert [value(name, mixed, turned) for name in NAMES] == pytest.approx(found, abs=1e-9)


def test_slices_that_no_unit_serves_are_left_out():
    _, slices = circle(16)
    added = torch.ones(16, 2, dtype=torch.float64)
    added[8:] = torch.tensor([1e-14, 0])  # rounding
    shared = turns(added, slices)
    assert shared.at_once == pytest.approx(1)
    assert shared.strangers == pytest.approx(0.5)
    assert all(part.isnan().all() for part in turns(0 * added, slices))


def test_many_units_that_add_little_each_share_a_slice_all_the_same():
    """A hundred-millionth of the slice's energy is served, by a thousand units; one of them alone is rounding."""
    found = turns(torch.full((4, 1000), 1e-11, dtype=torch.float64), torch.eye(4, dtype=torch.float64))
    assert found.shares.numpy() == pytest.approx(1e-3)
    assert turns(torch.full((4, 1), 1e-11, dtype=torch.float64), torch.eye(4, dtype=torch.float64)).shares.isnan().all()
