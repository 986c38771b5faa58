"""Evidence: how a measured value, its interval and a bound become a verdict and a margin."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sasa_theory.claims import Evidence
from sasa_theory.claims.intervals import exact, mean, share


def evidence(relation, bound, measured, half=0.0, tolerance=1e-9):
    return Evidence(relation, bound, measured, measured - half, measured + half, 1, tolerance)


@pytest.mark.parametrize(
    ("relation", "bound", "measured", "half", "verdict"),
    [
        ("<=", 1.0, 0.9, 0.05, "holds"),
        ("<=", 1.0, 1.02, 0.05, "holds"),  # around an attained bound, narrow enough to have seen a violation
        ("<=", 1.0, 1.02, 0.5, "inconclusive"),
        ("<=", 1.0, 1.2, 0.05, "violated"),
        (">=", 1.0, 1.1, 0.05, "holds"),
        (">=", 1.0, 0.8, 0.05, "violated"),
        (">=", 1.0, 0.8, 0.5, "inconclusive"),
        ("==", 1.0, 1.01, 0.02, "holds"),
        ("==", 1.0, 1.1, 0.02, "violated"),
        ("==", 1.0, 0.9, 0.02, "violated"),
        ("==", 1.0, 1.0, 0.5, "inconclusive"),
        ("==", 0.0, 0.0, 0.0, "holds"),
        ("<=", np.inf, 3.0, 0.0, "holds"),
        (">=", np.inf, 3.0, 0.0, "violated"),
        ("==", np.inf, 3.0, 0.0, "violated"),
        ("<=", -np.inf, 3.0, 0.0, "violated"),
        (">=", -np.inf, 3.0, 0.0, "holds"),
        (">=", 1.0, np.inf, 0.0, "inconclusive"),
        ("<=", 1.0, np.nan, 0.0, "inconclusive"),
    ],
)
def test_verdict(relation, bound, measured, half, verdict):
    assert evidence(relation, bound, measured, half).verdict == verdict


def test_declared_tolerance_widens_the_bound():
    assert evidence("==", 1.0, 1.04).verdict == "violated"
    assert evidence("==", 1.0, 1.04, tolerance=0.05).verdict == "holds"


def test_an_equality_approached_from_above_still_forbids_what_lies_below():
    near = {"tolerance": 1e-9, "above": 0.1}
    assert Evidence("==", 1.0, 1.08, 1.07, 1.09, 1, **near).verdict == "holds"
    assert Evidence("==", 1.0, 1.2, 1.19, 1.21, 1, **near).verdict == "violated"
    assert Evidence("==", 1.0, 0.97, 0.96, 0.98, 1, **near).verdict == "violated"
    assert Evidence("==", 1.0, 0.97, 0.96, 0.98, 1, below=0.1).verdict == "holds"


def test_margin_is_relative_and_signed():
    assert evidence("<=", np.inf, 1.0).margin == np.inf
    assert evidence(">=", np.inf, 1.0).margin == -np.inf
    assert evidence("<=", 2.0, 1.0).margin == pytest.approx(0.5)
    assert evidence(">=", 2.0, 1.0).margin == pytest.approx(-0.5)
    assert evidence("==", 2.0, 1.0).margin == pytest.approx(-0.5)
    assert evidence("==", 1.0, 1.0).margin == 0.0


@given(
    st.sampled_from(["<=", ">=", "=="]),
    st.floats(0.1, 10),
    st.floats(0.1, 10),
    st.floats(0, 0.05),
    st.floats(1e-3, 1e3),
)
def test_verdict_does_not_depend_on_units(relation, bound, measured, half, unit):
    scaled = evidence(relation, bound * unit, measured * unit, half * unit, tolerance=1e-6)
    assert scaled.verdict == evidence(relation, bound, measured, half, tolerance=1e-6).verdict


def test_share_interval_is_exact_at_the_ends():
    none, every = share(0, 1000, "<=", 0.5), share(1000, 1000, "<=", 1.0)
    assert none.low == 0.0
    assert every.high == 1.0
    assert none.high == pytest.approx(1 - (0.5e-6) ** (1 / 1000), rel=1e-6)  # (1 - p)^n = alpha / 2


@given(st.integers(0, 2**32 - 1))
def test_mean_interval_holds_the_truth(seed):
    values = np.random.default_rng(seed).random(2000)
    assert mean(values, "==", 0.5).verdict == "holds"
    assert mean(values, "==", 0.6).verdict == "violated"


def test_exact_has_no_width():
    result = exact(3, ">=", 2, samples=7)
    assert (result.low, result.high, result.samples, result.verdict) == (3.0, 3.0, 7, "holds")
