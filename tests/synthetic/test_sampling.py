"""Seeds of the chunks, the threads and processes that draw them, and the copula's edge."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Thread

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from synthetic import Copula, Feature, Features, Independent, Listed, World, WorldConfig, preset
from synthetic.sampling import CHUNK, chunk_generator
from synthetic.stream import in_threads


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


@pytest.mark.parametrize("threads", [5, 6])  # not used elsewhere, so that their pool is made here
def test_drawing_threads_run_torch_alone_and_nobody_else_does(threads):
    before = torch.get_num_threads()
    seen: list[int] = []
    later = Thread(target=lambda: seen.append(torch.get_num_threads()))
    try:
        torch.set_num_threads(threads)
        matrix = torch.ones(300, 300)
        counts = in_threads(lambda _: [(matrix @ matrix).numel(), torch.get_num_threads()][1], 8)
        later.start()
        later.join()
        after = torch.get_num_threads()
    finally:
        torch.set_num_threads(before)
    assert counts == [1] * 8
    assert (after, seen) == (threads, [threads])


class Chunks(IterableDataset):
    """Three chunks from every worker's shard of one stream."""

    def __init__(self, world: World) -> None:
        self.world = world

    def __iter__(self) -> Iterator[torch.Tensor]:
        worker = get_worker_info()
        shard = (worker.id, worker.num_workers)
        stream = self.world.batches(CHUNK, torch.Generator().manual_seed(4), shard)
        for _ in range(3):
            yield next(stream)


def test_workers_of_a_loader_share_out_the_stream():
    world = World.build(preset("synthsae16k", "small"), 0)
    whole = world.sample(6 * CHUNK, torch.Generator().manual_seed(4)).x  # threaded work before the workers fork
    loaded = list(DataLoader(Chunks(world), batch_size=None, num_workers=2, timeout=120))
    assert torch.equal(torch.cat(loaded), whole)


def test_features_without_loading_fire_at_their_rate():
    rates = (0.0, 0.3, 0.5, 0.7, 0.99)
    firing = Independent(Listed(rates), Copula(2, 1e-60))  # float32 rounds its loadings to zero
    world = World.build(WorldConfig(5, (Features(Feature("subspace", 1), 5),), firing), 0)
    assert not world.parameters.loadings.any()
    fired = world.sample(20_000, torch.Generator().manual_seed(0)).truth.dense().double().mean(dim=0).numpy()
    assert (np.abs(fired - rates) <= 5 * np.sqrt(np.array(rates) * (1 - np.array(rates)) / 20_000)).all()
