"""What became of the checks of a design, for the terminal."""

from __future__ import annotations

from collections import Counter

from rich import box
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from sasa_theory.testing.conformance import CheckResult, Report

_STYLE = {"passed": "green", "failed": "bold red", "stale": "bold red", "expected": "yellow", "skipped": "dim"}


def check_grid(report: Report) -> RenderableType:
    """One row a check, then each failure in full: demand, smallest counterexample, how to mend it."""
    table = Table("check", "result", "demand", box=box.SIMPLE_HEAD, pad_edge=False)
    for result in report.results:
        noted = f"\n{result.message}" if result.status in ("expected", "stale", "skipped") else ""
        shown = Text(result.check.demand + noted)
        table.add_row(result.check.name, Text(result.status, style=_STYLE[result.status]), shown)
    failed = [_failure(result) for result in report.results if result.status == "failed"]
    counts = Counter(result.status for result in report.results)
    tally = ", ".join(f"{number} {status}" for status, number in counts.most_common())
    verdict = Text(f"{report.design}: {tally}.", style="bold green" if report.ok else "bold red")
    return Group(table, *failed, verdict)


def _failure(result: CheckResult) -> RenderableType:
    lines = [f"Wrong: {result.message}", f"Shown by: {_rows(result)}", f"Mend: {result.check.mend}."]
    return Panel(Text("\n".join(lines)), title=result.check.name, title_align="left", border_style="red")


def _rows(result: CheckResult) -> str:
    """The smallest counterexample in words that fit a terminal."""
    if not result.rows:
        return "any rows"
    rows = "; ".join(" ".join(f"{value:.3g}" for value in row) for row in result.rows)
    return f"{len(result.rows)} row{'s' if len(result.rows) > 1 else ''}: {rows}"
