"""All metrics of a design in a world, beside what chance and truth get on the same rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

import torch

from sasa_theory import designs
from sasa_theory.bounds.validate import choice
from sasa_theory.designs.contract import Design
from sasa_theory.designs.references import oracle

from .contract import Metric, Score
from .observation import Observation, observe
from .registry import METRICS
from .rows import KnownWorld

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
    chosen = [METRICS[choice("metric", name, METRICS)] for name in (METRICS if only is None else only)]
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
    return {metric.name: metric.measure(observation).value for metric in metrics}


def random_like(observation: Observation, seed: int = 0) -> list[Design]:
    """Random dictionaries with as many units, columns a unit and active units a row as a design has.

    Units of one column are atoms whose codes are rectified if the design's never are negative; larger ones are uniform
    subspaces of the dimension of the design's largest unit.
    """
    units, width = observation.units, observation.design.width
    active = min(units.count, max(1, round(observation.reconstruction.units)))
    rank = min(units.rank, width)
    found: list[Design] = []
    for k in range(NULLS):
        if units.rank == 1 and not observation.reconstruction.signed:
            found.append(designs.get("random", width=width, atoms=units.count, k=active, seed=seed + 1 + k))
        else:
            sizes = {"groups": units.count, "rank": rank, "active": active}
            found.append(designs.get("random/groups", width=width, **sizes, seed=seed + 1 + k))
    return found


def true_subspaces(observation: Observation) -> Design:
    """The world's subspaces, the mean number of features in a row of them active."""
    bases, crowd = observation.bases, observation.crowd
    active = min(len(bases), max(1, round(len(crowd.present.rows) / crowd.rows)))
    return oracle(
        torch.cat(bases), [len(basis) for basis in bases], active, bias=observation.rows.world.bias.to(bases[0])
    )


def _score(metric: Metric, observation: Observation) -> Score:
    value, each = metric.measure(observation)
    floor = None if metric.floor is None else metric.floor(observation)
    return Score(metric=metric, value=value, each=each, floor=floor)


def _range(values: Iterable[float]) -> tuple[float, float]:
    found = list(values)
    return min(found), max(found)
