from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
from hypothesis import given, target
from hypothesis import strategies as st

from sasa_theory import bounds
from sasa_theory.claims.measuring.nuclear_solver import objective, solve, solve_factors
from sasa_theory.claims.measuring.partitions import Kind, cut, partition_risk, refine
from sasa_theory.claims.measuring.slices import Law, cell_moments, even_ellipse, inputs

seeds = st.integers(0, 2**32 - 1)


@given(
    seed=seeds,
    d=st.integers(1, 5),
    groups=st.integers(1, 8),
    lam=st.floats(0.02, 3.0),
    law=st.sampled_from(get_args(Law)),
    kind=st.sampled_from(get_args(Kind)),
    refined=st.booleans(),
)
def test_no_partition_of_any_inputs_goes_below_the_floor(seed, d, groups, lam, law, kind, refined):
    rng = np.random.default_rng(seed)
    spectrum = np.sort(rng.exponential(size=d) ** 2)[::-1] + 1e-3
    points = inputs(60, spectrum, law, rng)
    labels = cut(points, groups, kind, rng)
    if refined:
        labels = refine(points, labels, groups, lambda moments: solve(moments, lam).maps, rounds=5)
    floor = bounds.partition_floor(spectrum, lam)
    certified = partition_risk(points, labels, groups, lam)[1]
    target(-float(certified / floor), label="J over the floor")
    assert certified >= floor * (1 - 1e-7)


def test_two_groups_of_rank_one_beat_one_on_the_circle():
    # theory.md C2: rotation-invariant with E||x||^2 = 2, r = 1, lam = .1: .557 for two groups, 1.097 for one
    points, lam, rng = even_ellipse(720, 1.0), 0.1, np.random.default_rng(0)
    one = float(objective(np.eye(2), solve_factors(np.eye(2), lam, 1, rng), lam))
    assert one == pytest.approx(1.0975, abs=1e-6)
    assert one == pytest.approx(bounds.single_group_optimum([1.0, 1.0], lam, rank=1).risk, rel=1e-6)

    def fit(moments):
        return np.stack([solve_factors(cell, lam, 1, rng, starts=1) for cell in moments])

    labels = refine(points, cut(points, 2, "double cones", rng), 2, fit, rounds=20)
    moments = cell_moments(points, labels, 2)
    assert objective(moments, fit(moments), lam).sum() == pytest.approx(0.5573, abs=1e-3)


def test_one_hot_groups_tie_and_gaussian_ones_do_not():
    spectrum, lam = np.array([0.5, 0.3, 0.2]), 0.1
    floor = float(bounds.partition_floor(spectrum, lam))
    one_hot = inputs(300, spectrum, "one-hot", np.random.default_rng(0))
    gaussian = inputs(300, spectrum, "gaussian", np.random.default_rng(0))
    ties, loses = (partition_risk(x, np.abs(x).argmax(axis=1), 3, lam)[0] for x in (one_hot, gaussian))
    assert ties == pytest.approx(floor, rel=1e-8)
    assert loses > 1.2 * floor
