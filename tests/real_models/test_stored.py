"""Runs that read a cache: written once, read by all, and what no row of it comes from is unseen."""

from __future__ import annotations

import json
import shutil
import threading
from collections import namedtuple
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from real_models import cache, stored, training
from real_models.cache import write_cache
from real_models.cache_index import Index
from real_models.cached import CachedActivations
from real_models.comparing import compare
from real_models.corpora import InMemory
from real_models.experiment import Cache, Experiment
from real_models.fidelity import fidelity
from real_models.harvested import gather
from real_models.training import EXPERIMENT, carry_out, estimate, prepare, trained_design
from real_models.unseen import unseen_place
from sasa_theory.metrics import reconstruction
from sasa_theory.training import Budget, train

from . import tiny
from .small_runs import TEXTS, experiment, source

ROWS = 1000  # of 15 a sequence: the last 60 read together fill 40 rows


@pytest.fixture
def named(tmp_path: Path) -> Cache:
    return Cache(folder=str(tmp_path / "cache"), rows=ROWS)


def prepared(named: Cache, design: str = "sasa/paper", **changes):
    return prepare(experiment(design, cache=named, **changes), tiny.language(), InMemory(TEXTS))


def letters_before(place) -> int:
    return sum(len(text) + 1 for text in TEXTS[: place.document]) + place.offset


def test_two_runs_read_what_the_first_one_wrote(named: Cache, tmp_path: Path):
    first = carry_out(prepared(named), tmp_path / "first", progress=False)
    written = {path: path.stat().st_mtime_ns for path in Path(named.folder).glob("*")}
    second = carry_out(prepared(named, "topk"), tmp_path / "second", progress=False)
    assert {path: path.stat().st_mtime_ns for path in Path(named.folder).glob("*")} == written
    for name, design in (("sasa/paper", first), ("topk", second)):
        each, rows = experiment(name), CachedActivations(named.folder)
        alone = train(each.build(16), rows, each.budget, each.recipe, progress=False).design
        x = gather(source(), 40)
        assert alone(x).equal(design(x)), name
    found = Experiment.read(tmp_path / "first" / EXPERIMENT)
    assert found.cache == named
    assert json.loads((tmp_path / "first" / EXPERIMENT).read_text())["cache"] == {
        "folder": named.folder,
        "rows": ROWS,
    }


def test_a_cache_that_was_removed_is_written_again_and_gives_the_same_design(named: Cache, tmp_path: Path):
    first = carry_out(prepared(named), tmp_path / "first", progress=False)
    shutil.rmtree(named.folder)
    again = Experiment.read(tmp_path / "first" / EXPERIMENT)
    second = carry_out(prepare(again, tiny.language(), InMemory(TEXTS)), tmp_path / "second", progress=False)
    x = gather(source(), 40)
    assert first(x).equal(second(x))


def test_the_estimate_tells_room_and_leaves_out_what_is_there(named: Cache):
    begun = prepared(named)
    told = estimate(begun)
    assert "cache: 1,000 rows of width 16 in 1 shards" in told
    assert not Path(named.folder).exists()
    plans = []
    stored.stored(named, begun.source, plans.append)
    assert plans[0].missing > 0
    stored.stored(named, begun.source, plans.append)
    assert plans[1].missing == 0


def test_only_what_is_missing_takes_time_and_only_a_window_takes_memory(named: Cache, monkeypatch):
    times, sizes = [], []
    time_needed, memory = training.time_needed, training.memory
    monkeypatch.setattr(training, "time_needed", lambda *args: times.append(args[-1]) or time_needed(*args))
    monkeypatch.setattr(training, "memory", lambda *args: sizes.append(args[2]) or memory(*args))
    begun = prepared(named)
    estimate(begun)
    stored.stored(named, begun.source)
    estimate(begun)
    assert times == [ROWS, 0]
    monkeypatch.setattr(training, "WINDOW", 300)
    prepared(named)
    assert (sizes[0], sizes[-1]) == (ROWS, 300)


