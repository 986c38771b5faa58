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
_TICK_SPACING = 0.08  # least distance of two labels on the horizontal axis, as a share of its length
_ROUNDING = 1e-6  # relative differences below this are not for the eye
_LABEL_MINOR_BELOW = 8.0  # span of a logarithmic axis under which its major ticks alone say too little


def evidence_frame(result: Result, *, also: bool = False) -> pd.DataFrame:
    """One row per record: the setting's fields, the evidence, ``kind`` and ``verdict``.

    ``also`` adds a column for each number or curve that was found on the way.
    """
    rows = [
        {
            **record.setting,
            "kind": record.task.kind,
            **{
                key: getattr(record.evidence, key)
                for key in ("bound", "measured", "low", "high", "relation", "verdict")
            },
            **(record.evidence.also if also else {}),
        }
        for record in result.records
    ]
    return pd.DataFrame(rows)


def draw_case(frame: pd.DataFrame, chart: Chart, ax: Axes) -> Axes:
    """Draw the measurements of one case: bound and points with intervals for each combination of ``by``."""
    x = _varying(frame, chart)
    by = _separating(frame, chart, x)
    groups = list(frame.groupby(by)) if by else [((), frame)]
    for colour, (key, group) in zip(sns.color_palette("colorblind", len(groups)), groups, strict=True):
        rows = group.sort_values(x)
        name = ", ".join(_name(field, value) for field, value in zip(by, key, strict=True))
        errors = np.abs(_numbers(rows, "low", "high").T - rows["measured"].to_numpy())
        bound = {"==": "-", "<=": "--", ">=": ":"}[rows["relation"].iloc[0]]
        ax.plot(rows[x], rows["bound"], bound, color=colour, marker="_", zorder=1)
        label = ": ".join(filter(None, (name, _slopes(rows, x, chart)))) or "measured"
        ax.errorbar(rows[x], rows["measured"], errors, fmt="o", ms=4, color=colour, capsize=2, label=label)
    _scale(ax, "x", _numbers(frame, x), chart.log_x)
    _scale(ax, "y", _numbers(frame, "bound", "measured", "low", "high"), chart.log_y)
    _label_settings(ax, np.unique(_numbers(frame, x)))
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


def _name(field: str, value: Any) -> str:
    """Legend text of one field: ``signed`` / ``not signed`` for truth values, a text itself, ``d = 4`` for numbers."""
    if isinstance(value, bool | np.bool_):
        return field if value else f"not {field}"
    return value if isinstance(value, str) else f"{field} = {value:g}"


def _scale(ax: Axes, name: Literal["x", "y"], values: Floats, logarithmic: bool) -> None:
    """Set an axis logarithmic if asked and possible, with plain numbers at its ticks; never zoom into rounding."""
    axis = ax.xaxis if name == "x" else ax.yaxis
    low, high = values.min(), values.max()
    if logarithmic and low > 0 and high > low * (1 + _ROUNDING):
        (ax.set_xscale if name == "x" else ax.set_yscale)("log")
        axis.set_major_formatter("{x:g}")
        axis.set_minor_formatter("{x:g}" if high < _LABEL_MINOR_BELOW * low else NullFormatter())
    elif name == "y" and high - low <= _ROUNDING * max(abs(low), abs(high)):
        ax.set_ylim(low - 0.1 * (abs(low) or 1.0), high + 0.1 * (abs(high) or 1.0))


def _label_settings(ax: Axes, settings: Floats) -> None:
    """Put ticks at the settings themselves, leaving out those that would print over one another."""
    position = ax.transAxes.inverted().transform(ax.transData.transform(np.column_stack([settings, 0 * settings + 1])))
    shown: list[int] = []
    for index, place in enumerate(position[:, 0]):
        if not shown or place - position[shown[-1], 0] >= _TICK_SPACING:
            shown.append(index)
    ax.set_xticks(settings[shown], [f"{tick:.3g}" for tick in settings[shown]])
    ax.xaxis.set_minor_locator(NullLocator())


def _numbers(frame: pd.DataFrame, *columns: str) -> Floats:
    return frame[list(columns)].to_numpy(dtype=float)


def _varying(frame: pd.DataFrame, chart: Chart) -> str:
    """Field for the horizontal axis: the chart's own, or another number of the setting where that one is constant."""
    evidence = {"bound", "measured", "low", "high", "draws"}
    numbers = [column for column in frame.select_dtypes("number") if column not in evidence]
    candidates = [chart.x, *(column for column in numbers if column != chart.x)]
    return next((str(column) for column in candidates if frame[column].nunique() > 1), chart.x)


def _separating(frame: pd.DataFrame, chart: Chart, x: str) -> list[str]:
    """Fields that tell curves apart: the chart's own, and others that differ between points at the same place."""
    fields = [field for field in chart.by if field not in (x, "case") and frame[field].nunique() > 1]
    for field in frame.columns[: list(frame.columns).index("kind")]:
        crowded = frame.duplicated([*fields, x]).any()
        if crowded and field not in (*fields, x, "case") and frame.groupby([*fields, x])[field].nunique().max() > 1:
            fields.append(field)
    return fields


def _slopes(rows: pd.DataFrame, x: str, chart: Chart) -> str:
    """Legend text: least-squares slopes of measurement and theory in the axes' own coordinates.

    Empty with fewer than three points, or where the theory's curve has no slope to speak of.
    """
    place, value = _numbers(rows, x)[:, 0], _numbers(rows, "measured", "bound")
    if len(np.unique(place)) < 3 or (chart.log_x and place.min() <= 0) or (chart.log_y and value.min() <= 0):
        return ""
    place, value = np.log(place) if chart.log_x else place, np.log(value) if chart.log_y else value
    measured, theory = np.polyfit(place, value, 1)[0]
    steep = abs(theory) * np.ptp(place) > _ROUNDING * np.abs(value).max()
    return f"slope {measured:.3g}, theory {theory:.3g}" if steep else ""
