"""What ``sasa-theory bench`` does: from the words of the command line to a ranking."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import cast, get_args

from rich.console import Console

from sasa_theory.bounds.validate import choice
from sasa_theory.designs.from_file import users_line
from sasa_theory.report.leaderboard import leaderboard

from .budgets import Match
from .comparison import standings
from .executors import Pool, pool
from .plan import Plan
from .session import carry_out
from .shipped import shipped
from .store import Store
from .suites import tier


def prepared(
    designs: Sequence[str],
    name: str,
    against: Sequence[str],
    seeds: int | None,
    match: str,
    executor: str,
    out: Path,
) -> tuple[Plan, Store, Pool]:
    """The plan, where its records go, and where it runs.

    Parameters
    ----------
    designs : sequence of str
        New designs; a path of a file may be relative.
    name : str
        Of the tier.
    against : sequence of str
        Designs to compare with; the tier's baselines if empty.
    seeds : int or None
        Runs of each design in each world; the tier's number if None.
    match : str
        In what sizes agree.
    executor : str
        See :func:`sasa_theory.benchmark.executors.pool`.
    out : Path
        Folder for the records.

    Raises
    ------
    ValueError
        If one of them is unknown or impossible, or a design cannot be imported or made.
    """
    chosen = tier(name)
    choice("match", match, get_args(Match))
    specs = tuple(map(_absolute, (*designs, *(against or chosen.baselines))))
    plan = Plan(tier=chosen, specs=specs, match=cast(Match, match), seeds=seeds)
    try:
        assert plan.contests  # imports and makes what was given
    except Exception as error:  # whatever a class raises when it is made
        passed = {frame.filename for frame in traceback.extract_tb(error.__traceback__)}
        users = next((file for file in map(_file, plan.specs) if file in passed), None)
        if isinstance(error, ValueError) and users is None:
            raise  # this package's own, which says what to do
        raise ValueError(users_line(error, users)) from error
    where = pool(executor, out)
    assert where.workers  # a scheduler answers
    return plan, Store(out / "records.jsonl"), where


def ranked(plan: Plan, store: Store, pool: Pool, console: Console) -> None:
    """Run what is missing of a plan and show its rankings."""
    done = carry_out(plan, store, pool, console, shipped(plan.tier.name))
    for found in standings(plan, done):
        console.print(leaderboard(found, console.width))


def _absolute(spec: str) -> str:
    """A spec that means the same to workers with another working folder."""
    if spec.endswith(".py"):
        raise ValueError(f"a design in a file must be given as {spec}:Class, got {spec}")
    path, colon, name = spec.rpartition(":")
    return f"{Path(path).expanduser().resolve()}{colon}{name}" if path.endswith(".py") else spec


def _file(spec: str) -> str | None:
    """The file that a design was imported from; None for those of this package."""
    source = spec.rpartition(":")[0]
    return source if source.endswith(".py") else getattr(sys.modules.get(source), "__file__", None)
