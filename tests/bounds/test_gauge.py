"""Gauges of dictionaries: the true basis, polygons, the floor, near-optimal dictionaries."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sasa_theory import bounds

from .oracles import ORACLES, agree


@pytest.mark.parametrize("d", [1, 2, 3, 4, 8, 16, 511, 4096])
def test_true_basis(d: int) -> None:
    agree("true_basis_gauge", d)


@pytest.mark.parametrize("atoms", [3, 4, 7, 1000, 10**6])
def test_polygon(atoms: int) -> None:
    agree("polygon_gauge", atoms)


@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize(
    ("log_atoms", "d"),
    [(0.7, 2), (0.694, 3), (2.0, 2), (100.0, 16), (1e4, 2), (1e4, 64), (3.0, 4096), (1e4, 4096), (0.7, 4096)],
)
def test_floor_extremes(log_atoms: float, d: int, signed: bool) -> None:
    agree("gauge_floor_from_log", log_atoms, d, signed=signed)


def test_floor_in_ten_million_dimensions_does_not_overflow() -> None:
    floor = bounds.gauge_floor_from_log(100.0, 10**7)
    assert floor == pytest.approx(float(ORACLES["gauge_floor_from_log"](100.0, 10**7)), rel=1e-10)


@settings(max_examples=15)
@given(st.integers(1, 10_000), st.integers(2, 48), st.booleans())
def test_floor_between(atoms: int, d: int, signed: bool) -> None:
    agree("gauge_floor", atoms, d, signed=signed)


@pytest.mark.parametrize(("d", "eta"), [(2, 0.1), (2, 1e-12), (2, 1e6), (3, 1e-3), (8, 1e3), (16, 0.01), (4096, 0.01)])
def test_near_optimal_extremes(d: int, eta: float) -> None:
    agree("log_near_optimal_floor", d, eta)


def test_near_optimal_signed_codes_need_half() -> None:
    agree("log_near_optimal_floor", 5, 0.05, signed=True)


@given(st.floats(0.0, 1e4), st.integers(2, 4095), st.booleans())
def test_floor_falls_with_atoms_towards_one(log_atoms: float, d: int, signed: bool) -> None:
    here = bounds.gauge_floor_from_log(log_atoms, d, signed=signed)
    assert here >= 1
    assert bounds.gauge_floor_from_log(log_atoms + 0.5, d, signed=signed) <= here * (1 + 1e-12)
    assert bounds.gauge_floor_from_log(log_atoms, d + 1, signed=signed) >= here * (1 - 1e-12)


@given(st.integers(3, 1000))
def test_polygons_lie_above_the_floor_at_about_twice_its_excess(atoms: int) -> None:
    """Both excesses fall as 1/N^2: the polygon's is (pi/N)^2/3, the floor's, a mean secant, is (pi/N)^2/6."""
    polygon, floor = bounds.polygon_gauge(atoms) - 1, bounds.gauge_floor(atoms, 2) - 1
    assert floor < polygon < 2.6 * floor


@given(st.integers(2, 4096))
def test_the_true_basis_lies_above_the_floor(d: int) -> None:
    assert bounds.true_basis_gauge(d) >= bounds.gauge_floor(2 * d, d) * (1 - 1e-12)
    assert bounds.gauge_floor(d, d, signed=True) == pytest.approx(bounds.gauge_floor(2 * d, d), rel=1e-12)


def test_too_few_atoms_cost_infinitely_much() -> None:
    assert np.isinf(bounds.gauge_floor([1, 2], 5)).all()
    assert np.isinf(bounds.gauge_floor(1, 5, signed=True))
    assert np.isfinite(bounds.gauge_floor(3, 5))


@settings(max_examples=8)
@given(st.integers(2, 512), st.floats(1e-6, 1.0), st.booleans())
def test_near_optimal_dictionaries_grow_with_dimension_and_demand(d: int, eta: float, signed: bool) -> None:
    here = bounds.log_near_optimal_floor(d, eta, signed=signed)
    slack = 1e-9 * max(1.0, abs(here))
    assert bounds.log_near_optimal_floor(d + 1, eta, signed=signed) >= here - slack
    assert bounds.log_near_optimal_floor(d, 1.2 * eta, signed=signed) <= here + slack


@settings(max_examples=8)
@given(st.integers(2, 256), st.floats(0.0, 50.0))
def test_markov_form_never_exceeds_the_sharp_one(d: int, log_excess: float) -> None:
    """A dictionary at the sharp floor of its size has a mean gauge that demands no more atoms than it has."""
    log_atoms = np.log(3) + log_excess
    eta = bounds.gauge_floor_from_log(log_atoms, d) - 1
    if eta > 1e-12:
        assert bounds.log_near_optimal_floor(d, eta) <= log_atoms + 1e-3
