"""Charts as plain plotly figures: colours that the colour-blind tell apart, markers that differ, inert text."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8a7a00", "#888888")
"""Okabe and Ito's, its yellow darkened to be seen on white."""

SYMBOLS = ("circle", "square", "diamond", "triangle-up", "x", "cross", "star", "triangle-down", "pentagon", "hexagram")
LEGEND = {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"}
"""Above the chart, where it runs into nothing however long it is."""

DASHES = ("solid", "dash", "dot", "dashdot")


@dataclass(frozen=True)
class Chart:
    """One chart.

    Attributes
    ----------
    id : str
        Of its element; letters, digits and hyphens.
    title, caption : str
        Above and below it.
    figure : dict
        ``data`` and ``layout`` for plotly; colours of text and background are set on the page, by its theme.
    height : int
        In pixels.
    square : bool
        Whether it is drawn no wider than high, as both axes have one scale.
    """

    id: str
    title: str
    caption: str
    figure: Mapping[str, Any]
    height: int = 420
    square: bool = False


def plain(text: object) -> str:
    """Text that plotly shows as it is: it takes some tags, links among them, as markup."""
    return escape(str(text), quote=False)


def look(k: int) -> dict[str, Any]:
    """Colour and marker of the k-th of several."""
    colour = PALETTE[k % len(PALETTE)]
    return {
        "marker": {"color": colour, "symbol": SYMBOLS[k % len(SYMBOLS)], "size": 8},
        "line": {"color": colour, "dash": DASHES[k // len(PALETTE) % len(DASHES)]},
    }


def axis(title: str, *, log: bool = False) -> dict[str, Any]:
    """An axis with a title; logarithmic if asked."""
    return {"title": {"text": plain(title)}, "type": "log" if log else "linear"}


def line_chart(
    id: str,
    title: str,
    caption: str,
    curves: Mapping[str, tuple[Sequence[float], Sequence[float]]],
    x: str,
    y: str,
    *,
    log_x: bool = False,
    log_y: bool = False,
) -> Chart:
    """Curves by name, each with a marker at every point; points without a value are left out."""
    data = []
    for k, (name, (xs, ys)) in enumerate(curves.items()):
        known = [(a, b) for a, b in zip(xs, ys, strict=True) if b is not None and math.isfinite(b)]
        points = {"x": [a for a, _ in known], "y": [b for _, b in known]}
        data.append({"type": "scatter", "mode": "lines+markers", "name": plain(name), **points, **look(k)})
    layout = {"xaxis": axis(x, log=log_x), "yaxis": axis(y, log=log_y), "legend": LEGEND}
    return Chart(id, title, caption, {"data": data, "layout": layout})


def heat_map(
    id: str,
    title: str,
    caption: str,
    values: Sequence[Sequence[float | None]],
    columns: Sequence[str],
    rows: Sequence[str],
    labels: tuple[str, str, str],
    *,
    printed: bool = True,
) -> Chart:
    """A matrix of shares in colour, with its numbers; ``labels`` are those of columns, rows and values."""
    x, y, z = labels
    trace = {
        "type": "heatmap",
        "z": [[None if v is None or not math.isfinite(v) else float(f"{v:.4g}") for v in row] for row in values],
        "x": [plain(name) for name in columns],
        "y": [plain(name) for name in rows],
        "zmin": 0,
        "zmax": 1,
        "colorscale": "Cividis",
        "colorbar": {"title": {"text": plain(z), "side": "right"}, "thickness": 12},
        "hovertemplate": f"{plain(x)} %{{x}}<br>{plain(y)} %{{y}}<br>{plain(z)} %{{z:.3f}}<extra></extra>",
    }
    if printed:
        trace |= {"texttemplate": "%{z:.2f}", "textfont": {"size": 11}}
    layout = {
        "xaxis": {"title": {"text": plain(x)}, "type": "category"},
        "yaxis": {"title": {"text": plain(y)}, "type": "category", "autorange": "reversed"},
    }
    return Chart(id, title, caption, {"data": [trace], "layout": layout}, height=max(260, 120 + 34 * len(rows)))
