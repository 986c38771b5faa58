"""A cache as a source: every row once an epoch, shuffled widely, resumed to the same bits, read by several at once."""

from __future__ import annotations

import json
from itertools import chain, islice

import pytest
import torch

from real_models import cached
from real_models.cache import write_cache
from real_models.cached import CachedActivations
from sasa_theory import designs
from sasa_theory.training import Budget, Recipe, Stream, train

from .tabled import WIDTH, source

ROWS = 150


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cache")
    write_cache(source(), ROWS, folder, dtype="float32", shard_rows=40)
    return folder


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch):
    monkeypatch.setattr(cached, "BLOCK", 8)


def stream(folder, seed=0, size=15, shard=(0, 1), window=24):
    return CachedActivations(folder, window).batches(size, torch.Generator().manual_seed(seed), shard)


def as_list(rows):
    return sorted(tuple(row) for row in rows.tolist())


def whole(folder):
    return torch.cat(list(CachedActivations(folder).in_order()))


def test_each_epoch_has_every_row_once_in_an_order_of_its_own(folder):
    rows = stream(folder)
    epochs = [torch.cat(list(islice(rows, ROWS // 15))) for _ in range(3)]
    for epoch in epochs:
        assert as_list(epoch) == as_list(whole(folder))
    assert not torch.equal(epochs[0], epochs[1])
    assert torch.equal(epochs[0], torch.cat(list(islice(stream(folder, size=30), ROWS // 30))))
    assert not torch.equal(epochs[0], torch.cat(list(islice(stream(folder, seed=1), ROWS // 15))))
    assert isinstance(rows, Stream)
    assert len(CachedActivations(folder)) == ROWS
    assert CachedActivations(folder).width == WIDTH


def test_rows_are_shuffled_across_shards_and_within_the_window(folder):
    order = {tuple(row): k for k, row in enumerate(whole(folder).tolist())}
    assert len(order) == ROWS
    places = torch.tensor([order[tuple(row)] for row in next(stream(folder, size=ROWS)).tolist()])
    windows = places.split(24)
    assert sum(len((window // 40).unique()) > 1 for window in windows) >= len(windows) // 2
    assert int((places.diff() == 1).sum()) < ROWS // 8  # neighbours in the text
    assert all(len(window.unique()) == len(window) for window in windows)


def test_blocks_and_rows_within_windows_come_in_another_order_each_time(folder):
    order = {tuple(row): k for k, row in enumerate(whole(folder).tolist())}
    one_block = stream(folder, window=8, size=ROWS)
    epochs = [torch.tensor([order[tuple(row)] for row in next(one_block).tolist()]) for _ in range(2)]
    # blocks as they come, and the order of rows in each
    blocks = [[int(place) // 8 for place in epoch[::8]] for epoch in epochs]
    assert blocks[0] != blocks[1]
    within = {tuple((epoch[k : k + 8] - epoch[k : k + 8].min()).tolist()) for epoch in epochs for k in range(0, 40, 8)}
    assert len(within) >= 9


def test_parts_share_no_row_in_any_epoch(folder):
    parts = [stream(folder, shard=(k, 3), size=1) for k in range(3)]
    blocks = [part._blocks for part in parts]
    assert sorted(chain(*blocks)) == sorted(CachedActivations(folder).blocks)
    sizes = [sum(block.end - block.begin for block in each) for each in blocks]
    firsts, seconds = ([torch.cat(list(islice(p, n))) for p, n in zip(parts, sizes, strict=True)] for _ in range(2))
    assert as_list(torch.cat(firsts)) == as_list(whole(folder))
    for first, second in zip(firsts, seconds, strict=True):
        assert as_list(first) == as_list(second)
    with pytest.raises(ValueError, match=r"number of shards must be in \[1, 19\], got 20"):
        stream(folder, shard=(0, 20))
    with pytest.raises(ValueError, match="rank of the shard"):
        stream(folder, shard=(2, 2))


@pytest.mark.parametrize("before", [0, 1, 2, 9, 10, 27])
def test_a_stream_goes_on_with_the_same_batch(folder, before):
    one = stream(folder, seed=3)
    for _ in range(before):
        next(one)
    state = json.loads(json.dumps(one.state_dict()))
    resumed = stream(folder, seed=9)
    next(resumed)
    resumed.load_state_dict(state)
    for _ in range(12):
        torch.testing.assert_close(next(resumed), next(one), rtol=0, atol=0)


def test_states_of_other_streams_are_refused(folder, tmp_path):
    with pytest.raises(ValueError, match=r"^window of the state"):
        stream(folder).load_state_dict(stream(folder, window=16).state_dict())
    with pytest.raises(ValueError, match=r"^shard of the state"):
        stream(folder).load_state_dict(stream(folder, shard=(1, 2)).state_dict())
    write_cache(source(), ROWS, tmp_path, shard_rows=40)
    with pytest.raises(ValueError, match=r"^cache of the state"):
        stream(folder).load_state_dict(stream(tmp_path).state_dict())
    with pytest.raises(ValueError, match="must have just"):
        stream(folder).load_state_dict({"seed": 1})


def test_several_runs_read_one_cache(folder):
    streams = [stream(folder, seed=4) for _ in range(3)]
    for _ in range(20):
        batches = [next(each) for each in streams]
        assert all(torch.equal(batches[0], other) for other in batches)


def test_training_from_it_is_resumed_to_the_same_bits(folder, tmp_path):
    recipe = Recipe(lr=1e-3)

    def trained(**more):
        design = designs.get("topk", seed=0, width=WIDTH, atoms=12, k=2)
        budget = Budget(tokens=12 * 35, batch_size=35)
        return train(design, CachedActivations(folder, 24), budget=budget, recipe=recipe, **more).design

    expected = trained()
    trained(folder=tmp_path, checkpoint_steps=5)
    for newest in sorted(tmp_path.glob("step-*"))[1:]:  # as if killed before the last checkpoint
        for file in newest.iterdir():
            file.unlink()
        newest.rmdir()
    resumed = trained(folder=tmp_path, resume=True)
    for one, other in zip(expected.parameters(), resumed.parameters(), strict=True):
        assert torch.equal(one, other)


def test_a_file_that_vanishes_while_it_is_read_is_named(tmp_path):
    write_cache(source(), ROWS, tmp_path, shard_rows=40)
    rows = stream(tmp_path)
    for path in tmp_path.glob("*.safetensors"):
        path.unlink()
    with pytest.raises(ValueError, match=r"rows-\d+.safetensors cannot be read any more"):
        list(islice(rows, 30))
