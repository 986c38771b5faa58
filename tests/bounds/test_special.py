"""The arithmetic under the bounds, to the last digits of float64."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sasa_theory.bounds.special import betainc_quantile, ceil_with_slack, log_beta, log_binomial

from .quadrature import mp, mpf  # at 50 digits


@pytest.mark.parametrize("a", [0.5, 1.0, 9.999, 10.0, 10.5, 14.0, 2048.0])
@pytest.mark.parametrize("b", [0.5, 10.0, 11.0, 2047.5])
def test_log_beta_keeps_all_digits(a: float, b: float) -> None:
    expected = mp.log(mp.beta(a, b))
    assert abs(mpf(float(log_beta(a, b))) - expected) <= 3e-15 * max(1, abs(expected))


@given(st.floats(0.5, 2048.0), st.floats(-1e4, -1e-90))
def test_quantile_inverts_the_measure(a: float, log_p: float) -> None:
    x, y = betainc_quantile(a, 0.5, log_p)
    if x > 1e-300:
        x, y = (mpf(float(x)), 1 - mpf(float(x))) if x < 0.5 else (1 - mpf(float(y)), mpf(float(y)))
        if log_p < -1:
            back = mp.log(mp.betainc(a, 0.5, 0, x, regularized=True))
        else:
            back = mp.log1p(-mp.betainc(0.5, a, 0, y, regularized=True))
        assert abs(back - log_p) <= 1e-12 * abs(log_p)


def test_quantile_of_everything_is_one() -> None:
    for log_p in (0.0, -1e-300):
        x, y = betainc_quantile(3.0, 0.5, log_p)
        assert (x, y) == (1.0, 0.0)


@given(st.integers(0, 200), st.integers(1, 60))
def test_log_binomial(spare: int, k: int) -> None:
    expected = mp.log(mp.binomial(k + spare, k))
    assert float(log_binomial(np.log(k + spare), k)) == pytest.approx(float(expected), rel=1e-12, abs=1e-11)


def test_ceil_forgives_rounding_only() -> None:
    assert ceil_with_slack(3 + 4e-16) == 3
    assert ceil_with_slack(3 + 1e-9) == 4
    assert ceil_with_slack(2.5) == 3
