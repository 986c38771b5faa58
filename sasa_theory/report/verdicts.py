"""Tables of claims and verdicts for the terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from rich import box
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from sasa_theory.claims import Claim, Effort, Result

_SIGN = {"<=": "\N{LESS-THAN OR EQUAL TO}", ">=": "\N{GREATER-THAN OR EQUAL TO}", "==": "="}
_STYLE = {"verified": "green", "violated": "bold red", "vacuous": "bold red", "inconclusive": "yellow"}


def verdict_table(results: Iterable[Result], *, wide: bool = True) -> Table:
    """One row per claim: the measurement closest to its bound, how exactly attained bounds are met, the verdict.

    ``wide`` spells out statements and falsifiers, for which a terminal needs some 130 columns; otherwise 80 do.
    """
    frame = box.HEAVY_HEAD if wide else box.SIMPLE_HEAD
    table = Table(box=frame, pad_edge=wide, collapse_padding=not wide)
    table.caption = "margin: of the closest inequality; attained: largest deviation where met"
    table.add_column("claim", no_wrap=True)
    table.add_column("statement", min_width=30 if wide else 14)
    for header in ("measured", "bound", "margin", "attained"):
        table.add_column(header, justify="right", no_wrap=True)
    table.add_column("falsifier" if wide else "f.", min_width=18 if wide else 1)
    table.add_column("verdict", no_wrap=True)
    table.add_column("s", justify="right", no_wrap=True)
    for result in results:
        shown, against = result.closest.evidence, result.weakest_falsifier
        broken = against.evidence.verdict == "violated"
        falsifier = f"{against.evidence.verdict}: {against.setting['case']}" if wide else "✓" if broken else "✗"
        table.add_row(
            result.claim.id,
            result.claim.plain if wide else result.claim.title,
            f"{shown.measured:.3g}",
            f"{_SIGN[shown.relation]} {shown.bound:.3g}",
            "" if shown.relation == "==" else f"{round(shown.margin, 4) + 0.0:+.1%}",  # no -0.0 %
            "" if np.isnan(result.deviation) else f"±{result.deviation:.1%}",
            Text(falsifier, style="" if broken else "bold red"),
            Text(result.outcome, style=_STYLE[result.outcome]),
            f"{result.seconds:.1f}",
            end_section=wide,
        )
    return table


def verdict_frame(results: Iterable[Result]) -> pd.DataFrame:
    """The same in a table for a notebook: one row a claim."""
    rows = []
    for result in results:
        shown, against = result.closest, result.weakest_falsifier
        rows.append(
            {
                "claim": result.claim.id,
                "statement": result.claim.title,
                "closest at": shown.setting["case"],
                "measured": f"{shown.evidence.measured:.3g}",
                "bound": f"{_SIGN[shown.evidence.relation]} {shown.evidence.bound:.3g}",
                "weakest falsifier": f"{against.setting['case']}: {against.evidence.verdict}",
                "verdict": result.outcome,
            }
        )
    return pd.DataFrame(rows).set_index("claim")


def claim_list(claims: Iterable[Claim[Any]]) -> Table:
    """Every claim with its title and plain sentence."""
    table = Table("claim", "title", "statement")
    for claim in claims:
        table.add_row(claim.id, claim.title, claim.plain)
    return table


def explanation(claim: Claim[Any], effort: Effort) -> RenderableType:
    """A claim in full: statement, assumptions, sources, settings, falsifiers."""
    lines = [
        ("in words", [claim.plain]),
        ("LaTeX", [claim.statement]),
        ("assumes", claim.assumptions),
        ("source", claim.reference),
        ("measured on", _counted(claim.grid(effort))),
        ("falsified by", _counted(claim.falsifiers(effort))),
    ]
    table = Table.grid(padding=(0, 2))
    for name, values in lines:
        table.add_row(Text(name, style="bold"), Group(*map(Text, values)))
    return Panel(table, title=f"{claim.id} {claim.title}", title_align="left")


def _counted(settings: Sequence[Any]) -> list[str]:
    """Each case once, with the number of its settings."""
    return [f"{case} ({number})" for case, number in Counter(setting.case for setting in settings).items()]
