"""Activations as a source: the right rows, each once, shuffled, resumed to the same bits, trained on."""

from __future__ import annotations

import json
from itertools import islice

import pytest
import torch

from real_models.activations import Activations, Harvest, in_order
from real_models.corpora import InMemory, Sequences
from real_models.sites import Site, read
from sasa_theory import designs
from sasa_theory.training import Budget, Recipe, train

from . import tiny

TEXTS = [chr(97 + k) * (5 + 3 * k) + "xyz" for k in range(12)]
HARVEST = Harvest(length=8, sequences=3, buffer=5)
SITE = Site(1, "resid_pre")


def source(**changes) -> Activations:
    from dataclasses import replace

    return Activations(tiny.language(), SITE, InMemory(TEXTS), replace(HARVEST, **changes))


def stream(seed=0, size=7, shard=(0, 1), **changes):
    return source(**changes).batches(size, torch.Generator().manual_seed(seed), shard)


def as_set(rows):
    return {tuple(row) for row in rows.round(decimals=5).tolist()}


def expected(sequences: int) -> torch.Tensor:
    """Rows computed one sequence at a time, all positions but the first."""
    language = tiny.language()
    tokens = list(islice(Sequences(language, InMemory(TEXTS), 8), sequences))
    return torch.cat([read(language.model, SITE, input_ids=each[None])[0, 1:] for each in tokens])


def test_a_chunk_holds_every_row_of_its_sequences_once_but_the_sink():
    first = next(stream(size=5 * 7))
    assert len(first) == 35
    assert as_set(first) == as_set(expected(5))
    torch.testing.assert_close(next(in_order(source())), expected(3))


def test_rows_are_shuffled_by_the_seed():
    one, again, other = (next(stream(seed)) for seed in (0, 0, 1))
    torch.testing.assert_close(one, again, rtol=0, atol=0)
    assert not torch.equal(one, other)


def test_bos_and_dropped_tokens_are_left_out():
    everything = next(in_order(source(skip=0)))
    assert len(everything) == 3 * 8
    x = [2 + ord("x") % (tiny.VOCABULARY - 2)]
    language = tiny.language()
    tokens = torch.stack(list(islice(Sequences(language, InMemory(TEXTS), 8), 3)))
    kept = next(in_order(source(drop=tuple(x))))
    assert len(kept) == 3 * 7 - int((tokens[:, 1:] == x[0]).sum()) < 3 * 7


@pytest.mark.parametrize("before", [0, 1, 4, 5, 11])
def test_a_stream_goes_on_with_the_same_batch(before):
    whole = stream(seed=3)
    for _ in range(before):
        next(whole)
    state = json.loads(json.dumps(whole.state_dict()))
    resumed = stream(seed=9)
    next(resumed)
    resumed.load_state_dict(state)
    for _ in range(8):
        torch.testing.assert_close(next(resumed), next(whole), rtol=0, atol=0)


def test_a_stream_that_is_resumed_does_not_harvest_its_beginning_first(monkeypatch):
    whole = stream()
    for _ in range(6):  # into the second chunk
        next(whole)
    begun, again, rows = [], source(), Activations.rows

    def seen(self, sequences, number):
        if self is again:
            begun.append(sequences.place)
        return rows(self, sequences, number)

    monkeypatch.setattr(Activations, "rows", seen)
    state = whole.state_dict()
    resumed = again.batches(7, torch.Generator().manual_seed(0))
    resumed.load_state_dict(state)
    next(resumed)
    assert (begun[0].document, begun[0].offset) == (state["document"], state["offset"]) != (0, 0)


@pytest.mark.parametrize(
    ("other", "field"),
    [({"length": 9}, "harvest"), ({"skip": 2}, "harvest")],
)
def test_the_state_of_another_stream_is_refused(other, field):
    with pytest.raises(ValueError, match=f"^{field} of the state"):
        stream().load_state_dict(stream(**other).state_dict())


def test_shards_read_different_documents():
    shards = [as_set(next(stream(size=35, shard=(k, 2)))) for k in (0, 1)]
    assert shards[0] != shards[1]
    with pytest.raises(ValueError, match=r"^shard of the state"):
        stream(shard=(0, 2)).load_state_dict(stream(shard=(1, 2)).state_dict())


def test_impossible_settings_are_refused():
    with pytest.raises(ValueError, match="skip"):
        Harvest(length=8, skip=8)
    with pytest.raises(ValueError, match="length"):
        source(length=65)
    with pytest.raises(ValueError, match="blocks 0 to 2"):
        Activations(tiny.language(), Site(7), InMemory(TEXTS))


def test_training_on_them_is_resumed_to_the_same_bits(tmp_path):
    settings = {"width": tiny.WIDTH, "atoms": 24, "k": 2}
    recipe = Recipe(lr=1e-3)

    def trained(**more):
        return train(designs.get("topk", seed=0, **settings), source(), **more, recipe=recipe).design

    whole = trained(budget=Budget(tokens=12 * 8, batch_size=8))
    trained(budget=Budget(tokens=12 * 8, batch_size=8), folder=tmp_path, checkpoint_steps=5)
    last = sorted(tmp_path.glob("step-*"))
    for newest in last[1:]:  # as if killed before the last checkpoint
        for file in newest.iterdir():
            file.unlink()
        newest.rmdir()
    resumed = trained(budget=Budget(tokens=12 * 8, batch_size=8), folder=tmp_path, resume=True)
    for one, other in zip(whole.parameters(), resumed.parameters(), strict=True):
        assert torch.equal(one, other)
