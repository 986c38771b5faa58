"""A file that many processes append to, some of which are killed."""

from __future__ import annotations

import multiprocessing
import os
from threading import Thread

import pytest
from filelock import FileLock

from sasa_theory.benchmark import Store

from . import micro

WRITERS, EACH = 4, 25


def append_many(path: str, first: int) -> None:
    for number in range(first, first + EACH):
        Store(path).append(micro.record(number, design="x" * (1 + 977 * number % 20_000)))


def test_several_processes_append_without_corrupting_each_other(tmp_path):
    path = tmp_path / "new" / "records.jsonl"
    context = multiprocessing.get_context("fork")  # spawned ones would import torch each
    writers = [context.Process(target=append_many, args=(str(path), k * EACH)) for k in range(WRITERS)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    found = Store(path).read()
    assert {record.identity["number"] for record in found.records.values()} == set(range(WRITERS * EACH))
    assert (found.duplicates, found.damaged, found.half, found.complaint) == (0, (), False, "")


def test_a_writer_waits_for_the_one_before(tmp_path):
    store = Store(tmp_path / "records.jsonl")
    writer = Thread(target=store.append, args=(micro.record(0),))
    with FileLock(f"{store.path}.lock"):
        writer.start()
        writer.join(0.3)
        assert not store.path.exists()
    writer.join()
    assert len(store.read().records) == 1


@pytest.mark.parametrize("kept", [1, 20, -2])
def test_half_a_line_is_passed_over_reported_and_removed(tmp_path, kept):
    store = Store(tmp_path / "records.jsonl")
    store.append(micro.record(0))
    whole = store.path.read_bytes()
    store.path.write_bytes(whole + micro.record(1).to_line()[:kept])
    found = store.read()
    assert list(found.records) == [micro.record(0).key]
    assert found.half
    assert found.damaged == (2,)
    assert "half a line" in found.complaint
    store.append(micro.record(2))
    assert store.path.read_bytes() == whole + micro.record(2).to_line()


def test_a_last_line_that_lacks_only_its_end_is_kept(tmp_path):
    store = Store(tmp_path / "records.jsonl")
    store.path.write_bytes(micro.record(0).to_line().rstrip())
    assert not store.read().complaint
    store.append(micro.record(1))
    assert list(store.read().records) == [micro.record(0).key, micro.record(1).key]


def test_of_several_records_with_one_key_the_first_counts(tmp_path):
    store = Store(tmp_path / "records.jsonl")
    for seconds in (1.0, 2.0):
        store.append(micro.record(0, training=seconds))
    found = store.read()
    assert found.duplicates == 1
    assert [record.training for record in found.records.values()] == [1.0]


def test_files_merge_by_concatenation_even_after_half_a_line(tmp_path):
    lines = [micro.record(number).to_line() for number in range(4)]
    store = Store(tmp_path / "records.jsonl")
    store.path.write_bytes(lines[0] + lines[1][:30] + lines[2] + lines[3])
    found = store.read()
    assert [record.identity["number"] for record in found.records.values()] == [0, 3]
    assert found.damaged == (2,)
    assert not found.half
    assert "lines that hold no record: 2" in found.complaint


def test_a_line_that_could_not_be_written_whole_leaves_the_file_as_it_was(tmp_path, monkeypatch):
    store = Store(tmp_path / "records.jsonl")
    store.append(micro.record(0))
    before, write = store.path.read_bytes(), os.write
    monkeypatch.setattr(os, "write", lambda file, line: write(file, line[:10]))
    with pytest.raises(OSError, match="10 of"):
        store.append(micro.record(1))
    monkeypatch.undo()
    assert store.path.read_bytes() == before


def test_windows_can_append(tmp_path, monkeypatch):
    monkeypatch.delattr(os, "pread", raising=False)
    store = Store(tmp_path / "records.jsonl")
    for number in (0, 1):
        store.append(micro.record(number))
    assert len(store.read().records) == 2


def test_no_file_is_no_records(tmp_path):
    assert not Store(tmp_path / "none.jsonl").read().records
