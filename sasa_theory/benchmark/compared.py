"""Designs compared by their records alone: rankings, and what the values are to be compared with."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sasa_theory.metrics import metric as known
from sasa_theory.metrics.contract import Direction

from .comparing import Estimate, estimate
from .diagnosis import Standing
from .paired import Paired
from .ranking import LEVEL, Ranking, rank
from .records import Record
from .twins import NAMES


@dataclass(frozen=True)
class Around:
    """What the values of a metric are to be compared with.

    Attributes
    ----------
    null : tuple of float, or None
        Lowest and highest value of chance over designs and seeds.
    oracle : float or None
        Mean value of the truth over designs and seeds.
    floor : tuple of float, or None
        Lowest and highest limit that theory sets, over designs: it depends on their form.
    """

    null: tuple[float, float] | None
    oracle: float | None
    floor: tuple[float, float] | None


@dataclass(frozen=True)
class Compared:
    """Designs on the same seeds of one world.

    Attributes
    ----------
    rankings : mapping of str to Ranking
        By metric.
    around : mapping of str to Around
        Chance, truth and theory, by metric.
    costs : mapping of str to Estimate
        Seconds of training by design, never ranked: records may be of different machines. NaN where a seed failed.
    failed : mapping of str to str
        Designs with a seed whose training failed, and why.
    """

    rankings: Mapping[str, Ranking]
    around: Mapping[str, Around]
    costs: Mapping[str, Estimate]
    failed: Mapping[str, str]


def compare(records: Mapping[str, Sequence[Record]], metrics: Sequence[str]) -> Compared:
    """Rank designs by each metric that was measured and is defined for any of them.

    Parameters
    ----------
    records : mapping of str to sequence of Record
        Runs by design, of the same seeds in the same order for all.
    metrics : sequence of str
        Names.

    Raises
    ------
    ValueError
        If there is no design, numbers of seeds differ, or a metric is unknown.
    """
    rankings = {}
    for metric in metrics:
        values = _paired(metric, records)
        if values is not None and values.defined:
            rankings[metric] = rank(values)
    every = [record for runs in records.values() for record in runs]
    return Compared(
        rankings=rankings,
        around={metric: _around(metric, every) for metric in rankings},
        costs={name: _cost(runs) for name, runs in records.items()},
        failed={name: run.failed for name, runs in records.items() for run in runs if run.failed},
    )


def standing(metric: str, records: Sequence[Record]) -> Standing:
    """A design's values of a metric over seeds, beside the means of chance, truth and theory's limit."""
    seeds = tuple(run.value(metric) for run in records)
    null, oracle, floor = (_known(mean(_bounds(metric, records, name))) for name in ("null", "oracle", "floor"))
    return Standing(mean(seeds), null, oracle, floor, seeds)


def direction(metric: str) -> Direction:
    """Which values of a metric, or of the consistency of seeds, are better."""
    return "higher" if metric in NAMES else known(metric).direction


def title(metric: str) -> str:
    """What it is called in tables."""
    return NAMES[metric] if metric in NAMES else known(metric).title


def mean(values: Sequence[float]) -> float:
    """NaN of nothing."""
    return float(np.mean(values)) if len(values) else np.nan


def _cost(runs: Sequence[Record]) -> Estimate:
    """Seconds of training; a run that failed stopped early, and its seconds say nothing."""
    if any(run.failed for run in runs):
        return Estimate(np.nan, np.nan, np.nan)
    return estimate([run.training for run in runs], LEVEL)


def _paired(metric: str, records: Mapping[str, Sequence[Record]]) -> Paired | None:
    values = {name: [run.value(metric) for run in runs] for name, runs in records.items()}
    truths = [mean(_bounds(metric, runs, "oracle")) for runs in zip(*records.values(), strict=True)]
    if direction(metric) != "nearest":
        return Paired(metric=metric, direction=direction(metric), values=values)
    if not np.isfinite(truths).all():
        return None
    return Paired(metric=metric, direction="nearest", values=values, oracle=truths)


def _around(metric: str, records: Sequence[Record]) -> Around:
    nulls = [run.metrics[metric].null for run in records if metric in run.metrics]
    pairs = np.array([null for null in nulls if null is not None and np.isfinite(null).all()])
    floors = _bounds(metric, records, "floor")
    return Around(
        null=(float(pairs[:, 0].min()), float(pairs[:, 1].max())) if len(pairs) else None,
        oracle=_known(mean(_bounds(metric, records, "oracle"))),
        floor=(min(floors), max(floors)) if floors else None,
    )


def _bounds(metric: str, records: Sequence[Record], name: str) -> list[float]:
    """Null (its middle), oracle or floor of each record that has it."""
    found = [getattr(run.metrics[metric], name) for run in records if metric in run.metrics]
    ends = [value if isinstance(value, tuple) else (value, value) for value in found if value is not None]
    return [(low + high) / 2 for low, high in ends if math.isfinite(low) and math.isfinite(high)]


def _known(value: float) -> float | None:
    return None if np.isnan(value) else value
