"""A suite as a table: each quantity as published, as the authors' code defines it on our runs, and corrected."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

from rich.markup import escape
from rich.table import Table

from sasa_theory.benchmark.comparing import Estimate
from sasa_theory.benchmark.suite_parts import Part
from sasa_theory.benchmark.suite_results import Results
from sasa_theory.benchmark.suites import Arena
from sasa_theory.metrics import AS_PUBLISHED, metric
from sasa_theory.metrics.named import of_dimension

_NO_NUMBER = "no number published"
_QUANTITY = (
    "quantity",
    "arm",
    "as published",
    "as their code defines it",
    "truth",
    "chance",
    "corrected by",
    "corrected",
    "truth ",
    "chance ",
)


class Shown(NamedTuple):
    """A table as text.

    Attributes
    ----------
    title : str
        Heading.
    head : tuple of str
        Heads of the columns.
    rows : tuple of tuple of str
        Cells.
    """

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def tables(found: Results) -> list[Table]:
    """The tables for a terminal."""
    shown = []
    for title, head, rows in _all(found):
        table = Table(title=escape(title), title_justify="left")
        for k, name in enumerate(head):
            table.add_column(name.strip(), justify="left" if k < 2 else "right")
        for before, row in zip(("", *(row[0] for row in rows)), rows, strict=False):
            if before and before != row[0]:
                table.add_section()
            table.add_row(*map(escape, row))
        shown.append(table)
    return shown


def markdown(found: Results) -> str:
    """The same as Markdown, with what was run before it and what follows from it after it."""
    suite = found.suite
    lines = [f"# {suite.title} (`sasa-theory bench --suite {suite.name}`)", "", f"Source: {suite.source}.", ""]
    lines += [f"- {said}" for said in _setups(found)] + [""]
    lines += [f"- {sentence}" for sentence in suite.conclude(found)] + [""]
    for title, head, rows in _all(found):
        lines += [f"## {title}", "", _line(head), _line(("---",) * len(head))]
        lines += [*map(_line, rows), ""]
    defects = {name: AS_PUBLISHED[name] for name in suite.quantities if name in AS_PUBLISHED}
    lines += ["## Defects of the published definitions", ""]
    lines += [f"- {each.title}: {each.defect}" for each in defects.values() if each.defect]
    failures = found.failures()
    lines += ["", "## Runs that failed", "", *(f"- {each}" for each in failures)] if failures else []
    return "\n".join(lines) + "\n"


def _all(found: Results) -> Iterator[Shown]:
    for part in found.suite.parts:
        for arena in part.tier.arenas:
            yield _quantities(found, part, arena)
            yield _curves(found, part, arena)


def _setups(found: Results) -> Iterator[str]:
    """What was run, part by part."""
    for part in found.suite.parts:
        tier = part.tier
        seeds = tier.seeds if found.seeds is None else found.seeds
        budget = f"{tier.budget.steps:,} steps of {tier.budget.batch_size:,} rows"
        yield f"{part.title}: {seeds} seeds, {budget}, judged on {tier.rows:,} rows; ± is half a 95 % interval"
        for arena in tier.arenas:
            config = arena.config
            rates = ", ".join(f"{arm} {found.rate(part, arena, arm):g}" for arm in part.arms)
            yield (
                f"{arena.name}: width {config.width}, {config.size} features of {sum(config.dims)} dimensions in all, "
                f"{arena.active} active; {arena.size}; learning rates: {rates}"
            )


def _quantities(found: Results, part: Part, arena: Arena) -> Shown:
    rows = []
    for name in found.suite.quantities:
        theirs = AS_PUBLISHED.get(name)
        corrected = theirs.corrected_by if theirs else name
        for arm in part.arms:
            number = found.suite.numbers.get((name, arm))
            rows.append(
                (
                    metric(name).title,
                    arm,
                    _NO_NUMBER if number is None else _number(number),
                    *(_cells(found, part, arena, arm, name) if theirs else ("", "", "")),
                    f"{metric(corrected).title} (`{corrected}`)" if corrected else "",
                    *(_cells(found, part, arena, arm, corrected) if corrected else ("", "", "")),
                )
            )
    return Shown(f"{part.title}, {arena.name}", _QUANTITY, tuple(rows))


def _curves(found: Results, part: Part, arena: Arena) -> Shown:
    dims = sorted(set(arena.config.dims))
    rows = []
    for name in found.suite.curves:
        for arm in part.arms:
            values = [found.value(part, arena, arm, of_dimension(name, d)) for d in dims]
            rows.append((metric(name).title, arm, *map(_estimate, values)))
        truths = [found.truth(part, arena, of_dimension(name, d)) for d in dims]
        rows.append((metric(name).title, "truth", *map(_number, truths)))
    head = ("quantity", "arm", *(f"d = {d}" for d in dims))
    return Shown(f"{part.title}, {arena.name}: by dimension of the feature", head, tuple(rows))


def _cells(found: Results, part: Part, arena: Arena, arm: str, name: str) -> tuple[str, str, str]:
    return (
        _estimate(found.value(part, arena, arm, name)),
        _number(found.truth(part, arena, name)),
        _number(found.chance(part, arena, arm, name)),
    )


def _estimate(value: Estimate) -> str:
    return "-" if math.isnan(value.mean) else f"{_number(value.mean)} ± {_number(value.high - value.mean)}"


def _number(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"


def _line(cells: tuple[str, ...]) -> str:
    return f"| {' | '.join(cell.strip() for cell in cells)} |"
