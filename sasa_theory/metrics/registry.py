"""Every metric by name."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from . import (
    absorption,
    activation,
    clustering,
    covering,
    description,
    dimension,
    irreducibility,
    matching,
    reconstruction,
    recovery,
    shapley,
    shrinkage,
    splitting,
    support,
    tiling,
)
from .contract import Metric

_MODULES = (
    absorption,
    activation,
    clustering,
    covering,
    description,
    dimension,
    irreducibility,
    matching,
    reconstruction,
    recovery,
    shapley,
    shrinkage,
    splitting,
    support,
    tiling,
)

METRICS: Mapping[str, Metric] = MappingProxyType(
    {metric.name: metric for module in _MODULES for metric in module.METRICS}
)
