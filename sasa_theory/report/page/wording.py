"""Numbers as text: no more digits than their intervals carry."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from sasa_theory.benchmark.comparing import Estimate

NOTHING = "–"
_MOST_DECIMALS = 3
_ROUNDING = 1e-12


def number(value: float | None, digits: int = 3) -> str:
    """A number with so many significant digits, rounding errors as 0; a dash where there is none."""
    if value is None or math.isnan(value):
        return NOTHING
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    if abs(value) < _ROUNDING:
        return "0"
    return f"{value:,.{digits}g}" if abs(value) < 10**digits else f"{value:,.0f}"


def rounded(found: Estimate) -> str:
    """A mean with the decimals that its interval carries: the last is in doubt."""
    if not math.isfinite(found.mean):
        return number(found.mean)
    return f"{found.mean:.{_decimals(found.high - found.mean)}f}"


def with_interval(found: Estimate) -> str:
    """A mean and half its interval, both with the decimals that the latter carries."""
    half = found.high - found.mean
    if not math.isfinite(found.mean) or not math.isfinite(half):
        return rounded(found)
    return f"{rounded(found)} ± {half:.{_decimals(half)}f}"


def span(ends: Sequence[float] | None) -> str:
    """Two ends, or one number where they are the same in print."""
    if ends is None:
        return NOTHING
    low, high = number(ends[0]), number(ends[1])
    return low if low == high else f"{low} to {high}"


def settings(values: Mapping[str, Any]) -> str:
    """``name = value`` for each, numbers short."""
    return ", ".join(
        f"{name} = {number(value) if isinstance(value, float) else value}" for name, value in values.items()
    )


def counted(amount: int, noun: str) -> str:
    """``1 claim``, ``2 claims``."""
    return f"{amount:,} {noun}{'' if amount == 1 else 's'}"


def _decimals(half: float) -> int:
    if not math.isfinite(half):
        return 2
    if half <= 0:
        return _MOST_DECIMALS
    return min(_MOST_DECIMALS, max(0, -math.floor(math.log10(half))))
