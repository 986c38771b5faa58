"""All checks by name, in the order in which they run: the first failure often explains the later ones."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from ..check import Check
from . import activity, gradients, numerics, rows, shapes, state

CHECKS: Mapping[str, Check] = MappingProxyType(
    {check.name: check for module in (shapes, activity, rows, state, gradients, numerics) for check in module.CHECKS}
)
