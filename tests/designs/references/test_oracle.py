"""Oracles: what a world's own oracle reaches, least squares on the chosen support, the choice step by step."""

from __future__ import annotations

from importlib import import_module

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from sasa_theory.designs.contract import Design
from sasa_theory.designs.references.oracle import OracleConfig, oracle
from sasa_theory.designs.references.tied import random_bases
from sasa_theory.designs.saving.storage import load, save
from sasa_theory.testing.strategies import SEEDS
from synthetic import Sample, World, preset

module = import_module("sasa_theory.designs.references.oracle")  # the package exports the function of this name

DIMS = st.lists(st.integers(1, 4), min_size=1, max_size=6)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def explained_variance(design: Design, x: Tensor) -> float:
    return 1 - float((design(x) - x).square().sum() / (x - x.mean(dim=0)).square().sum())


def support_recall(design: Design, sample: Sample) -> float:
    fired = design.presence(design.encode(sample.x)) > 0
    return float(fired[sample.truth.samples, sample.truth.features].double().mean())


def problem(seed: int, dims: list[int], width: int = 6, n: int = 7) -> tuple[Tensor, Tensor]:
    """Subspaces and rows that have nothing to do with each other."""
    bases = torch.cat([basis.double() for basis in random_bases(dims, width, generator(seed)).split(dims)])
    rows = [torch.linalg.qr(basis.mT).Q.mT for basis in bases.split(dims)]
    return torch.cat(rows), torch.randn(n, width, generator=generator(seed + 1), dtype=torch.float64)


@pytest.mark.parametrize(
    ("name", "scale", "bias"),
    [("sasa_dimension", "small", 3.0), ("sasa_rank", "small", 0.0), ("theorem", "small", 0.0)],
)
def test_tied_agrees_with_the_oracle_of_the_world(name, scale, bias):
    world = World.build(preset(name, scale, bias=bias), 0)
    known = world.oracle(1000, generator(1))
    sample = world.sample(1000, generator(1))
    design = oracle(world.bases, world.config.dims, world.config.firing.active, bias=world.bias)
    assert explained_variance(design, sample.x) == pytest.approx(known.explained_variance.value, abs=1e-5)
    assert support_recall(design, sample) == pytest.approx(known.support_recall.value, abs=1e-12)


def test_the_world_of_the_dimension_experiment():
    # Tied .962, as simulated independently. Without noise, pursuit finds the very subspaces: the rest is rounding.
    world = World.build(preset("sasa_dimension", noise=0.0), 0)
    sample = world.sample(1000, generator(1))
    assert explained_variance(oracle(world.bases, world.config.dims, 4), sample.x) == pytest.approx(0.962, abs=0.01)
    part = Sample(sample.x[:100], None, sample.truth)
    pursuit = oracle(world.bases, world.config.dims, 4, solver="pursuit")
    assert explained_variance(pursuit, part.x) > 0.9999


@given(SEEDS, DIMS, st.data())
def test_pursuit_follows_its_definition(seed, dims, draw):
    active = draw.draw(st.integers(1, len(dims)))
    bases, x = problem(seed, dims)
    design = oracle(bases, dims, active, solver="pursuit")
    blocks = bases.split(dims)
    for row, x_hat in zip(x, design(x), strict=True):
        residual, chosen = row, []
        for _ in range(active):
            sizes = [-1.0 if k in chosen else float((block @ residual).norm()) for k, block in enumerate(blocks)]
            if max(sizes) < 1e-9:
                break
            chosen.append(sizes.index(max(sizes)))
            support = torch.cat([blocks[k] for k in chosen])
            weights = torch.linalg.lstsq(support.mT, row.unsqueeze(1), driver="gelsd").solution.squeeze(1)
            residual = row - weights @ support
        torch.testing.assert_close(x_hat, row - residual, rtol=1e-5, atol=1e-5)


@given(SEEDS, DIMS, st.data())
def test_what_pursuit_leaves_is_orthogonal_to_what_it_chose(seed, dims, draw):
    active = draw.draw(st.integers(1, len(dims)))
    bases, x = problem(seed, dims)
    design = oracle(bases, dims, active, solver="pursuit", bias=torch.full((6,), 2.0, dtype=torch.float64))
    fired = (design.presence(design.encode(x)) > 0)[:, design.units()]
    left = (x - design(x)) @ bases.mT
    torch.testing.assert_close(left * fired, torch.zeros_like(left), atol=1e-6, rtol=0)
    assert ((design.presence(design.encode(x)) > 0).sum(dim=1) <= active).all()


