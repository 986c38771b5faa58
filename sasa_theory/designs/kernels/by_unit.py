"""A sparse code in the order of its units, which the products with its transpose need."""

from __future__ import annotations

from typing import NamedTuple
from weakref import ref

import torch
from torch import Tensor
from torch.utils.weak import WeakTensorKeyDictionary


class ByUnit(NamedTuple):
    """The codes of all members in compressed columns."""

    entries: Tensor
    """Entries in the order of their units."""
    starts: Tensor
    """Where each column starts."""
    rows: Tensor
    """The row of each number, column by column."""
    places: Tensor | None
    """Where the numbers of an entry are, shape (entries, rank); None if rank is 1 and they are in order."""


_known = WeakTensorKeyDictionary()
"""The order of each code that is still in use: the gradients of encoder and decoder need the same one."""


def by_unit(units: Tensor, starts: Tensor, n_units: int, rank: int) -> ByUnit:
    """The order of a code's units, shape (entries,) or (members, entries)."""
    key = (n_units, rank, units._version, starts._version)
    known = _known.get(units)
    if known is None or known[0] != key or known[1]() is not starts:
        known = _known[units] = (key, ref(starts), _by_unit(units, starts, n_units, rank))
    found: ByUnit = known[2]
    return found


def _by_unit(units: Tensor, starts: Tensor, n_units: int, rank: int) -> ByUnit:
    order = _sorting(units, n_units)
    units, starts = joined(units, starts, n_units)
    lengths = torch.bincount(units, minlength=n_units * order.shape[:-1].numel())
    order = order.flatten()
    unit_starts = _starts(lengths)
    rows = torch.repeat_interleave(starts.diff(), output_size=len(units)).index_select(0, order)
    if rank == 1:
        return ByUnit(order, unit_starts, rows, None)
    ordered = units[order]
    first = unit_starts[ordered]
    within = torch.arange(len(units), device=units.device) - first
    column = torch.arange(rank, device=units.device)
    places = (first * rank + within).unsqueeze(1) + lengths[ordered].unsqueeze(1) * column
    spread = rows.unsqueeze(1).expand(-1, rank)
    return ByUnit(order, _starts(lengths.repeat_interleave(rank)), place(spread, places), places)


def joined(units: Tensor, starts: Tensor, n_units: int) -> tuple[Tensor, Tensor]:
    """The codes of all members as one code of all their rows and units."""
    if units.ndim == 1:
        return units, starts
    entries, member = units.shape[1], torch.arange(len(units), device=units.device).unsqueeze(1)
    rows = starts[:, :-1] + member * entries
    return (units + member * n_units).flatten(), torch.cat((rows.flatten(), starts.new_tensor([units.numel()])))


def _sorting(units: Tensor, n_units: int) -> Tensor:
    """Stable order of each member's units, as places among the entries of all members."""
    if units.device.type == "cpu" and n_units <= 1 << 16:  # NumPy sorts 16-bit numbers by digits, ten times as fast
        order = torch.from_numpy(units.numpy().astype("uint16").argsort(kind="stable"))
    else:
        order = units.argsort(stable=True)
    if units.ndim > 1:
        order += torch.arange(len(units), device=units.device).unsqueeze(1) * units.shape[1]
    return order


def _starts(lengths: Tensor) -> Tensor:
    return torch.nn.functional.pad(lengths.cumsum(0), (1, 0))


def place(numbers: Tensor, places: Tensor) -> Tensor:
    """Numbers at their places, shape (entries, rank) to (entries * rank,)."""
    result = numbers.new_empty(numbers.numel())
    result[places] = numbers
    return result


def columns_of(units: Tensor, rank: int) -> Tensor:
    """The columns of units one after another, shape (entries,) to (entries * rank,)."""
    if rank == 1:
        return units
    return (units.unsqueeze(1) * rank + torch.arange(rank, device=units.device)).flatten()
