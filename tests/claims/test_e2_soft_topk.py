"""E2: the closed form against the plain root finder on invented scores."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sasa_theory import bounds
from sasa_theory.claims.e2_soft_topk import Setting, SoftTopKGates
from sasa_theory.claims.measuring.laplace_gates import gates_by_root, spaced_scores

seeds = st.integers(0, 2**32 - 1)
shares = st.floats(0.02, 0.98)
scales = st.floats(-2, 3).map(lambda power: 10.0**power)


@given(seeds, st.integers(2, 50), shares, scales)
def test_closed_form_agrees_with_the_root_finder(seed, n, share, alpha):
    z = np.random.default_rng(seed).standard_normal(n)
    gates, threshold = gates_by_root(z, share * n, alpha)
    closed = bounds.soft_topk(z, share * n, alpha)
    np.testing.assert_allclose(closed.gates, gates, rtol=1e-6)
    assert closed.threshold == pytest.approx(threshold, rel=1e-9, abs=1e-9 * alpha)


@given(seeds, st.integers(2, 12), shares, scales)
def test_jacobian_conserves_the_budget_and_follows_its_directional_derivative(seed, n, share, alpha):
    rng = np.random.default_rng(seed)
    z, direction, h = rng.standard_normal(n), rng.standard_normal(n), 1e-5 * alpha
    closed = bounds.soft_topk(z, share * n, alpha)
    rise = gates_by_root(z + h * direction, share * n, alpha)[0] - gates_by_root(z - h * direction, share * n, alpha)[0]
    scale = 1 / alpha
    np.testing.assert_allclose(rise / (2 * h), closed.jacobian_scores @ direction, atol=1e-4 * scale)
    np.testing.assert_allclose(closed.jacobian_scores.sum(axis=0), 0, atol=1e-12 * scale)
    np.testing.assert_allclose(closed.jacobian_scores.sum(axis=1), 0, atol=1e-12 * scale)
    assert closed.jacobian_budget.sum() == pytest.approx(1)


@given(seeds, st.integers(2, 40), st.data())
def test_small_scales_give_the_hard_mask(seed, n, data):
    k = data.draw(st.integers(1, n - 1))
    z = spaced_scores(n, np.random.default_rng(seed))
    mask = np.zeros(n)
    mask[np.argsort(-z)[:k]] = 1
    np.testing.assert_allclose(bounds.soft_topk(z, k, 1e-4).gates, mask, atol=1e-12)


@pytest.mark.parametrize(
    ("case", "kappa", "mass"),
    [("mass on the largest", 5.0, 5.0), ("tie at the budget", 5.0, 4.5), ("budget not whole", 5.5, 5.0)],
)
def test_mass_on_the_largest_with_and_without_ties(case, kappa, mass):
    claim, setting = SoftTopKGates(), Setting(case, 1e-5, kappa, 40, 10)
    take = claim.measure if case == "mass on the largest" else claim.falsify
    evidence = take(setting, np.random.default_rng(0))
    assert evidence.measured == pytest.approx(mass, abs=1e-9)
    assert evidence.bound == kappa


@pytest.mark.parametrize("case", sorted({setting.case for setting in SoftTopKGates().grid("quick")}))
def test_no_measurement_uses_the_closed_form(case, monkeypatch):
    """With a wrong closed form the measured value stays and, where the closed form is the other side, disagrees."""
    claim, setting = SoftTopKGates(), Setting(case, 0.3, 5.0, 12, 1)
    before = claim.measure(setting, np.random.default_rng(0))
    right = bounds.soft_topk
    monkeypatch.setattr(bounds, "soft_topk", lambda z, kappa, alpha: right(z, kappa + 1, 2 * alpha))
    after = claim.measure(setting, np.random.default_rng(0))
    assert after.measured == before.measured
    if case != "mass on the largest":  # its other side is the budget itself, and it needs a small scale
        assert (before.verdict, after.verdict) == ("holds", "violated")


def test_every_falsifier_has_a_name_of_its_own():
    cases = [setting.case for setting in SoftTopKGates().falsifiers("quick")]
    assert len(set(cases)) == len(cases)
