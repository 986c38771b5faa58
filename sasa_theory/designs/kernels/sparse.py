"""The three products of a sparse code: with the decoder, transposed, and sampled at its own entries.

With Z the code, (rows, columns), and a dense matrix on the other side, these are ``Z D``, ``Z' X`` and the entries of
``X D'`` where Z has entries. The gradients of each are the two others, so that every order of derivative exists.
"""

from __future__ import annotations

import warnings
from typing import Any, NamedTuple

import torch
from torch import Tensor

from .members import each_member

_CACHED = 1 << 20
"""Bytes of a matrix below which its rows are found in the cache whatever their order."""

_GATHERED = 1 << 24
"""Numbers gathered at once where there is no operator for sampled products."""

with warnings.catch_warnings():  # said once a process: compressed rows are in beta; one operator of theirs is used here
    warnings.simplefilter("ignore", UserWarning)
    torch.sparse_csr_tensor(torch.zeros(2, dtype=torch.int64), [], torch.zeros(0), (1, 1), check_invariants=False)


def weighted_rows(values: Tensor, units: Tensor, starts: Tensor, decoder: Tensor) -> Tensor:
    """``Z D``: shapes (entries, rank), (entries,), (rows + 1,), (units * rank, width) to (rows, width)."""
    result: Tensor = _WeightedRows.apply(values, units, starts, decoder)
    return result


def unit_sums(values: Tensor, units: Tensor, starts: Tensor, dense: Tensor, n_units: int) -> Tensor:
    """``Z' X``: sums over the rows in which each unit fires, (rows, width) to (n_units * rank, width)."""
    result: Tensor = _UnitSums.apply(values, units, starts, dense, n_units)
    return result


def sampled(dense: Tensor, units: Tensor, starts: Tensor, decoder: Tensor, rank: int) -> Tensor:
    """``X D'`` at the entries of Z: shapes (rows, width), (units * rank, width) to (entries, rank)."""
    result: Tensor = _Sampled.apply(dense, units, starts, decoder, rank)
    return result


class _WeightedRows(torch.autograd.Function):
    @staticmethod
    def forward(values: Tensor, units: Tensor, starts: Tensor, decoder: Tensor) -> Tensor:
        rank = values.shape[-1]
        return _bags(decoder, columns_of(units, rank), starts * rank if rank > 1 else starts, values.reshape(-1))

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        values, units, starts, decoder = ctx.saved_tensors
        rank = values.shape[-1]
        of_values, _, _, of_decoder = ctx.needs_input_grad
        return (
            sampled(gradient, units, starts, decoder, rank) if of_values else None,
            None,
            None,
            unit_sums(values, units, starts, gradient, decoder.shape[-2] // rank) if of_decoder else None,
        )

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], *args: Any) -> tuple[Any, Any]:
        return each_member(_WeightedRows.apply, info.batch_size, in_dims, args)


class _UnitSums(torch.autograd.Function):
    @staticmethod
    def forward(values: Tensor, units: Tensor, starts: Tensor, dense: Tensor, n_units: int) -> Tensor:
        by_unit = _by_unit(units, starts, n_units, values.shape[-1])
        weights = values[by_unit.order] if by_unit.places is None else _place(values[by_unit.order], by_unit.places)
        return _bags(dense, by_unit.rows, by_unit.starts, weights.reshape(-1))

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        ctx.save_for_backward(*inputs[:4])

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        values, units, starts, dense = ctx.saved_tensors
        of_values, _, _, of_dense, _ = ctx.needs_input_grad
        return (
            sampled(dense, units, starts, gradient, values.shape[-1]) if of_values else None,
            None,
            None,
            weighted_rows(values, units, starts, gradient) if of_dense else None,
            None,
        )

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], *args: Any) -> tuple[Any, Any]:
        return each_member(_UnitSums.apply, info.batch_size, in_dims, args)


