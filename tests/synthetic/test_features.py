from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from synthetic.features import KINDS, Feature
from synthetic.manifolds import HELIX_TURNS, MANIFOLDS, MOEBIUS_HALF_WIDTH, ROLL_ANGLES, ROLL_HALF_LENGTH, TORUS_RADII

SEEDS = st.integers(0, 2**31)
FEATURES = [
    *(Feature("subspace", dim, radius=radius) for dim in (1, 3, 16) for radius in ("gaussian", "sphere", "heavy")),
    Feature("sphere"),
    Feature("sphere", 7),
    Feature("discrete"),
    Feature("discrete", 4),
    Feature("clusters"),
    Feature("clusters", 3, points=11),
    *(Feature(kind) for kind in MANIFOLDS),
]
each_feature = pytest.mark.parametrize("feature", FEATURES, ids=lambda f: f"{f.kind}-{f.dim}-{f.radius}-{f.points}")


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def draw(feature: Feature, n: int, seed: int) -> np.ndarray:
    return feature.sample(n, generator(seed), torch.float64).numpy()


def raw(kind: str, n: int, seed: int) -> np.ndarray:
    """Points of a manifold where its equation holds: neither centred nor scaled."""
    manifold = MANIFOLDS[kind]
    return draw(Feature(kind, energy=manifold.energy), n, seed) + np.array(manifold.mean)


@each_feature
def test_mean_and_covariance_are_the_exact_ones(feature: Feature) -> None:
    n = 200_000
    h = draw(feature, n, 1)
    # Each of the d + d(d+1)/2 moments lies within five of its own standard errors.
    assert (np.abs(h.mean(0)) <= 5 * h.std(0) / math.sqrt(n)).all()
    second, fourth = h.T @ h / n, (h**2).T @ (h**2) / n
    error = np.sqrt(np.maximum(fourth - second**2, 0) / n)
    assert (np.abs(second - feature.covariance) <= 5 * error + 1e-12).all()


@each_feature
def test_covariance_has_full_rank_and_the_declared_energy(feature: Feature) -> None:
    assert feature.covariance.shape == (feature.linear_dim, feature.linear_dim)
    assert np.trace(feature.covariance) == pytest.approx(feature.energy)
    assert np.linalg.eigvalsh(feature.covariance)[0] > 0.005 * feature.energy


@each_feature
def test_sample_spans_the_linear_dimension(feature: Feature) -> None:
    h = draw(feature, 400, 2)
    assert h.shape == (400, feature.linear_dim)
    assert np.linalg.matrix_rank(h) == feature.linear_dim


@given(st.sampled_from(FEATURES), SEEDS, st.floats(1e-6, 1e6), st.integers(0, 300))
def test_energy_only_scales_and_equal_generators_agree(f: Feature, seed: int, energy: float, n: int) -> None:
    scaled = Feature(f.kind, f.dim, energy, f.radius, f.points)
    expected = math.sqrt(energy) * draw(f, n, seed)
    np.testing.assert_allclose(draw(scaled, n, seed), expected, rtol=1e-12, atol=0)
    np.testing.assert_allclose(scaled.covariance, energy * f.covariance)


@given(st.sampled_from(FEATURES), SEEDS)
def test_a_draw_advances_the_generator(feature: Feature, seed: int) -> None:
    g = generator(seed)
    assert not torch.equal(feature.sample(50, g), feature.sample(50, g))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@given(st.sampled_from(FEATURES), SEEDS)
def test_dtype_is_the_one_asked_for(dtype: torch.dtype, feature: Feature, seed: int) -> None:
    h = feature.sample(7, generator(seed), dtype)
    assert h.dtype == dtype
    assert torch.isfinite(h).all()


@each_feature
def test_the_default_dtype_of_torch_changes_nothing(feature: Feature) -> None:
    before = feature.sample(50, generator(5))
    previous = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        after = feature.sample(50, generator(5))
    finally:
        torch.set_default_dtype(previous)
    assert after.dtype == torch.float32
    assert torch.equal(after, before)


@given(SEEDS, st.floats(0.1, 10))
def test_spheres_circles_and_signed_axes_have_constant_norm(seed: int, energy: float) -> None:
    for kind, dim, radius in (
        ("subspace", 4, "sphere"),
        ("sphere", 5, "gaussian"),
        ("circle", 0, "gaussian"),
        ("discrete", 3, "gaussian"),
    ):
        h = draw(Feature(kind, dim, energy, radius), 100, seed)
        np.testing.assert_allclose((h**2).sum(1), energy)


def test_gaussian_and_heavy_radii_have_their_fourth_moments() -> None:
    for radius, kurtosis in (("gaussian", 3.0), ("heavy", 6.0)):  # Student: 3 (nu - 2)/(nu - 4)
        z = draw(Feature("subspace", 1, radius=radius), 2_000_000, 3)
        assert np.mean(z**4) / np.mean(z**2) ** 2 == pytest.approx(kurtosis, rel=0.06)


@given(SEEDS)
def test_disk_is_uniform_in_area(seed: int) -> None:
    x = raw("disk", 20_000, seed)
    inside = np.mean((x**2).sum(1) <= 0.25)
    assert (x**2).sum(1).max() <= 1
    assert inside == pytest.approx(0.25, abs=6 * math.sqrt(0.25 * 0.75 / 20_000))


