"""Fields of frozen dataclasses: check them, and store numbers as the plain ones that JSON can hold."""

from __future__ import annotations

import math
from typing import Any

from sasa_theory.bounds.validate import Floats, count, real


def set_whole(instance: Any, *names: str) -> None:
    """Check that the named fields are whole numbers >= 1 and store them as int (``4.0``, as JSON may have it, as 4)."""
    for name in names:
        object.__setattr__(instance, name, int(_one(name, count(name, getattr(instance, name)))))


def set_real(
    instance: Any,
    name: str,
    low: float,
    high: float = math.inf,
    *,
    open_low: bool = False,
    open_high: bool = False,
) -> None:
    """Check that the named field is one number in the range and store it as float."""
    value = real(name, getattr(instance, name), low, high, open_low=open_low, open_high=open_high)
    object.__setattr__(instance, name, _one(name, value))


def is_a(cls: type, **named: object) -> None:
    """Check that the named values are instances of ``cls``."""
    for name, value in named.items():
        if not isinstance(value, cls):
            raise ValueError(f"{name} must be a {cls.__name__}, got {value!r}")


def _one(name: str, value: Floats) -> float:
    if value.ndim:
        raise ValueError(f"{name} must be one number, got an array of shape {value.shape}")
    return float(value)
