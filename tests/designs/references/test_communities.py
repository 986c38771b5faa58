"""Communities of latents: planted groups are found, chains do not join them, and the objective is the one stated."""

from __future__ import annotations

import random
import sys

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from sasa_theory.designs.atoms.topk import TopK, TopKConfig
from sasa_theory.designs.references import group_by_communities, group_by_neighbours
from sasa_theory.testing.strategies import SEEDS


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def sae(rows: Tensor) -> TopK:
    """A vector SAE with these decoder rows."""
    design = TopKConfig(width=rows.shape[1], atoms=len(rows), k=1).build(generator())
    with torch.no_grad():
        design.decoder.copy_(rows)
    return design


def cones(sizes: list[int], seed: int) -> tuple[Tensor, Tensor]:
    """Shuffled rows of all lengths around orthogonal axes, and the axis of each."""
    g = generator(seed)
    axis = torch.arange(len(sizes)).repeat_interleave(torch.tensor(sizes))
    axis = axis[torch.randperm(len(axis), generator=g)]
    rows = torch.eye(len(sizes) + 2)[axis] + 0.1 * torch.randn(len(axis), len(sizes) + 2, generator=g)
    return rows * torch.rand(len(axis), 1, generator=g).exp(), axis


def same_partition(one: Tensor, other: Tensor) -> bool:
    return bool(((one[:, None] == one) == (other[:, None] == other)).all())


def links(rows: Tensor, neighbours: int) -> Tensor:
    """Weights of the graph, as the docstring has them."""
    cosines = torch.nn.functional.cosine_similarity(rows[:, None], rows, dim=2).double()
    weights = torch.zeros_like(cosines)
    for i, row in enumerate(cosines):
        for j in [j for j in row.argsort(descending=True).tolist() if j != i][:neighbours]:
            weights[i, j] = weights[j, i] = row[j].clamp(min=0)
    return weights


def modularity(weights: Tensor, groups: Tensor, resolution: float) -> float:
    """As the docstring has it."""
    sums, together = weights.sum(dim=1), groups[:, None] == groups
    return float(((weights - resolution * torch.outer(sums, sums) / sums.sum()) * together).sum())


@given(SEEDS, st.lists(st.integers(4, 8), min_size=2, max_size=5))
def test_planted_cones_are_found(seed, sizes):
    rows, axis = cones(sizes, seed)
    grouped = group_by_communities(sae(rows), max(sizes) - 1, generator=generator(seed))
    assert same_partition(grouped.units(), axis)
    assert grouped.units().unique().tolist() == list(range(len(sizes)))


@settings(max_examples=10)
@given(SEEDS, st.sampled_from([0.3, 1.0, 2.0]))
def test_no_other_simple_grouping_is_more_modular(seed, resolution):
    rows = torch.randn(24, 4, generator=generator(seed))
    grouped = group_by_communities(sae(rows), 5, resolution, generator=generator(seed))
    found, every, weights = grouped.units(), torch.arange(24), links(rows, 5)
    best = modularity(weights, found, resolution)
    others = [every, 0 * every, group_by_neighbours(sae(rows), 5).units()]
    others += [torch.where(every == i, k, found) for i in range(24) for k in range(grouped.n_units)]  # one moved
    assert all(modularity(weights, other, resolution) <= best + 1e-5 for other in others)


def test_a_chain_of_links_does_not_join_two_groups():
    rows, axis = cones([6, 6], 0)
    between = torch.tensor([[1.0, 1.0, 0.0, 0.0]])
    design = sae(torch.cat((rows, between)))
    assert group_by_neighbours(design, 5).n_units == 1
    assert same_partition(group_by_communities(design, 5, generator=generator()).units()[:-1], axis)


def test_a_finer_resolution_gives_more_groups():
    design = sae(torch.randn(40, 3, generator=generator()))
    counts = [group_by_communities(design, 8, r, generator=generator()).n_units for r in (0.2, 1.0, 5.0)]
    assert counts == sorted(counts)
    assert counts[0] < counts[-1]


def test_the_generator_decides_and_pythons_own_stays_as_it_was():
    design = sae(torch.randn(60, 4, generator=generator()))
    state = random.getstate()
    found = {seed: group_by_communities(design, 4, generator=generator(seed)).units() for seed in range(8)}
    assert all(group_by_communities(design, 4, generator=generator(s)).units().equal(u) for s, u in found.items())
    assert len({tuple(units.tolist()) for units in found.values()}) > 1
    assert random.getstate() == state


def test_columns_that_add_nothing_or_stand_alone_are_groups_of_their_own():
    grouped = group_by_communities(sae(torch.cat((torch.eye(3), -torch.eye(3)))), 2, generator=generator())
    assert grouped.n_units == 6


def test_without_igraph_one_sentence_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "igraph", None)
    with pytest.raises(ModuleNotFoundError, match=r"needs the package igraph: pip install 'sasa-theory\[leiden\]'"):
        group_by_communities(sae(torch.eye(3)), 1, generator=generator())


@pytest.mark.parametrize(
    ("arguments", "match"), [({"neighbours": 3}, r"\[1, 2\]"), ({"neighbours": 1, "resolution": 0.0}, "resolution")]
)
def test_refused(arguments, match):
    with pytest.raises(ValueError, match=match):
        group_by_communities(sae(torch.eye(3)), generator=generator(), **arguments)
