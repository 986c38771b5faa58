"""E2: the plain root finder that the closed form is compared with, and invented scores."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from sasa_theory import bounds
from sasa_theory.claims.e2_soft_topk import Setting, SoftTopKGates, _plain_gates, _scores

seeds = st.integers(0, 2**32 - 1)
shares = st.floats(0.02, 0.98)
scales = st.floats(-2, 3).map(lambda power: 10.0**power)


@given(seeds, st.integers(2, 50), shares, scales)
def test_plain_gates_spend_the_budget_by_the_laplace_law(seed, n, share, alpha):
    z = np.random.default_rng(seed).standard_normal(n)
    gates, threshold = _plain_gates(z, share * n, alpha)
    assert gates.sum() == pytest.approx(share * n, rel=1e-9)
    np.testing.assert_allclose(gates, stats.laplace.cdf((z - threshold) / alpha), rtol=1e-9)


@given(seeds, st.integers(2, 50), shares, scales)
def test_closed_form_agrees_with_the_root_finder(seed, n, share, alpha):
    z = np.random.default_rng(seed).standard_normal(n)
    gates, threshold = _plain_gates(z, share * n, alpha)
    closed = bounds.soft_topk(z, share * n, alpha)
    np.testing.assert_allclose(closed.gates, gates, rtol=1e-6)
    assert closed.threshold == pytest.approx(threshold, rel=1e-9, abs=1e-9 * alpha)


@given(seeds, st.integers(2, 12), shares, scales)
def test_jacobian_conserves_the_budget_and_follows_its_directional_derivative(seed, n, share, alpha):
    rng = np.random.default_rng(seed)
    z, direction, h = rng.standard_normal(n), rng.standard_normal(n), 1e-5 * alpha
    closed = bounds.soft_topk(z, share * n, alpha)
    rise = _plain_gates(z + h * direction, share * n, alpha)[0] - _plain_gates(z - h * direction, share * n, alpha)[0]
    scale = 1 / alpha
    np.testing.assert_allclose(rise / (2 * h), closed.jacobian_scores @ direction, atol=1e-4 * scale)
    np.testing.assert_allclose(closed.jacobian_scores.sum(axis=0), 0, atol=1e-12 * scale)
    np.testing.assert_allclose(closed.jacobian_scores.sum(axis=1), 0, atol=1e-12 * scale)
    assert closed.jacobian_budget.sum() == pytest.approx(1)


@given(seeds, st.integers(2, 40), st.data())
def test_small_scales_give_the_hard_mask(seed, n, data):
    k = data.draw(st.integers(1, n - 1))
    z = _scores(Setting("", n, float(k), 1.0, 1), np.random.default_rng(seed))
    mask = np.zeros(n)
    mask[np.argsort(-z)[:k]] = 1
    np.testing.assert_allclose(bounds.soft_topk(z, k, 1e-4).gates, mask, atol=1e-12)


@pytest.mark.parametrize(("kappa", "tied", "mass"), [(5.0, True, 4.5), (5.5, False, 5.0), (5.0, False, 5.0)])
def test_mass_on_the_largest_with_and_without_ties(kappa, tied, mass):
    setting = Setting("mass on the largest", 40, kappa, 1e-5, 10, tied)
    assert SoftTopKGates().measure(setting, np.random.default_rng(0)).measured == pytest.approx(mass, abs=1e-9)


@given(seeds, st.integers(8, 40))
def test_scores_are_apart_unless_tied(seed, n):
    free, tied = (_scores(Setting("", n, 5.0, 1.0, 1, t), np.random.default_rng(seed)) for t in (False, True))
    assert np.diff(np.sort(free)).min() >= 0.5 / n - 1e-12
    ordered = np.sort(tied)[::-1]
    assert ordered[4] == ordered[5]
    assert len(np.unique(tied)) == n - 1
