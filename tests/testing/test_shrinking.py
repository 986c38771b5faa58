"""Counterexamples end as small as the predicate allows."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from sasa_theory.testing.shrinking import shrink
from sasa_theory.testing.strategies import SEEDS


def rows(seed, n=6, width=4):
    return torch.randn(n, width, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@given(SEEDS)
def test_what_always_breaks_needs_no_rows(seed):
    assert shrink(rows(seed), lambda _: True).shape == (0, 4)


@given(SEEDS)
def test_what_only_the_rows_break_is_left_as_it_was(seed):
    x = rows(seed)
    assert torch.equal(shrink(x, lambda y: y.shape == x.shape and torch.equal(x, y)), x)


@given(SEEDS, st.integers(0, 3))
def test_one_positive_entry_is_a_one_among_zeros(seed, column):
    x = rows(seed)
    x[2, column] = 0.37
    found = shrink(x, lambda y: bool((y[:, column] > 0).any()))
    expected = torch.zeros(1, 4, dtype=torch.float64)
    expected[0, column] = 1.0
    assert torch.equal(found, expected)


@given(SEEDS)
def test_two_rows_of_different_signs_remain(seed):
    x = rows(seed)
    x[1, 0], x[4, 0] = 1.23, -2.34
    found = shrink(x, lambda y: bool((y[:, 0] > 0).any()) and bool((y[:, 0] < 0).any()))
    assert sorted(found.tolist()) == [[-1.0, 0.0, 0.0, 0.0], [1.0, 0.0, 0.0, 0.0]]


@given(SEEDS)
def test_decimals_are_rounded_where_size_matters(seed):
    x = rows(seed).abs() + 2.03
    found = shrink(x, lambda y: bool((y > 2).any()))
    assert found.shape == (1, 4)
    assert (found > 2).sum() >= 1
    assert torch.equal(found, found.round(decimals=1))


@given(SEEDS, st.integers(1, 6), st.integers(1, 4))
def test_the_number_of_trials_is_bounded(seed, n, width):
    calls = []

    def breaks(y):
        calls.append(y)
        return len(y) == n and bool((y != 0).all())

    shrink(rows(seed, n, width), breaks)
    assert len(calls) <= n + 3 + 3 * n * width
