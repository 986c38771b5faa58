"""Learning rates: the documented formulas at every step, and runs too short for them."""

from __future__ import annotations

from itertools import pairwise
from math import cos, pi

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sasa_theory.training.recipe import Recipe
from sasa_theory.training.schedule import Schedule


def test_warm_up_plateau_and_linear_decay_to_zero() -> None:
    rate = Schedule.of(Recipe(lr=2.0, warmup=4, decay=0.25), steps=20, columns=8)
    expected = [0.5, 1.0, 1.5, 2.0] + [2.0] * 11 + [2.0, 1.6, 1.2, 0.8, 0.4]
    assert [rate(step) for step in range(20)] == pytest.approx(expected)


def test_cosine_falls_to_its_floor() -> None:
    rate = Schedule.of(Recipe(lr=1e-4, schedule="cosine", warmup=2, floor=0.1), steps=12, columns=8)
    assert [rate(0), rate(1)] == pytest.approx([0.5e-4, 1e-4])
    for step in range(2, 12):
        assert rate(step) == pytest.approx(1e-5 + 9e-5 * (1 + cos(pi * (step - 2) / 10)) / 2)
    assert rate(12) == pytest.approx(1e-5)


@given(
    st.integers(1, 400), st.floats(0, 1), st.floats(0, 1), st.sampled_from(["linear", "cosine"]), st.floats(1e-6, 10)
)
def test_rates_rise_then_fall_between_zero_and_the_peak(
    steps: int, decay: float, floor: float, shape: str, peak: float
) -> None:
    recipe = Recipe(lr=peak, decay=decay, floor=floor, schedule=shape)  # type: ignore[arg-type]
    rate = Schedule.of(recipe, steps, columns=8)
    rates = [rate(step) for step in range(steps)]
    top = recipe.warmup_steps(steps)
    assert all(0 < r <= peak * (1 + 1e-12) for r in rates)
    assert all(a <= b for a, b in pairwise(rates[:top]))
    assert all(a >= b * (1 - 1e-12) for a, b in pairwise(rates[top:]))


def test_the_default_warm_up_fits_every_run_and_a_given_one_is_refused_with_the_nearest() -> None:
    assert [Recipe().warmup_steps(n) for n in (1, 200, 1000, 10**6)] == [0, 10, 50, 1000]
    with pytest.raises(ValueError, match=r"warmup of 1000 steps does not fit into 500 .* nearest possible is 400"):
        Schedule.of(Recipe(warmup=1000, decay=0.2), steps=500, columns=8)
    assert Recipe(warmup=500, schedule="cosine").warmup_steps(500) == 500


def test_without_a_learning_rate_it_follows_the_number_of_columns() -> None:
    assert Recipe().peak(2**14) == pytest.approx(2e-4)
    assert Recipe().peak(2**8) == pytest.approx(1.6e-3)
    assert Recipe(lr=0.5).peak(2**8) == 0.5
