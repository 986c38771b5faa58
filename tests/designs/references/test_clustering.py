"""k-means and k-subspaces: planted clusters are found, the error never rises, codes say which cluster."""

from __future__ import annotations

import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.cluster.vq import kmeans2
from torch import Tensor

from sasa_theory.designs.contract import Design
from sasa_theory.designs.references import lloyd
from sasa_theory.designs.references.clustering import KMeansConfig, KSubspacesConfig, fit_k_means, fit_k_subspaces
from sasa_theory.designs.references.tied import random_bases
from sasa_theory.designs.saving.storage import load, save
from sasa_theory.testing.strategies import SEEDS


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def blobs(seed: int, clusters: int, each: int, spread: float) -> Tensor:
    """Rows around distant centres."""
    g = generator(seed)
    centres = 10.0 * torch.eye(clusters, clusters + 2, dtype=torch.float64) + 3.0
    noise = torch.randn(clusters, each, clusters + 2, generator=g, dtype=torch.float64)
    return (centres.unsqueeze(1) + spread * noise).flatten(0, 1)


def union(seed: int, groups: int, rank: int, width: int, each: int) -> Tensor:
    """Rows in a union of subspaces, mirrored so that their mean is 0."""
    g = generator(seed)
    bases = random_bases((rank,) * groups, width, g).double().unflatten(0, (groups, rank))
    rows = (torch.randn(groups, each, rank, generator=g, dtype=torch.float64) @ bases).flatten(0, 1)
    return torch.cat((rows, -rows))


def error(design: Design, x: Tensor) -> float:
    return float((design(x) - x).square().sum())


@given(SEEDS, st.integers(1, 6))
def test_k_means_finds_distant_blobs(seed, clusters):
    x = blobs(seed, clusters, 8, 0.3)
    design = fit_k_means(x, clusters, generator=generator(seed))
    means = x.unflatten(0, (clusters, 8)).mean(dim=1)
    torch.testing.assert_close(design(x).unflatten(0, (clusters, 8))[:, 0], means)
    labels = design.nearest(x).unflatten(0, (clusters, 8))
    assert (labels == labels[:, :1]).all()
    assert labels[:, 0].unique().numel() == clusters


@given(SEEDS, st.integers(1, 7), st.integers(7, 40))
def test_k_means_stops_where_scipy_would_stay(seed, clusters, n):
    x = torch.randn(n, 3, generator=generator(seed), dtype=torch.float64)
    design = fit_k_means(x, clusters, generator=generator(seed))
    centroids = design.decode(torch.diag(design.lengths))
    distances = torch.cdist(x, centroids)
    assert design.nearest(x).equal(distances.argmin(dim=1))
    torch.testing.assert_close(design(x), centroids[design.nearest(x)])
    improved, _ = kmeans2(x.numpy(), centroids.numpy(), iter=1, minit="matrix", missing="raise")
    after = torch.cdist(x, torch.from_numpy(improved)).amin(dim=1).square().sum()
    assert float(after) == pytest.approx(error(design, x), rel=1e-5, abs=1e-12)


def test_k_means_codes_are_distances_from_the_mean_along_unit_rows():
    x = blobs(0, 4, 10, 0.5)
    design = fit_k_means(x, 4, generator=generator())
    codes = design.encode(x)
    assert ((codes != 0).sum(dim=1) == 1).all()
    torch.testing.assert_close(codes.amax(dim=1), (design(x) - x.mean(dim=0)).norm(dim=1))
    torch.testing.assert_close(design.decoder.norm(dim=1), torch.ones(4, dtype=x.dtype))
    assert design.loss(x).fired.tolist() == [10] * 4
    assert not list(design.parameters())


@given(SEEDS, st.integers(1, 4), st.integers(1, 3))
def test_k_subspaces_find_a_union_of_subspaces(seed, groups, rank):
    x = union(seed, groups, rank, 12, 15)
    design = fit_k_subspaces(x, groups, rank, generator=generator(seed), restarts=5)
    assert error(design, x) <= 1e-6 * float(x.square().sum())
    blocks = design.decoder.unflatten(0, (groups, rank))
    torch.testing.assert_close(blocks @ blocks.mT, torch.eye(rank, dtype=x.dtype).expand(groups, -1, -1))
    assert ((design.presence(design.encode(x)) > 0).sum(dim=1) == 1).all()


@pytest.mark.parametrize("kind", ["points", "subspaces"])
@given(seed=SEEDS, clusters=st.integers(1, 6))
def test_the_error_falls_with_iterations_and_restarts(kind, seed, clusters):
    x = torch.randn(40, 5, generator=generator(seed), dtype=torch.float64)

    def fitted(restarts: int, iterations: int) -> float:
        if kind == "points":
            options = {"restarts": restarts, "iterations": iterations}
            return error(fit_k_means(x, clusters, generator=generator(seed), **options), x)
        options = {"restarts": restarts, "iterations": iterations}
        return error(fit_k_subspaces(x, clusters, 2, generator=generator(seed), **options), x)

    errors = [fitted(1, 1), fitted(1, 2), fitted(1, 4), fitted(1, 50), fitted(3, 50)]
    assert all(later <= earlier * (1 + 1e-9) for earlier, later in itertools.pairwise(errors))


