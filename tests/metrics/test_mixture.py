"""The mixture index against closed forms, brute force and points that are mixtures by construction."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from sasa_theory.metrics.mixture import mixture_index
from sasa_theory.testing.strategies import SEEDS

from .shapes import circle, gaussian, mixture, orthogonal, sphere


def brute(points: Tensor, eps: float) -> float:
    """Largest share over a fine grid of offsets, in one dimension."""
    x = points[:, 0].double()
    reach = 3 * float(x.abs().max()) + 1e-9
    c = torch.linspace(-reach, reach, 30_001, dtype=torch.float64)[:, None]
    near = (x + c).abs() < eps * (x + c).square().mean(dim=1, keepdim=True).sqrt()
    return float(near.double().mean(dim=1).max())


@given(seed=SEEDS, n=st.integers(3, 40), eps=st.sampled_from([0.05, 0.1, 0.4]))
def test_the_best_offset_is_exact(seed: int, n: int, eps: float) -> None:
    points = gaussian(n, 1, seed)
    found, gridded = mixture_index(points, eps).plug_in, brute(points, eps)
    assert gridded <= found + 1e-12
    assert found <= gridded + 1 / n + 1e-12  # a grid may step over a narrow optimum by one point


def test_the_width_of_the_band_is_exact() -> None:
    points = torch.linspace(-1, 1, 4001, dtype=torch.float64)[:, None]
    assert mixture_index(points, 0.5).plug_in == pytest.approx(brute(points[::4], 0.5), abs=2e-3)


@given(seed=SEEDS, scale=st.sampled_from([0.01, 3.0, 50.0]), shift=st.floats(-5, 5))
def test_stretching_and_shifting_change_nothing(seed: int, scale: float, shift: float) -> None:
    points = gaussian(60, 1, seed)
    before, after = mixture_index(points), mixture_index(scale * (points + shift))
    assert before.plug_in == pytest.approx(after.plug_in, abs=1 / 60 + 1e-9)
    assert before.held_out == pytest.approx(after.held_out, abs=1 / 15 + 1e-9)


@pytest.mark.parametrize(
    ("points", "value"),
    [
        (circle(6000), 0.2187),
        (circle(6000) @ torch.tensor([[1.0, 2.0], [0.5, 0.1]], dtype=torch.float64), 0.2187),  # an ellipse
        (sphere(6000, 3, 0)[:, :2], 0.1064),
        (gaussian(6000, 2, 1), 0.0797),
    ],
    ids=["circle", "ellipse", "sphere seen from afar", "Gaussian"],
)
def test_closed_forms_in_a_plane(points: Tensor, value: float) -> None:
    found = mixture_index(points)
    assert found.held_out == pytest.approx(value, abs=0.013)
    assert value - 0.005 < found.plug_in < value + 0.025


def test_closed_form_in_space() -> None:
    found = mixture_index(sphere(3000, 3, 1))
    assert found.held_out == pytest.approx(0.1064, abs=0.02)


@pytest.mark.parametrize("dims", [(1, 1), (1, 2), (2, 2), (2, 4)])
def test_mixtures_lie_near_a_hyperplane(dims: tuple[int, ...]) -> None:
    points = mixture(800, dims, 3)
    found = mixture_index(points)
    assert found.plug_in >= 0.5
    assert found.held_out > 0.42
    assert mixture_index(gaussian(800, sum(dims), 4)).plug_in < 0.2


def test_few_points_of_many_dimensions_suffice() -> None:
    assert mixture_index(mixture(200, (3, 3, 2), 3)).plug_in > 0.6


def test_a_hyperplane_off_the_centre_is_found() -> None:
    points = gaussian(300, 5, 0)
    points[::2, 0] = 2.0
    points[1::2, 0] -= 1.0
    assert mixture_index(points @ orthogonal(5, 1)).plug_in >= 0.5


@given(seed=SEEDS)
def test_a_turn_hardly_moves_it(seed: int) -> None:
    points = mixture(200, (1, 1), seed)
    turned = points @ orthogonal(2, seed + 1)
    assert mixture_index(points).plug_in == pytest.approx(mixture_index(turned).plug_in, abs=0.04)


def test_held_out_points_correct_the_maximum() -> None:
    found = [mixture_index(gaussian(300, 2, seed)) for seed in range(20)]
    plug_in, held_out = (sum(values) / len(found) - 0.0797 for values in zip(*found, strict=True))
    assert plug_in > 0.03
    assert abs(held_out) < 0.02


def test_points_on_a_line_are_those_of_one_dimension() -> None:
    points = gaussian(100, 1, 0)
    line = points * torch.tensor([3.0, 4.0, 0.0], dtype=torch.float64) + 7
    assert mixture_index(line) == mixture_index(points)
    assert mixture_index(torch.full((10, 3), 2.5)) == (1.0, 1.0)


def test_starts_follow_the_generator_alone() -> None:
    points = gaussian(200, 4, 0)
    state = torch.random.get_rng_state()
    first = mixture_index(points, generator=torch.Generator().manual_seed(8))
    assert first == mixture_index(points, generator=torch.Generator().manual_seed(8))
    assert torch.equal(state, torch.random.get_rng_state())


@pytest.mark.parametrize("points", [torch.zeros(1, 2), torch.zeros(5), torch.tensor([[0.0, math.nan], [1, 2]])])
def test_it_refuses_what_are_not_points(points: Tensor) -> None:
    with pytest.raises(ValueError, match="points must"):
        mixture_index(points)


@pytest.mark.parametrize("eps", [0.0, 1.0, -0.1])
def test_it_refuses_a_band_of_no_width(eps: float) -> None:
    with pytest.raises(ValueError, match="eps must be in"):
        mixture_index(circle(10), eps)
