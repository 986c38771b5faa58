import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sasa_theory.claims.measuring.cap_quadrature import log_atoms_for_mean, log_cap, mean_secant
from sasa_theory.claims.measuring.geometry import sphere

angles = st.floats(0.01, 1.5)


@given(angles)
def test_caps_of_the_circle_and_the_sphere_are_known(angle):
    assert np.exp(log_cap(2, angle)) == pytest.approx(angle / np.pi, rel=1e-9)
    assert np.exp(log_cap(3, angle)) == pytest.approx((1 - np.cos(angle)) / 2, rel=1e-9)


@given(angles)
def test_mean_secants_of_the_circle_and_the_sphere_are_known(angle):
    assert mean_secant(2, angle) == pytest.approx(np.arctanh(np.sin(angle)) / angle, rel=1e-9)
    assert mean_secant(3, angle) == pytest.approx(-np.log(np.cos(angle)) / (1 - np.cos(angle)), rel=1e-8)


@given(st.integers(4, 10), st.floats(1.0, 1.5), st.integers(0, 2**32 - 1))
def test_caps_agree_with_counting_points(d, angle, seed):
    cosine = sphere(20_000, d, np.random.default_rng(seed))[:, 0]
    inside = cosine > np.cos(angle)
    spread = 6 / np.sqrt(len(cosine))
    assert abs(inside.mean() - np.exp(log_cap(d, angle))) < spread / 2
    secants = 1 / cosine[inside]
    assert abs(secants.mean() - mean_secant(d, angle)) < 6 * secants.std() / np.sqrt(len(secants))


def test_log_domain_reaches_far_below_float64():
    assert log_cap(4096, 0.1) == pytest.approx(4095 * np.log(np.sin(0.1)), rel=1e-3)


@given(st.sampled_from([2, 3, 8, 64]), st.floats(0.01, 0.5), st.floats(0.01, 0.99))
def test_no_share_asks_for_more_atoms_than_the_search_found(d, excess, share):
    asked = np.log1p(-share) - log_cap(d, float(np.arccos(1 / (1 + excess / share))))
    assert asked <= log_atoms_for_mean(d, excess) + 1e-9


def test_the_search_finds_the_stationary_point_in_three_dimensions():
    # (1-q) / cap = 2 (1-q)(q+e)/e is largest at q = (1-e)/2, with value (1+e)^2 / (2 e)
    for excess in (0.01, 0.1, 0.5):
        assert np.exp(log_atoms_for_mean(3, excess)) == pytest.approx((1 + excess) ** 2 / (2 * excess), rel=1e-9)
