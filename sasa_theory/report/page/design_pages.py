"""One page a design: what it is, what limits it in each world, and every metric beside the others' worlds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sasa_theory.designs import presets

from .boards import Board, Entry
from .leaderboard import beside
from .metric_notes import MetricNote, note
from .wording import NOTHING, counted, number, settings


@dataclass(frozen=True)
class InWorld:
    """A design in one world: what it was compared as, and what limits it."""

    world: str
    setup: str
    limit: str
    sentence: str
    cost: str


@dataclass(frozen=True)
class MetricRow:
    """One metric: its note, and text and comparison for each world of the design."""

    metric: MetricNote
    cells: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class DesignPage:
    """One design."""

    name: str
    slug: str
    family: str
    about: str
    settings: str
    worlds: tuple[InWorld, ...]
    metrics: tuple[MetricRow, ...]


def slugs(boards: Sequence[Board]) -> dict[str, str]:
    """Anchor by design; numbered, as a name may hold anything."""
    names = dict.fromkeys(entry.name for board in boards for entry in board.entries)
    return {name: f"design-{k}" for k, name in enumerate(names, 1)}


def design_pages(boards: Sequence[Board]) -> tuple[DesignPage, ...]:
    """Every design of the boards, in their order."""
    return tuple(_page(name, slug, boards) for name, slug in slugs(boards).items())


def _page(name: str, slug: str, boards: Sequence[Board]) -> DesignPage:
    found = [(board, entry) for board in boards for entry in board.entries if entry.name == name]
    metrics = dict.fromkeys(metric for _, entry in found for run in entry.runs for metric in run.metrics)
    first = found[0][1]
    return DesignPage(
        name=name,
        slug=slug,
        family=first.family,
        about=_about(first.design),
        settings=settings(first.design.get("settings", {})),
        worlds=tuple(_in_world(board, entry) for board, entry in found),
        metrics=tuple(MetricRow(note(m), tuple(_value(m, entry) for _, entry in found)) for m in metrics),
    )


def _about(design: dict[str, Any]) -> str:
    """One sentence on a design of this package; what is known of another."""
    preset = presets().get(str(design.get("name")))
    if preset is not None:
        return preset.summary
    if "source" in design:
        return f"Submitted; its source has the digest {str(design['source'])[:16]}."
    return ""


def _in_world(board: Board, entry: Entry) -> InWorld:
    remark = board.unranked.get(entry.name) or board.compared.failed.get(entry.name)
    if remark:
        limit, sentence = "unranked", f"Unranked: {remark}."
    elif entry.diagnosis is None:
        limit, sentence = "none", ""
    else:
        limit, sentence = entry.diagnosis
    return InWorld(board.title, entry.setup, limit, sentence, _cost(entry))


def _cost(entry: Entry) -> str:
    runs = [run for run in entry.runs if not run.failed]
    if not runs:
        return ""
    seconds = sum(run.training for run in runs) / len(runs)
    memory = max(run.peak_memory for run in runs) / 2**20
    parts = [counted(runs[0].parameters, "parameter"), f"{number(seconds, 2)} s of training"]
    return ", ".join(parts + ([f"at most {number(memory)} MiB"] if memory else []))


def _value(metric: str, entry: Entry) -> tuple[str, str]:
    known = entry.standings.get(metric)
    return (NOTHING, "") if known is None else (number(known.value), beside(known))
