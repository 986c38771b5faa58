"""The log on disk, and TensorBoard where it is asked for."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from sasa_theory import designs
from sasa_theory.training import Budget, Entry, Memory, Recipe, train
from sasa_theory.training.log import Log

BUDGET = Budget(tokens=30 * 8, batch_size=8)


def entry(step: int) -> Entry:
    return Entry(step=step, tokens=step, loss=1.0, terms={}, ev=None, l0=1.0, dead=0.0, lr=1.0, seconds=1.0)


def train_small(**settings: Any) -> tuple[Entry, ...]:
    design = designs.get("topk", width=4, atoms=8, k=2)
    source = Memory(torch.randn(64, 4, generator=torch.Generator().manual_seed(0)))
    return train(design, source, BUDGET, Recipe(), log_every=10, **settings).log


def test_each_line_is_strict_json_and_reads_back_as_its_entry(tmp_path: Path) -> None:
    log = train_small(folder=tmp_path)
    lines = (tmp_path / "log.jsonl").read_text().splitlines()

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    assert [Entry(**json.loads(line, parse_constant=refuse)) for line in lines] == list(log)
    assert [e.step for e in log] == [10, 20, 30]


def test_values_that_json_cannot_hold_are_null(tmp_path: Path) -> None:
    design = designs.get("batch-topk", width=4, atoms=8, k=2)
    source = Memory(torch.zeros(16, 4))  # no code is positive: the threshold that this design reports is infinite
    log = train(design, source, BUDGET, folder=tmp_path, log_every=30).log
    assert log[0].ev is None
    assert log[0].terms["threshold"] is None
    assert json.loads((tmp_path / "log.jsonl").read_text())["ev"] is None


def test_entries_beyond_the_step_and_torn_lines_are_cut_off(tmp_path: Path) -> None:
    log = Log(tmp_path)
    for step in (1, 2, 3):
        log.add(entry(step))
    with (tmp_path / "log.jsonl").open("a") as file:
        file.write('{"step": 4, "tok')
    again = Log(tmp_path, step=2)
    assert [e.step for e in again.entries] == [1, 2]
    again.add(entry(3))
    assert [json.loads(line)["step"] for line in (tmp_path / "log.jsonl").read_text().splitlines()] == [1, 2, 3]


def test_tensorboard_gets_the_scalars(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[tuple[str, float, int]] = []
    closed: list[str] = []
    purged: list[int] = []

    class Writer:
        def __init__(self, folder: str, purge_step: int) -> None:
            self.folder = folder
            purged.append(purge_step)

        def add_scalar(self, tag: str, value: float, step: int) -> None:
            written.append((tag, value, step))

        def close(self) -> None:
            closed.append(self.folder)

    module = ModuleType("torch.utils.tensorboard")
    module.SummaryWriter = Writer  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", module)
    log = train_small(tensorboard=tmp_path)
    assert {tag for tag, _, _ in written} == {"loss", "ev", "l0", "dead", "lr", "terms/reconstruction"}
    assert [(value, step) for tag, value, step in written if tag == "loss"] == [(e.loss, e.step) for e in log]
    assert closed == [str(tmp_path)]
    Log(None, step=20, tensorboard=tmp_path).close()
    assert purged == [1, 21]  # what a continued run repeats replaces what is there


def test_without_tensorboard_the_remedy_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(ImportError, match="pip install tensorboard"):
        train_small(tensorboard=tmp_path)
