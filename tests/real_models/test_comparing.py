"""Designs on one stream: the same batches, the same result as alone, resumed to the same curves."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch

from real_models import comparing
from real_models.comparing import compare
from real_models.comparison_figure import comparison_table, draw_comparison
from real_models.corpora import Sequences
from real_models.curves import Comparison, Point
from real_models.harvested import gather
from sasa_theory.metrics import reconstruction
from sasa_theory.training import Budget, train

from .small_runs import TEXTS, experiment, source

ARMS = {name: experiment(name) for name in ("sasa/paper", "topk")}
QUICK = {"points": 3, "held_out": 4, "sequences": 0}


class Behind:
    """A source whose stream begins behind some sequences."""

    def __init__(self, sequences: int) -> None:
        self.inner = source()
        ahead = Sequences(self.inner.language, self.inner.corpus, 16)
        for _ in range(sequences):
            next(ahead)
        self.place, self.width = ahead.place, self.inner.width

    def batches(self, batch_size, generator, shard=(0, 1)):
        stream = self.inner.batches(batch_size, generator, shard)
        if batch_size == 32:  # what is estimated beforehand comes from the start of the text
            stream.load_state_dict({**stream.state_dict(), **asdict(self.place)})
        return stream


def test_each_design_ends_as_if_it_had_been_trained_alone(tmp_path: Path):
    found = compare(ARMS, source(), tmp_path, **QUICK)
    held_out = gather(source(), 4 * 15 // 2)
    for name, each in ARMS.items():
        alone = train(each.build(16), Behind(4), each.budget, each.recipe, progress=False).design
        seen = reconstruction(alone, [held_out])
        end = found.curves[name][-1]
        assert end.ev == pytest.approx(seen.ev, abs=1e-5), name
        assert (end.tokens, end.units, end.recovered) == (960, seen.units, None)
        assert [point.tokens for point in found.curves[name]] == [32, 160, 960]
    assert found.unseen


def test_an_interrupted_comparison_goes_on_to_the_same_curves(tmp_path: Path, monkeypatch):
    whole = compare(ARMS, source(), tmp_path / "whole", **QUICK)
    measured = comparing._measured

    def stops(run, *rest):
        if run.steps_taken > 20:
            raise RuntimeError("power failure")
        return measured(run, *rest)

    monkeypatch.setattr(comparing, "_measured", stops)
    with pytest.raises(RuntimeError, match="power failure"):
        compare(ARMS, source(), tmp_path / "cut", **QUICK)
    monkeypatch.undo()
    with pytest.raises(ValueError, match="holds the checkpoints of a run"):
        compare(ARMS, source(), tmp_path / "cut", **QUICK)
    assert compare(ARMS, source(), tmp_path / "cut", resume=True, **QUICK) == whole
    with pytest.raises(ValueError, match="another source"):
        compare(ARMS, source(seed=1), tmp_path / "cut", resume=True, **QUICK)


def test_loss_recovered_is_measured_on_the_held_out_sequences(tmp_path: Path):
    one = {"topk": experiment("topk", budget=Budget(tokens=64, batch_size=32))}
    found = compare(one, source(), tmp_path, points=2, held_out=4, sequences=4)
    assert all(point.recovered is not None for point in found.curves["topk"])
    assert (tmp_path / "curves.json").is_file()


def test_a_text_that_comes_round_again_is_said_so(tmp_path: Path):
    found = compare({"topk": ARMS["topk"]}, source(texts=TEXTS[:8]), tmp_path, **QUICK)
    assert not found.unseen


def test_designs_must_share_budget_and_seed(tmp_path: Path):
    with pytest.raises(ValueError, match="b has another"):
        compare({"a": ARMS["topk"], "b": replace(ARMS["topk"], seed=1)}, source(), tmp_path)
    with pytest.raises(ValueError, match="at least one design"):
        compare({}, source(), tmp_path)


def curve(*values: float) -> tuple[Point, ...]:
    return tuple(Point(10 ** (k + 1), value, 6.0, 6.0, 20.0, 0.0, None) for k, value in enumerate(values))


def test_share_of_the_tokens_needed():
    found = Comparison(
        {"fast": curve(0.2, 0.6, 0.8), "slow": curve(0.0, 0.2, 0.4), "first": curve(0.9, 0.9, 0.9)}, True
    )
    assert found.share_needed("fast", "slow") == pytest.approx(10**1.5 / 1000)
    assert found.share_needed("slow", "fast") is None
    assert found.share_needed("first", "fast") == pytest.approx(0.01)
    assert found.share_needed("fast", "fast") == pytest.approx(1.0)


def test_table_and_figure(tmp_path: Path):
    from rich.console import Console

    found = Comparison({"fast": curve(0.2, 0.6, 0.8), "slow": curve(0.0, 0.2, 0.4)}, False)
    console = Console(width=200, record=True, file=(tmp_path / "told").open("w"))
    console.print(comparison_table(found))
    told = console.export_text()
    console.file.close()
    assert "slow: 3%" in told
    assert "fast: never" in told
    assert "came round again" in told
    draw_comparison(found, tmp_path / "curves.png")
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_runs_out_of_step_are_a_mistake():
    stream = comparing._InStep(source().batches(4, torch.Generator().manual_seed(0)))
    one, other = stream.views(2)
    assert torch.equal(next(one), next(other))
    next(one), next(one)
    with pytest.raises(AssertionError, match="in turn"):
        next(other)
