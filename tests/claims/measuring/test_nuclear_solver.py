from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sasa_theory.claims.measuring.nuclear_solver import (
    objective,
    rank_of,
    solve,
    solve_factors,
    solve_overlapping,
    vanishing_lambda,
)
from sasa_theory.claims.measuring.slices import even_ellipse, inputs, overlap_moments

seeds = st.integers(0, 2**32 - 1)


def random_moment(d, seed, rank=None):
    root = np.random.default_rng(seed).standard_normal((d, rank or d))
    return root @ root.T / d


def test_one_direction_is_the_scalar_minimum():
    shrunk = np.linspace(-0.5, 1.5, 200_001)
    for s, lam in ((1.0, 0.3), (0.2, 0.3), (0.1, 0.3)):
        values = s * (1 - shrunk) ** 2 + lam * np.abs(shrunk)
        found = solve(np.array([[s]]), lam)
        assert found.risk == pytest.approx(values.min(), abs=1e-9)
        assert found.maps[0, 0] == pytest.approx(shrunk[values.argmin()], abs=1e-5)


def test_diagonal_moments_are_solved_direction_by_direction():
    energies = np.array([2.0, 0.7, 0.3, 0.0])
    alone = solve(energies[:, None, None], 0.5)
    together = solve(np.diag(energies), 0.5)
    assert together.risk == pytest.approx(alone.risk.sum(), rel=1e-8)
    np.testing.assert_allclose(together.maps, np.diag(alone.maps[:, 0, 0]), atol=1e-6)


@given(seed=seeds, d=st.integers(1, 6), lam=st.floats(0.01, 5.0))
def test_certificate_encloses_the_minimum(seed, d, lam):
    rng = np.random.default_rng(seed)
    second = random_moment(d, rng)
    best = solve(second, lam)
    assert best.floor <= best.risk * (1 + 1e-12)
    assert best.risk - best.floor <= 1e-9 * np.trace(second)
    assert best.risk == pytest.approx(objective(second, best.maps, lam), rel=1e-9)
    others = best.maps + rng.standard_normal((50, d, d)) * 10.0 ** rng.uniform(-4, 0, (50, 1, 1))
    assert objective(second, others, lam).min() >= best.floor * (1 - 1e-12)


@given(seed=seeds, d=st.integers(1, 6), lam=st.floats(0.01, 5.0))
def test_factors_of_full_rank_reach_the_convex_minimum(seed, d, lam):
    second = random_moment(d, seed, rank=max(1, d - 1))
    found = solve_factors(second, lam, d, np.random.default_rng(seed))
    assert objective(second, found, lam) == pytest.approx(solve(second, lam).risk, rel=1e-6)


def test_factors_keep_to_their_rank():
    second = random_moment(6, 0)
    for rank in (1, 2, 4):
        assert np.linalg.matrix_rank(solve_factors(second, 0.01, rank, np.random.default_rng(0)), tol=1e-6) == rank


def test_small_penalty_at_rank_one_is_the_leading_principal_component():
    second = random_moment(5, 1)
    found = solve_factors(second, 1e-6, 1, np.random.default_rng(0))
    values, axes = np.linalg.eigh(second)
    np.testing.assert_allclose(found, np.outer(axes[:, -1], axes[:, -1]), atol=1e-4)
    assert objective(second, found, 1e-6) == pytest.approx(values[:-1].sum(), rel=1e-5)


@given(seed=seeds, lam=st.floats(0.02, 2.0))
def test_groups_on_disjoint_cells_and_one_on_all_do_not_beat_their_certificate(seed, lam):
    rng = np.random.default_rng(seed)
    points = rng.standard_normal((60, 3)) * [2.0, 1.0, 0.5]
    cell = rng.random(60) < 0.5
    best = solve_overlapping(overlap_moments(points, cell), lam)

    def risk(maps):
        error = points - points @ maps[0].T - cell[:, None] * (points @ maps[1].T)
        return (error**2).sum() / 60 + lam * np.linalg.svd(maps, compute_uv=False).sum()

    assert risk(best.maps) == pytest.approx(float(best.risk), rel=1e-9)
    tried = [risk(best.maps + rng.standard_normal((2, 3, 3)) * 10.0 ** rng.uniform(-4, 0)) for _ in range(50)]
    assert min(tried) >= best.floor * (1 - 1e-12)
    assert best.risk - best.floor <= 1e-9 * (points**2).sum() / 60
    assert best.risk <= solve(points.T @ points / 60, lam).risk * (1 + 1e-9)


def test_a_second_group_on_every_input_is_useless():
    points = even_ellipse(100, 4.0)
    joint = solve_overlapping(overlap_moments(points, np.ones(100, dtype=bool)), 0.5)
    assert joint.risk == pytest.approx(solve(points.T @ points / 100, 0.5).risk, rel=1e-8)


def test_batches_equal_single_runs():
    second = np.stack([random_moment(3, seed) for seed in range(5)])
    lam = np.linspace(0.05, 1.0, 5)
    together = solve(second, lam)
    for one, weight, maps, risk in zip(second, lam, together.maps, together.risk, strict=True):
        alone = solve(one, weight)
        assert risk == pytest.approx(alone.risk, rel=1e-8)
        np.testing.assert_allclose(maps, alone.maps, atol=1e-5)


def test_rank_counts_directions():
    maps = np.stack([np.diag([1.0, 0.2, 1e-9]), np.zeros((3, 3)), np.eye(3)])
    np.testing.assert_array_equal(rank_of(maps), [2, 0, 3])


def test_map_vanishes_where_a_scan_says_so():
    second = inputs(200, np.array([0.6, 0.3, 0.1]), "gaussian", np.random.default_rng(0))
    moment = second.T @ second / 200
    drop = vanishing_lambda(moment[None, None], 0)
    assert rank_of(solve(moment, drop * 0.999).maps) == 1
    assert rank_of(solve(moment, drop * 1.001).maps) == 0


def test_a_group_that_is_never_used_vanishes_at_zero():
    points = even_ellipse(100, 1.0)
    assert vanishing_lambda(overlap_moments(points, points[:, 0] > 0), 1) == 0.0


def test_too_small_a_penalty_is_refused_with_its_value():
    with pytest.raises(RuntimeError, match=r"lam = 1e-12 may be too small for inputs of energy 1"):
        solve(np.diag([1 - 1e-9, 1e-9]), 1e-12)
