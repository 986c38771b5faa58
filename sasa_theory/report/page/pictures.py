"""What records hold beside single scores: quantities by dimension, and where rank is given up."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from sasa_theory.benchmark.compared import mean
from sasa_theory.claims import Result

from .boards import Board
from .charts import LEGEND, PALETTE, Chart, axis, line_chart, plain
from .metric_notes import note

_OF_DIMENSION = re.compile(r"(\w+)_d(\d+)")
_RANKS = "rank"
"""Part of the names of those metrics by dimension that are learned ranks."""


def by_dimension(boards: Sequence[Board]) -> list[Chart]:
    """Each metric that records hold for features of one dimension alone, against that dimension; ranks first."""
    found: dict[tuple[str, str], dict[str, dict[int, float]]] = defaultdict(lambda: defaultdict(dict))
    for board in boards:
        for entry in board.entries:
            for name in dict.fromkeys(name for run in entry.runs for name in run.metrics):
                part = _OF_DIMENSION.fullmatch(name)
                if part:
                    found[part[1], board.title][entry.name][int(part[2])] = mean(entry.values(name))
    charts = []
    for k, ((name, world), designs) in enumerate(sorted(found.items(), key=lambda item: _RANKS not in item[0][0])):
        curves = {design: _sorted(values) for design, values in designs.items() if len(values) > 1}
        if not curves:
            continue
        title, about = note(name).title, note(name)
        if _RANKS in name:
            dims = sorted({d for xs, _ in curves.values() for d in xs})
            curves["true dimension"] = (dims, [float(d) for d in dims])
        charts.append(
            line_chart(
                f"dimension-{k}", f"{title} against true dimension: {world}", about.definition.split("\n\n")[0], curves,
                "dimension of the feature", about.unit or title,
            )
        )  # fmt: skip
    return charts


def rank_phases(results: Mapping[str, Result]) -> list[Chart]:
    """T4: the penalty against that at which theory lets a group give up its rank, coloured by the rank kept."""
    if "T4" not in results:
        return []
    groups: dict[bool, list[tuple[float, float, float, str]]] = defaultdict(list)
    for record in results["T4"].records:
        also = record.evidence.also
        if "lam" in also and "rank" in also:
            d, case = record.setting["d"], record.setting["case"]
            for lam, kept in zip(np.atleast_1d(also["lam"]), np.atleast_1d(also["rank"]), strict=True):
                groups[record.task.kind == "falsify"].append(
                    (record.evidence.bound, float(lam), float(kept) / d, f"{case}, d = {d}")
                )
    if not groups:
        return []
    data = []
    for outside, points in sorted(groups.items()):
        theory, lam, kept, text = zip(*points, strict=True)
        marker = {
            "color": kept, "cmin": 0, "cmax": 1, "colorscale": "Cividis", "size": 10,
            "line": {"width": 1, "color": PALETTE[7]},
            "symbol": "x" if outside else "circle", "showscale": not outside,
            "colorbar": {"title": {"text": "share of the rank kept", "side": "right"}, "thickness": 12},
        }  # fmt: skip
        data.append({
            "type": "scatter", "mode": "markers", "name": "falsifiers" if outside else "measured", "x": theory,
            "y": lam, "marker": marker, "text": [plain(t) for t in text], "customdata": kept,
            "hovertemplate": "%{text}<br>penalty %{y:.3g}, theory %{x:.3g}<br>kept %{customdata:.2f}<extra></extra>",
        })  # fmt: skip
    ends = [
        min(p[0] for points in groups.values() for p in points),
        max(p[0] for points in groups.values() for p in points),
    ]
    line: dict[str, Any] = {
        "type": "scatter",
        "mode": "lines",
        "name": "theory: rank is lost above",
        "x": ends,
        "y": ends,
    }
    data.append({**line, "line": {"color": PALETTE[1], "dash": "dash"}})
    layout = {
        "xaxis": axis("penalty at which theory lets the last direction go", log=True),
        "yaxis": axis("penalty in training", log=True),
        "legend": LEGEND,
    }
    caption = "Every point is a trained group. Below the line theory keeps directions, above it none (claim T4)."
    return [Chart("phases", "Phase diagram: where training gives up rank", caption, {"data": data, "layout": layout})]


def growth(results: Mapping[str, Result]) -> list[Chart]:
    """T1: units that serve a feature against its dimension, for each trained design, beside the floor of one atom."""
    if "T1" not in results:
        return []
    curves: dict[str, dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    for record in results["T1"].records:
        if record.task.kind != "measure" or "repeat" not in record.setting:
            continue
        d, served = int(record.setting["d"]), record.evidence.also.get("units_90")
        if isinstance(served, float) and served > 0:
            curves[str(record.setting["case"])][d].append(served)
    shown = {
        case: _sorted({d: mean(v) for d, v in values.items()}) for case, values in curves.items() if len(values) > 1
    }
    if not shown:
        return []
    caption = (
        "Units that carry 90 % of an isolated feature, mean over seeds (claim T1). One group stays at one; atoms "
        "multiply with the dimension."
    )
    title = "Learned units against true dimension"
    return [line_chart("growth", title, caption, shown, "dimension of the feature", "units a feature", log_y=True)]


def _sorted(values: Mapping[int, float]) -> tuple[list[int], list[float]]:
    dims = sorted(values)
    return dims, [values[d] for d in dims]
