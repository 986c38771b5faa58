"""Every bound beside a slow, obvious value at 50 digits: quadrature, products, searches, differences.

Nothing on the oracles' side copies a closed form of the package; each takes the same arguments as its bound.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
from mpmath import mp, mpf

from sasa_theory import bounds

from . import oracles_geometry, oracles_groups

FUNCTIONS = [name for name in bounds.__all__ if not inspect.isclass(getattr(bounds, name))]
ORACLES: dict[str, Callable[..., Any]] = {
    name: getattr(module, name)
    for name in FUNCTIONS
    for module in (oracles_geometry, oracles_groups)
    if hasattr(module, name)
}
RELATIVE = mpf("1e-12")
_LEAST, _LARGEST = mpf(np.finfo(float).tiny), mpf(np.finfo(float).max)


def close(got: Any, expected: mpf, unit: float = 0.0) -> None:
    """Assert agreement to 1e-12 of the value, or of ``unit`` where the value is smaller than that."""
    got = float(got)
    if abs(expected) > _LARGEST:
        assert got == (np.inf if expected > 0 else -np.inf)
    elif abs(expected) < _LEAST and not unit:
        assert abs(got) <= _LEAST  # float64 may round to zero or keep a few digits
    else:
        assert abs(mpf(got) - expected) <= RELATIVE * max(abs(expected), mpf(unit)), (
            f"got {got!r}, expected {mp.nstr(expected, 17)}"
        )


def agree(name: str, *args: Any, **kwargs: Any) -> None:
    """Assert that a bound and its oracle agree at these arguments; logs near 0 absolutely."""
    got, expected = getattr(bounds, name)(*args, **kwargs), ORACLES[name](*args, **kwargs)
    unit = 1.0 if name.startswith("log_") else 0.0
    if isinstance(expected, tuple):
        for g, e in zip(got, expected, strict=True):
            close(g, e, unit)
    else:
        close(got, expected, unit)
