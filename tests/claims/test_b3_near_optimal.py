import numpy as np
import pytest
from hypothesis import assume, given, target
from hypothesis import strategies as st

from sasa_theory import bounds
from sasa_theory.claims.b3_near_optimal import NearOptimalSize, Setting
from sasa_theory.claims.measuring.gauges import mean_gauge
from sasa_theory.claims.measuring.geometry import sphere


@given(st.integers(2, 4), st.integers(0, 30), st.integers(0, 2**32 - 1), st.floats(0, 3))
def test_no_signed_dictionary_has_a_mean_gauge_below_either_floor(d, more, seed, crowding):
    rng = np.random.default_rng(seed)
    n = d + more
    half = sphere(n, d, rng) + crowding * np.eye(d)[rng.integers(d, size=n)]
    half /= np.linalg.norm(half, axis=1, keepdims=True)
    assume(np.linalg.svd(half, compute_uv=False)[-1] > 1e-3)  # the atoms span the slice
    cost = mean_gauge(np.vstack([half, -half]))
    target(float(bounds.gauge_floor(n, d, signed=True)) / cost)
    assert cost >= bounds.gauge_floor(n, d, signed=True) * (1 - 1e-9)
    assert np.log(n) >= bounds.log_near_optimal_floor(d, cost - 1, signed=True) - 1e-9


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("n", [3, 7, 30])
def test_even_rays_are_exactly_as_many_as_their_secant_demands(n, signed):
    setting = Setting("even rays", 2, n, draws=20_000, signed=signed)
    evidence = NearOptimalSize().measure(setting, np.random.default_rng(0))
    assert (evidence.measured, evidence.verdict) == (n, "holds")
    assert evidence.bound == pytest.approx(n, rel=1e-4)


def test_the_demanded_size_grows_exponentially_with_the_dimension():
    sizes = [
        NearOptimalSize().measure(Setting("Markov by search", d, eta=0.1), np.random.default_rng(0)).measured
        for d in (16, 32, 64)
    ]
    growth = np.diff(np.log(sizes)) / (16, 32)
    # (sin t)^(1-d) at the edge t where even the cheapest points of the sphere cost 1 + eta
    assert (growth > 0.5).all()
    assert (growth < -np.log(np.sin(np.arccos(1 / 1.1)))).all()


def test_a_floor_carries_the_interval_of_the_measured_mean():
    evidence = NearOptimalSize().measure(Setting("trained", 5, 64, draws=2000), np.random.default_rng(0))
    assert evidence.low < evidence.measured == 64 < evidence.high
    assert evidence.bound < 64 / 2
