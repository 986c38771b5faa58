"""Benchmarks in a terminal: one table a world, and a sentence on each design."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.table import Table

from sasa_theory.benchmark.comparison import COST, Standings, title
from sasa_theory.benchmark.ranking import Ranking


def leaderboard(standings: Standings) -> RenderableType:
    """One world's ranking, metric by metric.

    Each cell is the mean over seeds, half its 95 % interval, and in brackets the tier: designs of one tier cannot be
    told apart.
    """
    rankings = standings.rankings
    seeds = next(iter(rankings.values())).seeds
    table = Table(title=f"{standings.arena.name}: mean ± half the 95 % interval over {seeds} seeds [tier]")
    table.add_column("design", no_wrap=True)
    for metric in rankings:
        table.add_column(f"{title(metric)} {_ARROWS[rankings[metric].direction]}", justify="right")
    names = list(dict.fromkeys(name for ranking in rankings.values() for name in ranking.order))
    for k, name in enumerate(names):
        table.add_row(name, *(_cell(r, name) for r in rankings.values()), end_section=k == len(names) - 1)
    around = [standings.around[metric] for metric in rankings]
    table.add_row("truth", *(_number(each.oracle) for each in around), style="dim")
    table.add_row("chance", *(_range(each.null) for each in around), style="dim")
    table.add_row("theory's limit", *(_range(each.floor) for each in around), style="dim")
    table.add_row("detectable difference", *(_number(r.detectable) for r in rankings.values()), style="dim")
    if COST in rankings:
        table.caption = f"{COST} of training on the machine that made the record, which may be another for each design"
    sentences = [f"{name}: {found.sentence}" for name, found in standings.diagnoses.items()]
    failures = [f"{name} is unranked: {reason}" for name, reason in standings.failed.items()]
    return Group(table, *sentences, *failures)


_ARROWS = {"higher": "↑", "lower": "↓", "nearest": "→ truth"}


def _cell(ranking: Ranking, name: str) -> str:
    if name not in ranking.values:
        return "undefined"
    found = ranking.values[name]
    return f"{_number(found.mean)} ±{_number(found.high - found.mean)} \\[{ranking.tier(name)}]"


def _range(ends: tuple[float, float] | None) -> str:
    return "" if ends is None else f"{_number(ends[0])} to {_number(ends[1])}"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"
