"""A board as a table to show: each cell with its tier, and where it stands between chance and truth."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from sasa_theory.benchmark.comparing import Estimate
from sasa_theory.benchmark.diagnosis import Standing
from sasa_theory.benchmark.ranking import Ranking

from .boards import Board, Entry
from .metric_notes import MetricNote, note
from .wording import NOTHING, number, rounded, span, with_interval


@dataclass(frozen=True)
class Cell:
    """A design's value of a metric.

    Attributes
    ----------
    text, interval : str
        Mean over seeds with the digits that its interval carries; with that interval.
    order : float or None
        To sort by; None where the metric is not defined.
    tier : int or None
        Designs of one tier cannot be told apart.
    at, limit : float or None
        Where the value, and theory's limit, stand on the way from chance (0) to truth (1), cut off there; None where
        that is not known.
    beside : str
        Chance, truth and theory's limit, for this design.
    """

    text: str
    interval: str = ""
    order: float | None = None
    tier: int | None = None
    at: float | None = None
    limit: float | None = None
    beside: str = ""


@dataclass(frozen=True)
class Row:
    """A design: its name, its family, a cell for each metric, what it spends and takes."""

    name: str
    family: str
    cells: tuple[Cell, ...]
    spent: Cell
    seconds: Cell
    remark: str


@dataclass(frozen=True)
class Table:
    """A board to show: metrics, designs, and below them truth, chance, theory's limit and what could be told apart."""

    board: Board
    columns: tuple[MetricNote, ...]
    rows: tuple[Row, ...]
    below: Mapping[str, tuple[str, ...]]


def table(board: Board) -> Table:
    """A board as a table."""
    compared = board.compared
    around = [compared.around[metric] for metric in board.metrics]
    below = {
        "truth": tuple(number(each.oracle) for each in around),
        "chance": tuple(span(each.null) for each in around),
        "theory's limit": tuple(span(each.floor) for each in around),
        "detectable difference": tuple(number(compared.rankings[name].detectable, 2) for name in board.metrics),
    }
    return Table(
        board=board,
        columns=tuple(map(note, board.metrics)),
        rows=tuple(_row(board, entry) for entry in board.entries),
        below={name: values for name, values in below.items() if set(values) != {NOTHING}},
    )


def _row(board: Board, entry: Entry) -> Row:
    compared = board.compared
    cells = tuple(_cell(compared.rankings[metric], metric, entry) for metric in board.metrics)
    cost = None if entry.family == "references" else compared.costs.get(entry.name)
    spent = Cell(NOTHING) if math.isnan(entry.spent) else Cell(f"{entry.spent:.2f}", order=entry.spent)
    remark = board.unranked.get(entry.name, "")
    if entry.name in compared.failed:
        remark = f"unranked where a seed failed: {compared.failed[entry.name]}"
    return Row(entry.name, entry.family, cells, spent, _seconds(cost), remark)


def _cell(ranking: Ranking, metric: str, entry: Entry) -> Cell:
    known = entry.standings.get(metric, Standing(math.nan))
    if entry.name not in ranking.values:
        return Cell(NOTHING, beside=beside(known))
    found = ranking.values[entry.name]
    return Cell(
        text=rounded(found),
        interval=with_interval(found),
        order=found.mean,
        tier=ranking.tier(entry.name),
        at=_way(known, known.value),
        limit=_way(known, known.floor),
        beside=beside(known),
    )


def beside(known: Standing) -> str:
    """Chance, truth and theory's limit in words, as far as they are known."""
    names = {"chance": known.null, "truth": known.oracle, "theory's limit": known.floor}
    return ", ".join(f"{name} {number(value)}" for name, value in names.items() if value is not None)


def _way(known: Standing, value: float | None) -> float | None:
    if value is None or known.null is None or known.oracle is None or known.null == known.oracle:
        return None
    return min(1.0, max(0.0, (value - known.null) / (known.oracle - known.null)))


def _seconds(cost: Estimate | None) -> Cell:
    if cost is None or math.isnan(cost.mean):
        return Cell(NOTHING)
    return Cell(number(cost.mean, 2), order=cost.mean)
