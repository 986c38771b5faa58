"""Data of the scatter plot whose axes are chosen freely: one point for each design and world, seed by seed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from sasa_theory.benchmark.records import Record

from .boards import Board
from .metric_notes import note

_COSTS = {
    "training": ("seconds of training", "s", "Of a processor, on the machine that made the record."),
    "judging": ("seconds of judging", "s", "Of a processor, a second training for seed consistency included."),
    "parameters": ("parameters", "numbers", "Numbers that were trained."),
    "peak_memory": ("peak memory", "bytes", "The most that the process ever held, which may have done other runs."),
}
_SIZES = {
    "units": ("units", "units", "Of the design."),
    "columns": ("columns", "columns", "Of the decoder."),
    "active_columns": ("active columns allowed", "columns", "That may fire in a row."),
}
_DIGITS = 5


def explorer(boards: Sequence[Board]) -> dict[str, Any]:
    """Axes to choose from, and points.

    Returns
    -------
    dict
        ``axes``: name, title, unit, definition of each. ``points``: design, family, world, seeds, and under ``values``
        one list a known axis, of a number a seed (null where it is not defined).
    """
    names = dict.fromkeys(name for b in boards for e in b.entries for run in e.runs for name in run.metrics)
    first = [name for b in boards for name in b.metrics]
    axes = [_axis(name) for name in dict.fromkeys((*first, *names))]
    axes += [{"name": name, "title": t, "unit": u, "about": a} for name, (t, u, a) in {**_COSTS, **_SIZES}.items()]
    points = []
    for board in boards:
        for entry in board.entries:
            runs = entry.runs
            values = {
                name: list(map(_plain, entry.values(name))) for name in names if any(name in r.metrics for r in runs)
            }
            trains = entry.family != "references"
            values |= {name: [_cost(run, name) for run in runs] for name in _COSTS} if trains else {}
            values |= {name: [getattr(entry.size, name)] * len(runs) for name in _SIZES}
            points.append(
                {
                    "design": entry.name,
                    "family": entry.family,
                    "world": board.title,
                    "seeds": [run.seed for run in runs],
                    "values": values,
                }
            )
    return {"axes": axes, "points": points}


def _axis(name: str) -> dict[str, str]:
    about = note(name)
    return {"name": name, "title": about.title, "unit": about.unit, "about": about.definition.split("\n\n")[0]}


def _cost(run: Record, name: str) -> float | None:
    """None where nothing was measured: a failed run's seconds say nothing, and what trains nothing takes none."""
    value = float(getattr(run, name))
    return _plain(value) if value > 0 and not run.failed else None


def _plain(value: float) -> float | None:
    """Short, as the page holds thousands of these."""
    return float(f"{value:.{_DIGITS}g}") if math.isfinite(value) else None
