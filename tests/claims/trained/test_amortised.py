import numpy as np
import pytest
from hypothesis import given, settings, target
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar

from sasa_theory.claims.measuring.exact_lasso import lasso_value
from sasa_theory.claims.measuring.geometry import even_lines, sphere
from sasa_theory.claims.measuring.true_basis import basis_with_spare, signed_basis
from sasa_theory.claims.trained.amortised import (
    Encoder,
    amortised_risk,
    best_along_path,
    best_encoder,
    bias_free_floor,
)
from sasa_theory.claims.trained.slice_laws import Law, slice_law

CIRCLE = slice_law("unit sphere", 2)


def test_risk_is_the_mean_of_squared_error_and_price_point_by_point():
    rng = np.random.default_rng(0)
    law = Law(rng.standard_normal((7, 3)), np.full(7, 1 / 7))
    atoms, encoder = sphere(5, 3, rng), Encoder(rng.standard_normal((5, 3)), rng.standard_normal(5))
    total = 0.0
    for x in law.points:
        codes = [max(0.0, float(w @ x) + b) for w, b in zip(*encoder, strict=True)]
        error = x - sum(c * a for c, a in zip(codes, atoms, strict=True))
        total += 0.5 * float(error @ error) + 0.3 * sum(codes)
    assert amortised_risk(law, atoms, encoder, 0.3) == pytest.approx(total / 7)


@pytest.mark.parametrize("name", ["unit sphere", "Gaussian radii"])
@pytest.mark.parametrize("d", [2, 3])
@pytest.mark.parametrize("lam", [0.05, 0.3, 0.7])
def test_floor_without_bias_is_what_the_basis_reaches_by_a_common_scale(name, d, lam):
    law, basis = slice_law(name, d), signed_basis(d)

    def scaled(s):
        return amortised_risk(law, basis, Encoder(s * basis, np.zeros(2 * d)), lam)

    found = minimize_scalar(scaled, bounds=(0, 1), method="bounded", options={"xatol": 1e-9})
    assert bias_free_floor(law, lam) == pytest.approx(found.fun, rel=1e-7)


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 16), st.floats(0.01, 0.6), st.floats(0.0, 1.5))
def test_no_dictionary_and_no_encoder_without_bias_comes_below_the_floor(seed, n, lam, scale):
    rng = np.random.default_rng(seed)
    atoms = sphere(n, 2, rng)
    encoder = Encoder(scale * atoms + 0.2 * rng.standard_normal((n, 2)), np.zeros(n))
    margin = amortised_risk(CIRCLE, atoms, encoder, lam) - bias_free_floor(CIRCLE, lam)
    target(-margin)
    assert margin > -1e-5


def test_where_the_spare_is_a_copy_biases_find_the_optimal_codes():
    atoms, rng = basis_with_spare(2, 0.0), np.random.default_rng(0)
    [found] = best_along_path(CIRCLE, 2, (0.0,), 0.2, rng, bias=True)
    optimal = CIRCLE.mean(lasso_value(CIRCLE.points, atoms, 0.2))
    assert amortised_risk(CIRCLE, atoms, found, 0.2) == pytest.approx(optimal, rel=1e-6)


@pytest.mark.parametrize("bias", [False, True])
def test_what_is_found_is_a_minimum_and_above_the_optimal_codes(bias):
    rng, lam = np.random.default_rng(1), 0.1
    atoms = even_lines(7, signed=False)
    found = best_encoder(CIRCLE, atoms, lam, rng, bias=bias)
    least = amortised_risk(CIRCLE, atoms, found, lam)
    assert least >= CIRCLE.mean(lasso_value(CIRCLE.points, atoms, lam))
    assert bias == bool(found.biases.any())
    for size in (1e-4, 1e-2):
        moved = Encoder(
            found.weights + size * rng.standard_normal((7, 2)), found.biases + bias * size * rng.standard_normal(7)
        )
        assert amortised_risk(CIRCLE, atoms, moved, lam) > least


def test_even_rays_tie_with_the_basis_without_bias_and_beat_it_with():
    rng, atoms = np.random.default_rng(2), even_lines(8, signed=False)
    floor = bias_free_floor(CIRCLE, 0.1)
    without, with_bias = (best_encoder(CIRCLE, atoms, 0.1, rng, bias=bias) for bias in (False, True))
    assert amortised_risk(CIRCLE, atoms, without, 0.1) == pytest.approx(floor, rel=1e-4)
    assert amortised_risk(CIRCLE, atoms, with_bias, 0.1) < 0.9 * floor
