"""Where runs happen: pools by name, batch systems that must be polled, a Dask cluster that loses a worker."""

from __future__ import annotations

import os
import signal
import sys
import time
from concurrent.futures import Future
from pathlib import Path
from types import ModuleType

import pytest

from sasa_theory.benchmark import Processes, Record, Store, pool, sweep
from sasa_theory.benchmark.executors import Dask, Polled, Slurm

from . import micro


def test_a_text_names_a_pool(tmp_path, monkeypatch):
    assert pool("processes") == Processes(os.cpu_count() or 1)
    assert pool("processes:3").workers == 3
    assert pool("dask://machine:8786") == Dask("machine:8786")
    monkeypatch.setitem(sys.modules, "submitit", ModuleType("submitit"))
    settings = (("slurm_partition", "cpu"), ("timeout_min", "60"))
    assert pool("slurm:slurm_partition=cpu,timeout_min=60", tmp_path) == Slurm(settings, tmp_path / "slurm")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("proceses", "did you mean 'processes'"),
        ("processes:many", "whole number"),
        ("processes:0", "number of processes"),
        ("slurm:partition", "name=value"),
        ("slurm:=cpu", "name=value"),
    ],
)
def test_a_wrong_text_is_refused(text, message):
    with pytest.raises(ValueError, match=message):
        pool(text)


@pytest.mark.parametrize(("package", "text"), [("distributed", "dask://machine:1"), ("submitit", "slurm")])
def test_a_missing_package_is_named_with_the_extra_that_brings_it(package, text, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ValueError, match=rf"{package}: pip install 'sasa-theory\[(dask|slurm)\]'"):
        pool(text)


class Queue:
    """A batch system whose jobs are done when they are asked for the second time."""

    def __init__(self):
        self.jobs = []

    def submit(self, function, *arguments):
        self.jobs.append(QueueJob(function, arguments))
        return self.jobs[-1]


class QueueJob:
    def __init__(self, function, arguments):
        self.function, self.arguments, self.asked, self.cancelled = function, arguments, 0, False

    def done(self):
        self.asked += 1
        return self.asked > 1 and self.function is not time.sleep

    def result(self):
        return self.function(*self.arguments)

    def cancel(self):
        self.cancelled = True


def test_jobs_of_a_batch_system_are_futures():
    with Polled(Queue(), seconds=0.01) as executor:
        good, bad = executor.submit(max, 2, 3), executor.submit(int, "x")
        assert isinstance(good, Future)
        assert good.result(timeout=30) == 3
        with pytest.raises(ValueError, match="invalid literal"):
            bad.result(timeout=30)


def test_jobs_under_way_are_cancelled():
    queue = Queue()
    executor = Polled(queue, seconds=0.01)
    executor.submit(time.sleep, 1)
    executor.shutdown(cancel_futures=True)
    assert queue.jobs[0].cancelled


class Unsteady(QueueJob):
    """Cannot be asked at first."""

    failures = 3

    def done(self):
        self.asked += 1
        if self.asked <= self.failures:
            raise OSError("the batch system does not answer")
        return True


class Silent(Unsteady):
    failures = 10**9


def test_a_question_that_fails_is_asked_again_and_given_up_in_the_end():
    class Mixed(Queue):
        def submit(self, function, *arguments):
            job = (Unsteady if function is max else Silent)(function, arguments)
            self.jobs.append(job)
            return job

    with Polled(Mixed(), seconds=0.01) as executor:
        silent, unsteady = executor.submit(min, 2, 3), executor.submit(max, 2, 3)
        assert unsteady.result(timeout=30) == 3
        with pytest.raises(OSError, match="does not answer"):
            silent.result(timeout=30)


def test_a_dask_worker_does_one_run_at_a_time_however_many_threads_it_has(monkeypatch):
    import distributed

    class Client:
        def __init__(self, *args, **kwargs): ...
        def __enter__(self):
            return self

        def __exit__(self, *args): ...
        def nthreads(self):
            return {"tcp://one": 4, "tcp://two": 4}

    monkeypatch.setattr(distributed, "Client", Client)
    assert pool("dask://machine:1").workers == 2


def test_no_scheduler_is_an_error_that_says_where(monkeypatch):
    import distributed

    def refuse(*args, **kwargs):
        raise OSError("timed out")

    monkeypatch.setattr(distributed, "Client", refuse)
    with pytest.raises(ValueError, match="no Dask scheduler answers at nowhere:1: timed out"):
        assert pool("dask://nowhere:1").workers


@pytest.mark.filterwarnings("default")  # of Dask, about its own event loops and about the worker that is killed
def test_a_dask_cluster_that_loses_a_worker_gives_the_local_results(tmp_path):
    from distributed import LocalCluster

    plan = micro.plan()
    settings = {"n_workers": 2, "threads_per_worker": 1, "processes": True, "dashboard_address": None}
    with LocalCluster(**settings, silence_logs=50) as cluster:
        dask = pool(f"dask://{cluster.scheduler_address.removeprefix('tcp://')}")
        assert dask.workers == 2
        victim = next(iter(cluster.workers.values())).pid
        killed = []

        def kill_one(record: Record) -> None:
            if not killed:
                os.kill(victim, signal.SIGKILL)
                killed.append(record.key)

        store = Store(tmp_path / "records.jsonl")
        done = sweep(plan, store, dask, on_record=kill_one)
    assert killed
    written = [Record.from_line(line).key for line in Path(store.path).read_bytes().splitlines()]
    assert sorted(written) == sorted(done)
    assert not plan.due(done)
    local = sweep(plan, Store(tmp_path / "local.jsonl"), micro.at_once())
    assert {key: r.metrics for key, r in local.items()} == {key: r.metrics for key, r in done.items()}
    assert {key: r.trials for key, r in local.items()} == {key: r.trials for key, r in done.items()}
