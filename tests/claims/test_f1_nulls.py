"""F1: the circle fit against least squares, and the nulls for sizes that hypothesis invents."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sasa_theory import bounds
from sasa_theory.claims import intervals
from sasa_theory.claims.f1_nulls import Nulls, Setting
from sasa_theory.claims.measuring.circle_fit import explained_share
from sasa_theory.claims.measuring.geometry import even_lines
from sasa_theory.claims.measuring.subspaces import random_bases, shared_energy

seeds = st.integers(0, 2**32 - 1)


@given(seeds, st.integers(1, 6), st.integers(3, 12))
def test_explained_share_is_that_of_least_squares_with_intercept(seed, p, m):
    p = min(p, m - 1)
    coordinates, circle = np.random.default_rng(seed).standard_normal((m, p)) + 3.0, even_lines(m, signed=False)
    design = np.column_stack([np.ones(m), coordinates])
    residual = circle - design @ np.linalg.lstsq(design, circle, rcond=None)[0]
    expected = 1 - (residual**2).sum() / ((circle - circle.mean(axis=0)) ** 2).sum()
    assert explained_share(coordinates[None], circle)[0] == pytest.approx(expected, abs=1e-9)


def test_twelve_months_from_six_coordinates():
    evidence = Nulls().measure(Setting("circle", 6, 12, 20_000), np.random.default_rng(0))
    assert evidence.measured == pytest.approx(6 / 11, abs=0.01)


@given(seeds, st.integers(1, 5), st.integers(1, 5), st.integers(0, 30))
def test_random_subspaces_of_any_sizes(seed, p, q, extra):
    n, rng = max(p, q) + extra, np.random.default_rng(seed)
    score = shared_energy(random_bases(n, p, rng, 2_000), random_bases(n, q, rng, 2_000))
    evidence = intervals.mean(score, "==", float(bounds.random_subspace_cosine(p, q, n)))
    assert evidence.verdict != "violated"


@given(seeds, st.integers(1, 8), st.integers(0, 20))
def test_a_subspace_inside_the_other_scores_one(seed, p, extra):
    basis = random_bases(p + 1 + extra, p + 1, np.random.default_rng(seed))[0]
    assert shared_energy(basis, basis[:, :p]) == pytest.approx(1.0)


@given(seeds, st.integers(1, 8), st.integers(1, 20))
def test_noise_around_any_circle_size(seed, p, extra):
    m = p + 1 + extra
    score = explained_share(
        np.random.default_rng(seed).standard_normal((2_000, max(m, 3), p)), even_lines(max(m, 3), signed=False)
    )
    evidence = intervals.mean(score, "==", float(bounds.circular_fit_r2(p, max(m, 3))))
    assert evidence.verdict != "violated"
