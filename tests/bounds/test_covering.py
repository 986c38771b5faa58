"""Coverage inequality, floor, rate and ceiling."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sasa_theory import bounds

from .oracles import agree

EPS = st.floats(1e-6, 0.999)
SIGNED = st.booleans()


@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize(
    ("log_atoms", "d", "k", "eps"),
    [
        (10.0, 8, 1, 0.3),
        (1e4, 4096, 1, 0.01),
        (1e4, 4096, 64, 1e-6),
        (30.0, 4096, 64, 1e-6),
        (40.0, 64, 8, 1e-6),
        (9.0, 4096, 2048, 1e-3),
        (8.4, 4096, 4000, 1e-6),
        (float(np.log(2048)), 4096, 2048, 1e-3),
    ],
)
def test_coverage_extremes(log_atoms: float, d: int, k: int, eps: float, signed: bool) -> None:
    agree("log_coverage_bound", log_atoms, d, k, eps, signed=signed)


@settings(max_examples=20)
@given(st.integers(1, 24), st.integers(1, 24), st.integers(0, 500), st.floats(1e-3, 1.0), SIGNED)
def test_coverage_between(d: int, k: int, spare: int, eps: float, signed: bool) -> None:
    k = min(k, d)
    agree("coverage_bound", k + spare, d, k, eps, signed=signed)


@pytest.mark.parametrize(
    ("d", "k", "eps", "delta"),
    [
        (4096, 1, 1e-6, 0.0),
        (4096, 1, 0.3, 0.999),
        (4096, 64, 1e-6, 0.1),
        (4096, 2048, 0.3, 0.0),
        (4096, 2048, 1e-6, 0.5),
        (4096, 4095, 1e-6, 0.0),
        (4096, 4095, 0.3, 0.0),  # the coverage of one subset differs from 1 by 1e-86
        (4096, 4096, 0.3, 0.0),
        (2, 1, 0.5, 0.0),
    ],
)
def test_floor_extremes(d: int, k: int, eps: float, delta: float) -> None:
    agree("log_atom_floor", d, k, eps, delta=delta)
    agree("log_atom_floor", d, k, eps, delta=delta, signed=False)


@settings(max_examples=20)
@given(st.integers(1, 48), st.integers(1, 48), st.floats(1e-3, 1.0), st.floats(0.0, 0.999), SIGNED)
def test_floor_between(d: int, k: int, eps: float, delta: float, signed: bool) -> None:
    k = min(k, d)
    agree("log_atom_floor", d, k, eps, delta=delta, signed=signed)
    agree("atom_floor", d, k, eps, delta=delta, signed=signed)


def test_floor_overflows_to_infinity_silently() -> None:
    assert bounds.atom_floor(4096, 1, 1e-6) == np.inf
    assert bounds.atom_ceiling(4096, 1e-6) == np.inf


@pytest.mark.parametrize(("d", "k"), [(1, 1), (2, 1), (3, 1), (8, 4), (8, 7), (16, 5), (64, 1)])
def test_rate_is_the_limiting_slope(d: int, k: int) -> None:
    agree("rate_exponent", d, k)


@pytest.mark.parametrize(("k", "eps"), [(1, 0.5), (3, 0.01), (2, 1e-6)])
def test_rate_per_dimension_is_the_limiting_growth(k: int, eps: float) -> None:
    agree("rate_per_dimension", k, eps)


@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize(("d", "eps"), [(1, 0.5), (2, 0.5), (8, 0.01), (64, 1.0), (4096, 1e-6), (4096, 0.9)])
def test_ceiling_extremes(d: int, eps: float, signed: bool) -> None:
    agree("log_atom_ceiling", d, eps, signed=signed)
    agree("atom_ceiling", d, eps, signed=signed)


@pytest.mark.parametrize(("d", "k", "eps"), [(8, 4, 0.3), (9, 4, 0.3), (64, 32, 1e-6), (4096, 1, 0.9), (5, 5, 0.1)])
def test_block_ceiling(d: int, k: int, eps: float) -> None:
    agree("block_ceiling", d, k, eps)
    agree("log_block_ceiling", d, k, eps)


def test_block_ceiling_beyond_float64() -> None:
    agree("log_block_ceiling", 4096, 1, 1e-6)
    assert bounds.block_ceiling(4096, 1, 1e-6) == np.inf


@settings(max_examples=50)
@given(st.one_of(EPS, st.integers(1, 40).map(lambda n: float(np.sin(np.pi / (2 * n))))), SIGNED)
def test_circle_count(eps: float, signed: bool) -> None:
    agree("circle_count", eps, signed=signed)


@given(EPS, SIGNED)
def test_circle_count_lies_between_floor_and_ceiling(eps: float, signed: bool) -> None:
    exact = bounds.circle_count(eps, signed=signed)
    assert bounds.atom_floor(2, 1, eps, signed=signed) <= exact
    assert exact <= np.ceil(bounds.atom_ceiling(2, eps, signed=signed))


@given(st.integers(1, 4095), st.integers(1, 4096), EPS, st.floats(0.0, 0.9), SIGNED)
def test_floor_is_monotone(d: int, k: int, eps: float, delta: float, signed: bool) -> None:
    k = min(k, d)
    here = bounds.log_atom_floor(d, k, eps, delta=delta, signed=signed)
    slack = 1e-9 * max(1.0, here)
    assert bounds.log_atom_floor(d + 1, k, eps, delta=delta, signed=signed) >= here - slack
    assert bounds.log_atom_floor(d, k, min(1.0, 1.1 * eps), delta=delta, signed=signed) <= here + slack
    assert bounds.log_atom_floor(d, k, eps, delta=delta + 0.05, signed=signed) <= here + slack
    assert bounds.log_atom_floor(d, k, eps, delta=delta) <= here + slack


@given(st.integers(3, 4096), st.integers(1, 4095), st.floats(1e-6, 0.3))
def test_floor_in_excess_of_k_falls_with_active_atoms(d: int, k: int, eps: float) -> None:
    """C(N, k) p grows with k up to N = 2k; the floor itself must end at k = d, so it is compared above that."""
    k = min(k, d - 1)
    here = bounds.log_atom_floor(d, k, eps)
    if here > np.log(2 * (k + 1)):
        assert bounds.log_atom_floor(d, k + 1, eps) <= here + 1e-9 * here


@given(st.integers(1, 4096), EPS, SIGNED)
def test_floor_lies_under_the_ceiling(d: int, eps: float, signed: bool) -> None:
    assert bounds.log_atom_floor(d, 1, eps, signed=signed) <= bounds.log_atom_ceiling(d, eps, signed=signed) + 1e-9


@given(st.integers(2, 64), st.integers(1, 8), st.floats(1e-3, 0.999), st.floats(0.0, 0.9), SIGNED)
def test_the_floor_is_where_coverage_becomes_possible(d: int, k: int, eps: float, delta: float, signed: bool) -> None:
    k = min(k, d - 1)
    atoms = bounds.atom_floor(d, k, eps, delta=delta, signed=signed)
    log_needed = np.log1p(-delta)
    assert bounds.log_coverage_bound(np.log(atoms), d, k, eps, signed=signed) >= log_needed - 1e-9
    if k < atoms < 1e6:
        assert bounds.log_coverage_bound(np.log(atoms - 1), d, k, eps, signed=signed) < log_needed


@given(st.integers(1, 64), st.integers(1, 64), EPS)
def test_as_many_active_atoms_as_dimensions_suffice(d: int, k: int, eps: float) -> None:
    assert bounds.atom_floor(d, d, eps) == d
    k = min(k, d)
    assert bounds.atom_floor(d, k, eps) <= np.ceil(bounds.block_ceiling(d, k, eps))
