"""A sweep does every run of its plan exactly once, whoever is killed, and goes on where it was."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import pytest

from sasa_theory.benchmark import Given, Processes, Record, Store, sweep
from sasa_theory.benchmark.job import HELD_OUT, run

from . import micro


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A plan carried out without disturbance: plan, store, records by key."""
    plan, store = micro.plan(), Store(tmp_path_factory.mktemp("whole") / "records.jsonl")
    return plan, store, sweep(plan, store, micro.at_once())


def numbers(records: dict[str, Record]) -> dict[str, str]:
    """What must not depend on how a record came about."""
    return {key: repr((record.metrics, record.failed, record.trials)) for key, record in records.items()}


def keys_in(store: Store) -> list[str]:
    return [Record.from_line(line).key for line in store.path.read_bytes().splitlines()]


def test_every_run_is_recorded_once(whole):
    plan, store, done = whole
    assert not plan.due(done)
    keys = keys_in(store)
    assert len(keys) == len(set(keys)) == 4 + 8  # trials of two designs; two seeds of them, of truth and of chance
    assert set(keys) == set(done)
    runs = plan.records(done)
    assert [(r.design, r.seed) for r in runs] == [
        (name, seed) for name in ("topk", "sasa/paper", "oracle", "random") for seed in (0, 1)
    ]


def test_runs_say_what_was_tried_on_the_held_out_seed(whole):
    plan, _, done = whole
    for record in plan.records(done):
        lr = record.identity["recipe"] and record.identity["recipe"]["lr"]
        if record.design in ("oracle", "random"):
            assert (lr, record.trials) == (None, ())
        else:
            best = max(record.trials, key=lambda trial: trial["recovery"])
            assert (lr, len(record.trials)) == (best["lr"], 2)
    trials = [record for record in done.values() if record.purpose == "trial"]
    assert {record.seed for record in trials} == {HELD_OUT}


def test_records_are_complete(whole):
    plan, _, done = whole
    for record in plan.records(done):
        assert set(record.metrics) == {*micro.METRICS, "seed_consistency", "atom_consistency"}
        ev = record.metrics["ev"]
        assert ev.version >= 1
        assert ev.null is not None
        assert ev.oracle is not None
        assert record.seconds > 0
        assert record.peak_memory > 1e6
        assert {"python", "torch", "numpy", "sasa-theory"} <= set(record.versions)
        assert (record.parameters > 0) == (record.design not in ("oracle", "random"))


def test_truth_is_best_and_chance_has_no_part_in_it(whole):
    plan, _, done = whole
    values = {(record.design, record.seed): record for record in plan.records(done)}
    for seed in (0, 1):
        assert values["oracle", seed].value("recovery") == pytest.approx(1.0, abs=1e-4)
        assert values["oracle", seed].value("seed_consistency") == pytest.approx(1.0, abs=1e-4)
        # drawn from the world's own random numbers, they would be its directions
        assert values["random", seed].value("seed_consistency") < 0.9
        null = values["topk", seed].metrics["recovery"].null
        assert null is not None
        assert values["random", seed].value("recovery") < null[1] + 0.15


def test_what_is_recorded_is_not_run_again(whole):
    plan, store, done = whole
    before = store.path.read_bytes()
    assert numbers(sweep(plan, store, micro.Dying([0]))) == numbers(done)
    assert store.path.read_bytes() == before


def test_any_executor_will_do(whole, tmp_path):
    plan, _, done = whole
    store = Store(tmp_path / "records.jsonl")
    with ThreadPoolExecutor(1) as executor:  # one run ends while others wait
        assert numbers(sweep(plan, store, Given(executor))) == numbers(done)
    assert sorted(keys_in(store)) == sorted(done)


def test_threads_of_one_process_wait_for_each_other(monkeypatch):
    """Seeds and the number of threads belong to the process: with four at once most weights would be others."""
    inside, seen = [], []

    def watched(job, entered, values):
        inside.append(job)
        time.sleep(0.01)
        seen.append(len(inside))
        inside.remove(job)
        return micro.record(len(seen))

    monkeypatch.setattr("sasa_theory.benchmark.job._run", watched)
    jobs = [job for _, job in micro.plan().due({}).values()]
    with ThreadPoolExecutor(4) as executor:
        assert len(list(executor.map(run, jobs))) == len(jobs) >= 4
    assert seen == [1] * len(jobs)


def test_a_worker_with_another_version_is_refused(monkeypatch, tmp_path):
    def older(job):
        record = run(job)
        versions = record.versions | {"sasa-theory": "0.0.7"}
        return replace(record, identity=record.identity | {"format": 0}, versions=versions)

    monkeypatch.setattr(sys.modules["sasa_theory.benchmark.sweep"], "run", older)
    store = Store(tmp_path / "records.jsonl")
    here = version("sasa-theory")
    with pytest.raises(RuntimeError, match=rf"it has sasa-theory 0\.0\.7 .* here is {re.escape(here)} "):
        sweep(micro.plan(), store, micro.at_once())
    assert not store.read().records


def test_an_interrupted_sweep_takes_back_what_waits_and_keeps_what_is_done(whole, tmp_path):
    plan, _, done = whole
    store = Store(tmp_path / "records.jsonl")

    def interrupt(record: Record) -> None:
        raise KeyboardInterrupt

    futures = []

    class Noting(ThreadPoolExecutor):
        def submit(self, fn, /, *args, **kwargs):
            futures.append(super().submit(fn, *args, **kwargs))
            return futures[-1]

    with Noting(1) as executor, pytest.raises(KeyboardInterrupt):
        sweep(plan, store, Given(executor), on_record=interrupt)
    assert any(future.cancelled() for future in futures)
    assert 1 <= len(keys_in(store)) < len(done)


