"""Gates by a root finder against SciPy's laws and against conservation of the budget."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from sasa_theory.claims.measuring.laplace_gates import (
    gates_by_root,
    laplace,
    logistic,
    slopes_in_budget,
    slopes_in_score,
    spaced_scores,
)

seeds = st.integers(0, 2**32 - 1)
shares = st.floats(0.02, 0.98)
scales = st.floats(-2, 3).map(lambda power: 10.0**power)
laws = st.sampled_from([(laplace, stats.laplace), (logistic, stats.logistic)])


@given(seeds, st.integers(2, 50), shares, scales, laws)
def test_gates_spend_the_budget_by_their_law(seed, n, share, alpha, law):
    z = np.random.default_rng(seed).standard_normal(n)
    gates, threshold = gates_by_root(z, share * n, alpha, law[0])
    assert gates.sum() == pytest.approx(share * n, rel=1e-9)
    np.testing.assert_allclose(gates, law[1].cdf((z - threshold) / alpha), rtol=1e-9)


@given(seeds, st.integers(2, 12), shares, scales, laws, st.data())
def test_slopes_follow_the_density(seed, n, share, alpha, law, data):
    """By implicit differentiation, w SciPy's density: ``w_j (delta_ij - w_i / sum w) / alpha`` and ``w_j / sum w``."""
    z = np.random.default_rng(seed).standard_normal(n)
    weight = law[1].pdf((z - gates_by_root(z, share * n, alpha, law[0])[1]) / alpha)
    index = data.draw(st.integers(0, n - 1))
    expected = weight * (np.eye(n)[index] - weight[index] / weight.sum()) / alpha
    np.testing.assert_allclose(
        slopes_in_score(z, index, share * n, alpha, law[0]), expected, atol=1e-4 / alpha, rtol=1e-4
    )
    rise = slopes_in_budget(z, share * n, alpha, law[0])
    np.testing.assert_allclose(rise, weight / weight.sum(), atol=1e-3)
    assert rise.sum() == pytest.approx(1.0, rel=1e-6)


@given(seeds, st.integers(8, 40))
def test_scores_are_apart_unless_tied(seed, n):
    free, tied = (spaced_scores(n, np.random.default_rng(seed), tied_at=k) for k in (0, 5))
    assert np.diff(np.sort(free)).min() >= 0.5 / n - 1e-12
    ordered = np.sort(tied)[::-1]
    assert ordered[4] == ordered[5]
    assert len(np.unique(tied)) == n - 1
