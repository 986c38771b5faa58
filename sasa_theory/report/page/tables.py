"""Rows for a paper: each board and the claims, as Markdown and as LaTeX."""

from __future__ import annotations

from collections.abc import Sequence

from .leaderboard import Table
from .theorems import Tile
from .wording import NOTHING

_LATEX = str.maketrans({
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "%": r"\%", "#": r"\#", "_": r"\_",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "±": r"$\pm$", "↑": r"$\uparrow$", "↓": r"$\downarrow$", "→": r"$\to$", "≤": r"$\le$", "≥": r"$\ge$",
    "×": r"$\times$", "∞": r"$\infty$", "−": "-", "–": "--", "\n": " ", "\r": " ",
})  # fmt: skip
_MARKDOWN = str.maketrans({
    "\\": "\\\\", "|": "\\|", "<": "&lt;", ">": "&gt;", "&": "&amp;", "*": "\\*", "_": "\\_", "`": "\\`", "[": "\\[",
    "]": "\\]", "\n": " ", "\r": " ",
})  # fmt: skip


def paper_tables(boards: Sequence[tuple[str, Table]], tiles: Sequence[Tile]) -> dict[str, str]:
    """Texts by file name: ``tables/<name>.md`` and ``.tex`` for each named board, and for the claims if there are."""
    frames = {name: _board(table) for name, table in boards}
    if tiles:
        frames["claims"] = _claims(tiles)
    texts = {}
    for name, (head, rows) in frames.items():
        texts[f"tables/{name}.md"] = _markdown(head, rows)
        texts[f"tables/{name}.tex"] = _latex(head, rows)
    return texts


def _board(table: Table) -> tuple[list[str], list[list[str]]]:
    """Mean, half its interval, and in brackets the tier; truth, chance and theory's limit below."""
    head = ["design", *(f"{column.title} {column.arrow}".strip() for column in table.columns)]
    rows = [
        [row.name, *(f"{cell.interval} [{cell.tier}]" if cell.tier else cell.text for cell in row.cells)]
        for row in table.rows
    ]
    return head, rows + [[name, *values] for name, values in table.below.items()]


def _claims(tiles: Sequence[Tile]) -> tuple[list[str], list[list[str]]]:
    head = ["claim", "title", "verdict", "margin", "attained", "measured"]
    return head, [
        [
            tile.id,
            tile.title,
            tile.outcome,
            NOTHING if tile.margin is None else f"{tile.margin:+.1%}",
            NOTHING if tile.attained is None else f"±{tile.attained:.1%}",
            tile.counts,
        ]
        for tile in tiles
    ]


def _markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(
        f"| {' | '.join(cell.translate(_MARKDOWN) if k != 1 else cell for cell in line)} |\n"
        for k, line in enumerate(lines)
    )


def _latex(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A tabular with rules of booktabs."""
    lines = [" & ".join(cell.translate(_LATEX) for cell in line) + r" \\" for line in (head, *rows)]
    columns = "l" + "r" * (len(head) - 1)
    rules = [rf"\begin{{tabular}}{{{columns}}}", r"\toprule", lines[0], r"\midrule", *lines[1:], r"\bottomrule"]
    return "\n".join([*rules, r"\end{tabular}", ""])
