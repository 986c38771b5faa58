"""Least mean squared error of one active atom."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sasa_theory import bounds

from .oracles import agree


@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize(
    ("log_atoms", "d"),
    [
        (0.0, 3),
        (1e-300, 4),
        (1e-90, 4),
        (2e-6, 3),
        (100.0, 16),
        (1e4, 2),
        (700.0, 3),
        (1e4, 64),
        (3.0, 4096),
        (1e4, 4096),
        (0.0, 1),
    ],
)
def test_extremes(log_atoms: float, d: int, signed: bool) -> None:
    agree("log_distortion_floor", log_atoms, d, signed=signed)


@settings(max_examples=10)
@given(st.integers(1, 10_000), st.integers(1, 48), st.booleans())
def test_between(atoms: int, d: int, signed: bool) -> None:
    agree("distortion_floor", atoms, d, signed=signed)


@settings(max_examples=12)
@given(st.floats(0.0, 1e4), st.integers(2, 4095), st.booleans())
def test_falls_with_atoms_and_grows_with_dimension(log_atoms: float, d: int, signed: bool) -> None:
    here = bounds.log_distortion_floor(log_atoms, d, signed=signed)
    slack = 1e-9 * max(1.0, abs(here))
    assert here < 0
    assert bounds.log_distortion_floor(log_atoms + 0.5, d, signed=signed) <= here + slack
    assert bounds.log_distortion_floor(log_atoms, d + 1, signed=signed) >= here - slack
    assert bounds.log_distortion_floor(log_atoms, d, signed=False) >= here - slack


@pytest.mark.parametrize("d", [2, 8, 100])
def test_one_line_leaves_all_but_one_coordinate(d: int) -> None:
    assert bounds.distortion_floor(1, d) == pytest.approx(1 - 1 / d, rel=1e-12)
    assert bounds.distortion_floor(1, d, signed=False) == pytest.approx(1 - 1 / (2 * d), rel=1e-12)


@pytest.mark.parametrize("lines", [1, 2, 5, 100])
def test_even_lines_reach_the_floor_in_the_plane(lines: int) -> None:
    half = np.pi / (2 * lines)
    assert bounds.distortion_floor(lines, 2) == pytest.approx(0.5 - np.sin(2 * half) / (4 * half), rel=1e-9)
