"""Argument checks shared by every package: one error that says what came, what was expected and how to mend it.

The checks live beside the bounds because everything above may import the bounds and the bounds import nothing of ours.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


def real(
    name: str,
    value: ArrayLike,
    low: float = -np.inf,
    high: float = np.inf,
    *,
    open_low: bool = False,
    open_high: bool = False,
) -> Floats:
    """Return ``value`` as float64, any shape, after checking that every entry lies between ``low`` and ``high``.

    Parameters
    ----------
    name : str
        The argument's name as the caller wrote it; it opens the error message.
    value : array_like
        What the caller passed.
    low, high : float
        The range; an end is excluded when ``open_low`` / ``open_high`` is set. Infinities are always refused.

    Raises
    ------
    ValueError
        If an entry is NaN, infinite, not a real number, or outside the range. The message names argument, value and
        range.
    """
    try:
        array = np.asarray(value)
        if array.dtype == object and all(isinstance(entry, int | float) for entry in array.flat):
            array = array.astype(np.float64)  # whole numbers beyond 64 bits
        if array.dtype.kind not in "fiu":  # neither text, nor truth values, nor complex numbers
            raise TypeError
        array = array.astype(np.float64)
    except (TypeError, ValueError, OverflowError):
        raise ValueError(
            f"{name} must be a real number in {_range(low, high, open_low, open_high)}, got {value!r}"
        ) from None
    below = array <= low if open_low else array < low
    above = array >= high if open_high else array > high
    bad = below | above | ~np.isfinite(array)
    if bad.any():
        first = float(array[bad].flat[0])
        raise ValueError(f"{name} must be in {_range(low, high, open_low, open_high)}, got {first:g}")
    return array


def count(name: str, value: ArrayLike, low: int = 1, high: float = np.inf) -> Floats:
    """Return ``value`` as float64 after checking that every entry is a whole number between ``low`` and ``high``.

    Counts stay float64 because the formulas they enter are; every whole number up to 2**53 is exact.

    Raises
    ------
    ValueError
        If an entry is NaN, infinite, not whole, or outside the range.
    """
    array = real(name, value, low, high)
    whole = array == np.floor(array)
    if not whole.all():
        first = float(array[~whole].flat[0])
        raise ValueError(f"{name} must be a whole number in {_range(low, high, False, False)}, got {first:g}")
    return array


def at_most(name: str, value: Floats, limit_name: str, limit: Floats) -> None:
    """Check ``value <= limit`` entry by entry (after broadcasting), for two arguments that constrain each other.

    Raises
    ------
    ValueError
        At the first pair that breaks the order, naming both arguments and both values.
    """
    value, limit = np.broadcast_arrays(value, limit)
    bad = value > limit
    if bad.any():
        got, most = float(value[bad].flat[0]), float(limit[bad].flat[0])
        raise ValueError(f"{name} must be at most {limit_name} = {most:g}, got {got:g}")


def choice(name: str, value: str, options: Iterable[str]) -> str:
    """Return ``value`` if it is one of ``options``.

    Raises
    ------
    ValueError
        Otherwise, with the nearest option if one is close, and all of them.
    """
    known = list(options)
    if value in known:
        return value
    near = difflib.get_close_matches(str(value), known, n=1, cutoff=0.5)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    raise ValueError(f"{name} must be one of {', '.join(map(repr, known))}, got {value!r}{hint}")


def known_fields(cls: type, mapping: Mapping[str, Any]) -> None:
    """Check that ``mapping`` names only fields of the dataclass ``cls``.

    Raises
    ------
    ValueError
        At the first unknown name, with the nearest field.
    """
    names = [f.name for f in fields(cls) if f.init]
    for key in mapping:
        choice(f"field of {cls.__name__}", key, names)


def _range(low: float, high: float, open_low: bool, open_high: bool) -> str:
    left = "(" if open_low or low == -np.inf else "["
    right = ")" if open_high or high == np.inf else "]"
    return f"{left}{low:g}, {high:g}{right}"
