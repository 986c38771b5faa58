"""Soft top-k gates, threshold and Jacobians."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mpmath import mpf

from sasa_theory import bounds

from .oracles import ORACLES, agree, close

SCORES = [0.3, -1.2, 2.0, 0.7, 0.69]
FAR = [1000 + s for s in SCORES]  # a common shift must cost no digits, however small alpha is


@pytest.mark.parametrize("t", [-50.0, -1.0, -1e-9, 0.0, 0.3, 30.0])
def test_laplace_cdf(t: float) -> None:
    agree("laplace_cdf", t)


@pytest.mark.parametrize(
    ("scores", "kappa", "alpha"),
    [
        (SCORES, 2.0, 1.0),
        (SCORES, 2.5, 0.1),
        (SCORES, 2.99, 1e-3),
        (SCORES, 4.999999, 0.1),
        (SCORES, 1e-9, 0.1),
        (SCORES, 2.0, 1e6),
        (FAR, 2.99, 1e-3),
        (FAR, 2.5, 1e-4),
        ([0.0, 0.0, 0.0], 1.5, 1e-3),
        ([0.0, 5.0], 1.0, 0.5),
    ],
)
def test_gates_threshold_and_jacobians(scores: list[float], kappa: float, alpha: float) -> None:
    found = bounds.soft_topk(scores, kappa, alpha)
    gates, threshold, jacobian_scores, jacobian_budget = ORACLES["soft_topk"](scores, kappa, alpha)
    close(found.threshold, threshold, unit=max(1.0, alpha))
    m = len(scores)
    for j in range(m):
        close(found.gates[j], gates[j], unit=min(1.0, kappa))
        close(found.jacobian_budget[j], jacobian_budget[j], unit=1.0)
        for i in range(m):
            close(found.jacobian_scores[j, i], jacobian_scores[j, i], unit=1 / alpha)


@given(st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=30), st.floats(0.001, 0.999), st.floats(1e-6, 1e3))
def test_gates_sum_to_the_budget_and_keep_the_order(scores: list[float], part: float, alpha: float) -> None:
    kappa = part * len(scores)
    found = bounds.soft_topk(scores, kappa, alpha)
    assert found.gates.sum() == pytest.approx(kappa, rel=1e-9)
    assert ((found.gates >= 0) & (found.gates <= 1)).all()
    assert (np.diff(found.gates[np.argsort(scores)]) >= 0).all()
    assert found.jacobian_budget.sum() == pytest.approx(1.0)
    np.testing.assert_allclose(found.jacobian_scores.sum(axis=1), 0, atol=1e-9 / alpha)
    np.testing.assert_allclose(found.jacobian_scores, found.jacobian_scores.T, atol=1e-9 / alpha)


@given(st.lists(st.integers(-(10**6), 10**6), min_size=2, max_size=30, unique=True), st.data())
def test_small_alpha_gives_the_hard_mask(scores: list[int], data: st.DataObject) -> None:
    k = data.draw(st.integers(1, len(scores) - 1))
    gates = bounds.soft_topk(scores, k, 1e-3).gates
    np.testing.assert_allclose(gates, np.array(scores) >= sorted(scores)[-k], atol=1e-12)


@given(st.lists(st.integers(-1000, 1000), min_size=2, max_size=10), st.integers(-(2**40), 2**40))
def test_a_common_shift_changes_no_gate(scores: list[int], shift: int) -> None:
    here, there = (bounds.soft_topk([s + by for s in scores], 1.3, 0.5) for by in (0, shift))
    np.testing.assert_allclose(there.gates, here.gates, rtol=1e-12)
    close(there.threshold, mpf(here.threshold) + shift, unit=1e4)


def test_shape_is_checked() -> None:
    with pytest.raises(ValueError, match=r"scores must be one-dimensional with at least 2 entries, got shape \(1,\)"):
        bounds.soft_topk([1.0], 0.5, 1.0)
