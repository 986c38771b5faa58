"""Which units of a row fire: the declaration that fast kernels and their reference both read."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from sasa_theory.bounds.validate import choice, count


@dataclass(frozen=True)
class TopUnits:
    """Keep the units with the largest scores.

    Attributes
    ----------
    count : int
        Units kept a row.
    rank : int
        Columns of a unit.
    by : str
        Score of a unit: ``norm`` of its columns, or the signed ``value`` of its only column.
    over : str
        ``row``: ``count`` units in every row; ``batch``: the ``count * rows`` best of the whole batch.
    screen : bool
        Look through the units in low precision first and decide among the best in full precision. The selection is then
        exact but for units whose scores differ by less than :data:`~sasa_theory.designs.kernels.SCREEN_TOLERANCE`
        of the product of the norms.
    """

    count: int
    rank: int = 1
    by: Literal["norm", "value"] = "norm"
    over: Literal["row", "batch"] = "row"
    screen: bool = False

    def __post_init__(self) -> None:
        _check(self.count, self.rank, self.by, self.over)


@lru_cache(maxsize=256, typed=True)  # designs declare their rule anew in each step
def _check(kept: int, rank: int, by: str, over: str) -> None:
    count("count", kept)
    count("rank", rank)
    choice("by", by, ("norm", "value"))
    choice("over", over, ("row", "batch"))
    if by == "value" and rank > 1:
        raise ValueError(f"by='value' needs rank 1, got rank {rank}; the nearest possible is by='norm'")
