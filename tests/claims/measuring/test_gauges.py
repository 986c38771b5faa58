import numpy as np
import pytest
from hypothesis import given, target
from hypothesis import strategies as st
from scipy.optimize import nnls

from sasa_theory.claims.measuring.exact_lasso import lasso_value
from sasa_theory.claims.measuring.gauges import gauge, gauge_by_program, mean_gauge
from sasa_theory.claims.measuring.geometry import even_lines, sphere, unit
from sasa_theory.claims.measuring.true_basis import basis_with_spare, signed_basis

seeds = st.integers(0, 2**32 - 1)


def symmetric_atoms(n: int, d: int, rng: np.random.Generator) -> np.ndarray:
    half = sphere(n, d, rng) * rng.uniform(0.5, 2.0, (n, 1))
    return np.vstack([half, -half])


@given(seeds, st.integers(2, 6))
def test_every_gauge_of_the_cross_polytope_is_the_l1_norm(seed, d):
    points = np.random.default_rng(seed).standard_normal((20, d))
    expected = np.abs(points).sum(axis=1)
    np.testing.assert_allclose(gauge_by_program(points, signed_basis(d)), expected, rtol=1e-9)
    np.testing.assert_allclose(gauge(points, signed_basis(d)), expected, rtol=1e-9)


@given(seeds, st.integers(2, 5), st.integers(0, 20))
def test_hull_and_program_agree_on_any_dictionary(seed, d, more):
    rng = np.random.default_rng(seed)
    atoms, points = symmetric_atoms(d + more, d, rng), rng.standard_normal((70, d))
    np.testing.assert_allclose(gauge(points, atoms), gauge_by_program(points, atoms), rtol=1e-6)


@given(seeds, st.integers(2, 6), st.integers(0, 20))
def test_no_unit_atoms_code_a_unit_point_for_less_than_one(seed, d, more):
    rng = np.random.default_rng(seed)
    atoms = unit(symmetric_atoms(d + more, d, rng))
    values = gauge(np.vstack([sphere(200, d, rng), atoms]), atoms)
    target(-float(values[:200].min()))
    assert values.min() >= 1 - 1e-9
    np.testing.assert_allclose(values[200:], 1, rtol=1e-9)  # an atom codes itself


@given(seeds, st.integers(2, 4), st.integers(1, 12))
def test_mean_gauge_is_the_average_of_the_gauge(seed, d, more):
    rng = np.random.default_rng(seed)
    atoms = symmetric_atoms(d + more, d, rng)
    values = gauge(sphere(20_000, d, rng), atoms)
    assert abs(mean_gauge(atoms) - values.mean()) < 6 * values.std() / np.sqrt(len(values))


@given(seeds, st.integers(2, 4))
def test_mean_gauge_scales_and_ignores_inner_atoms_copies_and_rotations(seed, d):
    rng = np.random.default_rng(seed)
    atoms = symmetric_atoms(d + 3, d, rng)
    turn, _ = np.linalg.qr(rng.standard_normal((d, d)))
    inner = atoms[:2].mean(axis=0) / 2
    for same in (2 * atoms, atoms @ turn, np.vstack([atoms, inner]), np.vstack([atoms, atoms[0]])):
        scale = 2 if same.shape == atoms.shape and np.allclose(same, 2 * atoms) else 1
        assert mean_gauge(same) * scale == pytest.approx(mean_gauge(atoms), rel=1e-9)


@pytest.mark.parametrize("measure", [lambda a: gauge(np.eye(3), a), mean_gauge])
def test_atoms_on_one_side_of_the_origin_are_refused(measure):
    with pytest.raises(ValueError, match="4 atoms must surround the origin"):
        measure(np.vstack([np.eye(3), np.ones(3)]))


def test_a_point_out_of_reach_is_refused_by_the_program():
    with pytest.raises(ValueError, match="no non-negative code of 2 atoms"):
        gauge_by_program(-np.eye(2), np.eye(2))


def test_mean_gauge_names_the_dimension_it_cannot_integrate():
    with pytest.raises(ValueError, match="got atoms in 5"):
        mean_gauge(signed_basis(5))


@given(seeds, st.integers(1, 4), st.floats(0.01, 2.0))
def test_lasso_of_the_true_basis_is_a_sum_of_soft_thresholds(seed, d, lam):
    points = np.random.default_rng(seed).standard_normal((20, d))
    size = np.abs(points)
    expected = np.where(size > lam, lam * size - lam**2 / 2, size**2 / 2).sum(axis=1)
    np.testing.assert_allclose(lasso_value(points, signed_basis(d), lam), expected, rtol=1e-9, atol=1e-12)


@given(seeds, st.integers(2, 3), st.integers(1, 4), st.floats(0.01, 1.0))
def test_lasso_agrees_with_non_negative_least_squares(seed, d, more, lam):
    # a last row e with target -lam/e adds e^2 (1'c)^2 / 2 + lam 1'c and a constant to the squared error
    rng = np.random.default_rng(seed)
    atoms, points = sphere(d + more, d, rng), rng.standard_normal((5, d))
    small = 1e-3
    stacked = np.vstack([atoms.T, np.full(len(atoms), small)])
    for point, value in zip(points, lasso_value(points, atoms, lam), strict=True):
        codes, _ = nnls(stacked, np.append(point, -lam / small))
        reached = 0.5 * ((point - codes @ atoms) ** 2).sum() + lam * codes.sum()
        assert value <= reached + 1e-12
        assert reached == pytest.approx(value, abs=1e-4)


@given(seeds, st.floats(0.0, np.pi / 2), st.floats(0.01, 1.2), st.integers(2, 3))
def test_a_spare_atom_never_raises_the_lasso_of_any_point(seed, t, lam, d):
    points = np.random.default_rng(seed).standard_normal((50, d))
    change = lasso_value(points, basis_with_spare(d, t), lam) - lasso_value(points, signed_basis(d), lam)
    assert change.max() <= 1e-12


@given(st.floats(0.05, np.pi / 2 - 0.05), st.floats(0.01, 0.8))
def test_a_spare_atom_lowers_the_lasso_of_some_points_of_the_circle(t, lam):
    circle = even_lines(2000, signed=False)
    change = lasso_value(circle, basis_with_spare(2, t), lam) - lasso_value(circle, signed_basis(2), lam)
    assert change.mean() < 0


@pytest.mark.parametrize("lam", [1.0, 1.5])
def test_a_penalty_of_one_silences_the_whole_circle(lam):
    np.testing.assert_allclose(lasso_value(even_lines(100, signed=False), basis_with_spare(2, 0.7), lam), 0.5)
