import numpy as np
import pytest
import torch

from sasa_theory.claims.measuring.exact_lasso import lasso_value
from sasa_theory.claims.measuring.geometry import even_lines, sphere
from sasa_theory.claims.measuring.true_basis import signed_basis
from sasa_theory.claims.trained.amortised import bias_free_floor
from sasa_theory.claims.trained.path_descent import best_codes, descend, directions_in_use
from sasa_theory.claims.trained.slice_laws import Law

# 60 points of the circle, rotated off the axes
ANGLE = (np.arange(60) + 0.5) * 2 * np.pi / 60
CIRCLE = Law(np.stack([np.cos(ANGLE), np.sin(ANGLE)], axis=1), np.full(60, 1 / 60))


@pytest.mark.parametrize(("d", "n"), [(2, 6), (3, 8)])
def test_proximal_codes_reach_the_exact_lasso(d, n):
    rng = np.random.default_rng(0)
    points, atoms, lam = rng.standard_normal((40, d)), sphere(n, d, rng), 0.2
    x, rows = torch.from_numpy(points), torch.from_numpy(atoms)
    codes = best_codes(x, rows, lam, 3000, x.new_zeros(40, n)).numpy()
    assert codes.min() >= 0
    value = 0.5 * ((points - codes @ atoms) ** 2).sum(axis=1) + lam * codes.sum(axis=1)
    np.testing.assert_allclose(value, lasso_value(points, atoms, lam), rtol=1e-6)


def test_copies_are_one_direction_and_even_rays_are_many():
    basis = signed_basis(2)
    assert directions_in_use(CIRCLE, basis, 0.1) == 4
    near = np.vstack([basis, basis @ [[np.cos(0.05), np.sin(0.05)], [-np.sin(0.05), np.cos(0.05)]]])
    assert directions_in_use(CIRCLE, near, 0.1) == 4
    assert directions_in_use(CIRCLE, even_lines(8, signed=False), 0.1) >= 7
    assert directions_in_use(CIRCLE, even_lines(16, signed=False), 0.1) >= 12


@pytest.mark.parametrize("coder", ["optimal codes", "with bias", "bias-free"])
def test_descent_starts_at_the_true_basis_and_ends_with_unit_atoms(coder):
    lam = 0.2
    found = descend(CIRCLE, 8, lam, coder, np.random.default_rng(0), steps=30, lr=0.01)
    start = CIRCLE.mean(lasso_value(CIRCLE.points, signed_basis(2), lam))
    assert found.optimal[0] == pytest.approx(start, rel=1e-3)
    assert found.spare_angle[0] < 0.1
    assert found.directions[0] == 4
    expected = bias_free_floor(CIRCLE, lam) if coder == "bias-free" else start
    assert found.risk[0] == pytest.approx(expected, rel=2e-3)
    np.testing.assert_allclose(np.linalg.norm(found.dictionary, axis=1), 1, rtol=1e-12)
    assert found.optimal[-1] == pytest.approx(CIRCLE.mean(lasso_value(CIRCLE.points, found.dictionary, lam)))
    assert found.taken[0] == 0
    assert found.taken[-1] == 30
    # what training codes with is never better than the optimal codes
    assert all(risk > best - 1e-9 for risk, best in zip(found.risk, found.optimal, strict=True))


def test_same_seed_gives_the_same_numbers():
    first, second = (
        descend(CIRCLE, 8, 0.3, "with bias", np.random.default_rng(3), steps=10, lr=0.01) for _ in range(2)
    )
    np.testing.assert_array_equal(first.dictionary, second.dictionary)
    assert first[:-1] == second[:-1]


def test_without_spares_the_dictionary_stays_and_with_spares_it_leaves():
    alone, spared = (
        descend(CIRCLE, n, 0.2, "optimal codes", np.random.default_rng(0), steps=60, lr=0.01) for n in (4, 8)
    )
    assert alone.optimal[-1] == pytest.approx(alone.optimal[0], rel=1e-4)
    assert alone.spare_angle[-1] == 0
    assert spared.optimal[-1] < 0.95 * spared.optimal[0]


def test_without_bias_training_never_comes_below_the_floor():
    found = descend(CIRCLE, 8, 0.3, "bias-free", np.random.default_rng(0), steps=60, lr=0.01)
    floor = bias_free_floor(CIRCLE, 0.3)
    assert min(found.risk) > 0.997 * floor  # 60 points are no exactly invariant law
    assert found.risk[-1] < 1.002 * floor
