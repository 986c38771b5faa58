"""Nulls of subspace and circle scores."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from .oracles import agree


@settings(max_examples=15)
@given(st.integers(1, 32), st.integers(1, 32), st.integers(0, 64))
def test_random_subspace_cosine(p: int, q: int, spare: int) -> None:
    agree("random_subspace_cosine", p, q, max(p, q) + spare)


@pytest.mark.parametrize(("p", "m"), [(6, 12), (1, 2), (2, 3), (1, 4), (63, 4096)])
def test_circular_fit(p: int, m: int) -> None:
    agree("circular_fit_r2", p, m)
