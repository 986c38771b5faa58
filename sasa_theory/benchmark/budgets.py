"""Sizes that make designs of different form comparable: as many columns, as many units, or as many bits.

The reference is a design of groups that could hold every feature: half as many groups again as there are features, each
of the largest feature's dimension, as many active as features are. A design whose units are of another rank (1 for
vector SAEs) gets the units, and the active units, that agree with it in one currency.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, lgamma, log
from typing import Literal, get_args

from sasa_theory.bounds.validate import choice, count
from synthetic import WorldConfig

Match = Literal["columns", "units", "bits"]
"""In what sizes agree.

``columns``: columns in all and active ones: parameters, and numbers a code holds. ``units``: units in all and active
ones: things that may stand for a feature. ``bits``: columns in all, and ``log2 C(units, active)``, what it takes to say
which units are active.
"""

SPARE = 1.5
"""Groups of the reference for each feature."""


@dataclass(frozen=True)
class Size:
    """How large a design is.

    Attributes
    ----------
    units : int
        Units in all.
    rank : int
        Columns of each.
    active : int
        Units that may be active in a row.
    """

    units: int
    rank: int
    active: int

    @property
    def columns(self) -> int:
        """Columns in all."""
        return self.units * self.rank

    @property
    def active_columns(self) -> int:
        """Columns that may be active in a row."""
        return self.active * self.rank

    @property
    def bits(self) -> float:
        """``log2 C(units, active)``."""
        return _log2_choose(self.units, self.active)

    def __str__(self) -> str:
        return (
            f"{self.units} units of rank {self.rank}, {self.active} active: {self.columns} columns, "
            f"{self.active_columns} active, {self.bits:.1f} bits"
        )


def reference(config: WorldConfig, active: int, spare: float = SPARE, rank: int | None = None) -> Size:
    """The design of groups that others are matched to, for a world with about ``active`` features in a row.

    It has ``spare`` groups for each feature, each of ``rank`` columns, or of the largest feature's dimension if None.
    """
    return Size(ceil(spare * config.size), max(config.dims) if rank is None else rank, active)


def matched(target: Size, rank: int, match: Match = "columns") -> Size:
    """The size, in units of ``rank``, that agrees with a target.

    Where a whole number of units does not agree exactly, the nearest one; at least one unit, at least one active.

    Parameters
    ----------
    target : Size
        What to agree with.
    rank : int
        Columns of a unit.
    match : str
        In what to agree, see :data:`Match`.

    Raises
    ------
    ValueError
        If ``match`` is unknown or the rank no whole number >= 1.
    """
    choice("match", match, get_args(Match))
    rank = int(count("rank", rank))
    if match == "units":
        return Size(target.units, rank, target.active)
    units = max(1, round(target.columns / rank))
    if match == "columns":
        return Size(units, rank, min(units, max(1, round(target.active_columns / rank))))
    rising = range(1, max(1, units // 2) + 1)  # C(units, active) rises up to the middle
    return Size(units, rank, min(rising, key=lambda active: abs(_log2_choose(units, active) - target.bits)))


def _log2_choose(n: int, k: int) -> float:
    return (lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1)) / log(2)
