"""The separability index against histograms made by NumPy, known values, and its bias correction."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from sasa_theory.metrics.separability import ANGLES, BINS, separability_index
from sasa_theory.testing.strategies import SEEDS

from .shapes import circle, disk, gaussian, mixture, sphere, uniform


def information(a: np.ndarray, b: np.ndarray) -> tuple[float, float]:
    """Mutual information of a histogram in bits, as a sum over cells, and with the bias of the cells visited."""
    table = np.histogram2d(a, b, BINS)[0]
    p = table / table.sum()
    independent = p.sum(axis=1, keepdims=True) * p.sum(axis=0, keepdims=True)
    value = float((p[p > 0] * np.log2(p[p > 0] / independent[p > 0])).sum())
    visited = np.count_nonzero(table) - np.count_nonzero(p.sum(axis=0)) - np.count_nonzero(p.sum(axis=1)) + 1
    return value, value - visited / (2 * len(a) * math.log(2))


@given(seed=SEEDS, n=st.integers(20, 200), shape=st.sampled_from(["gaussian", "disk", "mixture"]))
def test_it_is_the_least_of_all_rotations(seed: int, n: int, shape: str) -> None:
    points = {"gaussian": gaussian(n, 2, seed), "disk": disk(n, seed), "mixture": mixture(n, (1, 1), seed)}[shape]
    x, found = points.numpy(), separability_index(points)
    centred = x - x.mean(axis=0)
    turned = [
        (x @ [math.cos(angle), -math.sin(angle)], x @ [math.sin(angle), math.cos(angle)])
        for angle in np.arange(ANGLES) * math.pi / (2 * ANGLES)
    ]
    turned.append(tuple((centred @ np.linalg.svd(centred)[2].T).T))
    every = [information(a, b) for a, b in turned]
    plug_in, corrected = min(every, key=lambda pair: pair[0])
    assert found.plug_in == pytest.approx(plug_in, abs=1e-9)
    if sorted(every)[1][0] > plug_in + 1e-9:  # else the rotation is a matter of rounding
        assert found.corrected == pytest.approx(max(corrected, 0), abs=1e-9)


@pytest.mark.parametrize(
    ("points", "value"),
    [
        (circle(10_000), 1.50),
        (disk(10_000, 0), 0.121),
        (gaussian(10_000, 2, 1), 0.003),
        (uniform(10_000, 2), 0.006),
        (mixture(10_000, (1, 1), 3), 0.31),
    ],
    ids=["circle", "disk", "Gaussian", "square", "mixture"],
)
def test_known_values(points: Tensor, value: float) -> None:
    found = separability_index(points)
    assert found.plug_in == pytest.approx(value, abs=0.025)
    assert found.corrected <= found.plug_in


@pytest.mark.parametrize(
    ("shape", "value"),
    [
        (lambda seed: sphere(300, 2, seed), 1.44),
        (lambda seed: disk(300, seed), 0.235),
        (lambda seed: gaussian(300, 2, seed), 0.110),
        (lambda seed: uniform(300, seed), 0.211),
        (lambda seed: mixture(300, (1, 1), seed), 0.45),
    ],
    ids=["circle", "disk", "Gaussian", "square", "mixture"],
)
def test_known_values_of_few_points(shape: Callable[[int], Tensor], value: float) -> None:
    found = [separability_index(shape(seed)).plug_in for seed in range(8)]
    assert sum(found) / 8 == pytest.approx(value, abs=0.06)


def test_the_correction_tells_a_gaussian_from_a_disk_with_few_points() -> None:
    """At 300 points the plug-in value of a Gaussian, 0.11, is what a disk has at many points, 0.12."""
    limits = {"Gaussian": 0.0, "square": 0.0, "disk": 0.119}
    many = {
        "Gaussian": [separability_index(gaussian(300, 2, seed)) for seed in range(12)],
        "square": [separability_index(uniform(300, seed)) for seed in range(12)],
        "disk": [separability_index(disk(300, seed)) for seed in range(12)],
    }
    for shape, found in many.items():
        plug_in = sum(one.plug_in for one in found) / 12 - limits[shape]
        corrected = sum(one.corrected for one in found) / 12 - limits[shape]
        assert plug_in > 0.08
        assert abs(corrected) < 0.06


def test_the_correction_does_not_go_below_zero() -> None:
    found = [separability_index(uniform(300, seed)).corrected for seed in range(12)]
    assert min(found) == 0 < max(found)


@given(seed=SEEDS)
def test_quarter_turns_mirrors_and_sizes_change_nothing(seed: int) -> None:
    points = gaussian(80, 2, seed)
    before = separability_index(points)
    for change in ([[0.0, 1.0], [-1.0, 0.0]], [[1.0, 0.0], [0.0, -1.0]], [[9.0, 0.0], [0.0, 9.0]]):
        after = separability_index(points @ torch.tensor(change, dtype=torch.float64))
        assert after.plug_in == pytest.approx(before.plug_in, abs=1e-9)


@given(seed=SEEDS, size=st.sampled_from([1e-3, 1.0, 1e4]))
def test_a_line_is_separable_in_whichever_direction_it_lies(seed: int, size: float) -> None:
    direction = torch.nn.functional.normalize(gaussian(1, 2, seed), dim=1)
    rounding = 1e-7 * gaussian(100, 2, seed + 1)
    assert separability_index(size * (gaussian(100, 1, seed + 2) * direction + rounding)).plug_in < 1e-9
    assert separability_index(torch.full((10, 2), size)) == (0.0, 0.0)


@pytest.mark.parametrize("points", [torch.zeros(0, 2), torch.zeros(5, 3), torch.tensor([[0.0, math.inf], [1, 2]])])
def test_it_refuses_what_are_not_points_in_a_plane(points: Tensor) -> None:
    with pytest.raises(ValueError, match="points must"):
        separability_index(points)
