"""Whole-number fields of frozen dataclasses."""

from __future__ import annotations

from typing import Any

from sasa_theory.bounds.validate import count


def set_whole(instance: Any, *names: str) -> None:
    """Check that the named fields are whole numbers >= 1 and store them as int (``4.0``, as JSON may have it, as 4)."""
    for name in names:
        object.__setattr__(instance, name, int(count(name, getattr(instance, name))))
