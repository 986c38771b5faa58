from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sasa_theory import bounds
from sasa_theory.designs import Design
from sasa_theory.metrics import METRICS, observe
from sasa_theory.metrics.activation import code_norms, support_sizes
from synthetic import World, preset

from . import dictionaries

ROWS = 1500


def measure(name: str, design: Design, world: World) -> float:
    return METRICS[name].measure(observe(design, world, ROWS)).value


class Least(Design):
    """Unit atoms of pairwise cosine ``eps``: the fewest codes that give ``(x - offset) @ atoms^-1``; all may fire."""

    def __init__(self, width: int, eps: float, offset: float = 0.0) -> None:
        super().__init__(width, width)
        gram = (1 - eps) * torch.eye(width) + eps
        self.register_buffer("decoder", torch.linalg.cholesky(gram))
        self.offset = offset

    decoder: torch.Tensor

    def encode(self, x: torch.Tensor) -> torch.Tensor:
        return torch.linalg.solve(self.decoder.T, (x - self.offset).T).T

    def decode(self, codes: torch.Tensor) -> torch.Tensor:
        return codes @ self.decoder + self.offset


class Counting(Design):
    """As many units fire as ``count`` says of the number of features present, which the norm gives away."""

    def __init__(self, world: World, slope: int, constant: int = 0) -> None:
        super().__init__(world.width, 40)
        self.slope, self.constant = slope, constant
        self.register_buffer("bases", torch.cat(dictionaries.truth(world)))

    bases: torch.Tensor

    def encode(self, x: torch.Tensor) -> torch.Tensor:
        present = ((x @ self.bases.T).abs() > 1e-4).sum(dim=1, keepdim=True)
        return (torch.arange(40) < self.slope * present + self.constant).to(x)

    def decode(self, codes: torch.Tensor) -> torch.Tensor:
        return codes @ torch.ones(40, self.width)


def lines() -> World:
    """Orthogonal features of one dimension, any number of them present."""
    return World.build(preset("absorption", "small"), seed=0)


def test_orthogonal_units_have_the_norm_of_the_input():
    known = dictionaries.world()
    for form in (dictionaries.perfect, dictionaries.split):
        assert measure("afa_ratio", form(known), known) == pytest.approx(1, abs=1e-5)
        assert measure("overlap_ratio", form(known), known) == pytest.approx(1, abs=1e-5)


def test_halved_codes_halve_the_ratio_to_the_input_alone():
    known = dictionaries.world()
    bases = dictionaries.truth(known)
    design = dictionaries.Fixed([basis / 2 for basis in bases], 2, encoders=bases, gates=bases)
    assert measure("afa_ratio", design, known) == pytest.approx(0.5, abs=1e-5)
    assert measure("overlap_ratio", design, known) == pytest.approx(1, abs=1e-5)


def test_duplicates_that_fire_together_lower_the_ratio_by_the_root_of_two():
    known = dictionaries.world()
    bases = [basis for basis in dictionaries.truth(known) for _ in range(2)]
    design = dictionaries.Fixed([basis / 2 for basis in bases], 4, encoders=bases, gates=bases)
    assert measure("overlap_ratio", design, known) == pytest.approx(0.5**0.5, abs=1e-5)
    assert measure("afa_ratio", design, known) == pytest.approx(0.5**0.5, abs=1e-5)


@given(st.integers(0, 10**6))
def test_norms_do_not_depend_on_any_invertible_gauge_of_a_unit(seed):
    known, generator = dictionaries.world(), torch.Generator().manual_seed(seed)
    bases = dictionaries.truth(known)
    mixing = [2 * torch.eye(len(basis)) + torch.rand(len(basis), len(basis), generator=generator) for basis in bases]
    sheared = dictionaries.Fixed(
        [torch.linalg.inv(q).T @ basis for q, basis in zip(mixing, bases, strict=True)],
        2,
        encoders=[q @ basis for q, basis in zip(mixing, bases, strict=True)],
        gates=bases,
    )
    for norms in code_norms(observe(sheared, known, 60)):
        assert torch.allclose(norms, code_norms(observe(dictionaries.perfect(known), known, 60))[0], rtol=1e-4)


