from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
from hypothesis import assume, given, target
from hypothesis import strategies as st

from sasa_theory import bounds
from sasa_theory.claims.c2_partition import two_group_floor
from sasa_theory.claims.measuring.nuclear_solver import objective, solve, solve_factors
from sasa_theory.claims.measuring.partitions import Kind, cut, partition_risk, refine, search, top_group
from sasa_theory.claims.measuring.slices import Law, cell_moments, even_ellipse, inputs, power_spectrum

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


@given(
    seed=seeds,
    d=st.integers(2, 4),
    groups=st.integers(2, 4),
    law=st.sampled_from(["gaussian", "sphere", "heavy"]),
    kind=st.sampled_from(get_args(Kind)),
)
def test_a_second_used_group_costs_strictly_more_on_a_slice_with_a_density(seed, d, groups, law, kind):
    rng = np.random.default_rng(seed)
    spectrum, lam = power_spectrum(d, 1.0), 0.2  # s_1 >= .48 > lam/2
    points = inputs(60, spectrum, law, rng)
    labels = cut(points, groups, kind, rng)
    assume(np.bincount(labels).max() <= 50)
    floor, certified = bounds.partition_floor(spectrum, lam), partition_risk(points, labels, groups, lam)[1]
    target(-float(certified / floor), label="J over the floor")
    assert certified > (1 + 1e-6) * floor  # no bound on the price is known off the round slice; seen: 1.02 and more


@given(
    seed=seeds,
    half=st.integers(8, 30),
    kind=st.sampled_from(get_args(Kind)),
    lam=st.floats(0.05, 1.2),
    share=st.floats(0.02, 0.45),
    groups=st.integers(2, 3),
)
def test_no_second_group_on_a_round_slice_goes_below_its_price(seed, half, kind, lam, share, groups):
    points = even_ellipse(2 * half + 1, 1.0) / np.sqrt(2)
    labels = cut(points, groups, kind, np.random.default_rng(seed))
    assume(np.bincount(labels, minlength=groups).min() >= np.ceil(share * len(points)))
    floor = two_group_floor(len(points), lam, share)
    certified = partition_risk(points, labels, groups, lam)[1]
    target(-float(certified / floor), label="J over the floor")
    assert certified >= floor * (1 - 1e-7)


def test_price_of_a_second_group_is_reached_by_a_double_cone_and_grows_with_its_share():
    points, lam = even_ellipse(101, 1.0) / np.sqrt(2), 0.2
    alone = float(bounds.partition_floor([0.5, 0.5], lam))
    prices = []
    for members in (5, 10, 25, 50):
        nearest = np.abs(points[:, 0]).argsort(kind="stable")[:members]
        labels = np.isin(np.arange(101), nearest).astype(np.intp)
        floor = two_group_floor(101, lam, members / 101 - 1e-9)
        assert float(partition_risk(points, labels, 2, lam)[0]) == pytest.approx(floor, rel=1e-7)
        prices.append(floor - alone)
    assert 0 < prices[0] < prices[1] < prices[2] < prices[3]
    assert two_group_floor(101, 1.0, 0.25) == pytest.approx(bounds.partition_floor([0.5, 0.5], 1.0))  # lam = 2 s_1


def test_ties_of_one_hot_cells_are_found_from_every_start():
    points, lam = inputs(36, np.array([0.6, 0.4]), "one-hot", np.random.default_rng(0)), 0.2
    floor = bounds.partition_floor([0.6, 0.4], lam)
    for kind in get_args(Kind):
        labels = search(points, cut(points, 2, kind, np.random.default_rng(1)), 2, lam, least=12)
        assert partition_risk(points, labels, 2, lam)[0] == pytest.approx(floor, rel=1e-7)
        assert len(set(labels[points[:, 0] != 0])) == len(set(labels[points[:, 1] != 0])) == 1


@given(seed=seeds, groups=st.integers(2, 8), rank=st.integers(2, 4))
def test_rotations_keep_selections_and_other_changes_of_basis_keep_the_maps_alone(seed, groups, rank):
    rng = np.random.default_rng(seed)
    points, encoders = rng.standard_normal((1000, 5)), rng.standard_normal((groups, rank, 5))
    decoders = rng.standard_normal((groups, 5, rank))
    before = top_group(points, encoders)
    sheared = rng.standard_normal((groups, rank, rank))
    rotated, _ = np.linalg.qr(sheared)
    for turns in (rotated, sheared):
        maps = decoders @ np.linalg.inv(turns) @ (turns @ encoders)
        np.testing.assert_allclose(maps, decoders @ encoders, atol=1e-7 * np.linalg.cond(turns).max())
    np.testing.assert_array_equal(top_group(points, rotated @ encoders), before)
    assert (top_group(points, sheared @ encoders) != before).mean() > 0.01
