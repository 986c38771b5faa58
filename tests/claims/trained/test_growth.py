"""Laws of growth, fitted to counts that follow one or the other."""

import numpy as np
import pytest

from sasa_theory.claims.trained.growth import fit_growth

DIMS = np.repeat(np.arange(2.0, 8.0), 4)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.mark.parametrize("rate", [0.4, 0.8])
def test_exponential_counts_have_their_rate_and_no_misfit(rate: float, rng: np.random.Generator) -> None:
    growth = fit_growth(DIMS, 3 * np.exp(rate * DIMS), rng)
    assert growth.rate.value == pytest.approx(rate)
    assert growth.rate.low == pytest.approx(rate)
    assert growth.rate.high == pytest.approx(rate)
    assert growth.misfit.value < 1e-9


def test_powers_have_their_exponent_and_prefer_the_power_law(rng: np.random.Generator) -> None:
    growth = fit_growth(DIMS, 2 * DIMS**1.5, rng)
    assert growth.exponent.value == pytest.approx(1.5)
    assert growth.misfit.value > 1 - 1e-9


def test_intervals_cover_the_rate_of_noisy_counts(rng: np.random.Generator) -> None:
    counts = np.exp(0.8 * DIMS + 0.1 * rng.standard_normal(DIMS.size))
    rate = fit_growth(DIMS, counts, rng).rate
    assert rate.low < 0.8 < rate.high
    assert 0.01 < rate.high - rate.low < 0.2


def test_two_dimensions_fit_any_law(rng: np.random.Generator) -> None:
    with pytest.raises(ValueError, match="three dimensions or more, got 2"):
        fit_growth(np.array([2.0, 3.0]), np.array([2.0, 5.0]), rng)
