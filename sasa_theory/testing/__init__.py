"""Public test kit: whether a design keeps its promises, and hypothesis strategies for what theorems quantify over.

The strategies need hypothesis and the pytest parametrisation pytest; both are imported when they are first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .check import Check
from .checks.registry import CHECKS
from .conformance import CheckResult, NonConformanceError, Report, check_design
from .parametrising import parametrize_checks

if TYPE_CHECKING:
    from .strategies import (
        CovarianceSpec,
        DictionarySpec,
        PartitionSpec,
        covariances,
        dictionaries,
        partitions,
        worlds,
    )

__all__ = [
    "CHECKS",
    "Check",
    "CheckResult",
    "CovarianceSpec",
    "DictionarySpec",
    "NonConformanceError",
    "PartitionSpec",
    "Report",
    "check_design",
    "covariances",
    "dictionaries",
    "parametrize_checks",
    "partitions",
    "worlds",
]


def __getattr__(name: str) -> Any:
    """A strategy, imported when it is first asked for."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        strategies = import_module(f"{__name__}.strategies")
    except ModuleNotFoundError as error:
        if error.name != "hypothesis":
            raise
        raise ModuleNotFoundError(
            f"sasa_theory.testing.{name} needs hypothesis, which is not installed: pip install 'sasa-theory[test]'",
            name="hypothesis",
        ) from None
    return getattr(strategies, name)
