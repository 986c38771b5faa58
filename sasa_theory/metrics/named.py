"""Any metric by name: ours, those of others as they define them, and both for features of one dimension alone."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

from sasa_theory.bounds.validate import choice

from .as_published import AS_PUBLISHED, CORRECTIONS
from .contract import Metric, Reading
from .registry import METRICS

if TYPE_CHECKING:
    from .observation import Observation

_OF_DIMENSION = re.compile(r"(\w+)_d(\d+)")


@cache
def metric(name: str) -> Metric:
    """The metric of this name.

    Besides the names in :data:`METRICS` and :data:`AS_PUBLISHED`, each may be followed by ``_d`` and a number: the mean
    over features of that dimension, for metrics that have a value for each feature.

    >>> metric("units_90"), metric("published_atoms_90"), metric("units_90_d4")

    Raises
    ------
    ValueError
        If there is none of that name, with the nearest.
    """
    known = {**METRICS, **AS_PUBLISHED, **CORRECTIONS}
    restricted = _OF_DIMENSION.fullmatch(name)
    if name not in known and restricted and restricted[1] in known:
        return _of_dimension(known[restricted[1]], int(restricted[2]))
    return known[choice("metric", name, known)]


def of_dimension(name: str, dim: int) -> str:
    """Name of a metric for features of one dimension alone."""
    return f"{name}_d{dim}"


def _of_dimension(whole: Metric, dim: int) -> Metric:
    def measure(observation: Observation) -> Reading:
        each = observation.kept(whole.measure).each
        if each is None or len(each) != len(observation.dims):
            raise ValueError(f"{whole.name} has no value for each feature, so that none is of dimension {dim}")
        each = each.double().masked_fill(observation.dims.to(each.device) != dim, float("nan"))
        return Reading(float(each.nanmean()), each)

    measure.__doc__ = f"Over features of dimension {dim} alone: {whole.definition}"
    name, title = of_dimension(whole.name, dim), f"{whole.title}, d = {dim}"
    return replace(whole, name=name, title=title, measure=measure, floor=None)