class _Sampled(torch.autograd.Function):
    @staticmethod
    def forward(dense: Tensor, units: Tensor, starts: Tensor, decoder: Tensor, rank: int) -> Tensor:
        if dense.device.type != "cpu":
            return _gathered_dots(dense, units, starts, decoder, rank)
        if decoder.nbytes <= _CACHED:
            rows = starts * rank if rank > 1 else starts
            return _dots(rows, columns_of(units, rank), dense, decoder).view(-1, rank)
        # unit by unit: the decoder is read once and the rows, of which there are fewer bytes, stay in the cache
        by_unit = _by_unit(units, starts, len(decoder) // rank, rank)
        dots = _dots(by_unit.starts, by_unit.rows, decoder, dense)
        result = dots.new_empty(len(units), rank)
        result[by_unit.order] = dots.unsqueeze(-1) if by_unit.places is None else dots[by_unit.places]
        return result

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        ctx.save_for_backward(*inputs[:4])

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        dense, units, starts, decoder = ctx.saved_tensors
        of_dense, _, _, of_decoder, _ = ctx.needs_input_grad
        n_units = decoder.shape[-2] // gradient.shape[-1]
        return (
            weighted_rows(gradient, units, starts, decoder) if of_dense else None,
            None,
            None,
            unit_sums(gradient, units, starts, dense, n_units) if of_decoder else None,
            None,
        )

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], *args: Any) -> tuple[Any, Any]:
        return each_member(_Sampled.apply, info.batch_size, in_dims, args)


class _ByUnit(NamedTuple):
    """A code's entries in compressed columns."""

    order: Tensor
    """Entries in the order of their units."""
    starts: Tensor
    """Where each column starts."""
    rows: Tensor
    """The row of each number, column by column."""
    places: Tensor | None
    """Where the numbers of an entry are, shape (entries, rank); None if rank is 1 and they are in order."""


def _by_unit(units: Tensor, starts: Tensor, n_units: int, rank: int) -> _ByUnit:
    order = _sorting(units, n_units)
    lengths = torch.bincount(units, minlength=n_units)
    unit_starts = _starts(lengths)
    rows = torch.repeat_interleave(starts.diff(), output_size=len(units))[order]
    if rank == 1:
        return _ByUnit(order, unit_starts, rows, None)
    ordered = units[order]
    first = unit_starts[ordered]
    within = torch.arange(len(units), device=units.device) - first
    column = torch.arange(rank, device=units.device)
    places = (first * rank + within).unsqueeze(1) + lengths[ordered].unsqueeze(1) * column
    spread = rows.unsqueeze(1).expand(-1, rank)
    return _ByUnit(order, _starts(lengths.repeat_interleave(rank)), _place(spread, places), places)


def _sorting(units: Tensor, n_units: int) -> Tensor:
    """Stable order of the units; NumPy sorts 16-bit numbers by digits, ten times as fast."""
    if units.device.type == "cpu" and n_units <= 1 << 16:
        return torch.from_numpy(units.numpy().astype("uint16").argsort(kind="stable"))
    return units.argsort(stable=True)


def _starts(lengths: Tensor) -> Tensor:
    return torch.nn.functional.pad(lengths.cumsum(0), (1, 0))


def _place(numbers: Tensor, places: Tensor) -> Tensor:
    result = numbers.new_empty(numbers.numel())
    result[places] = numbers
    return result


def columns_of(units: Tensor, rank: int) -> Tensor:
    """The columns of units one after another, shape (entries,) to (entries * rank,)."""
    if rank == 1:
        return units
    return (units.unsqueeze(1) * rank + torch.arange(rank, device=units.device)).flatten()


def _bags(table: Tensor, indices: Tensor, starts: Tensor, weights: Tensor) -> Tensor:
    """Weighted sums of rows of a table, one sum for each interval of ``starts``."""
    return torch.embedding_bag(table, indices, starts, False, 0, False, weights.to(table.dtype), True)[0]


def _dots(starts: Tensor, indices: Tensor, left: Tensor, right: Tensor) -> Tensor:
    """Products of row i of ``left`` with the rows ``indices[starts[i]:starts[i + 1]]`` of ``right``."""
    pattern = torch.sparse_csr_tensor(
        starts, indices, left.new_zeros(len(indices)), (len(left), len(right)), check_invariants=False
    )
    return torch.sparse.sampled_addmm(pattern, left, right.mT, beta=0.0).values()


def _gathered_dots(dense: Tensor, units: Tensor, starts: Tensor, decoder: Tensor, rank: int) -> Tensor:
    rows = torch.repeat_interleave(starts.diff(), output_size=len(units))
    blocks = decoder.unflatten(0, (-1, rank))
    size = max(1, _GATHERED // blocks[:1].numel())
    parts = [
        torch.bmm(blocks[u], dense[r].unsqueeze(-1)).squeeze(-1)
        for u, r in zip(units.split(size), rows.split(size), strict=True)
    ]
    return torch.cat(parts)