@given(st.integers(0, 10**6), st.floats(0.0, 0.9))
def test_ratios_stay_in_the_interval_of_approximate_feature_activation(seed, eps):
    known = dictionaries.world(seed % 100)
    observation = observe(Least(known.width, eps), known, 100, seed)
    code, given_norm, restored = code_norms(observation)
    assert torch.allclose(given_norm, restored, rtol=1e-3)
    low, high = bounds.afa_interval(restored.numpy(), eps, known.width)
    assert (code.numpy() >= low * (1 - 1e-3)).all()
    assert (code.numpy() <= high * (1 + 1e-3)).all()


def test_an_offset_is_no_input():
    known = dictionaries.world()
    shifted = World.build(preset("theorem", "small", width=16, features=known.config.features, noise=0.0, bias=3.0), 0)
    design = Least(16, 0.0)
    design.offset = shifted.bias
    assert measure("afa_ratio", design, shifted) == pytest.approx(1, abs=1e-5)
    assert measure("overlap_ratio", design, shifted) == pytest.approx(1, abs=1e-5)
    assert measure("afa_ratio", Least(16, 0.0, offset=100.0), shifted) == pytest.approx(1, abs=1e-4)


def test_rows_without_a_norm_do_not_count():
    world = lines()
    observation = observe(dictionaries.Fixed(dictionaries.truth(world), 5), world, ROWS)
    _, present = support_sizes(observation)
    assert (present == 0).any()
    assert METRICS["overlap_ratio"].measure(observation).value == pytest.approx(1, abs=1e-4)
    known = dictionaries.world()
    silent = dictionaries.Fixed([0 * basis for basis in dictionaries.truth(known)], 1)
    assert math.isnan(measure("overlap_ratio", silent, known))
    assert measure("afa_ratio", silent, known) == 0


def test_support_sizes_of_a_fixed_number_of_units():
    known = dictionaries.world(noise=0.05)  # so that every unit has something to code
    for active, error in ((1, 1.0), (2, 0.0), (4, 2.0)):
        design = dictionaries.Fixed(dictionaries.split(known).decoder.split(1), active)
        assert measure("support_size_error", design, known) == pytest.approx(error)
        assert math.isnan(measure("support_size_correlation", design, known))  # two features in every row
        assert math.isnan(measure("support_size_slope", design, known))


@pytest.mark.parametrize(("slope", "constant"), [(1, 0), (2, 0), (1, 3), (0, 4)])
def test_calibration_of_an_adaptive_number_of_units(slope, constant):
    world = lines()
    design = Counting(world, slope, constant)
    _, present = support_sizes(observe(design, world, ROWS))
    assert present.std() > 0.3
    assert measure("support_size_slope", design, world) == pytest.approx(slope, abs=1e-9)
    expected = float(((slope - 1) * present + constant).abs().mean())
    assert measure("support_size_error", design, world) == pytest.approx(expected)
    correlation = measure("support_size_correlation", design, world)
    assert math.isnan(correlation) if slope == 0 else correlation == pytest.approx(1)


def test_an_uncorrelated_number_of_units_has_no_slope():
    world = lines()

    class Coin(Counting):
        def encode(self, x: torch.Tensor) -> torch.Tensor:
            number = (x.sum(dim=1, keepdim=True) * 1e5 % 3).floor()  # as good as a die
            return (torch.arange(40) < number).to(x)

    fired, present = support_sizes(observe(Coin(world, 1), world, ROWS))
    both = torch.stack((fired, present))
    assert measure("support_size_correlation", Coin(world, 1), world) == pytest.approx(float(both.corrcoef()[0, 1]))
    covariance = both.cov()
    slope = float(covariance[0, 1] / covariance[1, 1])
    assert measure("support_size_slope", Coin(world, 1), world) == pytest.approx(slope)