def test_shipped_records_are_neither_run_nor_written(whole, tmp_path):
    plan, _, done = whole
    shipped = {key: record for key, record in done.items() if record.design == "sasa/paper"}
    store = Store(tmp_path / "records.jsonl")
    found = sweep(plan, store, micro.at_once(), shipped=shipped)
    assert numbers(found) == numbers(done)
    assert len(keys_in(store)) == len(done) - len(shipped)


def test_more_seeds_add_only_their_runs(whole, tmp_path):
    _, _, done = whole
    store = Store(tmp_path / "records.jsonl")
    sweep(micro.plan(seeds=3), store, micro.at_once(), shipped=done)
    assert [Record.from_line(line).seed for line in store.path.read_bytes().splitlines()] == [2, 2, 2, 2]


def test_runs_of_killed_workers_are_submitted_again(whole, tmp_path):
    plan, _, done = whole
    store = Store(tmp_path / "records.jsonl")
    pool = micro.Dying([3, 0, 2, 0, 100])  # runs until the workers are lost
    assert numbers(sweep(plan, store, pool)) == numbers(done)
    assert sorted(keys_in(store)) == sorted(done)
    assert pool.opened == 5


def test_workers_killed_again_and_again_are_an_error(tmp_path):
    with pytest.raises(RuntimeError, match="killed 3 times in a row"):
        sweep(micro.plan(), Store(tmp_path / "records.jsonl"), micro.Dying([0, 0, 0]))


@pytest.mark.parametrize("failing", ["sasa/paper", "topk"])
def test_training_that_diverges_is_a_record_without_metrics(failing, monkeypatch, tmp_path):
    from sasa_theory.benchmark import job
    from sasa_theory.training import Diverged

    def diverge(design, *args, **kwargs):
        raise Diverged("the loss is NaN at step 3")

    monkeypatch.setattr(job, "train", diverge)
    done = sweep(micro.plan(failing), Store(tmp_path / "records.jsonl"), micro.at_once())
    failed = [record for record in done.values() if record.design == failing]
    assert len(failed) == 4
    assert all("NaN at step 3" in record.failed and not record.metrics for record in failed)


def test_an_error_of_a_design_stops_the_sweep_and_says_where(tmp_path):
    path = tmp_path / "broken.py"
    path.write_text(
        "from torch import nn\nclass Broken(nn.Module):\n    def __init__(self, width, columns):\n"
        "        super().__init__()\n        self.rows = nn.Linear(width, columns)\n"
        "        self.outward = nn.Linear(columns, width)\n"
        "    def encode(self, x):\n"
        "        if len(x) > 1: raise RuntimeError('my own bug')\n        return self.rows(x)\n"
        "    def decode(self, codes): return self.outward(codes)\n"
    )
    with pytest.raises(RuntimeError, match="my own bug") as caught:
        sweep(micro.plan(f"{path}:Broken"), Store(tmp_path / "records.jsonl"), micro.at_once())
    assert any("broken.py:Broken was run in shapes" in note for note in caught.value.__notes__)


def test_a_file_that_changes_meanwhile_is_refused(tmp_path):
    from sasa_theory.benchmark.template import write_template

    path = tmp_path / "mine.py"
    write_template(path)
    plan = micro.plan(f"{path}:MySAE")
    _, job = next(iter(plan.due({}).values()))
    path.write_text(path.read_text() + "\n# changed\n")
    with pytest.raises(ValueError, match="not what it was when the benchmark began"):
        run(job)


DRIVER = """
import sys
from sasa_theory.benchmark import Store, sweep
sys.path.insert(0, {folder!r})
from tests.benchmark import micro
sweep(micro.plan(), Store({path!r}), micro.at_once())
"""


def test_a_sweep_that_is_killed_goes_on_without_loss_or_repeat(whole, tmp_path):
    plan, _, done = whole
    store = Store(tmp_path / "records.jsonl")
    script = DRIVER.format(folder=str(Path(__file__).parents[2]), path=str(store.path))
    with subprocess.Popen([sys.executable, "-c", script]) as driver:
        while driver.poll() is None and (not store.path.exists() or store.path.read_bytes().count(b"\n") < 3):
            time.sleep(0.005)
        driver.send_signal(signal.SIGKILL)
    before = store.path.read_bytes()
    kept = store.read().records
    assert len(kept) < len(done)
    assert numbers(sweep(plan, store, micro.at_once())) == numbers(done)
    assert sorted(keys_in(store)) == sorted(done)
    assert store.path.read_bytes().startswith(before[: before.rfind(b"\n") + 1])


SUICIDAL = """
import os, pathlib, signal
from sasa_theory.benchmark.template import TEMPLATE
exec(TEMPLATE)

class Suicidal(MySAE):
    def decode(self, codes):
        marker = pathlib.Path({marker!r})
        if len(codes) > 1 and not marker.exists():
            marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().decode(codes)
"""


def test_a_worker_process_that_is_killed_costs_nothing_but_time(tmp_path):
    path = tmp_path / "suicidal.py"
    path.write_text(SUICIDAL.format(marker=str(tmp_path / "marker")))
    plan, store = micro.plan(f"{path}:Suicidal", seeds=1), Store(tmp_path / "records.jsonl")
    done = sweep(plan, store, Processes(1))
    assert (tmp_path / "marker").exists()
    assert not plan.due(done)
    keys = keys_in(store)
    assert sorted(keys) == sorted(done)
    for key, (_, job) in plan.due({}).items():  # in this process: the same numbers
        assert run(job).metrics == done[key].metrics
    assert os.environ.get("OMP_NUM_THREADS") == "1"  # as conftest set it
