from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sasa_theory.claims.measuring.nuclear_solver import solve
from sasa_theory.claims.measuring.partitions import Kind, cut, partition_risk, refine, search, top_group
from sasa_theory.claims.measuring.slices import (
    Law,
    cell_moments,
    even_ellipse,
    inputs,
    overlap_moments,
    power_spectrum,
    two_features,
)

seeds = st.integers(0, 2**32 - 1)


@pytest.mark.parametrize("law", get_args(Law))
def test_inputs_have_exactly_the_second_moment_asked_for(law):
    spectrum = power_spectrum(4, 1.0)
    points = inputs(101, spectrum, law, np.random.default_rng(0))
    np.testing.assert_allclose(points.T @ points / 101, np.diag(spectrum), atol=1e-12)
    assert spectrum.sum() == pytest.approx(1.0)


def test_laws_are_what_their_names_say():
    rng = np.random.default_rng(0)
    assert ((inputs(40, power_spectrum(4, 1.0), "one-hot", rng) != 0).sum(axis=1) == 1).all()
    lengths = {law: (inputs(4000, np.ones(4), law, rng) ** 2).sum(axis=1) for law in get_args(Law)}
    assert 2 * lengths["sphere"].std() < lengths["gaussian"].std() < lengths["heavy"].std() / 2


def test_ellipse_and_two_features_have_the_moments_they_promise():
    points = even_ellipse(50, 3.0)
    np.testing.assert_allclose(points.T @ points / 50, np.diag([9.0, 1.0]), atol=1e-12)
    pair = two_features(0.6)
    assert pair[0] @ pair[2] == pytest.approx(0.6)
    np.testing.assert_allclose(np.linalg.norm(pair, axis=1), 1.0)


@given(seed=seeds, groups=st.integers(1, 5), n=st.integers(1, 30))
def test_cell_moments_are_the_sums_over_members(seed, groups, n):
    rng = np.random.default_rng(seed)
    points, labels = rng.standard_normal((n, 3)), rng.integers(groups, size=(2, n))
    moments = cell_moments(points, labels, groups)
    for trial in range(2):
        for g in range(groups):
            members = points[labels[trial] == g]
            np.testing.assert_allclose(moments[trial, g], members.T @ members / n, atol=1e-12)


def test_overlap_moments_hold_every_input_and_the_cell():
    rng = np.random.default_rng(0)
    points, cell = rng.standard_normal((20, 2)), rng.random(20) < 0.4
    moments = overlap_moments(points, cell)
    inner = points[cell].T @ points[cell] / 20
    np.testing.assert_allclose(moments[0, 0], points.T @ points / 20)
    for g, h in ((0, 1), (1, 0), (1, 1)):
        np.testing.assert_allclose(moments[g, h], inner)


@pytest.mark.parametrize("kind", get_args(Kind))
def test_every_input_gets_one_of_the_groups(kind):
    rng = np.random.default_rng(0)
    labels = cut(rng.standard_normal((100, 3)), 5, kind, rng)
    assert labels.shape == (100,)
    assert set(labels) <= set(range(5))
    assert len(set(labels)) > 1


def test_kinds_cut_as_their_names_say():
    rng = np.random.default_rng(1)
    points = rng.standard_normal((200, 2))
    length = np.linalg.norm(points, axis=1)
    shells = cut(points, 4, "shells", rng)
    assert all(length[shells == g].max() < length[shells == g + 1].min() for g in range(3))
    outliers = cut(points, 4, "outliers", rng)
    np.testing.assert_array_equal(np.sort(length[outliers > 0]), np.sort(length)[-3:])
    np.testing.assert_array_equal(np.bincount(outliers), [197, 1, 1, 1])
    np.testing.assert_array_equal(np.bincount(cut(points, 4, "slabs", rng)), [50] * 4)
    for kind, same in (("double cones", True), ("cones", False)):
        labels = cut(np.concatenate([points, -points]), 3, kind, rng)
        assert (labels[:200] == labels[200:]).all() == same
    blobs = np.repeat(np.eye(2) * 50, 30, axis=0) + rng.standard_normal((60, 2))
    clusters = cut(blobs, 2, "clusters", np.random.default_rng(3))
    assert len(set(clusters[:30])) == len(set(clusters[30:])) == 1


def test_refinement_gives_each_input_to_the_map_that_reconstructs_it_best():
    points = np.random.default_rng(0).standard_normal((50, 2))
    axes = np.stack([np.diag([1.0, 0.0]), np.diag([0.0, 1.0])])
    labels = refine(points, np.zeros(50, dtype=np.intp), 2, lambda _: axes, rounds=1)
    np.testing.assert_array_equal(labels, np.abs(points).argmax(axis=1))


