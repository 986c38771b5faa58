"""Memory: every row once an epoch, in a new order, resumable anywhere, shards without overlap."""

from __future__ import annotations

import json

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from sasa_theory.training import Memory
from synthetic import World, preset


def rows(n: int) -> Memory:
    """Activations whose single entry is the row's number."""
    return Memory(torch.arange(n, dtype=torch.float32).unsqueeze(1))


def take(source: Memory, batches: int, batch_size: int, seed: int = 0, shard: tuple[int, int] = (0, 1)) -> Tensor:
    stream = source.batches(batch_size, torch.Generator().manual_seed(seed), shard)
    return torch.cat([next(stream) for _ in range(batches)]).flatten()


@given(st.integers(1, 30), st.integers(1, 40), st.integers(0, 99))
def test_each_epoch_is_a_permutation_of_all_rows(n: int, batch_size: int, seed: int) -> None:
    seen = take(rows(n), -(-3 * n // batch_size), batch_size, seed)[: 3 * n].reshape(3, n)
    assert torch.equal(seen.sort(dim=1).values, torch.arange(n).float().expand(3, n))


def test_epochs_and_seeds_have_orders_of_their_own() -> None:
    first, second = take(rows(50), 2, 50).reshape(2, 50)
    assert not torch.equal(first, second)
    assert not torch.equal(first, take(rows(50), 1, 50, seed=1))
    assert torch.equal(first, take(rows(50), 5, 10))  # however the sequence is cut


@given(st.integers(2, 30), st.integers(1, 9), st.integers(0, 9), st.integers(1, 9))
def test_streams_resume_at_any_row(n: int, before: int, taken: int, after: int) -> None:
    source = rows(n)
    stream = source.batches(before, torch.Generator().manual_seed(3))
    for _ in range(taken):
        next(stream)
    state = json.loads(json.dumps(stream.state_dict()))
    other = source.batches(after, torch.Generator().manual_seed(4))
    other.load_state_dict(state)
    whole = take(source, before * taken + after, 1, seed=3)
    assert torch.equal(next(other).flatten(), whole[before * taken :])


@given(st.integers(1, 6), st.integers(1, 20))
def test_shards_share_the_sequence(shards: int, n: int) -> None:
    parts = [take(rows(n * shards), 1, n, shard=(k, shards)) for k in range(shards)]
    together = torch.stack(parts, dim=1).flatten()
    assert torch.equal(together, take(rows(n * shards), 1, n * shards))


def test_states_of_another_tensor_or_shard_are_refused() -> None:
    generator = torch.Generator()
    state = rows(10).batches(2, generator).state_dict()
    with pytest.raises(ValueError, match="data of the state"):
        rows(11).batches(2, generator).load_state_dict(state)
    with pytest.raises(ValueError, match="shard of the state"):
        rows(10).batches(2, generator, (0, 2)).load_state_dict(state)
    with pytest.raises(ValueError, match="must have just"):
        rows(10).batches(2, generator).load_state_dict({})


@pytest.mark.parametrize("bad", [torch.zeros(3), torch.zeros(0, 3), torch.zeros(3, 3, dtype=torch.int64)])
def test_only_floating_matrices_hold_activations(bad: Tensor) -> None:
    with pytest.raises(ValueError, match="activations must be"):
        Memory(bad)


def test_a_shard_is_a_pair_within_range() -> None:
    with pytest.raises(ValueError, match="rank of the shard"):
        rows(3).batches(1, torch.Generator(), (2, 2))
    with pytest.raises(ValueError, match="must be a pair"):
        rows(3).batches(1, torch.Generator(), (1, 2, 3))


def test_the_dtype_stays() -> None:
    assert next(Memory(torch.ones(4, 2).bfloat16()).batches(2, torch.Generator())).dtype == torch.bfloat16


def test_a_world_is_a_source() -> None:
    world = World.build(preset("theorem", scale="small"), seed=0)
    stream = world.batches(8, torch.Generator().manual_seed(0))
    state = json.loads(json.dumps(stream.state_dict()))
    first = next(stream)
    stream.load_state_dict(state)
    assert torch.equal(next(stream), first)
