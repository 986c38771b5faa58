import numpy as np
import pytest
from hypothesis import given, target
from hypothesis import strategies as st

from sasa_theory import bounds
from sasa_theory.claims.b2_descent_path import DescentPath, Setting
from sasa_theory.claims.measuring.gauges import gauge, mean_gauge
from sasa_theory.claims.measuring.true_basis import basis_with_spare, signed_basis


def test_measured_lasso_slope_at_penalty_three_tenths_is_the_value_of_the_theory():
    evidence = DescentPath().measure(Setting("lasso slope", 2, 0.0, 0.3, 20_000), np.random.default_rng(0))
    assert evidence.measured * 0.3 == pytest.approx(-0.0224, abs=5e-5)


@given(st.integers(2, 4), st.floats(1e-3, np.pi / 2 - 1e-3))
def test_the_spare_lowers_the_mean_everywhere_on_the_path_by_the_closed_form(d, t):
    change = mean_gauge(basis_with_spare(d, t)) - mean_gauge(signed_basis(d))
    target(change)
    assert change < 0
    assert change == pytest.approx(float(bounds.split_path_change(t, bounds.mean_pair_radius(d))), rel=1e-7)


@given(st.integers(2, 5), st.floats(0, np.pi / 2), st.integers(0, 2**32 - 1))
def test_the_spare_changes_only_points_between_its_two_directions(d, t, seed):
    points = np.random.default_rng(seed).standard_normal((200, d))
    change = gauge(points, basis_with_spare(d, t)) - gauge(points, signed_basis(d))
    between = (points[:, 0] > 0) & (points[:, 1] > 0)
    np.testing.assert_allclose(change[~between], 0, atol=1e-9)
    assert change.max() <= 1e-9


@given(st.integers(0, 2**32 - 1), st.floats(0.1, 1.4))
def test_other_laws_descend_too_while_two_coordinates_are_positive_together(seed, t):
    rng = np.random.default_rng(seed)
    stretched = rng.standard_normal((500, 3)) * rng.uniform(0.2, 5, 3)
    cube = rng.choice([-1.0, 1.0], size=(500, 3))
    for points in (stretched, cube):
        assert (gauge(points, basis_with_spare(3, t)) - gauge(points, signed_basis(3))).mean() < 0
