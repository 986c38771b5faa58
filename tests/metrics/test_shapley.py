"""Shapley values in closed form against their definition."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sasa_theory.metrics import METRICS, observe
from sasa_theory.metrics.shapley import shapley_values
from sasa_theory.testing.strategies import SEEDS

from .dictionaries import DIMS, truth, world
from .diluted import Scaled


@given(SEEDS, st.integers(1, 5))
def test_they_are_the_mean_marginal_contributions(seed, units):
    generator = torch.Generator().manual_seed(seed)
    contributions = torch.randn(2, units, 3, generator=generator, dtype=torch.float64)
    expected = torch.zeros(units, dtype=torch.float64)
    orders = list(permutations(range(units)))
    for order in orders:
        total = torch.zeros(2, 3, dtype=torch.float64)
        for k in order:
            after = total + contributions[:, k]
            expected[k] += (after.square().sum() - total.square().sum()) / 2  # a mean over two slices
            total = after
    assert shapley_values(contributions).numpy() == pytest.approx((expected / len(orders)).numpy(), abs=1e-9)


@given(SEEDS, st.integers(1, 9))
def test_they_add_up_to_the_energy_of_all_together(seed, units):
    contributions = torch.randn(2, units, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    total = contributions.sum(dim=1).square().sum(dim=1).mean()
    assert float(shapley_values(contributions).sum()) == pytest.approx(float(total), abs=1e-9)


@pytest.mark.parametrize("second", [-1.0, -0.9999999])
def test_units_that_cancel_altogether_work_against_one_another_by_half(second: float) -> None:
    known = world()
    observation = observe(Scaled(truth(known), (1.0, second)), known, 400)
    assert METRICS["opposed"].measure(observation).each.tolist() == pytest.approx([0.5] * len(DIMS), abs=1e-6)
    assert METRICS["served"].measure(observation).value == 1
    helping = METRICS["units_shapley"].measure(observation).each
    assert helping.isnan().all() if second == -1 else helping.tolist() == pytest.approx([1.0] * len(DIMS))


def test_rounding_that_is_left_of_units_that_cancel_is_no_help() -> None:
    known = world()
    alone = observe(Scaled(truth(known), (1.0, -1.0)), known, 100).alone
    rounded = SimpleNamespace(alone=replace(alone, with_all=1e-13 * alone.energy))
    assert METRICS["units_shapley"].measure(rounded).each.isnan().all()
    assert METRICS["opposed"].measure(rounded).value == 0.5
