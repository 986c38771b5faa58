"""Results of ``sasa-theory real`` as tables and charts: evaluations, curves, concepts and the clocks."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .charts import LEGEND, Chart, axis, heat_map, line_chart, look, plain
from .inputs import LanguageKind, LanguageResult
from .metric_notes import note
from .wording import NOTHING, counted, number

_RECONSTRUCTION = {
    "ev": "explained variance",
    "cosine": "cosine",
    "relative_norm": "relative norm",
    "columns": "active columns",
    "units": "active units",
    "bits": "bits of the support",
    "dead": "dead units",
}
_QUALITIES = {"ev": "explained variance", "recovered": "loss recovered"}


@dataclass(frozen=True)
class PlainTable:
    """A table of texts."""

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Shown:
    """One result: a heading, a sentence, tables and charts."""

    heading: str
    sentence: str
    tables: tuple[PlainTable, ...] = ()
    charts: tuple[Chart, ...] = ()


def shown(results: Iterable[LanguageResult]) -> tuple[Shown, ...]:
    """Every result, in the order given.

    Raises
    ------
    ValueError
        If one is damaged, or of another version.
    """
    found = []
    for k, result in enumerate(results, 1):
        try:
            found.append(_SHOW[result.kind](result.values, result.name, f"language-{k}"))
        except (KeyError, TypeError, AttributeError, IndexError, ValueError) as error:
            said = f"{type(error).__name__}: {error}"
            raise ValueError(f"{result.kind} of {result.name} is damaged or of another version ({said})") from None
    return tuple(found)


def _evaluation(values: Mapping[str, Any], name: str, id: str) -> Shown:
    here, chance = values["reconstruction"], values["chance"]
    rows = [(title, number(here[key], 4), number(chance[key], 4)) for key, title in _RECONSTRUCTION.items()]
    lost = values["fidelity"]
    if lost is not None:
        for ablation in ("zero", "mean"):
            score = lost[ablation]["ce_score"]
            ends = f"{number(score['value'], 4)} ({number(score['low'], 4)} to {number(score['high'], 4)})"
            rows.append((f"loss recovered ({ablation} ablation)", ends, "0"))
    known = {"rows", "unseen", "reconstruction", "chance", "fidelity"}
    rows += [(path, text, "") for path, text in _flat({k: v for k, v in values.items() if k not in known})]
    text = {True: "text that training has not read", False: "text that training has read", None: "text"}
    measured = f"{values['rows']:,} activations of {text[values['unseen']]}"
    sentence = f"Measured on {measured}; chance is a random dictionary of its sizes."
    return Shown(f"Evaluation: {name}", sentence, (PlainTable("Evaluation", ("", "value", "chance"), tuple(rows)),))


def _curves(values: Mapping[str, Any], name: str, id: str) -> Shown:
    curves: Mapping[str, Sequence[Mapping[str, Any]]] = values["curves"]
    charts = []
    for key, title in _QUALITIES.items():
        points = {d: ([p["tokens"] for p in ps], [p[key] for p in ps]) for d, ps in curves.items()}
        if any(value is not None for _, ys in points.values() for value in ys):
            caption = "Held-out text; every design meets the same batches."
            heading = f"{title.capitalize()} against tokens seen"
            charts.append(line_chart(f"{id}-{key}", heading, caption, points, "tokens seen", title, log_x=True))
    head = ("design", "tokens", *_QUALITIES.values(), "columns", "units", "bits", "dead")
    ends = {design: points[-1] for design, points in curves.items()}
    keys = ("tokens", *_QUALITIES, "columns", "units", "bits", "dead")
    rows = tuple((design, *(number(end[key], 4) for key in keys)) for design, end in ends.items())
    text = "stayed unread" if values["unseen"] else "came round again in training"
    return Shown(
        f"Comparison: {name}", f"The held-out text {text}.", (PlainTable("At the end", head, rows),), tuple(charts)
    )


def _concepts(values: Sequence[Mapping[str, Any]], name: str, id: str) -> Shown:
    tables, charts = [], []
    head = ("design", "how", "columns", "AUC", "energy", "order on the circle", "chance")
    for k, study in enumerate(values, 1):
        rows = []
        for held in study["held"]:
            circle, firing = held["circle"], held["firing"]
            order = (
                (number(circle["score"]["value"]), number(circle["score"]["null"])) if circle else (NOTHING, NOTHING)
            )
            auc = number(firing["auc"], 4) if firing else NOTHING
            rows.append((held["design"], held["how"], str(held["rank"]), auc, number(held["energy"]), *order))
        tables.append(PlainTable(f"{study['concept']}: units that hold it", head, tuple(rows)))
        charts.append(_circle(study, f"{id}-{k}"))
    return Shown(
        f"Concepts: {name}",
        "Units that hold a concept, and the circle of its labels in them.",
        tuple(tables),
        tuple(charts),
    )


def _circle(study: Mapping[str, Any], id: str) -> Chart:
    """The labels in the plane of their means, in the model and in the judged unit, each scaled to one size."""
    planes = {"activations": study["activations"]["plane"]}
    first = study["held"][0]
    if first["circle"]:
        planes[f"{first['design']}: its unit"] = first["circle"]["plane"]
    data = []
    for k, (name, plane) in enumerate(planes.items()):
        points = np.asarray(plane, dtype=float)
        points = points / np.sqrt(np.square(points).sum(axis=1).mean())
        closed = np.concatenate((points, points[:1])) if study["cyclic"] else points
        labels = [*study["labels"], *([""] if study["cyclic"] else [])]
        data.append({
            "type": "scatter", "mode": "lines+markers+text", "name": plain(name), "x": closed[:, 0].tolist(),
            "y": closed[:, 1].tolist(), "text": list(map(plain, labels)), "textposition": "top center", **look(k),
        })  # fmt: skip
    layout = {
        "xaxis": axis("first direction"),
        "yaxis": {**axis("second direction"), "scaleanchor": "x"},
        "legend": LEGEND,
    }
    caption = "Mean of each label in the plane of the means, scaled to one size; planes are turned freely."
    return Chart(
        id,
        f"{study['concept']} in the model and in a unit",
        caption,
        {"data": data, "layout": layout},
        520,
        square=True,
    )


def _demo(values: Mapping[str, Any], name: str, id: str) -> Shown:
    designs = values["values"]
    metrics = list(dict.fromkeys(metric for of in designs.values() for metric in of))
    rows = []
    for metric in metrics:
        cells = [number(_mean(of[metric])) for of in designs.values()]
        chance = [number(_mean(values["null"][design][metric])) for design in designs]
        rows.append((note(metric).title, *cells, " / ".join(chance), number(_mean(values["oracle"][metric]))))
    head = ("mean over clocks and seeds", *designs, "chance", "truth")
    tables = [PlainTable("Clocks", head, tuple(rows))]
    moved = tuple((arm, number(_mean(of))) for arm, of in values["moved"].items())
    tables.append(PlainTable("Answers that a turned circle moves", ("what is turned", "share of answers moved"), moved))
    hours = [f"{hours} h" for hours in values["clocks"]]
    shares = [np.asarray(of["recovery"], dtype=float).mean(axis=0).tolist() for of in designs.values()]
    chart = heat_map(
        f"{id}-recovery", "Truth × learned: which circle each design recovers",
        "Recovery of each known circle, mean over seeds: 1 if one unit spans it and nothing else.",
        shares, hours, list(designs), ("clock", "design", "recovery"),
    )  # fmt: skip
    lesson = values["plan"]["lesson"]
    embedded = "learned embeddings" if lesson["learned"] else "hours embedded on known circles"
    sentence = (
        f"Trained to add on {counted(len(lesson['clocks']['hours']), 'clock')}, {embedded}; right on "
        f"{values['accuracy']:.1%} of unseen sums. Judged on the {counted(len(hours), 'clock')} of nine hours or more."
    )
    title = f"A transformer whose circles are known ({lesson['architecture']})"
    return Shown(title, sentence, tuple(tables), (chart,))


def _mean(values: Any) -> float:
    """Over all levels of nested lists; None is left out."""
    flat = [v for v in np.ravel(np.asarray(values, dtype=object)) if v is not None]
    return float(np.mean(np.asarray(flat, dtype=float))) if flat else math.nan


def _flat(values: Any, path: str = "") -> list[tuple[str, str]]:
    """Numbers and texts under their path; lists only of numbers, few of them."""
    if isinstance(values, Mapping):
        return [pair for key, value in values.items() for pair in _flat(value, f"{path}, {key}" if path else str(key))]
    if isinstance(values, bool | str):
        return [(path.replace("_", " "), str(values))]
    if isinstance(values, int | float):
        return [(path.replace("_", " "), number(values, 4))]
    return []


_SHOW: dict[LanguageKind, Callable[[Any, str, str], Shown]] = {
    "evaluation": _evaluation,
    "curves": _curves,
    "concepts": _concepts,
    "demo": _demo,
}