@given(SEEDS, st.lists(st.integers(1, 3), min_size=2, max_size=4))
def test_both_solve_orthogonal_subspaces_and_pursuit_stops_when_nothing_is_left(seed, dims):
    bases = random_bases((sum(dims),), 12, generator(seed))
    codes = torch.randn(5, sum(dims), generator=generator(seed))
    codes[:, dims[0] :] = 0
    x = codes @ bases + 1.0
    for solver in ("tied", "pursuit"):
        design = oracle(bases, dims, 2, solver=solver, bias=torch.ones(12))
        torch.testing.assert_close(design(x), x, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(design.encode(x), codes, rtol=1e-4, atol=1e-5)
    assert (design.presence(design.encode(x)) > 0).sum(dim=1).tolist() == [1] * 5


def test_dependent_supports_have_a_solution():
    basis = random_bases((2,), 5, generator()).double()
    tilted = torch.linalg.qr(torch.stack((basis[0], torch.eye(5, dtype=torch.float64)[4])).mT).Q.mT
    design = oracle(torch.cat((basis, tilted)), (2, 2), 2, solver="pursuit")  # three directions for four columns
    x = torch.randn(20, 5, generator=generator(), dtype=torch.float64)
    span = torch.linalg.qr(torch.cat((basis, tilted[1:])).mT).Q
    torch.testing.assert_close(design(x), x @ span @ span.mT, rtol=1e-5, atol=1e-5)
    assert design.encode(x).abs().max() < 100


def test_units_are_as_large_as_the_subspaces(monkeypatch, tmp_path):
    dims = (1, 3, 2)
    bases = random_bases(dims, 8, generator())
    x = torch.randn(30, 8, generator=generator(1))
    for solver in ("tied", "pursuit"):
        design = oracle(bases, dims, 2, solver=solver, bias=torch.ones(8))
        assert design.units().tolist() == [0, 1, 1, 1, 2, 2]
        assert (design.n_units, design.columns) == (3, 6)
        assert int(design.loss(x).fired.sum()) == 60
        assert not list(design.parameters())
        save(design, tmp_path / solver)
        assert load(tmp_path / solver)(x).equal(design(x))
    monkeypatch.setattr(module, "_BLOCK_ENTRIES", 100)
    torch.testing.assert_close(oracle(bases, dims, 2, solver="pursuit", bias=torch.ones(8))(x), design(x))


def test_config_from_plain_values():
    config = OracleConfig(width=8, dims=(1, 3), active=2, solver="pursuit")
    assert OracleConfig.from_dict({"width": 8, "dims": [1, 3], "active": 2, "solver": "pursuit"}) == config
    design = config.build(generator())
    assert design.encode(torch.randn(2, 8)).shape == (2, 4)
    torch.testing.assert_close(design.decoder[1:] @ design.decoder[1:].mT, torch.eye(3))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"dims": (2, 2)}, r"sum\(dims\) = 4 rows, got 5"),
        ({"dims": ()}, "at least one subspace"),
        ({"dims": (2, 0, 3)}, "dims must be in"),
        ({"dims": (5, 7)}, "dims must be at most width = 6, got 7"),
        ({"active": 3}, r"active must be at most len\(dims\) = 2, got 3"),
        ({"solver": "pursuits"}, "did you mean 'pursuit'"),
        ({"bases": torch.ones(5, 6)}, "rows of basis 0 must be orthonormal"),
        ({"bases": torch.eye(5, 6) * 1.0001}, "rows of basis 0 must be orthonormal, their products are off by 0.0002"),
        ({"bases": torch.ones(5)}, r"shape \(n, width\)"),
    ],
)
def test_refused(change, message):
    arguments = {"bases": torch.eye(5, 6), "dims": (2, 3), "active": 1, "solver": "tied"} | change
    with pytest.raises(ValueError, match=message):
        oracle(**arguments)
