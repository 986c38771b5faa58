"""Every metric of others by name."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from ..contract import Metric
from . import atoms, correlations, coverings, groups, owners, ranks
from .published import Published

_MODULES = (atoms, coverings, owners, groups, ranks, correlations)

AS_PUBLISHED: Mapping[str, Published] = MappingProxyType(
    {metric.name: metric for module in _MODULES for metric in module.METRICS}
)

CORRECTIONS: Mapping[str, Metric] = MappingProxyType({correlations.USED.name: correlations.USED})
"""Metrics of ours that stand only beside those of others."""