@given(SEEDS)
def test_torus_satisfies_its_equation_and_is_uniform_in_area(seed: int) -> None:
    R, r = TORUS_RADII
    x = raw("torus", 20_000, seed)
    ring = np.hypot(x[:, 0], x[:, 1])
    np.testing.assert_allclose((ring - R) ** 2 + x[:, 2] ** 2, r**2)
    # The outer half of the tube carries the area share 1/2 + r/(pi R).
    outer = 0.5 + r / (math.pi * R)
    assert np.mean(ring > R) == pytest.approx(outer, abs=6 * math.sqrt(outer * (1 - outer) / 20_000))


@given(SEEDS)
def test_moebius_band_is_ruled_by_its_half_angle(seed: int) -> None:
    x = raw("moebius", 500, seed)
    out, up = np.hypot(x[:, 0], x[:, 1]) - 1, x[:, 2]
    s = np.hypot(out, up)
    half = np.arctan2(x[:, 1], x[:, 0]) / 2
    np.testing.assert_allclose(np.abs(out * np.sin(half) - up * np.cos(half)), 0, atol=1e-12)
    assert s.max() <= MOEBIUS_HALF_WIDTH
    assert s.max() > 0.9 * MOEBIUS_HALF_WIDTH


@given(SEEDS)
def test_helix_turns_with_its_height(seed: int) -> None:
    x = raw("helix", 500, seed)
    angle = math.pi * HELIX_TURNS * x[:, 2]
    np.testing.assert_allclose(x[:, :2], np.stack((np.cos(angle), np.sin(angle)), 1), atol=1e-12)
    assert 0.9 < np.abs(x[:, 2]).max() <= 1


@given(SEEDS)
def test_swiss_roll_has_its_angle_as_radius(seed: int) -> None:
    x = raw("swiss_roll", 500, seed)
    t = np.hypot(x[:, 0], x[:, 1])
    np.testing.assert_allclose(x[:, :2], np.stack((t * np.cos(t), t * np.sin(t)), 1), atol=1e-10)
    assert ROLL_ANGLES[0] <= t.min() + 1e-12
    assert t.max() <= ROLL_ANGLES[1]
    assert 0.9 < np.abs(x[:, 2]).max() / ROLL_HALF_LENGTH <= 1


@given(st.integers(1, 8), st.integers(0, 8), SEEDS)
def test_clusters_are_the_stated_number_of_points(dim: int, extra: int, seed: int) -> None:
    feature = Feature("clusters", dim, points=dim + 1 + extra)
    seen = np.unique(draw(feature, 3_000, seed).round(9), axis=0)
    assert len(seen) == dim + 1 + extra
    if extra == 0:  # a regular simplex: all distances equal
        distances = np.linalg.norm(seen[:, None] - seen, axis=2)[np.triu_indices(dim + 1, 1)]
        np.testing.assert_allclose(distances, distances[0], rtol=1e-6)


@given(st.integers(1, 6), SEEDS)
def test_discrete_features_are_the_signed_axes(dim: int, seed: int) -> None:
    seen = np.unique(draw(Feature("discrete", dim), 2_000, seed), axis=0)
    assert len(seen) == 2 * dim
    assert (np.count_nonzero(seen, axis=1) == 1).all()


@pytest.mark.parametrize(
    ("feature", "intrinsic", "linear"),
    [
        (Feature("subspace", 5), 5, 5),
        (Feature("subspace"), 1, 1),
        (Feature("sphere"), 2, 3),
        (Feature("sphere", 5), 4, 5),
        (Feature("circle"), 1, 2),
        (Feature("disk"), 2, 2),
        (Feature("torus"), 2, 3),
        (Feature("moebius"), 2, 3),
        (Feature("helix"), 1, 3),
        (Feature("swiss_roll"), 2, 3),
        (Feature("discrete", 4), 0, 4),
        (Feature("clusters", 4), 0, 4),
    ],
)
def test_dimensions(feature: Feature, intrinsic: int, linear: int) -> None:
    assert (feature.intrinsic_dim, feature.linear_dim) == (intrinsic, linear)


def test_every_kind_has_a_default_that_equals_its_explicit_form() -> None:
    for kind in KINDS:
        feature = Feature(kind)
        explicit = Feature(kind, feature.dim, points=feature.points)
        assert feature == explicit
        assert hash(feature) == hash(explicit)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"kind": "toruss"}, "did you mean 'torus'"),
        ({"kind": "subspace", "radius": "gausian"}, "did you mean 'gaussian'"),
        ({"kind": "subspace", "dim": -1}, "dim of kind 'subspace'"),
        ({"kind": "subspace", "dim": 1.5}, "whole number"),
        ({"kind": "sphere", "dim": 1}, r"dim of kind 'sphere' must be in \[2"),
        ({"kind": "circle", "dim": 3}, r"dim of kind 'circle' must be in \[2, 2\]"),
        ({"kind": "circle", "energy": 0.0}, "energy"),
        ({"kind": "circle", "energy": math.inf}, "energy"),
        ({"kind": "circle", "energy": [1.0]}, r"energy must be one number, got an array of shape \(1,\)"),
        ({"kind": "circle", "radius": "heavy"}, "radius is for kind 'subspace' only"),
        ({"kind": "disk", "points": 4}, "points is for kind 'clusters' only"),
        ({"kind": "clusters", "dim": 4, "points": 4}, r"points must be in \[5"),
    ],
)
def test_impossible_fields_are_refused(fields: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Feature(**fields)  # type: ignore[arg-type]