def test_a_cache_of_something_else_ends_the_run_and_leaves_no_trace(named: Cache, tmp_path: Path, monkeypatch):
    write_cache(source(seed=1), ROWS, named.folder)
    with pytest.raises(ValueError, match=r"index.json: source.model is .* give another folder"):
        carry_out(prepared(named), tmp_path / "run", progress=False)
    with pytest.raises(ValueError, match=r"source.model is"):
        estimate(prepared(named))
    monkeypatch.setattr(cache.shutil, "disk_usage", lambda _: namedtuple("usage", "free")(10))
    with pytest.raises(OSError, match="too little room"):
        carry_out(prepared(replace(named, folder=str(tmp_path / "full"))), tmp_path / "run", progress=False)
    assert not (tmp_path / "run" / EXPERIMENT).exists()


def test_other_processes_wait_until_the_first_one_has_written(named: Cache, monkeypatch):
    monkeypatch.setattr(stored, "Processes", lambda: SimpleNamespace(rank=1))
    monkeypatch.setattr(stored, "_LOOK", 0.01)
    found = []
    waiting = threading.Thread(target=lambda: found.append(stored.stored(named, source())))
    waiting.start()
    write_cache(source(), ROWS, named.folder)
    waiting.join(timeout=60)
    assert [len(each) for each in found] == [ROWS]


def test_a_cache_smaller_than_the_budget_is_refused():
    with pytest.raises(ValueError, match=r"c has 900 rows, training reads 960 tokens; train on 900 at most"):
        experiment(cache=Cache(folder="c", rows=900))
    for values, message in (({"folder": "", "rows": 9}, "folder of the cache"), ({"folder": "c", "rows": 0}, "rows")):
        with pytest.raises(ValueError, match=message):
            Cache(**values)


@pytest.mark.parametrize(("rows", "sequences"), [(900, 60), (1000, 68), (960, 64)])
def test_text_behind_a_cache(tmp_path: Path, rows: int, sequences: int):
    activations = source()
    write_cache(activations, rows, tmp_path / "cache")
    place = stored.place_behind(Index.read(tmp_path / "cache"), activations)
    assert letters_before(place) == sequences * 15  # four sequences are read together


def test_what_is_unseen_of_a_run_that_read_a_cache(named: Cache, tmp_path: Path):
    carry_out(prepared(named), tmp_path / "run", progress=False)
    place = unseen_place(source(), tmp_path / "run", named)
    assert place is not None
    assert letters_before(place) == 68 * 15
    shutil.rmtree(named.folder)
    assert unseen_place(source(), tmp_path / "run", named) is None
    write_cache(source(), 960, named.folder)
    assert unseen_place(source(), tmp_path / "run", named) is None
    trained_design(tmp_path / "run")


def test_a_text_that_the_cache_goes_through_twice_has_no_unseen_part(tmp_path: Path):
    short, named = TEXTS[:20], Cache(folder=str(tmp_path / "cache"), rows=3200)
    made = experiment(budget=Budget(tokens=640, batch_size=64), cache=named)
    carry_out(prepare(made, tiny.language(), InMemory(short)), tmp_path / "run", progress=False)
    assert unseen_place(source(texts=short), tmp_path / "run", named) is None
    rows = CachedActivations(named.folder)
    found = compare({"a": made}, source(texts=short), tmp_path / "out", cache=rows, points=2, held_out=2, sequences=0)
    assert not found.unseen


def test_designs_that_are_compared_on_a_cache_end_as_if_trained_alone_on_it(named: Cache, tmp_path: Path):
    rows = stored.stored(named, source())
    arms = {name: experiment(name, cache=named) for name in ("sasa/paper", "topk")}
    quick = {"points": 2, "held_out": 4, "sequences": 2}
    found = compare(arms, source(), tmp_path / "out", cache=rows, **quick)
    place = stored.place_behind(rows.index, source())
    behind = gather(source(), 4 * 15 // 2, place)
    for name, each in arms.items():
        alone = train(each.build(16), rows, each.budget, each.recipe, progress=False).design
        lost = fidelity(alone, source(), sequences=2, place=place, resamples=1)
        assert found.curves[name][-1].ev == pytest.approx(reconstruction(alone, [behind]).ev, abs=1e-5), name
        assert found.curves[name][-1].recovered == pytest.approx(lost.mean.ce_score.value, rel=1e-3), name
    assert found.unseen
    assert compare(arms, source(), tmp_path / "out", cache=rows, resume=True, **quick) == found
    with pytest.raises(ValueError, match="another source"):
        compare(arms, source(), tmp_path / "out", resume=True, **quick)
