"""Closed forms of the SASA objective on one slice."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sasa_theory import bounds

from .oracles import ORACLES, agree, close

ENERGY = st.floats(0.0, 100.0)
SPECTRUM = st.lists(ENERGY, min_size=1, max_size=5)


@pytest.mark.parametrize(
    ("s", "lam"), [(1.0, 0.3), (0.1, 0.3), (0.15, 0.3), (0.0, 0.3), (0.5, 0.0), (0.0, 0.0), (1e6, 1e-3), (1e-6, 1e3)]
)
def test_phi_extremes(s: float, lam: float) -> None:
    agree("phi", s, lam)


@given(st.floats(1e-6, 100.0), st.floats(1e-6, 10.0))
def test_phi_between(s: float, lam: float) -> None:
    agree("phi", s, lam)


@given(ENERGY, ENERGY, st.floats(0.0, 10.0))
def test_phi_is_increasing_concave_and_subadditive(s: float, t: float, lam: float) -> None:
    small, large = sorted((bounds.phi(s, lam), bounds.phi(t, lam)))
    assert (small, large) == (bounds.phi(min(s, t), lam), bounds.phi(max(s, t), lam))
    assert bounds.phi((s + t) / 2, lam) >= (small + large) / 2 - 1e-12
    assert bounds.phi(s + t, lam) <= small + large + 1e-12


@settings(max_examples=15)
@given(SPECTRUM, st.floats(0.01, 10.0), st.one_of(st.none(), st.integers(1, 6)))
def test_single_group(spectrum: list[float], lam: float, rank: int | None) -> None:
    found = bounds.single_group_optimum(spectrum, lam, rank=rank)
    risk, shrinkage, kept = ORACLES["single_group_optimum"](spectrum, lam, rank=rank)
    close(found.risk, risk)
    assert found.effective_rank == kept
    assert found.shrinkage.shape == (len(spectrum),)
    for got, expected in zip(sorted(found.shrinkage), sorted(shrinkage), strict=True):  # ties may be cut either way
        close(got, expected, unit=1.0)


def test_single_group_keeps_the_order_of_the_eigenvalues() -> None:
    found = bounds.single_group_optimum([0.1, 2.0, 0.5], 0.5, rank=2)
    np.testing.assert_allclose(found.shrinkage, [0.0, 0.875, 0.5])
    assert found.effective_rank == 2
    assert found.risk == pytest.approx(0.1 + (0.5 - 0.25 / 8) + (0.5 - 0.25 / 2))


@pytest.mark.parametrize("rank", [None, 1, 2])
def test_the_map_attains_its_risk(rank: int | None) -> None:
    spectrum, lam = np.array([0.1, 2.0, 0.5]), 0.3
    found = bounds.single_group_optimum(spectrum, lam, rank=rank)
    attained = (spectrum * (1 - found.shrinkage) ** 2).sum() + lam * found.shrinkage.sum()
    assert found.risk == pytest.approx(attained, rel=1e-12)


@settings(max_examples=15)
@given(SPECTRUM, st.floats(0.0, 10.0))
def test_partition_floor(spectrum: list[float], lam: float) -> None:
    agree("partition_floor", spectrum, lam)
    assert bounds.partition_floor(spectrum, lam) == pytest.approx(bounds.single_group_optimum(spectrum, lam).risk)


@pytest.mark.parametrize(("energy", "d", "usage"), [(1.0, 4, 1.0), (3.0, 7, 0.1), (1e-3, 4096, 1e-6), (9.0, 1, 0.5)])
def test_critical_lambda(energy: float, d: int, usage: float) -> None:
    expected = ORACLES["critical_lambda"](energy, d, usage)
    close(bounds.critical_lambda(energy, d, usage), expected)
    spectrum = np.full(d, usage * energy / d)
    assert bounds.single_group_optimum(spectrum, float(expected) * 0.999).effective_rank == d
    assert bounds.single_group_optimum(spectrum, float(expected) * 1.001).effective_rank == 0


@settings(max_examples=15)
@given(st.integers(0, 2**32 - 1), st.integers(1, 4), st.floats(0.05, 3.0))
def test_second_group_pressure(seed: int, n: int, lam: float) -> None:
    rng = np.random.default_rng(seed)
    inside, outside = rng.standard_normal((3, n)), rng.standard_normal((3, n))
    cell = inside.T @ inside / 6
    sigma = cell + outside.T @ outside / 6
    close(bounds.second_group_pressure(sigma, cell, lam), ORACLES["second_group_pressure"](sigma, cell, lam), unit=1.0)


@pytest.mark.parametrize("rank", [1, 2, 6])
def test_decoder_range(rank: int) -> None:
    agree("decoder_penalty_range", rank)


def test_shapes_are_checked() -> None:
    with pytest.raises(ValueError, match="eigenvalues must be one-dimensional"):
        bounds.single_group_optimum(np.ones((2, 2)), 0.1)
    with pytest.raises(ValueError, match="eigenvalues must have at least one dimension"):
        bounds.partition_floor(1.0, 0.1)
    with pytest.raises(ValueError, match="sigma and cell must be square and alike"):
        bounds.second_group_pressure(np.eye(2), np.eye(3), 0.1)


ASKEW = np.array([[1.0, 0.2], [0.1, 1.0]])
NEGATIVE = np.diag([1.0, -0.1])


@pytest.mark.parametrize("name", ["sigma", "cell"])
@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        (ASKEW, "must be symmetric, as every second moment is; got entries that differ by 0.1"),
        (NEGATIVE, "must be positive semidefinite, as every second moment is; got an eigenvalue of -0.1"),
        (1e-8 * ASKEW, "must be symmetric"),
        (1e-8 * NEGATIVE, "must be positive semidefinite"),
    ],
)
def test_only_second_moments_have_a_second_group_pressure(name: str, matrix: Any, message: str) -> None:
    good = {"sigma": np.eye(2), "cell": np.eye(2) / 2}
    with pytest.raises(ValueError, match=rf"^{name} {message}"):
        bounds.second_group_pressure(**{**good, name: matrix}, lam=0.1)


@settings(max_examples=15)
@given(st.integers(0, 2**32 - 1), st.integers(1, 6), st.integers(1, 12), st.floats(-6, 6))
def test_second_moments_of_single_precision_pass(seed: int, n: int, samples: int, power: float) -> None:
    x = (10**power * np.random.default_rng(seed).standard_normal((samples, n))).astype(np.float32)
    sigma, cell = x.T @ x / samples, x[::2].T @ x[::2] / samples
    lam = float(np.abs(sigma).max())
    exact = bounds.second_group_pressure(*(np.float64(x[::k]).T @ np.float64(x[::k]) / samples for k in (1, 2)), lam)
    assert bounds.second_group_pressure(sigma, cell, lam) == pytest.approx(exact, rel=1e-3, abs=1e-6)


def test_a_silent_cell_exerts_no_pressure() -> None:
    assert bounds.second_group_pressure(np.eye(3), np.zeros((3, 3)), 0.1) == 0.0
