"""All metrics of a design in a world, beside what chance and truth get on the same rows."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace

import torch

from sasa_theory import designs
from sasa_theory.designs.contract import Design
from sasa_theory.designs.references import oracle
from sasa_theory.designs.references.oracle import OracleConfig
from sasa_theory.seeds import generator_for

from .contract import Metric, Score
from .named import metric as metric_of
from .observation import Observation, observe
from .registry import METRICS
from .rows import KnownWorld, Rows
from .units import like_parameters

NULLS = 3
"""Random dictionaries behind a null."""


def judge(
    design: Design,
    world: KnownWorld,
    *,
    rows: int = 20_000,
    seed: int = 0,
    only: Iterable[str] | None = None,
    calibrate: bool = True,
) -> Mapping[str, Score]:
    """Measure a design in a world.

    >>> scores = judge(design, World.build(preset("theorem"), seed=0))
    >>> scores["capture"].value, scores["capture"].null, scores["capture"].oracle

    Parameters
    ----------
    design : Design
        What to judge; :func:`sasa_theory.designs.as_design` wraps any module with ``encode`` and ``decode``.
    world : KnownWorld
        Of the same width.
    rows : int
        Labelled rows looked at.
    seed : int
        Of rows and of random dictionaries.
    only : iterable of str, optional
        Names of metrics; all if omitted.
    calibrate : bool
        Whether to measure random dictionaries of the design's shape and the world's true subspaces as well.

    Raises
    ------
    ValueError
        If a metric is unknown, the widths differ, or the decoder is not affine.
    """
    names = METRICS if only is None else only
    chosen = [METRICS[name] if name in METRICS else metric_of(name) for name in names]
    observation = observe(design, world, rows, seed)
    scores = {metric.name: _score(metric, observation) for metric in chosen}
    if not calibrate:
        return scores
    nulls = [read(chosen, observe(random, world, rows, seed)) for random in random_like(observation, seed)]
    truth = read(chosen, observe(true_subspaces(observation), world, rows, seed))
    return {
        name: replace(score, null=_range(null[name] for null in nulls), oracle=truth[name])
        for name, score in scores.items()
    }


def read(metrics: Iterable[Metric], observation: Observation) -> dict[str, float]:
    """Values of some metrics by name."""
    return {metric.name: observation.kept(metric.measure).value for metric in metrics}


def random_like(observation: Observation, seed: int = 0) -> list[Design]:
    """Random dictionaries with as many units, columns in each of them and active units a row as a design has.

    If all units have one column, and the codes never are negative, they are atoms whose codes are rectified; else
    uniform subspaces, each of the dimension of one of the design's units (at most the width).
    """
    units, width = observation.units, observation.design.width
    active = min(units.count, max(1, round(observation.reconstruction.units)))
    seeds = range(seed + 1, seed + 1 + NULLS)
    if units.rank == 1 and not observation.reconstruction.signed:
        return [designs.get("random", width=width, atoms=units.count, k=active, seed=s) for s in seeds]
    subspaces = OracleConfig(width=width, dims=tuple(units.sizes.clamp(1, width).tolist()), active=active)
    return [subspaces.build(generator_for("weights", s)) for s in seeds]


def true_subspaces(observation: Observation) -> Design:
    """The subspaces of the world that was looked at, gated on the same rows; see :func:`gated_subspaces`."""
    return gated_subspaces(observation.rows)


def gated_subspaces(rows: Rows) -> Design:
    """The world's subspaces, firing as nearly with their features as the lengths of projections can tell.

    In each row fire as many as are present, if that is the same in all rows; else at most as many as ever are, those
    whose projections exceed a threshold: the one of largest support F1, over all pairs of rows and features. Always as
    many as the mean would be far from the truth where rows differ: most of them would have too many or too few.
    """
    world = rows.world
    present = torch.cat([torch.bincount(block.truth.samples, minlength=len(block.x)) for block in rows])
    most, size = max(1, int(present.max())), next(iter(rows)).truth.size[1]
    bases = [world.basis(i).detach() for i in range(size)]
    dims, bias = [len(basis) for basis in bases], world.bias.to(bases[0])
    ungated = oracle(torch.cat(bases), dims, most, bias=bias)
    if (present == most).all():
        return ungated
    return oracle(torch.cat(bases), dims, most, bias=bias, threshold=_threshold(ungated, rows))


@torch.no_grad()
def _threshold(ungated: Design, rows: Rows) -> float:
    """Length of largest F1 between present features and units that are as long; 0 if all that fire should."""
    lengths, right, total = [], [], 0
    for block in rows:
        sizes = ungated.presence(ungated.encode(block.x.to(like_parameters(ungated))))
        present = torch.zeros_like(sizes, dtype=torch.bool)
        present[block.truth.samples, block.truth.features] = True
        lengths.append(sizes[sizes > 0])
        right.append(present[sizes > 0])
        total += len(block.truth.samples)
    length, order = torch.cat(lengths).double().sort(descending=True)
    hits = torch.cat(right)[order].cumsum(0)
    firings = torch.arange(1, len(length) + 1, device=length.device)
    kept = int((2 * hits / (firings + total)).argmax()) + 1
    # in the middle of orders of magnitude: what should not fire may be rounding
    return 0.0 if kept == len(length) else float((length[kept - 1] * length[kept]).sqrt())


def _score(metric: Metric, observation: Observation) -> Score:
    value, each = observation.kept(metric.measure)
    floor = None if metric.floor is None else metric.floor(observation)
    return Score(metric=metric, value=value, each=each, floor=floor)


def _range(values: Iterable[float]) -> tuple[float, float]:
    """Lowest and highest of those that are defined; NaN if none is."""
    found = [value for value in values if not math.isnan(value)]
    return (min(found), max(found)) if found else (math.nan, math.nan)
