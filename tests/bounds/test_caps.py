"""Measures of caps and of neighbourhoods of subspaces."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sasa_theory import bounds

from .oracles import agree

ANGLES = (1e-6, 0.3, 1.2, np.pi / 2)
DISTANCES = (1e-6, 0.3, 0.9, 0.999999, 1.0)


@pytest.mark.parametrize("angle", ANGLES)
@pytest.mark.parametrize("d", [1, 2, 3, 16, 512, 4096])
def test_cap_extremes(d: int, angle: float) -> None:
    agree("log_cap_measure", d, angle)
    agree("cap_measure", d, angle)


@pytest.mark.parametrize("eps", DISTANCES)
@pytest.mark.parametrize(("d", "k"), [(3, 2), (4096, 1), (4096, 64), (4096, 2048), (4096, 4095), (4096, 4096)])
def test_subspace_extremes(d: int, k: int, eps: float) -> None:
    agree("log_near_subspace_measure", d, k, eps)
    agree("near_subspace_measure", d, k, eps)


@settings(max_examples=15)
@given(st.integers(1, 64), st.integers(0, 63), st.floats(1e-3, 1.0))
def test_subspaces_between(d: int, fewer: int, eps: float) -> None:
    k = max(1, d - fewer)
    agree("log_near_subspace_measure", d, k, eps)
    agree("near_subspace_measure", d, k, eps)
    agree("log_cap_measure", d, eps * np.pi / 2)


def test_an_empty_cap_has_measure_zero() -> None:
    assert bounds.cap_measure(5, 0.0) == 0.0
    assert bounds.log_cap_measure(5, 0.0) == -np.inf


@given(st.integers(2, 4096), st.floats(1e-6, np.pi / 2))
def test_two_caps_make_a_line(d: int, angle: float) -> None:
    line = bounds.log_near_subspace_measure(d, 1, np.sin(angle))
    assert bounds.log_cap_measure(d, angle) + np.log(2) == pytest.approx(line, rel=1e-9, abs=1e-9)


@given(st.integers(1, 4095), st.integers(1, 4096), st.floats(1e-6, 1.0))
def test_measure_grows_with_active_atoms_and_falls_with_dimension(d: int, k: int, eps: float) -> None:
    k = min(k, d)
    here = bounds.log_near_subspace_measure(d, k, eps)
    assert bounds.log_near_subspace_measure(d + 1, k, eps) <= here + 1e-9
    assert bounds.log_near_subspace_measure(d + 1, k + 1, eps) >= bounds.log_near_subspace_measure(d + 1, k, eps) - 1e-9
