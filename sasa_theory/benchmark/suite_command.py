"""What ``sasa-theory bench --suite`` does: an experiment of somebody else, run as published and corrected."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import cast, get_args

from rich.console import Console

from sasa_theory.bounds.validate import choice
from sasa_theory.report.suite_table import markdown, tables

from .executors import Pool, pool
from .records import Record
from .session import carry_out
from .store import Store
from .suite_dimension import dimension_suite
from .suite_parts import Scale, Suite
from .suite_rank import rank_suite
from .suite_results import Results

SUITES: Mapping[str, Callable[[Scale], Suite]] = MappingProxyType(
    {"sasa-dimension": dimension_suite, "sasa-rank": rank_suite}
)
"""Suites by name, as functions of the scale."""


def suite(name: str, scale: str) -> Suite:
    """A suite by name, at a scale.

    Raises
    ------
    ValueError
        If there is no such suite or scale, with the nearest.
    """
    make = SUITES[choice("suite", name, SUITES)]
    return make(cast(Scale, choice("scale", scale, get_args(Scale))))


def prepared_suite(name: str, scale: str, designs: Sequence[str], executor: str, out: Path) -> tuple[Suite, Pool]:
    """The suite and where it runs.

    Raises
    ------
    ValueError
        If there is no such suite, scale or executor, or designs are given, which a suite has of its own.
    """
    if designs:
        raise ValueError(f"a suite has designs of its own; leave out {', '.join(designs)}, or --suite {name}")
    chosen = suite(name, scale)
    where = pool(executor, out)
    assert where.workers  # a scheduler answers
    return chosen, where


def run_suite(chosen: Suite, seeds: int | None, where: Pool, out: Path, console: Console) -> Results:
    """Run what is missing of a suite, show its table and write it to ``table.md``.

    Parameters
    ----------
    chosen : Suite
        The experiment.
    seeds : int or None
        Runs of each arm; the suite's number if None.
    where : Pool
        Where to run.
    out : Path
        Folder of ``records.jsonl`` and ``table.md``.
    console : rich.console.Console
        Where progress and table are shown.

    Raises
    ------
    RuntimeError, KeyboardInterrupt
        As :func:`sasa_theory.benchmark.session.carry_out`.
    """
    store = Store(out / "records.jsonl")
    done: dict[str, Record] = {}
    for part in chosen.parts:
        done |= carry_out(chosen.plan(part, seeds), store, where, console)
    found = Results(chosen, done, seeds)
    for shown in tables(found):
        console.print(shown)
    for sentence in chosen.conclude(found):
        console.print(sentence)
    path = out / "table.md"
    path.write_text(markdown(found), encoding="utf-8")
    console.print(f"Table: {path}", markup=False)
    return found
