import numpy as np
import pytest
from hypothesis import given, target
from hypothesis import strategies as st

from sasa_theory import bounds
from sasa_theory.claims.b4_saddle import KinkAtTheTrueBasis, Setting
from sasa_theory.claims.measuring.gauges import mean_gauge
from sasa_theory.claims.measuring.true_basis import basis_with_spare, signed_basis


@given(st.floats(0, 2 * np.pi))
def test_a_spare_descends_at_first_order_in_every_direction(heading):
    # moving towards cos p v_2 + sin p v_3 the slope is that of the path times max(|cos p|, |sin p|)
    step = 1e-4
    move = np.array([0.0, np.cos(heading), np.sin(heading)])
    spare = np.cos(step) * np.eye(3)[0] + np.sin(step) * move
    slope = (mean_gauge(np.vstack([signed_basis(3), spare])) - bounds.true_basis_gauge(3)) / step
    target(float(slope))
    expected = bounds.split_path_slope(bounds.mean_pair_radius(3)) * np.abs(move).max()
    assert slope == pytest.approx(float(expected), rel=1e-3)


@pytest.mark.parametrize("d", [2, 3, 4])
def test_an_unmoved_spare_changes_nothing(d):
    assert mean_gauge(basis_with_spare(d, 0.0)) == pytest.approx(float(bounds.true_basis_gauge(d)), rel=1e-12)


@pytest.mark.parametrize("d", [2, 3])
def test_descent_without_a_spare_returns_to_the_cost_of_the_basis(d):
    evidence = KinkAtTheTrueBasis().measure(Setting("worst moves", d, 0.2), np.random.default_rng(0))
    assert 0 <= evidence.margin + 1e-9 < 1e-4


def test_moves_cost_in_proportion_to_their_square_without_a_spare():
    rises = [
        KinkAtTheTrueBasis().measure(Setting("random moves", 3, h, 20), np.random.default_rng(0)).measured - 1.5
        for h in (0.02, 0.04)
    ]
    assert rises[1] / rises[0] == pytest.approx(4, rel=0.2)
