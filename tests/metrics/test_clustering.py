from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sasa_theory.designs.references import group_by_neighbours, group_by_spectrum
from sasa_theory.metrics import METRICS, observe
from sasa_theory.metrics.clustering import pca_dimension, random_ratio, redundancy

from . import dictionaries

# a cluster of so many random directions in 768 dimensions shows this many atoms a dimension
PUBLISHED = {4: 1.00, 8: 1.14, 16: 1.24, 24: 1.33, 50: 1.39, 100: 1.47}


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def atoms(rows: torch.Tensor) -> dictionaries.Fixed:
    return dictionaries.Fixed([row.unsqueeze(0) for row in rows], 1)


def bundle(size: int, dimension: int, offset: int, width: int, spread: float = 0.3) -> torch.Tensor:
    """Atoms around one direction that vary in ``dimension`` dimensions in all."""
    rows = torch.zeros(size, width)
    rows[:, offset] = 1
    rows[:, offset + 1 : offset + dimension] = spread * torch.randn(size, dimension - 1, generator=rng(offset))
    return rows


@pytest.mark.parametrize(("size", "ratio"), PUBLISHED.items())
def test_the_null_has_its_known_values(size, ratio):
    assert random_ratio(size, 768, rng()) == pytest.approx(ratio, abs=0.016)


def test_dimension_of_known_clusters():
    eye = torch.eye(10)
    assert [pca_dimension(eye[:k]) for k in (1, 2, 4, 5, 6, 10)] == [1, 2, 4, 4, 5, 8]  # 80 % of k, rounded up
    assert pca_dimension(eye[:1].repeat(7, 1)) == 1
    assert pca_dimension(torch.cat((eye[:1].repeat(7, 1), eye[1:2]))) == 1
    assert pca_dimension(eye[:3].repeat(40, 1)) == 3  # more atoms than dimensions
    shifted = torch.tensor([[1.0, 0.1], [1.0, -0.1]])
    assert pca_dimension(shifted) == 1  # not centred: the common direction counts


@given(st.integers(0, 10**6), st.integers(1, 12), st.integers(1, 8))
def test_dimension_follows_neither_rotation_nor_order_nor_norms(seed, size, width):
    generator = rng(seed)
    rows = torch.randn(size, width, generator=generator, dtype=torch.float64)
    turn = torch.linalg.qr(torch.randn(width, width, generator=generator, dtype=torch.float64)).Q
    scale = 0.1 + torch.rand(size, 1, generator=generator, dtype=torch.float64)
    order = torch.randperm(size, generator=generator)
    found = pca_dimension(rows)
    assert 1 <= found <= min(size, width)
    assert pca_dimension((scale * rows @ turn)[order]) == found


def test_clusters_with_more_atoms_than_dimensions_are_redundant_beyond_chance():
    width = 64
    rows = torch.cat((bundle(12, 2, 0, width), bundle(8, 2, 10, width), bundle(3, 2, 20, width), torch.eye(width)[40:]))
    labels = torch.tensor([0] * 12 + [1] * 8 + [2] * 3 + list(range(3, 3 + 24)))
    found = redundancy(atoms(rows), labels, generator=rng())
    assert found.sizes.tolist() == [12, 8]
    assert found.dimensions.tolist() == [1, 1]
    assert found.ratio == 10
    assert found.null == pytest.approx(float(found.nulls.mean()))
    assert found.over_null == pytest.approx(10 / found.null)
    assert 1.1 < found.null < 1.6


def test_random_clusters_are_as_redundant_as_chance():
    rows = torch.randn(160, 128, generator=rng(5))
    found = redundancy(atoms(rows), torch.arange(160) // 16, generator=rng(6))
    assert found.sizes.tolist() == [16] * 10
    assert found.over_null == pytest.approx(1, abs=0.06)
    assert found.ratio > 1.15  # though nothing is redundant


def test_columns_that_add_nothing_belong_to_no_cluster():
    rows = torch.cat((torch.eye(16)[:4], torch.zeros(6, 16)))
    found = redundancy(atoms(rows), torch.tensor([0] * 7 + [1] * 3), generator=rng())
    assert (found.sizes.tolist(), found.dimensions.tolist()) == ([4], [4])


def test_nothing_to_judge_is_nan():
    found = redundancy(atoms(torch.eye(8)), torch.arange(8), generator=rng())
    assert math.isnan(found.ratio)
    assert math.isnan(found.over_null)
    assert found.sizes.tolist() == []
    known = dictionaries.world()
    assert math.isnan(METRICS["redundancy"].measure(observe(dictionaries.perfect(known), known, 100)).value)
    few = dictionaries.Fixed([torch.eye(16)[:1], torch.eye(16)[1:3]], 1)
    assert math.isnan(METRICS["redundancy"].measure(observe(few, known, 100)).value)


def test_the_metric_is_that_of_neighbours():
    known = dictionaries.world()
    rows = torch.cat((bundle(6, 2, 0, 16), bundle(5, 3, 4, 16), torch.eye(16)[10:]))
    design = atoms(rows)
    value = METRICS["redundancy"].measure(observe(design, known, 100, seed=3)).value
    assert value == redundancy(design, group_by_neighbours(design).units(), generator=rng(3)).over_null
    assert value > 2
    spectral = group_by_spectrum(design, 8, generator=rng()).units()
    assert redundancy(design, spectral, generator=rng()).over_null > 2


def test_atoms_are_columns_in_the_order_of_the_code():
    rows = torch.cat((bundle(6, 2, 0, 16), torch.eye(16)[8:14]))
    order = torch.randperm(12, generator=rng(1))
    labels = torch.tensor([0] * 6 + [1] * 6)
    blocks = dictionaries.Fixed([rows[order[:5]], rows[order[5:]]], 1)
    found = redundancy(blocks, labels[order], generator=rng())
    assert found.sizes.tolist() == [6, 6]
    assert found.dimensions.tolist() == [1, 5]


def test_labels_of_another_length_are_refused():
    with pytest.raises(ValueError, match=r"one entry a column, shape \(8,\)"):
        redundancy(atoms(torch.eye(8)), torch.zeros(3, dtype=torch.int64), generator=rng())
