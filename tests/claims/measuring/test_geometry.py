"""The measuring tools on spheres, against direct computation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sasa_theory.claims.measuring.geometry import (
    best_cosine,
    even_lines,
    maximal_packing,
    near_subspace_weights,
    residual,
    sphere,
    trained_lines,
)

seeds = st.integers(0, 2**32 - 1)


@given(seeds, st.integers(2, 6), st.integers(2, 6), st.integers(1, 3), st.booleans())
def test_residual_is_the_distance_to_the_best_span(seed, d, n, k, signed):
    rng = np.random.default_rng(seed)
    points, atoms, k = sphere(5, d, rng), sphere(n, d, rng), min(k, n)
    if k > 1 and not signed:
        with pytest.raises(ValueError, match="k = 1 only"):
            residual(points, atoms, k, signed=signed)
        return
    best = np.full(5, np.inf)
    for subset in np.ndindex(*(n,) * k):
        columns = atoms[list(subset)].T
        code = np.linalg.lstsq(columns, points.T, rcond=None)[0]
        if not signed:
            code = np.maximum(code, 0)
        best = np.minimum(best, np.linalg.norm(points.T - columns @ code, axis=0))
    np.testing.assert_allclose(residual(points, atoms, k, signed=signed), best, atol=1e-7)


def test_best_cosine_in_blocks_equals_one_product():
    rng = np.random.default_rng(0)
    points, atoms = sphere(10_000, 3, rng), sphere(1000, 3, rng)
    np.testing.assert_array_equal(best_cosine(points, atoms), np.abs(points @ atoms.T).max(axis=1))


@given(seeds, st.floats(0.2, 0.8))
def test_maximal_packing_is_apart_and_covers(seed, angle):
    rng = np.random.default_rng(seed)
    atoms = maximal_packing(angle, 3, rng)
    cosine = np.abs(atoms @ atoms.T) - 2 * np.eye(len(atoms))
    assert cosine.max() < np.cos(angle)
    assert (best_cosine(sphere(2000, 3, rng), atoms) >= np.cos(angle)).mean() > 0.995


def test_even_rays_stand_at_equal_angles():
    rays = even_lines(5, signed=False)
    np.testing.assert_allclose((rays * np.roll(rays, 1, axis=0)).sum(axis=1), np.cos(2 * np.pi / 5))


@pytest.mark.parametrize(("d", "k", "eps"), [(3, 1, 0.5), (5, 2, 0.7), (6, 4, 0.3)])
def test_importance_weights_agree_with_plain_counting(d, k, eps):
    rng = np.random.default_rng(1)
    plain = (np.linalg.norm(sphere(400_000, d, rng)[:, k:], axis=1) <= eps).mean()
    assert near_subspace_weights(d, k, eps, 100_000, rng).mean() == pytest.approx(plain, rel=0.05)


def test_training_lowers_the_residual_on_fresh_points():
    rng = np.random.default_rng(2)
    fresh = sphere(20_000, 4, rng)
    trained, random = trained_lines(16, 4, rng), sphere(16, 4, rng)
    assert (residual(fresh, trained, 1) ** 2).mean() < 0.85 * (residual(fresh, random, 1) ** 2).mean()
