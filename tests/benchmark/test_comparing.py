from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from sasa_theory.benchmark.comparing import detectable_difference, estimate, holm, paired_p


@given(st.integers(0, 10**6), st.integers(2, 30))
def test_the_paired_test_is_scipys(seed, n):
    a, b = np.random.default_rng(seed).normal([[0.3], [0.0]], size=(2, n))
    assert paired_p(a - b) == pytest.approx(stats.ttest_rel(a, b).pvalue, rel=1e-9)


@given(st.integers(0, 10**6), st.integers(2, 30))
def test_estimate_is_students_interval(seed, n):
    x = np.random.default_rng(seed).normal(size=n)
    found = estimate(x, 0.9)
    expected = stats.ttest_1samp(x, 0).confidence_interval(0.9)
    assert (found.mean, found.low, found.high) == pytest.approx((x.mean(), expected.low, expected.high), rel=1e-9)


def test_one_seed_and_constant_differences():
    assert paired_p([5.0]) == 1
    assert paired_p([0.0, 0.0]) == 1
    assert paired_p([0.5, 0.5, 0.5]) == 0
    assert paired_p([0.5, 0.5, 0.5], unpaired=0.5) == pytest.approx(2 * stats.t.sf(3**0.5, 2))
    assert paired_p([0.5, 0.6, 0.7], unpaired=0.5) == paired_p([0.5, 0.6, 0.7])
    assert paired_p([1e-12, 1e-12], scale=1.0) == 1  # rounding of values near 1
    assert estimate([5.0], 0.95) == (5.0, -np.inf, np.inf)
    assert estimate([5.0, 5.0], 0.95) == (5.0, 5.0, 5.0)
    assert detectable_difference(1.0, 1, 0.05) == np.inf
    assert detectable_difference(0.0, 5, 0.05) == 0


def test_holm_on_a_worked_example():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12), st.floats(0.001, 0.5))
def test_holm_rejects_what_stepping_down_rejects(p_values, alpha):
    rejected, order = [False] * len(p_values), sorted(range(len(p_values)), key=p_values.__getitem__)
    for step, k in enumerate(order):
        if p_values[k] * (len(order) - step) > alpha:
            break
        rejected[k] = True
    assert (holm(p_values) <= alpha).tolist() == rejected
    assert (holm(p_values) >= p_values).all()


@pytest.mark.parametrize(("seeds", "tests"), [(2, 1), (3, 10), (5, 21), (30, 3)])
def test_the_detectable_difference_is_detected_with_the_stated_power(seeds, tests):
    alpha, draws = 0.05 / tests, 40_000
    difference = detectable_difference(2.0, seeds, alpha)
    d = difference + 2.0 * np.random.default_rng(0).standard_normal((draws, seeds))
    t = d.mean(axis=1) / (d.std(axis=1, ddof=1) / np.sqrt(seeds))
    detected = int((t > stats.t.isf(alpha / 2, seeds - 1)).sum())
    interval = stats.binomtest(detected, draws).proportion_ci(1 - 1e-6)
    assert interval.low < 0.8 < interval.high


@given(st.integers(2, 50), st.floats(1e-4, 0.2), st.floats(0.5, 0.95))
def test_more_seeds_detect_less_and_more_tests_or_power_ask_for_more(seeds, alpha, power):
    found = detectable_difference(1.0, seeds, alpha, power)
    assert detectable_difference(1.0, seeds + 1, alpha, power) < found
    assert detectable_difference(1.0, seeds, alpha / 2, power) > found
    assert detectable_difference(1.0, seeds, alpha, power + 0.02) > found
    assert detectable_difference(3.0, seeds, alpha, power) == pytest.approx(3 * found)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: estimate([1.0, np.nan], 0.9), "values"),
        (lambda: estimate([1.0, 2.0], 1.0), "level"),
        (lambda: holm([0.2, 1.2]), "p_values"),
        (lambda: detectable_difference(1.0, 3, 0.0), "alpha"),
        (lambda: detectable_difference(1.0, 3, 0.1, 0.3), "power"),
        (lambda: detectable_difference(-1.0, 3, 0.1), "deviation"),
    ],
)
def test_what_is_impossible_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
