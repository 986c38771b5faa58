"""The visiting learner keeps unit atoms, repeats what it is shown, and improves with more inputs."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sasa_theory.claims.measuring.geometry import residual, sphere
from sasa_theory.claims.measuring.winner_takes_all import winner_takes_all

seeds = st.integers(0, 2**32 - 1)


@given(seeds, st.integers(2, 6), st.integers(1, 5))
def test_winner_takes_all_keeps_unit_atoms_near_its_inputs(seed, d, n):
    rng = np.random.default_rng(seed)
    inputs = sphere(20 * n, d, rng)
    atoms = winner_takes_all(inputs, n)
    np.testing.assert_allclose(np.linalg.norm(atoms, axis=1), 1)
    np.testing.assert_allclose(winner_takes_all(inputs[:n], n), inputs[:n])
    repeated = winner_takes_all(np.concatenate([inputs[:1], -inputs[:1], inputs[:1]]), 1)
    np.testing.assert_allclose(repeated, inputs[:1])


def test_winner_takes_all_lowers_the_residual_of_fresh_points():
    rng = np.random.default_rng(3)
    inputs, points = sphere(2_000, 3, rng), sphere(4_000, 3, rng)
    first, last = (residual(points, winner_takes_all(inputs[:m], 8), 1).mean() for m in (8, 2_000))
    assert last < 0.9 * first
