"""E1: the ends of the interval, the frames that reach them; the interval itself is tested in test_inequalities.py."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sasa_theory import bounds
from sasa_theory.claims.e1_activation import FeatureActivation, Setting
from sasa_theory.claims.measuring.frames import coherence, equiangular, lines_28, paley_lines, simplex, spread
from sasa_theory.claims.measuring.geometry import sphere

seeds = st.integers(0, 2**32 - 1)


def test_two_active_atoms_at_cosine_three_tenths_shorten_the_code():
    """The known ratio .877 of ||f|| to ||z||; and tiling with one active atom is not seen at all."""
    pair = FeatureActivation().measure(Setting("equal codes", 2, 2, 0.3, 1.0, "lower"), np.random.default_rng(0))
    assert pair.measured == pytest.approx(0.877, abs=5e-4)
    alone = FeatureActivation().measure(Setting("equal codes", 1, 1, 0.3, 1.0, "lower"), np.random.default_rng(0))
    assert alone.measured == pytest.approx(1.0)


@given(seeds, st.integers(1, 12), st.integers(1, 24))
def test_with_the_size_of_an_overcomplete_dictionary_for_k_the_interval_says_nothing(seed, n, extra):
    atoms = spread(sphere(n + extra, n, np.random.default_rng(seed)), steps=30) if n > 1 else np.ones((1 + extra, 1))
    eps = min(coherence(atoms) + 1e-9, 1.0)  # frames that attain Welch's bound make the end infinite but for rounding
    assert np.isinf(bounds.afa_interval(1.0, eps, n + extra)[1])


@given(st.integers(2, 12), st.floats(-0.999, 0.999))
def test_equiangular_atoms_have_one_cosine(count, share):
    cosine = share if share > 0 else share / (count - 1)
    atoms = equiangular(count, cosine)
    np.testing.assert_allclose(atoms @ atoms.T, (1 - cosine) * np.eye(count) + cosine, atol=1e-7)


@pytest.mark.parametrize(
    ("atoms", "width", "cosine"),
    [
        (simplex(5), 5, 1 / 5),
        (paley_lines(5), 3, 1 / np.sqrt(5)),
        (paley_lines(13), 7, 1 / np.sqrt(13)),
        (lines_28(), 7, 1 / 3),
    ],
)
def test_tight_frames(atoms, width, cosine):
    """Unit rows, one |cosine|, and a frame operator that is a multiple of a projection of rank ``width``."""
    gram = atoms @ atoms.T
    off = np.abs(gram[~np.eye(len(atoms), dtype=bool)])
    np.testing.assert_allclose(np.diag(gram), 1)
    np.testing.assert_allclose(off, cosine)
    spectrum = np.linalg.eigvalsh(gram)[::-1]
    np.testing.assert_allclose(spectrum[:width], len(atoms) / width)
    np.testing.assert_allclose(spectrum[width:], 0, atol=1e-12)


@given(seeds)
def test_spreading_lowers_the_coherence(seed):
    start = sphere(12, 6, np.random.default_rng(seed))
    assert coherence(spread(start)) < coherence(start)


@given(seeds, st.sampled_from([2, 3, 5]))
def test_worst_codes_come_nearer_to_the_ends_than_random_ones(seed, k):
    for end in ("lower", "upper"):
        near, far = (
            FeatureActivation().measure(Setting(case, k, 64, 0.0, 1.0, end, 50), np.random.default_rng(seed))
            for case in ("worst codes", "random codes")
        )
        assert near.verdict == far.verdict == "holds"
        assert near.margin <= far.margin + 1e-12
