"""Tables of claims and verdicts for the terminal."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from sasa_theory.claims import Claim, Effort, Result

_SIGN = {"<=": "\N{LESS-THAN OR EQUAL TO}", ">=": "\N{GREATER-THAN OR EQUAL TO}", "==": "="}
_STYLE = {"verified": "green", "violated": "bold red", "vacuous": "bold red", "inconclusive": "yellow"}


def verdict_table(results: Iterable[Result], *, wide: bool = True) -> Table:
    """One row per claim: how often it was checked, its worst measurement, its weakest falsifier, the verdict.

    ``wide`` spells out statements and falsifiers, for which a terminal needs some 130 columns; otherwise 80 do.
    """
    table = Table(caption="checks: measurements + falsifiers; shown: the worst of each" if wide else None)
    table.add_column("claim", no_wrap=True)
    table.add_column("statement", min_width=30 if wide else 16)
    for header in ("measured", "bound", "margin"):
        table.add_column(header, justify="right", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    if wide:
        table.add_column("falsifier", min_width=18)
        table.add_column("checks", justify="right", no_wrap=True)
        table.add_column("s", justify="right", no_wrap=True)
    for result in results:
        worst = result.worst.evidence
        row: list[str | Text] = [
            result.claim.id,
            result.claim.plain if wide else result.claim.title,
            f"{worst.measured:.3g}",
            f"{_SIGN[worst.relation]} {worst.bound:.3g}",
            f"±{-worst.margin:.1%}" if worst.relation == "==" else f"{worst.margin:+.1%}",
            Text(result.outcome, style=_STYLE[result.outcome]),
        ]
        table.add_row(*row, *(_details(result) if wide else ()), end_section=wide)
    return table


def _details(result: Result) -> tuple[Text, str, str]:
    against = result.weakest_falsifier
    broken = against.evidence.verdict == "violated"
    falsifier = Text(f"{against.evidence.verdict}: {against.setting['case']}", style="" if broken else "bold red")
    inside = sum(record.task.kind == "measure" for record in result.records)
    return falsifier, f"{inside} + {len(result.records) - inside}", f"{result.seconds:.1f}"


def claim_list(claims: Iterable[Claim[Any]]) -> Table:
    """Every claim with its title and plain sentence."""
    table = Table("claim", "title", "statement")
    for claim in claims:
        table.add_row(claim.id, claim.title, claim.plain)
    return table


def explanation(claim: Claim[Any], effort: Effort) -> RenderableType:
    """A claim in full: statement, assumptions, sources, settings, falsifiers."""
    cases = list(dict.fromkeys(setting.case for setting in claim.grid(effort)))
    lines = [
        ("in words", [claim.plain]),
        ("LaTeX", [claim.statement]),
        ("assumes", claim.assumptions),
        ("source", claim.reference),
        ("measured on", [f"{case} ({sum(s.case == case for s in claim.grid(effort))} settings)" for case in cases]),
        ("falsified by", [setting.case for setting in claim.falsifiers(effort)]),
    ]
    table = Table.grid(padding=(0, 2))
    for name, values in lines:
        table.add_row(Text(name, style="bold"), Group(*map(Text, values)))
    return Panel(table, title=f"{claim.id} {claim.title}", title_align="left")
