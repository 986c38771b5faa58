"""SASA gives each feature one group of the feature's own rank; atoms split it. See benchmarks/consolidation.py."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from sasa_theory import designs
from sasa_theory.training import Budget, Recipe, train
from synthetic import Feature, Features, World, preset

DIMENSIONS = (1, 1, 2, 2, 3, 3, 4, 4)
BATCH, ROWS = 256, 8_000
GROUPS = {"groups": 16, "rank": 4, "active": 2}
ATOMS = {"atoms": 64, "k": 8}


def world(seed: int) -> World:
    """Two features of each dimension 1 to 4 in orthogonal subspaces, two active a row."""
    features = tuple(Features(Feature("subspace", dim, radius="sphere"), 2) for dim in (1, 2, 3, 4))
    return World.build(preset("theorem", "small", features=features, width=24), seed=seed)


def trained(name: str, source: World, seed: int, steps: int, rate: float, **settings: Any) -> designs.Design:
    design = designs.get(name, seed=seed, width=source.width, **settings)
    train(design, source, Budget(tokens=steps * BATCH, batch_size=BATCH), Recipe(lr=rate), seed=seed, progress=False)
    return design


@torch.no_grad()
def contributions(design: designs.Design, source: World) -> tuple[Tensor, Tensor, Tensor]:
    """Rows, which features are on, and what each unit alone adds to their reconstructions, shape (units, n, width)."""
    sample = source.sample(ROWS, torch.Generator().manual_seed(99))
    codes = design.encode(sample.x)
    offset = design.decode(torch.zeros_like(codes[:1]))
    adds = [design.decode(codes * (design.units() == unit)) - offset for unit in range(design.n_units)]
    return sample.x, sample.truth.dense(), torch.stack(adds)


def energies(on: Tensor, adds: Tensor, source: World) -> Tensor:
    """Energy of each unit within each feature's subspace in rows where the feature is on, shape (features, units)."""
    within = [(adds[:, on[:, i]] @ source.basis(i).T).square().sum(dim=(1, 2)) for i in range(len(DIMENSIONS))]
    return torch.stack(within)


def units_for_most(energy: Tensor) -> list[int]:
    """Fewest units that hold nine tenths of each feature's energy."""
    largest = energy.sort(dim=1, descending=True).values.cumsum(dim=1)
    return ((largest < 0.9 * largest[:, -1:]).sum(dim=1) + 1).tolist()


@pytest.mark.parametrize("seed", [0, 1])
def test_each_feature_ends_in_a_group_of_its_own_with_its_rank(seed: int) -> None:
    source = world(seed)
    x, on, adds = contributions(trained("sasa/paper", source, seed, 800, 1e-2, **GROUPS), source)
    energy = energies(on, adds, source)
    assert float((adds.sum(dim=0) - x).square().sum() / x.square().sum()) < 0.01
    assert units_for_most(energy) == [1] * len(DIMENSIONS)
    owners = energy.argmax(dim=1)
    assert len(set(owners.tolist())) == len(DIMENSIONS)
    for i, dim in enumerate(DIMENSIONS):
        values, vectors = torch.linalg.svd(adds[owners[i]], full_matrices=False)[1:]
        assert int((values.square() > 0.1 * values[0].square()).sum()) == dim
        captured = (vectors[:dim] @ source.basis(i).T).square().sum() / dim
        assert float(captured) > 0.99


@pytest.mark.parametrize("name", ["topk/signed", "topk"])
def test_atoms_of_the_same_budget_split_features_of_several_dimensions(name: str) -> None:
    source = world(0)
    x, on, adds = contributions(trained(name, source, 0, 150, 1e-2, **ATOMS), source)
    assert float((adds.sum(dim=0) - x).square().sum() / x.square().sum()) < 0.2
    split = units_for_most(energies(on, adds, source))
    assert all(units >= 2 for units, dim in zip(split, DIMENSIONS, strict=True) if dim > 1)
    assert all(units >= 3 for units, dim in zip(split, DIMENSIONS, strict=True) if dim == 4)
