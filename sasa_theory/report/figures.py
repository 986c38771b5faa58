"""Figures from records: measured points with their intervals over the theory's curve, both slopes in the legend."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter, NullLocator

from sasa_theory.bounds.validate import Floats
from sasa_theory.claims import Chart, Result

_COLUMNS = 3
_MOST_TICKS = 8  # settings on the horizontal axis that still fit as labels
_LABEL_MINOR_BELOW = 8.0  # span of a logarithmic axis under which its major ticks alone say too little


def evidence_frame(result: Result) -> pd.DataFrame:
    """One row per record: the setting's fields, the evidence, ``kind`` and ``verdict``."""
    rows = [
        {
            **record.setting,
            "kind": record.task.kind,
            **{
                key: getattr(record.evidence, key)
                for key in ("bound", "measured", "low", "high", "relation", "verdict")
            },
        }
        for record in result.records
    ]
    return pd.DataFrame(rows)


def draw_case(frame: pd.DataFrame, chart: Chart, ax: Axes) -> Axes:
    """Draw the measurements of one case: bound and points with intervals for each combination of ``by``."""
    x = _varying(frame, chart)
    by = [field for field in chart.by if field not in (x, "case") and frame[field].nunique() > 1]
    groups = list(frame.groupby(by)) if by else [((), frame)]
    for colour, (key, group) in zip(sns.color_palette("colorblind", len(groups)), groups, strict=True):
        rows = group.sort_values(x)
        name = ", ".join(f"{field} = {value:g}" for field, value in zip(by, key, strict=True))
        measured, theory = (_slope(rows[x], rows[column], chart) for column in ("measured", "bound"))
        slopes = f"slope {measured:.3g}, theory {theory:.3g}" if np.isfinite(measured) else "measured"
        errors = np.abs(rows[["low", "high"]].to_numpy().T - rows["measured"].to_numpy())
        bound = {"==": "-", "<=": "--", ">=": ":"}[rows["relation"].iloc[0]]
        ax.plot(rows[x], rows["bound"], bound, color=colour, marker="_", zorder=1)
        label = f"{name}: {slopes}" if name else slopes
        ax.errorbar(rows[x], rows["measured"], errors, fmt="o", ms=4, color=colour, capsize=2, label=label)
    _scale(ax, "x", _numbers(frame, x), chart.log_x)
    _scale(ax, "y", _numbers(frame, "bound", "measured"), chart.log_y)
    ticks = np.unique(frame[x])
    if len(ticks) <= _MOST_TICKS:
        ax.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        ax.xaxis.set_minor_locator(NullLocator())
    ax.set_xlabel(chart.x_label if x == chart.x else x.replace("_", " "))
    ax.set_ylabel(chart.y_label)
    ax.legend(fontsize="x-small", frameon=False)
    return ax


def draw_falsifiers(frame: pd.DataFrame, ax: Axes) -> Axes:
    """Draw what each falsifier measured beside the bound that it must break."""
    rows = frame.reset_index(drop=True)
    ax.scatter(rows["bound"], rows.index, marker="|", s=200, color="black", label="bound")
    ax.scatter(rows["measured"], rows.index, marker="x", color="firebrick", label="measured")
    _scale(ax, "x", _numbers(rows, "bound", "measured"), logarithmic=True)
    ax.set_yticks(rows.index, rows["case"], fontsize="x-small")
    ax.set_ylim(len(rows) - 0.5, -0.5)
    ax.legend(fontsize="x-small", frameon=False)
    ax.set_title("falsifiers: outside the assumptions", fontsize="small")
    return ax


def claim_figure(result: Result) -> Figure:
    """One figure per claim: a panel for each case of the grid and one for the falsifiers."""
    frame = evidence_frame(result)
    inside, outside = frame[frame["kind"] == "measure"], frame[frame["kind"] == "falsify"]
    cases = list(inside.groupby("case", sort=False))
    rows = -(-(len(cases) + 1) // _COLUMNS)
    with sns.axes_style("ticks"):
        figure = Figure(figsize=(4.2 * _COLUMNS, 3.1 * rows + 0.9), layout="constrained")
        axes = figure.subplots(rows, _COLUMNS, squeeze=False).ravel()
    for ax, (case, group) in zip(axes, cases, strict=False):
        draw_case(group, result.claim.chart, ax).set_title(str(case), fontsize="small")
    draw_falsifiers(outside, axes[len(cases)])
    for ax in axes[len(cases) + 1 :]:
        ax.set_axis_off()
    claim = result.claim
    figure.suptitle(f"{claim.id} {claim.title}: {result.outcome}\n${claim.statement}$", fontsize="medium")
    figure.supxlabel(
        "points: measured; lines: theory (solid: equality, dashed: at most, dotted: at least)", fontsize="small"
    )
    return figure


def save_figure(result: Result, folder: Path) -> Path:
    """Write ``folder/<claim id>.png`` and return its path."""
    path = folder / f"{result.claim.id}.png"
    claim_figure(result).savefig(path, dpi=120)
    return path


def _scale(ax: Axes, name: Literal["x", "y"], values: Floats, logarithmic: bool) -> None:
    """Set an axis logarithmic if asked and possible, with plain numbers at its ticks."""
    if not logarithmic or (values <= 0).any():
        return
    (ax.set_xscale if name == "x" else ax.set_yscale)("log")
    axis = ax.xaxis if name == "x" else ax.yaxis
    axis.set_major_formatter("{x:g}")
    axis.set_minor_formatter("{x:g}" if values.max() / values.min() < _LABEL_MINOR_BELOW else NullFormatter())


def _numbers(frame: pd.DataFrame, *columns: str) -> Floats:
    return frame[list(columns)].to_numpy(dtype=float)


def _varying(frame: pd.DataFrame, chart: Chart) -> str:
    """Field for the horizontal axis: the chart's own, or another number of the setting where that one is constant."""
    evidence = {"bound", "measured", "low", "high", "draws"}
    numbers = [column for column in frame.select_dtypes("number") if column not in evidence]
    candidates = [chart.x, *(column for column in numbers if column != chart.x)]
    return next((str(column) for column in candidates if frame[column].nunique() > 1), chart.x)


def _slope(x: Any, y: Any, chart: Chart) -> float:
    """Least-squares slope in the axes' own coordinates; NaN with fewer than three points or non-positive logarithms."""
    x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    if len(np.unique(x)) < 3 or (chart.log_x and (x <= 0).any()) or (chart.log_y and (y <= 0).any()):
        return float("nan")
    return float(np.polyfit(np.log(x) if chart.log_x else x, np.log(y) if chart.log_y else y, 1)[0])
