"""Covering numbers: known coverings, both sides against brute force, and the floor that no dictionary passes."""

from __future__ import annotations

from itertools import combinations
from math import asin, ceil, cos, inf, isnan, pi, sin

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest
from torch import Tensor

from sasa_theory import bounds
from sasa_theory.designs import Design
from sasa_theory.metrics import METRICS, Covering, covering, covering_number, observe
from sasa_theory.metrics.covering import CAP, unit_floor
from sasa_theory.metrics.spans import spans
from sasa_theory.testing.strategies import SEEDS
from synthetic import Feature, Features, World, preset

from .dictionaries import Fixed, duplicated, orthogonal, perfect, split, truth, world

KNOWN = world()
CIRCLE, SPHERE = 2, 4
"""Features of two and of three dimensions."""


def cover(
    design: Design,
    feature: int,
    k: int = 1,
    eps: float = 0.5,
    *,
    points: int = 200,
    cap: int = 64,
    share: float = 1.0,
    seed: int = 0,
) -> Covering:
    observation, generator = observe(design, KNOWN, 300), torch.Generator().manual_seed(seed)
    return covering_number(observation, feature, k, eps, generator, points, cap, share)


class Rectified(Fixed):
    """Columns whose codes are never negative."""

    def encode(self, x: Tensor) -> Tensor:
        return super().encode(x).relu()


def fan(n: int, turn: float) -> list[Tensor]:
    """Atoms in the plane of the circle at angles ``j turn / n``."""
    one, two = truth(KNOWN)[CIRCLE]
    return [(cos(j * turn / n) * one + sin(j * turn / n) * two).unsqueeze(0) for j in range(n)]


def scattered(feature: int, n: int, generator: torch.Generator) -> list[Tensor]:
    """Random atoms that lie mostly in a feature's subspace."""
    basis = truth(KNOWN)[feature]
    rows = torch.randn(n, len(basis), generator=generator) @ basis
    rows += 0.1 * torch.randn(n, KNOWN.width, generator=generator)
    return list(torch.nn.functional.normalize(rows, dim=1).split(1))


def test_a_unit_of_all_dimensions_covers_alone():
    for feature in range(len(truth(KNOWN))):
        assert cover(perfect(KNOWN), feature) == Covering(
            lower=1, upper=1, censored=False, chosen=1, covered=1, fresh=1, floor=1, sphere_floor=1
        )
    assert cover(duplicated(KNOWN), SPHERE).upper == 1


def test_lines_at_45_degrees_are_all_needed():
    """Each covers 60 degrees of 180 at eps = 1/2; without one of them 30 stay open."""
    found = cover(Fixed(fan(4, pi), 4), CIRCLE)
    assert (found.upper, found.censored, found.fresh) == (4, False, 1)
    assert found.sphere_floor == bounds.circle_count(0.5) == 3


@pytest.mark.parametrize(("share", "needed"), [(0.25, 1), (0.6, 2), (0.9, 4)])
def test_a_share_of_the_points_takes_fewer_lines(share, needed):
    """Two of the lines at right angles cover two thirds of the circle, three of them five sixths."""
    found = cover(Fixed(fan(4, pi), 4), CIRCLE, share=share)
    assert (found.upper, found.chosen, found.censored) == (needed, needed, False)
    assert share <= found.covered
    assert cover(Fixed(fan(4, pi), 4), CIRCLE, share=share, cap=needed).upper == needed
    assert needed == 1 or cover(Fixed(fan(4, pi), 4), CIRCLE, share=share, cap=needed - 1).upper == inf


def test_rays_cover_half_of_what_lines_do():
    found = cover(Rectified(fan(8, 2 * pi), 8), CIRCLE)
    assert (found.upper, found.censored) == (8, False)
    assert found.floor == found.sphere_floor == bounds.circle_count(0.5, signed=False) == 6


def test_what_reaches_most_points_is_chosen_not_what_is_nearest_on_average():
    """A plane turned by 40 degrees has more of the points' energy than any line, but is near none of them."""
    bases = truth(KNOWN)
    tilted = cos(0.7) * bases[CIRCLE] + sin(0.7) * bases[3]
    assert cover(Fixed([*fan(4, pi), tilted], 5), CIRCLE).upper == 4


def test_oblique_units_cover_together():
    """Two lines at 30 degrees span the plane, though the second adds little to what the first leaves."""
    assert cover(Fixed(fan(2, pi / 3), 2), CIRCLE, k=2, eps=0.1).upper == 2


