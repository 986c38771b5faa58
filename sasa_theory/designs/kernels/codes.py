"""Dense codes a few rows at a time, and the scores by which units compete."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from torch import Tensor

from .dense import autocast_dtype, product
from .rule import TopUnits

_BUFFER = 1 << 24
"""Bytes of codes computed at once: they shall stay in the cache until they have been looked through.

A quarter of it where the encoder is no larger than that, so that it costs little to read it once more.
"""

_FEW_ROWS = 64
"""Rows up to which the order of the encoder is left as it is; so it is where the encoder is large."""


class Encoder(NamedTuple):
    """A linear encoder of centred rows and the way its units compete.

    Attributes
    ----------
    weight : Tensor, shape (units * rank, width)
    bias : Tensor, shape (units * rank,), or None
    gain : Tensor, shape (units,), or None
        Factor of the scores.
    rule : TopUnits
    """

    weight: Tensor
    bias: Tensor | None
    gain: Tensor | None
    rule: TopUnits

    @property
    def n_units(self) -> int:
        """Number of units."""
        return len(self.weight) // self.rule.rank

    def chunks(self, x: Tensor) -> Iterator[Tensor]:
        """Codes of the rows in order, a few at a time, each of shape (some rows, units, rank)."""
        low, rank = autocast_dtype(x.device), self.rule.rank
        weight, bias = self.weight, self.bias
        turned = rank > 1 and self.rule.over == "row" and len(x) > _FEW_ROWS and weight.nbytes <= _BUFFER // 4
        if turned:
            weight, bias = _turned(weight, rank), None if bias is None else _turned(bias, rank)
        weight = weight if low is None else weight.to(low)
        for rows in x.split(rows_at_once(len(weight), x.element_size(), weight.nbytes)):
            if low is None:
                codes = product(rows, weight, bias)
            else:
                codes = product(rows.to(low), weight).to(x.dtype)
                if bias is not None:
                    codes += bias
            yield codes.unflatten(1, (rank, -1)).mT if turned else codes.unflatten(1, (-1, rank))

    def scores(self, codes: Tensor) -> Tensor:
        """Scores of the codes of all units, shape (..., units, rank) to (..., units)."""
        scores = size(codes, self.rule)
        return scores if self.gain is None else scores * self.gain

    def scores_of(self, codes: Tensor, units: Tensor) -> Tensor:
        """Scores of the codes of some units, shapes (..., rank) and (...) to (...)."""
        scores = size(codes, self.rule)
        return scores if self.gain is None else scores * self.gain[units]


def rows_at_once(columns: int, bytes_each: int, encoder_bytes: int) -> int:
    """Rows whose codes are computed at once, by an encoder of this many bytes."""
    buffer = _BUFFER if encoder_bytes > _BUFFER // 4 else _BUFFER // 4
    return max(1, buffer // (columns * bytes_each))


def size(codes: Tensor, rule: TopUnits) -> Tensor:
    """Norm of each unit's columns, or the value of its only one, shape (..., rank) to (...)."""
    if rule.rank > 1:
        return codes.norm(dim=-1) if codes.stride(-1) == 1 else _norms_of_turned(codes)
    return codes.squeeze(-1) if rule.by == "value" else codes.squeeze(-1).abs()


def _turned(columns: Tensor, rank: int) -> Tensor:
    """Columns in another order: the first of all units, then the second of all, ...; sums over a unit run faster."""
    return columns.unflatten(0, (-1, rank)).transpose(0, 1).flatten(0, 1)


def _norms_of_turned(codes: Tensor) -> Tensor:
    first, *others = codes.unbind(dim=-1)
    squares = first.square()
    for column in others:
        squares.addcmul_(column, column)
    return squares.sqrt_()
