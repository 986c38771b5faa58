"""Benchmarks in a terminal: a table a world, or several where it is narrow, and two sentences on each design."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table

from sasa_theory.benchmark.compared import title
from sasa_theory.benchmark.comparing import Estimate
from sasa_theory.benchmark.comparison import Standings
from sasa_theory.benchmark.ranking import Ranking
from sasa_theory.benchmark.tuning import SLACK

_REFERENCES = ("truth", "chance", "theory's limit", "detectable difference")
_ARROWS = {"higher": "↑", "lower": "↓", "nearest": "→ truth"}
_FRAME = 3  # what a column takes beside its text: two blanks and a line
_HEAD = 16  # longer heads are wrapped


class _Column(NamedTuple):
    """Head, and a cell for each design and each of the lines under them."""

    head: str
    cells: tuple[str, ...]

    @property
    def width(self) -> int:
        return max(min(_HEAD, len(self.head)), *map(len, self.cells)) + _FRAME


def leaderboard(standings: Standings, width: int) -> RenderableType:
    """One world's ranking, metric by metric, and below it what each design was compared as and what limits it.

    Each cell is the mean over seeds, half its 95 % interval, and in brackets the tier: designs of one tier cannot be
    told apart. Seconds have no tier. Where the columns do not fit side by side, they stand in tables one below another.

    Parameters
    ----------
    standings : Standings
        The world.
    width : int
        Columns of the terminal.
    """
    rankings = standings.rankings
    names = tuple(dict.fromkeys(name for ranking in rankings.values() for name in ranking.order))
    names += tuple(name for name in standings.failed if name not in names)
    first = _Column("design", (*names, *_REFERENCES))
    columns = [_metric(standings, metric, names) for metric in rankings]
    nothing = ("",) * len(_REFERENCES)
    columns.append(_Column("spent / budget", (*(_share(standings.spending[name]) for name in names), *nothing)))
    columns.append(_Column("seconds", (*(_mean(standings.costs[name]) for name in names), *nothing)))
    tables = [_table(first, packed) for packed in _packed(columns, width - first.width - 1)]
    tables[0].title = f"{standings.arena.name}: mean ± half the 95 % interval over {_seeds(standings)} seeds \\[tier]"
    setups = [f"{name}: {setup}" for name, setup in standings.setups.items()]
    sentences = [f"{name}: {found.sentence}" for name, found in standings.diagnoses.items()]
    failures = [f"{name} is unranked: {reason}" for name, reason in standings.failed.items()]
    return Group(*tables, *map(escape, (*_notes(standings), *setups, *sentences, *failures)))


def _metric(standings: Standings, metric: str, names: tuple[str, ...]) -> _Column:
    ranking, around = standings.rankings[metric], standings.around[metric]
    below = _number(around.oracle), _range(around.null), _range(around.floor), _number(ranking.detectable)
    return _Column(f"{title(metric)} {_ARROWS[ranking.direction]}", (*(_cell(ranking, name) for name in names), *below))


def _packed(columns: list[_Column], room: int) -> list[list[_Column]]:
    """As many columns side by side as there is room for; at least one."""
    packed: list[list[_Column]] = [[]]
    for column in columns:
        if packed[-1] and sum(each.width for each in packed[-1]) + column.width > room:
            packed.append([])
        packed[-1].append(column)
    return packed


def _table(first: _Column, columns: list[_Column]) -> Table:
    table = Table(title_justify="left")
    table.add_column(first.head, no_wrap=True)
    for column in columns:
        table.add_column(column.head, justify="right", width=column.width - _FRAME)
    designs = len(first.cells) - len(_REFERENCES)
    for k, row in enumerate(zip(first.cells, *(column.cells for column in columns), strict=True)):
        reference = k >= designs
        if not reference or any(row[1:]):
            style = "dim" if reference else None
            table.add_row(*map(escape, row), style=style, end_section=k == designs - 1)
    return table


def _notes(standings: Standings) -> list[str]:
    notes = ["seconds of training are those of the machine that made the record, perhaps another for each: no tiers"]
    if any(share > SLACK for share in standings.spending.values()):
        notes.append(f"! spends more than {SLACK:g} times the budget that the others keep to: not a fair comparison")
    return notes


def _seeds(standings: Standings) -> int:
    return next(iter(standings.rankings.values())).seeds


def _cell(ranking: Ranking, name: str) -> str:
    return f"{_mean(ranking.values[name])} [{ranking.tier(name)}]" if name in ranking.values else "undefined"


def _mean(found: Estimate) -> str:
    return "-" if np.isnan(found.mean) else f"{_number(found.mean)} ±{_number(found.high - found.mean)}"


def _share(share: float) -> str:
    return "-" if np.isnan(share) else f"{share:.2f}{' !' if share > SLACK else ''}"


def _range(ends: tuple[float, float] | None) -> str:
    return "" if ends is None else f"{_number(ends[0])} to {_number(ends[1])}"


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return "-" if np.isnan(value) else f"{value:.3f}"
