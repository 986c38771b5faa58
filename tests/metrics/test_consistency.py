"""Seed consistency: the same units in any order and basis agree; random ones agree as much as chance."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given

from sasa_theory.designs import Design
from sasa_theory.metrics import Consistency, consistency, observe
from sasa_theory.testing.strategies import SEEDS
from synthetic import Feature, Features, World, preset

from .dictionaries import DIMS, WIDTH, Fixed, duplicated, orthogonal, perfect, permuted, rotated, split, truth, world

KNOWN = world()


def draw(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def agree(*designs: Design, known: World = KNOWN) -> Consistency:
    return consistency([observe(design, known, 600) for design in designs], draw(0))


def scattered(n: int, rank: int, seed: int) -> Fixed:
    """Random units that all fire."""
    generator = draw(seed)
    return Fixed([torch.randn(rank, WIDTH, generator=generator) for _ in range(n)], n)


@given(SEEDS)
def test_the_same_units_in_another_order_and_basis_are_the_same(seed):
    generator = draw(seed)
    found = agree(perfect(KNOWN), permuted(KNOWN, generator), rotated(KNOWN, generator))
    assert found.subspaces == pytest.approx(1)
    assert found.each.shape == (3, 2)
    assert found.atoms == pytest.approx(1, abs=1e-3)  # a sphere's strongest direction is that of the sample
    assert found.subspaces_null < 0.7


def test_bases_chosen_freely_agree_as_subspaces_only():
    """Split along different bases, planes and spheres have no atoms in common; lines do."""
    generator = draw(1)
    turned = [row.unsqueeze(0) for b in truth(KNOWN) for row in orthogonal(len(b), generator) @ b]
    found = agree(split(KNOWN), Fixed(turned, 2 * max(DIMS)))
    assert found.atoms < 0.98
    whole = agree(perfect(KNOWN), rotated(KNOWN, generator))
    assert whole.subspaces == pytest.approx(1)


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_random_units_agree_as_much_as_chance(rank):
    found = agree(*(scattered(40, rank, seed) for seed in range(3)))
    assert found.subspaces == pytest.approx(found.subspaces_null, rel=0.08)
    assert found.atoms == pytest.approx(found.atoms_null, rel=0.08)
    assert found.chance == pytest.approx(rank / WIDTH)
    assert found.chance < found.subspaces_null


def test_for_single_columns_affinity_is_the_squared_cosine():
    one, other = scattered(1, 1, 0), scattered(1, 1, 1)
    cosine = torch.nn.functional.cosine_similarity(one.decoder, other.decoder).abs().item()
    found = agree(one, other)
    assert found.atoms == pytest.approx(cosine)
    assert found.subspaces == pytest.approx(cosine**2)


def test_units_without_a_partner_count_as_nothing():
    """Twelve units against six: half of them find none."""
    assert agree(perfect(KNOWN), duplicated(KNOWN)).subspaces == pytest.approx(0.5)
    assert agree(duplicated(KNOWN), perfect(KNOWN)).subspaces == pytest.approx(0.5)


def test_affinity_is_over_the_smaller_dimension():
    bases = truth(KNOWN)
    smaller = [basis[: max(1, len(basis) - 1)] for basis in bases]
    found = agree(perfect(KNOWN), Fixed(smaller, 2))
    assert found.subspaces == pytest.approx(1)
    assert found.chance == pytest.approx(sum(DIMS) / len(DIMS) / WIDTH)


def test_units_that_never_fire_are_left_out():
    bases = truth(KNOWN)
    spare = Fixed([*bases, torch.eye(2, WIDTH)], 2, encoders=[*bases, torch.zeros(2, WIDTH)], gates=[*bases, bases[0]])
    assert agree(perfect(KNOWN), spare).subspaces == pytest.approx(1)


def test_what_cannot_be_compared_is_refused():
    with pytest.raises(ValueError, match="two or more designs, got 1"):
        agree(perfect(KNOWN))
    wide = world(seed=1)
    narrow = Fixed([torch.eye(1, WIDTH)], 1, encoders=[torch.zeros(1, WIDTH)])
    with pytest.raises(ValueError, match="design 1 has none"):
        agree(perfect(wide), narrow, known=wide)
    other = World.build(preset("theorem", "small", width=12, features=(Features(Feature("subspace", 2), 3),)), seed=0)
    with pytest.raises(ValueError, match="one width, got 12, 16"):
        consistency([observe(perfect(KNOWN), KNOWN, 10), observe(perfect(other), other, 10)], draw(0))
