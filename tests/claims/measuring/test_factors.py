"""Penalties and gauges of factored maps against singular values."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, target
from hypothesis import strategies as st

from sasa_theory.claims.measuring.factors import (
    change_gauge,
    factor_penalty,
    least_factor_penalty,
    nuclear_norm,
    random_gauge,
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


@given(seed=seeds, rank=st.integers(1, 8))
def test_random_gauges_are_invertible_within_two_decades(seed, rank):
    values = np.linalg.svd(random_gauge(rank, np.random.default_rng(seed)), compute_uv=False)
    assert 0.1 * (1 - 1e-9) <= values[-1] <= values[0] <= 10 * (1 + 1e-9)
