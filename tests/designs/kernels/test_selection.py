"""Selections against a sort."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sasa_theory.designs.kernels.search import best_of_stream
from sasa_theory.designs.kernels.selection import top_of_all, top_of_rows


def scores_of(seed: int, shape: tuple[int, ...], levels: int) -> torch.Tensor:
    """Normal numbers; or few different ones, as many as ``levels``; or if that is -1, many that differ in last bits."""
    generator = torch.Generator().manual_seed(seed)
    if levels == -1:
        return 1 + torch.finfo().eps * torch.randint(1000, shape, generator=generator)
    if levels:
        return torch.randint(levels, shape, generator=generator).float()
    return torch.randn(*shape, generator=generator)


@pytest.mark.parametrize(("m", "k"), [(5, 1), (37, 6), (600, 30), (640, 7), (1024, 16), (1024, 17), (4096, 40), (4, 9)])
@given(seed=st.integers(0, 10_000), levels=st.sampled_from([0, 1, 5, -1]), rows=st.integers(0, 4))
@pytest.mark.parametrize("sign", [1, -1])
def test_the_largest_of_every_row(m, k, sign, seed, levels, rows):
    scores = sign * scores_of(seed, (rows, m), levels)
    kept = top_of_rows(scores, k)
    k = min(k, m)
    assert kept.shape == (rows, k)
    assert all(len(row.unique()) == k for row in kept)
    found = scores.gather(1, kept).sort(dim=1, descending=True).values
    assert torch.equal(found, scores.sort(dim=1, descending=True).values[:, :k])


@given(seed=st.integers(0, 10_000), levels=st.sampled_from([0, 1, 4]), k=st.integers(1, 60))
def test_the_largest_of_all_and_of_equal_ones_the_first(seed, levels, k):
    scores = scores_of(seed, (50,), levels)
    wanted = scores.sort(descending=True, stable=True).indices[:k].sort().values
    assert torch.equal(top_of_all(scores, k), wanted)
    pieces = [(piece, 2 * piece) for piece in scores.split(7)]
    places, kept, values = best_of_stream(iter(pieces), k)
    assert torch.equal(places, wanted)
    assert torch.equal(kept, scores[wanted])
    assert torch.equal(values, 2 * kept)


def test_infinite_numbers_are_the_largest_and_the_smallest():
    scores = scores_of(1, (3, 40), 0)
    scores[0, [3, 30]] = torch.inf
    scores[1, 2:] = -torch.inf
    kept = top_of_rows(scores, 4)
    assert {3, 30} < set(kept[0].tolist())
    assert {0, 1} < set(kept[1].tolist())
    assert torch.equal(scores[2].topk(4).indices.sort().values, kept[2].sort().values)


@pytest.mark.parametrize("m", [4, 16, 512])
def test_the_first_entry_exceeds_the_last_by_one_bit(m):
    """The bits that say where the two stand are all different: the sort takes the last one for the larger."""
    scores = torch.zeros(3, m)
    scores[:, -1] = 1.0
    scores[:, 0] = 1.0 + torch.finfo().eps
    assert top_of_rows(scores, 1).tolist() == [[0]] * 3
