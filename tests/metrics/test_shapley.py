"""Shapley values in closed form against their definition."""

from __future__ import annotations

from itertools import permutations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sasa_theory.metrics.shapley import shapley_values
from sasa_theory.testing.strategies import SEEDS


@given(SEEDS, st.integers(1, 5))
def test_row_sums_are_the_mean_marginal_contributions(seed, units):
    generator = torch.Generator().manual_seed(seed)
    contributions = torch.randn(units, 3, generator=generator, dtype=torch.float64)
    joint = contributions @ contributions.mT
    expected = torch.zeros(units, dtype=torch.float64)
    orders = list(permutations(range(units)))
    for order in orders:
        total = torch.zeros(3, dtype=torch.float64)
        for k in order:
            expected[k] += (total + contributions[k]).square().sum() - total.square().sum()
            total = total + contributions[k]
    assert shapley_values(joint).numpy() == pytest.approx((expected / len(orders)).numpy(), abs=1e-9)


@given(SEEDS, st.integers(1, 9))
def test_they_add_up_to_the_energy_of_all_together(seed, units):
    contributions = torch.randn(2, units, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    total = contributions.sum(dim=1).square().sum(dim=1)
    found = shapley_values(contributions @ contributions.mT).sum(dim=1)
    assert found.numpy() == pytest.approx(total.numpy(), abs=1e-9)
