"""A first look at all units in 8-bit whole numbers, which a processor multiplies four times as fast as float32.

The best units of the look are encoded again in full precision and compete by their true scores. Where a unit that was
left out might still have won, the search is repeated in full precision.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from .codes import Encoder, rows_at_once
from .dense import autocast_dtype
from .search import Found, best_of_rows, best_of_stream, found_in_rows, picked, search, starts_of
from .selection import top_of_all, top_of_rows
from .sparse import sampled

SCREEN_TOLERANCE = 0.005
"""Largest error of a score in the first look, as a share of the product of the norms of the row and of the unit.

The error is taken as :data:`_DEVIATIONS` standard deviations of the rounding, which is measured row by row; rows and
encoders for which this exceeds the tolerance are searched in full precision.
"""

_DEVIATIONS = 5.0
"""Standard deviations that count as the error: a normal error exceeds it once in three million units."""

_SPARE = 16
"""Candidates a row beyond one and a half times the units that are kept."""

_LEVELS = 127
"""Largest whole number used."""

_PART = 1 << 18
"""Numbers rounded at once: they shall stay in the smallest shared cache."""

_TINY = 1e-30
"""Stands for a step of 0."""


class _Numbers(NamedTuple):
    """Rows in whole numbers: a row is about ``numbers * step``."""

    numbers: Tensor
    step: Tensor
    norm: Tensor
    """Norm of the row itself."""
    error: Tensor
    """Norm of what rounding changed, as a share of the row's norm."""


def screened_search(x: Tensor, encoder: Encoder) -> Found:
    """What :func:`search` finds, sooner on processors with 8-bit products; elsewhere it is that very search."""
    if x.device.type != "cpu" or autocast_dtype(x.device) is not None:
        return search(x, encoder)
    look = _Look(x, encoder)
    return look.best_of_batch() if encoder.rule.over == "batch" else look.best_of_rows()


class _Look:
    """A first look at all units of all rows."""

    def __init__(self, x: Tensor, encoder: Encoder) -> None:
        rule = encoder.rule
        self.x, self.encoder = x, encoder
        self.rows = _whole_numbers(x)
        # the first columns of all units come first, then the second ones, ...: sums over columns run along the units
        self.units = _whole_numbers(encoder.weight.reshape(encoder.n_units, -1))
        self.weight = self.units.numbers.view(encoder.n_units, rule.rank, -1).transpose(0, 1).flatten(0, 1).mT
        self.bias = None
        if encoder.bias is not None:
            self.bias = (encoder.bias.reshape(-1, rule.rank) / self.units.step).mT.contiguous()
        gain = 1.0 if encoder.gain is None else encoder.gain
        self.factor = self.units.step.squeeze(1) * gain
        deviation = torch.hypot(self.rows.error, self.units.error.max()) / math.sqrt(x.shape[1])
        self.trusted = (_DEVIATIONS * deviation <= SCREEN_TOLERANCE) & (self.rows.norm > 0)
        self.margin = _DEVIATIONS * deviation * self.rows.norm * (self.units.norm * gain).max()

    def chunks(self) -> Iterator[Tensor]:
        """Scores in units of the rows' steps, a few rows at a time, each of shape (some rows, units)."""
        columns = self.weight.shape[1]
        size = min(len(self.x), self._rows_at_once())
        # kept from chunk to chunk: fresh memory would cost as much as filling it
        products = torch.empty(size, columns, dtype=torch.int32)
        buffer = self.x.new_empty(size, columns)
        for numbers, step in zip(self.rows.numbers.split(size), self.rows.step.split(size), strict=True):
            torch._int_mm(numbers, self.weight, out=products[: len(numbers)])
            codes = buffer[: len(numbers)].copy_(products[: len(numbers)])
            codes = codes.unflatten(1, (self.encoder.rule.rank, -1))
            if self.bias is not None:
                codes.addcmul_(self.bias, 1 / step.unsqueeze(2))
            scores = codes[:, 0]
            if self.encoder.rule.rank > 1:
                scores.square_()
                for column in range(1, codes.shape[1]):
                    scores.addcmul_(codes[:, column], codes[:, column])
                scores.sqrt_()
            elif self.encoder.rule.by == "norm":
                scores.abs_()
            yield scores.mul_(self.factor)

    def best_of_rows(self) -> Found:
        """The best units of each row."""
        count = min(self.encoder.rule.count, self.encoder.n_units)
        kept = min(count + count // 2 + _SPARE, self.encoder.n_units)
        looks = []
        for scores in self.chunks():
            units = top_of_rows(scores, kept)
            looks.append((units, scores.gather(1, units).amin(dim=1)))
        candidates, lowest = (torch.cat(part) for part in zip(*looks, strict=True))
        starts = torch.arange(len(self.x) + 1) * kept
        codes = self._codes(candidates.flatten(), starts).unflatten(0, candidates.shape)
        scores = self.encoder.scores_of(codes, candidates)
        best = top_of_rows(scores, count)
        units, values = candidates.gather(1, best), picked(codes, best)
        bound = lowest * self.rows.step.squeeze(1) + self.margin
        certain = self.trusted & (bound <= scores.gather(1, best).amin(dim=1))
        if kept < self.encoder.n_units and not bool(certain.all()):
            again = (~certain).nonzero().squeeze(1)
            units[again], values[again] = best_of_rows(self.x[again], self.encoder, count)
        return found_in_rows(units, values)

    def best_of_batch(self) -> Found:
        """The best units of the whole batch."""
        n_units, total = self.encoder.n_units, self.encoder.rule.count * len(self.x)
        kept = total + total // 2 + _SPARE
        size = min(len(self.x), self._rows_at_once())
        upper = (
            scores.mul_(step).add_(margin.unsqueeze(1)).flatten()
            for scores, step, margin in zip(
                self.chunks(), self.rows.step.split(size), self.margin.split(size), strict=True
            )
        )
        candidates, bounds, _ = best_of_stream(((bound, bound) for bound in upper), kept)
        units, starts = candidates % n_units, starts_of(candidates, n_units, len(self.x))
        codes = self._codes(units, starts)
        scores = self.encoder.scores_of(codes, units)
        best = top_of_all(scores, total)
        if kept < n_units * len(self.x) and not bool(self.trusted.all() & (bounds.min() <= scores[best].min())):
            return search(self.x, self.encoder)
        return Found(codes[best], units[best], starts_of(candidates[best], n_units, len(self.x)))

    def _rows_at_once(self) -> int:
        return rows_at_once(self.weight.shape[1], 4, self.weight.nbytes)

    def _codes(self, units: Tensor, starts: Tensor) -> Tensor:
        rank = self.encoder.rule.rank
        codes = sampled(self.x, units, starts, self.encoder.weight, rank)
        return codes if self.encoder.bias is None else codes.add_(self.encoder.bias.reshape(-1, rank)[units])


def _whole_numbers(rows: Tensor) -> _Numbers:
    """Each row in steps of its largest entry over 127."""
    parts = []
    for part in rows.split(max(1, _PART // rows.shape[1])):
        step = part.abs().amax(dim=1, keepdim=True).div_(_LEVELS).clamp_min_(_TINY)
        scaled = part / step
        numbers = scaled.round()
        norm = part.norm(dim=1)
        error = scaled.sub_(numbers).norm(dim=1) * step.squeeze(1) / norm.clamp_min(_TINY)
        parts.append(_Numbers(numbers.to(torch.int8), step, norm, error))
    return _Numbers(*(torch.cat(fields) for fields in zip(*parts, strict=True)))
