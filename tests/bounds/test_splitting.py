"""The lower-risk path from the true basis."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mpmath import mp

from sasa_theory import bounds

from .oracles import ORACLES, agree, close


@pytest.mark.parametrize("d", [2, 3, 4, 8, 511, 4096])
def test_mean_pair_radius(d: int) -> None:
    agree("mean_pair_radius", d)


@settings(max_examples=15)
@given(st.floats(1e-9, 1.5), st.floats(0.0, 100.0))
def test_path(t: float, radius: float) -> None:
    agree("split_path_change", t, radius)


@given(st.floats(0.0, np.pi / 2), st.floats(0.01, 100.0))
def test_path_is_symmetric_negative_and_least_in_the_middle(t: float, radius: float) -> None:
    change = bounds.split_path_change(t, radius)
    assert change <= 0
    assert change == pytest.approx(bounds.split_path_change(np.pi / 2 - t, radius), abs=1e-12 * radius)
    assert change >= bounds.split_path_change(np.pi / 4, radius) * (1 + 1e-12)
    if 1e-6 < t < 1.57:
        assert change < 0


def test_slope() -> None:
    agree("split_path_slope", 0.7)
    agree("split_path_slope", 0.0)


@pytest.mark.parametrize("lam", [0.0, 1e-6, 0.3, 0.6, float(np.sqrt(0.5)), 0.8, 0.99, 1.0, 2.0])
def test_lasso_slope(lam: float) -> None:
    agree("lasso_slope_circle", lam)


@settings(max_examples=10)
@given(st.floats(0.0, 1.0))
def test_lasso_slope_between(lam: float) -> None:
    """Near lam = 1 the slope falls to zero as (1 - lam)^2, and digits are lost relative to the unit circle's 1e-4."""
    with mp.workdps(30):
        close(bounds.lasso_slope_circle(lam), ORACLES["lasso_slope_circle"](lam), unit=1e-4)


def test_lasso_slope_becomes_the_gauge_slope_for_a_small_penalty() -> None:
    lam = 1e-7
    assert bounds.lasso_slope_circle(lam) / lam == pytest.approx(bounds.split_path_slope(1.0), rel=1e-5)