def test_one_subspace_is_that_of_the_principal_components():
    x = torch.randn(200, 6, generator=generator(), dtype=torch.float64) * torch.tensor([9.0, 6, 1, 1, 1, 1])
    design = fit_k_subspaces(x, 1, 2, generator=generator())
    left_out = torch.linalg.svdvals(x - x.mean(dim=0))[2:].square().sum()
    assert error(design, x) == pytest.approx(float(left_out), rel=1e-5)


def test_several_subspaces_fire_where_asked():
    x = union(3, 4, 2, 12, 15)
    design = fit_k_subspaces(x, 4, 2, generator=generator(), active=3)
    assert ((design.presence(design.encode(x)) > 0).sum(dim=1) == 3).all()
    assert design.units().tolist() == [0, 0, 1, 1, 2, 2, 3, 3]


def test_more_clusters_than_distinct_rows():
    x = torch.eye(3, dtype=torch.float64).repeat(4, 1)
    for seed in range(5):
        assert error(fit_k_means(x, 6, generator=generator(seed)), x) < 1e-20
        assert error(fit_k_subspaces(x, 6, 2, generator=generator(seed)), x) < 1e-20
    zeros = torch.zeros(4, 3)
    assert error(fit_k_means(zeros, 2, generator=generator()), zeros) == 0
    assert error(fit_k_subspaces(zeros, 2, 2, generator=generator()), zeros) == 0


@pytest.mark.parametrize(("kind", "left"), [(lloyd.Points(), 9 * 9 / 2), (lloyd.Subspaces(1), 0.0)])
def test_clusters_without_rows_move_to_the_rows_explained_worst(kind, left):
    x = torch.tensor([[10.0, 0, 0], [0, 20.0, 0], [0, 0, 30.0], [1.0, 0, 0]], dtype=torch.float64)
    alike = torch.tensor([1.0, 0, 0], dtype=torch.float64).expand(3, 1, 3)
    total, _ = lloyd._run(kind, x, alike, 2)
    assert total == pytest.approx(left, abs=1e-9)


FITS = [lambda x, g: fit_k_means(x, 5, generator=g), lambda x, g: fit_k_subspaces(x, 5, 2, generator=g)]


@pytest.mark.parametrize("fit", FITS)
def test_the_generator_decides_and_blocks_do_not(fit, monkeypatch, tmp_path):
    x = torch.randn(80, 4, generator=generator(1))
    first = fit(x, generator(7))
    assert fit(x, generator(7)).decoder.equal(first.decoder)
    monkeypatch.setattr(lloyd, "_BLOCK_ENTRIES", 70)
    torch.testing.assert_close(fit(x, generator(7))(x), first(x))
    save(first, tmp_path / "design")
    assert load(tmp_path / "design")(x).equal(first(x))


def test_seeds_are_spread_out():
    # Drawn by the error that is left, seeds hit a new one of twelve tight blobs each time; drawn evenly, hardly ever.
    x = blobs(0, 12, 5, 1e-4)
    for seed in range(10):
        design = fit_k_means(x, 12, generator=generator(seed), restarts=1, iterations=1)
        assert error(design, x) < 1e-4


@pytest.mark.parametrize(
    ("fit", "message"),
    [
        (lambda x, g: fit_k_means(x, 7, generator=g), "a row for each cluster and dimension, 7, got 6"),
        (lambda x, g: fit_k_subspaces(x[:1], 1, 2, generator=g), "dimension, 2, got 1"),
        (lambda x, g: fit_k_subspaces(x, 2, 4, generator=g), "rank must be at most width = 3, got 4"),
        (lambda x, g: fit_k_subspaces(x, 2, 2, generator=g, active=3), "active must be at most groups = 2, got 3"),
        (lambda x, g: fit_k_means(x, 2, generator=g, restarts=0), "restarts must be in"),
        (lambda x, g: fit_k_subspaces(x, 2, 1, generator=g, iterations=0), "iterations must be in"),
        (lambda x, g: fit_k_means(x / 0, 2, generator=g), "x must be finite; row 0"),
        (lambda x, g: fit_k_subspaces(x / 0, 2, 1, generator=g), "x must be finite; row 0"),
    ],
)
def test_refused(fit, message):
    with pytest.raises(ValueError, match=message):
        fit(torch.ones(6, 3), generator())


def test_built_without_data_they_have_their_shapes():
    points = KMeansConfig(width=5, atoms=9).build(generator())
    assert points.encode(torch.ones(2, 5)).shape == (2, 9)
    subspaces = KSubspacesConfig(width=5, groups=3, rank=2).build(generator())
    assert subspaces.encode(torch.ones(2, 5)).shape == (2, 6)
