"""D2: coverage of invented dictionaries of visited inputs, and the floor on the samples behind them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, target
from hypothesis import strategies as st

from sasa_theory import bounds
from sasa_theory.claims.d2_visiting import Setting, VisitingSamples
from sasa_theory.claims.measuring.geometry import residual, sphere
from sasa_theory.claims.measuring.subspaces import random_bases

seeds = st.integers(0, 2**32 - 1)


@given(seeds, st.integers(2, 6), st.integers(1, 6), st.integers(1, 4), st.floats(0.1, 0.9), st.booleans())
def test_no_invented_learner_beats_the_visiting_floor(seed, d, m, moved, eps, signed):
    """Inputs drag random companions along: whatever they place, covering takes the floor's number of samples."""
    rng = np.random.default_rng(seed)
    moved = min(moved, d)
    atoms = np.swapaxes(random_bases(d, moved, rng, m), 1, 2).reshape(-1, d)
    points = 4_000
    covered = float((residual(sphere(points, d, rng), atoms, 1, signed=signed) <= eps).mean())
    surely = covered - 6 * np.sqrt(covered * (1 - covered) / points) - 10 / points
    if surely > 0:
        floor = float(bounds.log_visiting_floor(d, eps, moved=moved, delta=1 - surely, signed=signed))
        target(floor - np.log(m))
        assert np.log(m) >= floor - 1e-9


@pytest.mark.parametrize(("d", "moved", "m"), [(3, 1, 3), (4, 2, 2), (6, 6, 1)])
def test_orthogonal_lines_attain_the_floor(d, moved, m):
    evidence = VisitingSamples().measure(
        Setting("orthogonal lines", d, 0.6, m, 400_000, moved), np.random.default_rng(d)
    )
    assert evidence.bound == pytest.approx(m, rel=0.03)


@given(seeds, st.integers(2, 5), st.integers(1, 12), st.booleans())
def test_kept_inputs_cover_what_memorising_predicts(seed, d, m, signed):
    setting = Setting("kept inputs", d, 0.5, m, 100, signed=signed, runs=150)
    evidence = VisitingSamples().measure(setting, np.random.default_rng(seed))
    assert evidence.low <= evidence.bound <= evidence.high
