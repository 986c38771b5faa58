import numpy as np
import pytest
from hypothesis import assume, given, target
from hypothesis import strategies as st

from sasa_theory import bounds
from sasa_theory.claims.b1_true_basis import Setting, TrueBasisCost
from sasa_theory.claims.measuring.gauges import mean_gauge
from sasa_theory.claims.measuring.geometry import sphere, unit
from sasa_theory.claims.measuring.true_basis import signed_basis


@pytest.mark.parametrize(("d", "known"), [(2, 4 / np.pi), (3, 1.5), (8, 2.328), (16, 3.242)])
def test_measured_cost_of_the_true_basis_is_the_value_of_the_theory(d, known):
    evidence = TrueBasisCost().measure(Setting("true basis", d, 2 * d, draws=1500), np.random.default_rng(0))
    assert evidence.low - 5e-4 <= known <= evidence.high + 5e-4
    assert evidence.measured == pytest.approx(known, rel=0.01)


@given(st.integers(3, 40), st.integers(0, 2**32 - 1), st.floats(0, 1))
def test_no_rays_of_the_plane_beat_even_ones(n, seed, unevenness):
    jitter = np.random.default_rng(seed).uniform(0, unevenness * np.pi / n, n)
    angle = 2 * np.pi * np.arange(n) / n + jitter
    assume(np.diff(np.append(angle, angle[0] + 2 * np.pi)).max() < np.pi - 1e-3)  # no half-plane without rays
    cost = mean_gauge(np.stack([np.cos(angle), np.sin(angle)], axis=1))
    target(-cost / float(bounds.polygon_gauge(n)))
    assert cost >= bounds.polygon_gauge(n) * (1 - 1e-9)


@given(st.integers(2, 4), st.integers(0, 2**32 - 1), st.floats(0.01, 1))
def test_atoms_near_the_basis_cost_no_less_than_the_basis(d, seed, step):
    atoms = unit(signed_basis(d) + 0.3 * step * sphere(2 * d, d, np.random.default_rng(seed)))
    cost = mean_gauge(atoms)
    target(-cost)
    assert cost >= bounds.true_basis_gauge(d) * (1 - 1e-9)
