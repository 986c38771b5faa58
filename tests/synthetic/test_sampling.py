"""Seeds of the chunks, and that large products of the copula do not depend on the threads."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from synthetic import World, preset
from synthetic.sampling import chunk_generator


@given(seed=st.integers(0, 2**62))
def test_no_two_chunks_of_a_stream_share_a_seed(seed):
    device = torch.device("cpu")
    seeds = [chunk_generator(seed, chunk, device).initial_seed() for chunk in [*range(200), 2**31, 2**32 - 1]]
    assert len(set(seeds)) == len(seeds)
    assert all(0 <= s < 2**32 for s in seeds)  # the CPU generator ignores the bits above


def test_neighbouring_streams_share_no_chunk():
    device = torch.device("cpu")
    seeds = [chunk_generator(seed, chunk, device).initial_seed() for seed in range(20) for chunk in range(100)]
    assert len(set(seeds)) == 2000


def test_threads_do_not_change_the_bits_of_a_large_correlated_world():
    world = World.build(preset("synthsae16k", "medium"), 0)
    threads = torch.get_num_threads()
    drawn = []
    try:
        for number in (1, 2, 4):
            torch.set_num_threads(number)
            drawn.append(world.sample(6000, torch.Generator().manual_seed(8)).x)
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(drawn[0], drawn[1])
    assert torch.equal(drawn[0], drawn[2])
