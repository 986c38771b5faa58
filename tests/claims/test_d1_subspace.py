"""D1: PCA of spiked samples reproduces the cited means; the subspace tools against SciPy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, target
from hypothesis import strategies as st
from scipy.linalg import subspace_angles
from scipy.stats import chi2

from sasa_theory import bounds
from sasa_theory.claims.d1_subspace import PolynomialSamples, Setting
from sasa_theory.claims.measuring.subspaces import leading_subspace, random_bases, shared_energy

seeds = st.integers(0, 2**32 - 1)


@given(seeds, st.integers(1, 4), st.integers(1, 4), st.integers(0, 6))
def test_shared_energy_is_the_mean_squared_principal_cosine(seed, p, q, extra):
    rng = np.random.default_rng(seed)
    n = max(p, q) + extra
    left, right = random_bases(n, p, rng)[0], random_bases(n, q, rng)[0]
    angles = subspace_angles(left, right)[: min(p, q)]
    assert shared_energy(left, right) == pytest.approx(np.mean(np.cos(angles) ** 2), abs=1e-9)


@given(seeds, st.integers(1, 4), st.integers(1, 6), st.integers(4, 12))
def test_leading_subspace_keeps_most_energy(seed, d, extra, m):
    rng = np.random.default_rng(seed)
    samples = rng.standard_normal((m, d + extra))
    basis = leading_subspace(samples, d)
    np.testing.assert_allclose(basis.T @ basis, np.eye(d), atol=1e-12)
    kept = ((samples @ basis) ** 2).sum()
    assert kept == pytest.approx((np.linalg.svd(samples)[1][:d] ** 2).sum())
    other = random_bases(d + extra, d, rng)[0]
    assert ((samples @ other) ** 2).sum() <= kept * (1 + 1e-12)


@given(seeds, st.integers(1, 6), st.integers(0, 6))
def test_d_samples_of_a_noise_free_slice_give_its_subspace(seed, d, extra):
    rng = np.random.default_rng(seed)
    basis = random_bases(d + extra, d, rng)[0]
    samples = rng.standard_normal((d, d)) @ basis.T
    assert shared_energy(basis, leading_subspace(samples, d)) == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize(
    ("ambient", "d", "samples", "signal", "kept", "predicted"),
    [(300, 8, 600, 4.0, 0.8624, 0.8611), (200, 4, 1000, 1.5, 0.8069, 0.8039)],
)
def test_published_means_of_the_spiked_model(ambient, d, samples, signal, kept, predicted):
    """Means found once with other code, and the limit they stand beside."""
    setting = Setting("spiked", samples, ambient, d, signal, 40)
    evidence = PolynomialSamples().measure(setting, np.random.default_rng(5))
    assert 1 - evidence.bound == pytest.approx(predicted, abs=1e-4)
    assert 1 - evidence.measured == pytest.approx(kept, abs=0.004)


@given(seeds, st.integers(1, 4), st.integers(2, 8), st.floats(0.5, 8.0))
def test_any_run_loses_about_the_first_order_share(seed, d, extra, signal):
    """Runs of many samples: the loss is a mean of squared Gaussians, one for each pair of directions and run."""
    n, m, runs = d + extra, 4_000, 60
    error = float(bounds.subspace_error(m, d, n, signal)) / d
    setting = Setting("many samples", m, n, d, signal, runs)
    ratio = PolynomialSamples().measure(setting, np.random.default_rng(seed)).measured / error
    target(abs(np.log(ratio)))
    terms = runs * d * extra
    least, most = chi2.ppf(1e-9, terms) / terms, chi2.isf(1e-9, terms) / terms
    assert 0.95 * least < ratio < 1.05 * most  # 5 %: terms of order n / m


def test_more_samples_lose_less_and_larger_features_need_more():
    claim, rng = PolynomialSamples(), np.random.default_rng(1)
    lost = {
        (m, d): claim.measure(Setting("many samples", m, 16, d, 2.0, 200), rng).measured * d
        for m, d in ((400, 2), (1600, 2), (400, 6))
    }
    assert lost[400, 2] == pytest.approx(4 * lost[1600, 2], rel=0.15)
    assert lost[400, 6] == pytest.approx(6 * 10 / (2 * 14) * lost[400, 2], rel=0.15)


def test_ungated_inputs_cost_more_samples_than_gated_ones():
    claim, rng = PolynomialSamples(), np.random.default_rng(2)
    gated, ungated = (
        claim.measure(Setting("usage", 2000, 10, 3, 2.0, 300, usage=0.25, gated=kind), rng).measured
        for kind in (True, False)
    )
    assert ungated / gated == pytest.approx((2 + 4) / (2 + 1), rel=0.15)