def test_the_floor_is_that_of_what_fresh_points_show_to_be_covered():
    """Lines chosen for 200 points leave gaps between them; each covers 2 asin(eps) / pi of the circle."""
    found = cover(Fixed(fan(600, pi), 600), CIRCLE, eps=0.003, cap=600)
    assert found.upper < inf
    assert found.fresh < 0.5
    shown = binomtest(round(200 * found.fresh), 200).proportion_ci(1 - 2e-6).low
    assert found.floor == ceil(shown * pi / (2 * asin(0.003)))
    assert found.sphere_floor == bounds.circle_count(0.003) == 524


def test_a_basis_covers_together_not_one_at_a_time():
    alone = cover(split(KNOWN), SPHERE)
    assert (alone.upper, alone.lower, alone.censored) == (inf, inf, True)
    assert alone.covered < 1
    together = cover(split(KNOWN), SPHERE, k=3)
    assert (together.upper, together.sphere_floor, together.fresh) == (3, 3, 1)


def test_a_cap_censors():
    found = cover(Fixed(fan(8, pi), 8), CIRCLE, eps=0.25, cap=3)
    assert (found.upper, found.chosen, found.censored) == (inf, 3, True)
    assert found.lower < inf
    assert found.covered == pytest.approx(6 * 14.4775 / 180, abs=0.12)


def test_two_at_a_time_cover_a_plane_inside_a_sphere():
    """Two planes' worth of axes: every point of the sphere is within sqrt(1/3) of the span of two of three axes."""
    far = cover(split(KNOWN), SPHERE, k=2, eps=0.56, points=2_000)
    near = cover(split(KNOWN), SPHERE, k=2, eps=0.58, points=2_000)
    assert far.censored
    assert (near.upper, near.censored) == (3, False)


def test_what_lies_outside_the_feature_adds_to_the_distance():
    """A plane turned by 45 degrees out of the feature's is no nearer than sin 45."""
    bases = truth(KNOWN)
    tilted = (bases[CIRCLE] + bases[3]) / 2**0.5
    assert cover(Fixed([tilted], 1), CIRCLE, eps=0.70).censored
    assert cover(Fixed([tilted], 1), CIRCLE, eps=0.72).upper == 1


def test_a_unit_covers_what_it_uses_of_its_dimensions():
    """The third dimension carries a millionth of the energy: noise, that reaches nothing."""
    bases = truth(KNOWN)
    weak = torch.tensor([[1.0], [1.0], [1e-3]])
    assert cover(Fixed([bases[SPHERE], bases[5]], 2), SPHERE).upper == 1
    assert cover(Fixed([bases[SPHERE] * weak, bases[5]], 2), SPHERE).censored


def test_units_that_never_fire_do_not_count():
    bases = truth(KNOWN)
    silent = Fixed([bases[0], bases[CIRCLE]], 1, encoders=[bases[0], 0 * bases[CIRCLE]])
    assert cover(silent, CIRCLE).chosen == 0


def test_where_nothing_ever_fires_nothing_is_covered():
    bases = truth(KNOWN)
    silent = Fixed(bases, 1, encoders=[0 * basis for basis in bases])
    for k in (1, 2):
        found = cover(silent, CIRCLE, k=k)
        assert (found.upper, found.chosen, found.covered, found.floor) == (inf, 0, 0, 0)
    observation, metric = observe(silent, KNOWN, 300), METRICS["covering_k1"]
    assert (metric.measure(observation).value, metric.floor(observation)) == (CAP, 0)


def test_all_features_are_covered_by_spans_found_once(monkeypatch):
    looks = []
    monkeypatch.setattr(covering, "spans", lambda seen: looks.append(seen) or spans(seen))
    METRICS["covering_k1"].measure(observe(split(KNOWN), KNOWN, 300))
    assert len(looks) == 1


def fewest(near: Tensor) -> float:
    """Smallest set of columns that together are near every row, by trying."""
    for size in range(1, near.shape[1] + 1):
        for units in combinations(range(near.shape[1]), size):
            if near[:, list(units)].any(dim=1).all():
                return size
    return inf


