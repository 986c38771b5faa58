"""Ratios of what was measured, as tables."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.table import Table

from .settings import COMPARISONS, ENTRIES, MODES, Comparison, Entry, Mode

Results = Mapping[str, Sequence[Mapping[str, Any]]]
"""By name of the entry, what its worker printed in each round."""

_HEADS = ("setting", "mode", "ours", "other", "times faster", "goal", "times less memory", "goal")

_WIDE = 160
"""Characters in a line of a file."""
_ROUND = 100
"""Milliseconds from which on decimals are left out."""


@dataclass(frozen=True)
class Spread:
    """Median, least and largest over the rounds."""

    median: float
    least: float
    largest: float

    def __str__(self) -> str:
        return f"{self.median:.2f} ({self.least:.2f} to {self.largest:.2f})"


@dataclass(frozen=True, kw_only=True)
class Ratio:
    """How many times faster and smaller ours was; goals are None where there is none."""

    setting: str
    mode: Mode
    ours: str
    other: str
    faster: Spread
    faster_goal: float | None
    smaller: Spread | None
    smaller_goal: float | None


def ratios(results: Results) -> list[Ratio]:
    """All comparisons whose contenders were measured, round against round."""
    return [found for mode in MODES for c in COMPARISONS if (found := _ratio(c, mode, results)) is not None]


def _ratio(c: Comparison, mode: Mode, results: Results) -> Ratio | None:
    ours = results.get(str(Entry(setting=c.setting, mode=mode, contender=c.ours)))
    others = [results.get(str(Entry(setting=c.setting, mode=mode, contender=name))) for name in c.others]
    if not ours or not all(others):  # the fastest of some would flatter us
        return None
    by_round = list(zip(*(other for other in others if other), strict=True))
    return Ratio(
        setting=c.setting,
        mode=mode,
        ours=c.ours,
        other=c.other,
        faster=_spread(
            [min(t["seconds"] for t in them) / us["seconds"] for us, them in zip(ours, by_round, strict=True)]
        ),
        faster_goal=c.goals.get(mode),
        smaller=_spread([min(t["bytes"] for t in them) / us["bytes"] for us, them in zip(ours, by_round, strict=True)])
        if c.smaller
        else None,
        smaller_goal=1.0 if c.smaller else None,
    )


def _spread(values: Sequence[float]) -> Spread:
    return Spread(statistics.median(values), min(values), max(values))


def show(results: Results, found: Sequence[Ratio]) -> None:
    """Print both tables, goals not met in capitals."""
    speeds = Table("setting", "mode", "contender", "ms a step and model", "peak memory, MiB", title="medians")
    for entry in ENTRIES:
        if rounds := results.get(str(entry)):
            speeds.add_row(entry.setting, entry.mode, entry.contender, _milliseconds(rounds), _mebibytes(rounds))
    table = Table(*_HEADS, title="ratios within rounds: median (range)")
    for r in found:
        table.add_row(
            r.setting,
            r.mode,
            r.ours,
            r.other,
            str(r.faster),
            _judged(r.faster, r.faster_goal),
            str(r.smaller or ""),
            _judged(r.smaller, r.smaller_goal),
        )
    console = Console()
    if not console.is_terminal:
        console = Console(width=_WIDE)
    console.print(speeds, table)


def markdown(results: Results, found: Sequence[Ratio]) -> str:
    """The ratios as a table for README.md, with our own times and memory."""
    lines = ["| " + " | ".join(_HEADS) + " |", "|---" * len(_HEADS) + "|"]
    for r in found:
        rounds = results[str(Entry(setting=r.setting, mode=r.mode, contender=r.ours))]
        own = f"`{r.ours}`, {_milliseconds(rounds)} ms" + (f", {_mebibytes(rounds)} MiB" if r.smaller else "")
        goals = [f"{goal:g}" if goal else "" for goal in (r.faster_goal, r.smaller_goal)]
        cells = [r.setting, r.mode, own, r.other, str(r.faster), goals[0], str(r.smaller or ""), goals[1]]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _judged(measured: Spread | None, goal: float | None) -> str:
    if measured is None or goal is None:
        return ""
    return f"{goal:g}, {'met' if measured.median >= goal else 'MISSED'}"


def _milliseconds(rounds: Sequence[Mapping[str, Any]]) -> str:
    value = 1e3 * statistics.median(r["seconds"] for r in rounds)
    return f"{value:,.0f}" if value >= _ROUND else f"{value:.3g}"


def _mebibytes(rounds: Sequence[Mapping[str, Any]]) -> str:
    return f"{statistics.median(r['bytes'] for r in rounds) / 2**20:,.0f}"
