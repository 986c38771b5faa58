from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, target
from hypothesis import strategies as st

from sasa_theory import bounds
from sasa_theory.claims.c4_variational import (
    change_gauge,
    factor_penalty,
    least_factor_penalty,
    nuclear_norm,
    spectrum_from_grams,
)

seeds = st.integers(0, 2**32 - 1)


def factors(seed, width, rank):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((width, rank)), rng.standard_normal((rank, width)), rng


@given(seed=seeds, width=st.integers(1, 8), rank=st.integers(1, 6))
def test_grams_give_every_singular_value_of_the_map(seed, width, rank):
    encoder, decoder, _ = factors(seed, width, rank)
    expected = np.zeros(rank)
    values = np.linalg.svd(encoder @ decoder, compute_uv=False)[:rank]
    expected[: len(values)] = values
    # square roots of Grams lose half the digits of what is zero
    np.testing.assert_allclose(spectrum_from_grams(encoder, decoder), expected, atol=1e-6 * expected.max())


@given(seed=seeds, width=st.integers(1, 8), rank=st.integers(1, 6))
def test_any_gauge_costs_at_least_the_nuclear_norm_and_the_balanced_one_no_more(seed, width, rank):
    encoder, decoder, rng = factors(seed, width, rank)
    product = encoder @ decoder
    u, s, v = np.linalg.svd(product)
    kept = min(rank, width)
    balanced = u[:, :kept] * np.sqrt(s[:kept]), np.sqrt(s[:kept])[:, None] * v[:kept]
    assert factor_penalty(*balanced) == pytest.approx(nuclear_norm(product), rel=1e-9)
    moved = change_gauge(encoder, decoder, rng.standard_normal((rank, rank)))
    np.testing.assert_allclose(moved[0] @ moved[1], product, atol=1e-6 * (1 + factor_penalty(*moved)))
    target(-factor_penalty(*moved) / nuclear_norm(product), label="penalty over the nuclear norm")
    assert factor_penalty(*moved) >= nuclear_norm(product) * (1 - 1e-9)


@given(seed=seeds, rank=st.integers(1, 5))
def test_the_least_gauge_is_found(seed, rank):
    encoder, decoder, rng = factors(seed, 2 * rank, rank)
    least = least_factor_penalty(encoder, decoder, rng)
    assert least == pytest.approx(nuclear_norm(encoder @ decoder), rel=1e-6)


@given(seed=seeds, rank=st.integers(1, 8), width=st.integers(1, 12), common=st.floats(0, 1e3))
def test_unit_rows_stay_in_the_range(seed, rank, width, common):
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((rank, width)) + common * rng.standard_normal(width)
    penalty = nuclear_norm(rows / np.linalg.norm(rows, axis=1, keepdims=True))
    low, high = bounds.decoder_penalty_range(rank)
    target(-penalty, label="towards parallel rows")
    assert low * (1 - 1e-9) <= penalty <= high * (1 + 1e-9)


def test_a_decoder_penalty_falls_by_r_to_sqrt_r_while_the_map_stays():
    r = 6
    decoder = np.eye(r, 12)
    skew = np.ones((r, r)) + 1e-3 * np.random.default_rng(0).standard_normal((r, r))
    rows = skew @ decoder
    scale = np.linalg.norm(rows, axis=1)
    encoder, unit_rows = change_gauge(decoder.T, decoder, np.linalg.inv(skew / scale[:, None]))
    np.testing.assert_allclose(encoder @ unit_rows, decoder.T @ decoder, atol=1e-9)
    np.testing.assert_allclose(np.linalg.norm(unit_rows, axis=1), 1.0, atol=1e-9)
    assert nuclear_norm(decoder) == pytest.approx(r)
    assert nuclear_norm(unit_rows) == pytest.approx(np.sqrt(r), rel=1e-2)