@given(SEEDS, st.integers(3, 9), st.sampled_from([CIRCLE, SPHERE]), st.sampled_from([0.5, 0.7, 0.9]))
def test_the_fewest_units_lie_between_both_sides(seed, n, feature, eps):
    atoms = scattered(feature, n, torch.Generator().manual_seed(seed))
    found = cover(Fixed(atoms, n), feature, eps=eps, points=20, seed=seed)
    generator = torch.Generator().manual_seed(seed)
    coordinates = torch.randn(2, 20, len(truth(KNOWN)[feature]), generator=generator, dtype=torch.float64)[0]
    points = torch.nn.functional.normalize(coordinates, dim=1) @ truth(KNOWN)[feature].double()
    near = 1 - (points @ torch.cat(atoms).double().mT).square() <= eps**2
    assert found.lower <= fewest(near) <= found.upper
    assert found.censored == (fewest(near) == inf)


@given(SEEDS, st.integers(1, 40), st.integers(1, 3), st.sampled_from([CIRCLE, SPHERE]), st.floats(0.1, 0.9))
def test_no_dictionary_passes_the_floor(seed, n, k, feature, eps):
    atoms = scattered(feature, n, torch.Generator().manual_seed(seed))
    found = cover(Fixed(atoms, n), feature, k=k, eps=eps, points=60, seed=seed)
    assert found.chosen >= found.floor
    assert found.floor <= found.sphere_floor


@given(SEEDS, st.integers(1, 3))
def test_basis_and_order_of_units_do_not_matter(seed, k):
    generator = torch.Generator().manual_seed(seed)
    units = [torch.cat(scattered(SPHERE, 2, generator)) for _ in range(4)]
    turned = [orthogonal(2, generator) @ units[j] for j in torch.randperm(4, generator=generator).tolist()]
    before, after = (cover(Fixed(blocks, 4), SPHERE, k=k, eps=0.6, seed=seed) for blocks in (units, turned))
    assert before == after


@given(st.integers(2, 12), st.integers(1, 4), st.sampled_from([0.3, 0.5]), st.booleans())
def test_the_floor_of_single_columns_is_that_of_atoms(d, k, eps, signed):
    k = min(k, d)
    assert unit_floor(d, k, 1, eps, signed=signed) == bounds.atom_floor(d, k, eps, signed=signed)
    some = 0.999
    if k < d:
        assert max(k, unit_floor(d, k, 1, eps, share=some, signed=signed)) == bounds.atom_floor(
            d, k, eps, delta=1 - some, signed=signed
        )


def test_the_floor_of_larger_units():
    assert unit_floor(3, 1, 3, 0.5) == 1
    assert unit_floor(7, 5, 2, 0.5) == 4
    assert unit_floor(4, 1, 2, 0.5) == pytest.approx(1 / bounds.near_subspace_measure(4, 2, 0.5))
    assert unit_floor(8, 1, 2, 0.5, share=0) == 0
    assert unit_floor(400, 1, 1, 0.01) > 1e300


def test_the_metric_counts_what_is_censored_at_the_cap():
    metric = METRICS["covering_k1"]
    observation = observe(split(KNOWN), KNOWN, 300)
    value, each = metric.measure(observation)
    assert value == CAP
    assert each is not None
    assert each.isnan().tolist() == [True, True, False, False, False, False]
    assert metric.floor is not None
    assert metric.floor(observation) == 2  # two lines of a circle, three axes of a sphere cover something
    assert metric.measure(observe(perfect(KNOWN), KNOWN, 300)).value == 1
    assert metric.floor(observe(perfect(KNOWN), KNOWN, 300)) == 1
    assert isnan(metric.measure(observe(perfect(line_world()), line_world(), 300)).value)


def line_world() -> World:
    """Features of one dimension only."""
    return World.build(
        preset("theorem", "small", width=16, features=(Features(Feature("subspace", 1, radius="sphere"), 4),)), seed=0
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"feature": 6}, "feature must be in"),
        ({"k": 0}, "k must be in"),
        ({"eps": 1.0}, "eps must be in"),
        ({"points": 0}, "points must be in"),
        ({"cap": 0.5}, "cap must be"),
        ({"share": 0.0}, "share must be in"),
        ({"share": 1.1}, "share must be in"),
    ],
)
def test_bad_arguments_are_named(change, message):
    arguments = {"feature": CIRCLE, "k": 1, "eps": 0.5, "points": 8, "cap": 8} | change
    with pytest.raises(ValueError, match=message):
        cover(perfect(KNOWN), **arguments)
