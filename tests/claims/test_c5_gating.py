"""C5: the selection tools against explicit inputs and encoders, and the limit in worlds that hypothesis invents."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, target
from hypothesis import strategies as st

from sasa_theory import bounds
from sasa_theory.claims.measuring.selection import family_of, first_wrong, opposed_family, random_codes
from sasa_theory.claims.measuring.subspaces import random_bases

seeds = st.integers(0, 2**32 - 1)


def bases_of(family, mu):
    """Orthonormal bases (n, d, width) whose overlaps are those of the family at coherence ``mu``."""
    n, d = family.overlap.shape[:2]
    gram = np.eye(n * d) + mu * family.overlap.reshape(n * d, n * d)
    values, vectors = np.linalg.eigh(gram)
    assert values.min() > -1e-9
    return (vectors * np.sqrt(np.maximum(values, 0))).reshape(n, d, n * d)


def all_right(bases, codes):
    """Whether the features with the largest responses are the active ones, for every row of codes."""
    inputs = np.einsum("bnd,ndw->bw", codes, bases)
    response = np.linalg.norm(np.einsum("bw,ndw->bnd", inputs, bases), axis=2)
    active = np.linalg.norm(codes, axis=2) > 0
    for chosen, truth in zip(np.argsort(-response, axis=1), active, strict=True):
        if set(chosen[: truth.sum()]) != set(np.flatnonzero(truth)):
            return False
    return True


@given(seeds, st.integers(2, 3), st.integers(1, 3), st.integers(0, 6))
def test_first_wrong_is_where_explicit_encoders_go_wrong(seed, active, d, extra):
    rng = np.random.default_rng(seed)
    family = family_of(random_bases(d + 1 + extra, d, rng, 2 * active + 1))
    codes = random_codes(20, 2 * active + 1, d, active, (0.5, 1.0), rng)
    flip = first_wrong(family, codes)
    assert all_right(bases_of(family, 0.999 * flip), codes)
    if flip < family.top:
        assert not all_right(bases_of(family, flip * (1 + 1e-6)), codes)


@given(seeds, st.integers(2, 6), st.integers(1, 4), st.integers(1, 12))
def test_family_has_the_coherence_it_says(seed, n, d, extra):
    bases = random_bases(d + extra, d, np.random.default_rng(seed), n)
    family = family_of(bases)
    pairs = [np.linalg.svd(bases[i].T @ bases[j])[1].max() for i in range(n) for j in range(i)]
    assert family.top == pytest.approx(max(pairs))
    rebuilt = bases_of(family, family.top)
    np.testing.assert_allclose(np.einsum("ipw,jqw->ipjq", rebuilt, rebuilt)[0, :, 1], bases[0].T @ bases[1], atol=1e-7)


@given(st.integers(2, 8), st.integers(1, 4))
def test_opposed_features_exist_up_to_their_top(n, d):
    family = opposed_family(n, d)
    bases = bases_of(family, family.top)
    np.testing.assert_allclose(bases[0] @ bases[1].T, -np.eye(d) / (n - 1), atol=1e-7)


def test_random_codes_have_the_activity_and_norms_asked_for():
    codes = random_codes(500, 7, 3, 2, (0.5, 2.0), np.random.default_rng(0))
    norm = np.linalg.norm(codes, axis=2)
    assert ((norm > 0).sum(axis=1) == 2).all()
    assert norm[norm > 0].min() >= 0.5
    assert norm.max() <= 2.0
    assert np.ptp(norm[norm > 0]) > 1.4


@given(seeds, st.integers(2, 5), st.integers(1, 4), st.integers(0, 8), st.floats(0.05, 1.0))
def test_no_invented_world_is_selected_wrongly_below_the_limit(seed, active, d, extra, least):
    rng = np.random.default_rng(seed)
    n = active + 1 + extra % 3
    family = family_of(random_bases(d + 1 + extra, d, rng, n))
    codes = random_codes(50, n, d, active, (least, 1.0), rng)
    limit = float(bounds.coherence_limit(active, least, 1.0))
    flip = first_wrong(family, codes)
    target(-np.log(flip / limit))
    assert flip >= min(limit, family.top) * (1 - 1e-9)


def test_longer_encoder_of_an_inactive_feature_flips_earlier():
    codes = np.zeros((1, 4, 1))
    codes[0, :3] = 1.0
    assert first_wrong(opposed_family(4, 1), codes, np.array([1, 1, 1, 1.5])) == pytest.approx(1 / 6.5)


def test_family_that_is_never_wrong_reports_its_top():
    codes = np.zeros((1, 3, 2))
    codes[0, 0, 0] = 1.0  # one active feature is right at every coherence
    family = opposed_family(3, 2)
    assert first_wrong(family, codes) == family.top