@given(seed=seeds, groups=st.integers(2, 4), lam=st.floats(0.05, 1.0))
def test_refinement_never_raises_the_objective(seed, groups, lam):
    rng = np.random.default_rng(seed)
    points = inputs(40, power_spectrum(3, 1.0), "heavy", rng)
    labels = np.stack([cut(points, groups, "cones", rng) for _ in range(2)])
    before = partition_risk(points, labels, groups, lam)[0]
    after = partition_risk(points, refine(points, labels, groups, lambda s: solve(s, lam).maps), groups, lam)[0]
    assert (after <= before * (1 + 1e-9)).all()


def test_lopsided_kinds_leave_nearly_all_inputs_to_one_group():
    points = np.random.default_rng(0).standard_normal((200, 3))
    singles = cut(points, 4, "singles", np.random.default_rng(1))
    np.testing.assert_array_equal(np.bincount(singles), [197, 1, 1, 1])
    np.testing.assert_array_equal(np.bincount(cut(points, 4, "cap", np.random.default_rng(1))), [180, 20])


def test_axes_and_quadrants_cut_as_their_names_say():
    rng = np.random.default_rng(2)
    points = np.array([[3.0, 1.0, 2.0], [-1.0, 2.0, -3.0], [1.0, -2.0, 1.5], [1.0, 0.0, -2.0]])
    np.testing.assert_array_equal(cut(points, 3, "axes", rng), [0, 2, 1, 2])
    np.testing.assert_array_equal(cut(points, 2, "axes", rng), [0, 0, 1, 0])
    np.testing.assert_array_equal(cut(points, 2, "quadrants", rng), [1, 1, 1, 0])


@given(seed=seeds, kind=st.sampled_from(get_args(Kind)), groups=st.integers(2, 4), least=st.integers(0, 5))
def test_search_stops_where_no_input_wants_to_move(seed, kind, groups, least):
    rng = np.random.default_rng(seed)
    points, lam = inputs(20, power_spectrum(2, 1.0), "heavy", rng), 0.2
    start = cut(points, groups, kind, rng)
    end = search(points, start, groups, lam, least=least)
    assert np.bincount(end, minlength=groups).min() >= least
    value = partition_risk(points, end, groups, lam)[0]
    if np.bincount(start, minlength=groups).min() >= least:
        assert value <= partition_risk(points, start, groups, lam)[0] * (1 + 1e-7)
    for i in range(20):
        for g in range(groups):
            moved = np.where(np.arange(20) == i, g, end)
            if np.bincount(moved, minlength=groups).min() >= least:
                assert partition_risk(points, moved, groups, lam)[0] >= value - 2e-8


@pytest.mark.parametrize("kind", get_args(Kind))
@pytest.mark.parametrize("law", ["sphere", "one-hot"])
def test_search_does_not_stall_among_six_groups(law, kind):
    # any two cells merge at no loss, so that a search which stops above one group's value has missed a move
    rng = np.random.default_rng(0)
    points = inputs(30, power_spectrum(2, 1.0), law, rng)
    end = search(points, cut(points, 6, kind, rng), 6, 0.2)
    alone = partition_risk(points, np.zeros(30, dtype=np.intp), 1, 0.2)[0]
    assert partition_risk(points, end, 6, 0.2)[0] == pytest.approx(alone, rel=1e-6)


def test_search_finds_the_best_of_all_partitions_in_two_cells():
    points, lam, least = inputs(11, power_spectrum(2, 0.5), "heavy", np.random.default_rng(4)), 0.2, 4
    every = (np.arange(2**11)[:, None] >> np.arange(11)) % 2
    every = every[np.minimum(every.sum(1), 11 - every.sum(1)) >= least]
    best = partition_risk(points, every, 2, lam)[0].min()
    found = []
    for kind in get_args(Kind):
        end = search(points, cut(points, 2, kind, np.random.default_rng(5)), 2, lam, least=least)
        found.append(partition_risk(points, end, 2, lam)[0])
    assert min(found) == pytest.approx(best, rel=1e-8)


def test_top_group_is_the_one_with_the_longest_code():
    encoders = np.array([[[1.0, 0.0], [0.0, 0.0]], [[0.0, 1.5], [0.0, 0.0]]])
    points = np.array([[2.0, 1.0], [-2.0, 1.0], [1.0, 1.0], [0.1, -5.0]])
    np.testing.assert_array_equal(top_group(points, encoders), [0, 0, 1, 1])


def test_search_exchanges_inputs_between_cells_that_can_lose_none():
    points = inputs(24, np.array([0.5, 0.5]), "one-hot", np.random.default_rng(0))
    end = search(points, cut(points, 2, "slabs", np.random.default_rng(1)), 2, 0.2, least=12)
    assert partition_risk(points, end, 2, 0.2)[0] == pytest.approx(0.36, rel=1e-8)  # 2 phi(1/2): a group per axis
