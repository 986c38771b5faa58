"""Coherence limits and the interval of approximate feature activation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sasa_theory import bounds

from .oracles import agree


@pytest.mark.parametrize(("active", "least", "most"), [(1, 1.0, 1.0), (3, 1.0, 1.0), (4, 0.5, 2.0), (1000, 1e-6, 1e6)])
def test_coherence_limit(active: int, least: float, most: float) -> None:
    agree("coherence_limit", active, least, most)


@pytest.mark.parametrize(("atoms", "width"), [(12288, 768), (4, 8), (5, 4), (1, 1), (2, 1), (8, 8)])
def test_welch_bound(atoms: int, width: int) -> None:
    agree("welch_bound", atoms, width)


@pytest.mark.parametrize(
    ("norm", "eps", "active"),
    [(1.0, 0.1, 4), (2.0, 0.5, 3), (2.0, 0.5, 2), (1.0, 0.0, 1), (0.0, 0.3, 2), (3.0, 1.0, 5), (1e6, 0.01, 12)],
)
def test_afa_interval(norm: float, eps: float, active: int) -> None:
    agree("afa_interval", norm, eps, active)


@given(st.floats(0.0, 1e3), st.floats(0.0, 1.0), st.integers(1, 50))
def test_afa_interval_holds_the_norm_itself(norm: float, eps: float, active: int) -> None:
    low, high = bounds.afa_interval(norm, eps, active)
    assert low <= norm <= high
    assert (high == np.inf) == (eps * (active - 1) >= 1)
