from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sasa_theory import bounds
from sasa_theory.claims.measuring.nuclear_solver import objective, rank_of, solve, solve_factors, vanishing_lambda

seeds = st.integers(0, 2**32 - 1)


@given(seed=seeds, d=st.integers(1, 6), rank=st.integers(1, 6), lam=st.floats(0.01, 3.0), spread=st.floats(0, 4))
def test_closed_form_is_the_solvers_minimum_on_any_covariance(seed, d, rank, lam, spread):
    rng = np.random.default_rng(seed)
    energies = np.exp(-spread * rng.random(d)) * (rng.random(d) < 0.8)
    basis, _ = np.linalg.qr(rng.standard_normal((d, d)))
    second = (basis * energies) @ basis.T
    full, limited = bounds.single_group_optimum(energies, lam), bounds.single_group_optimum(energies, lam, rank=rank)
    best = solve(second, lam)
    assert best.risk == pytest.approx(full.risk, rel=1e-7, abs=1e-12)
    np.testing.assert_allclose(best.maps, (basis * full.shrinkage) @ basis.T, atol=1e-4)
    found = objective(second, solve_factors(second, lam, rank, rng), lam)
    assert found == pytest.approx(limited.risk, rel=1e-6, abs=1e-9)


def test_usage_multiplies_the_energy():
    rng = np.random.default_rng(0)
    points = np.zeros((400, 3))
    points[:100] = rng.standard_normal((100, 3))
    second, active = points.T @ points / 400, points[:100].T @ points[:100] / 100
    expected = bounds.single_group_optimum(0.25 * np.linalg.eigvalsh(active), 0.2).risk
    assert solve(second, 0.2).risk == pytest.approx(expected, rel=1e-7)


@given(d=st.integers(1, 10), energy=st.floats(0.1, 10.0))
def test_rank_of_a_round_slice_drops_from_d_to_zero_while_its_risk_is_continuous(d, energy):
    second = energy / d * np.eye(d)
    critical = float(bounds.critical_lambda(energy, d))
    below, above = solve(second, 0.999 * critical), solve(second, 1.001 * critical)
    assert (rank_of(below.maps), rank_of(above.maps)) == (d, 0)
    assert below.risk == pytest.approx(above.risk, rel=1e-5)
    assert vanishing_lambda(second[None, None], 0) == pytest.approx(critical, rel=2e-5)
