"""The three products of a sparse code: with the decoder, transposed, and sampled at its own entries.

With Z the code, (rows, columns), and a dense matrix on the other side, these are ``Z D``, ``Z' X`` and the entries of
``X D'`` where Z has entries. The gradients of each are the two others, so that every order of derivative exists.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from .by_unit import by_unit, columns_of, joined, place
from .dense import product
from .function import Function
from .members import all_members

_CACHED = 1 << 20
"""Bytes of a matrix below which its rows are found in the cache whatever their order."""

DENSE_SHARE = 0.08
"""Share of a code's columns above which products leave no zero out: each costs a tenth of what an entry costs."""

_GATHERED = 1 << 24
"""Numbers gathered at once where there is no operator for sampled products."""

with warnings.catch_warnings():  # said once a process: compressed rows are in beta; one operator of theirs is used here
    warnings.simplefilter("ignore", UserWarning)
    torch.sparse_csr_tensor(torch.zeros(2, dtype=torch.int64), [], torch.zeros(0), (1, 1), check_invariants=False)


def weighted_rows(values: Tensor, units: Tensor, starts: Tensor, decoder: Tensor) -> Tensor:
    """``Z D``: shapes (entries, rank), (entries,), (rows + 1,), (units * rank, width) to (rows, width)."""
    dtype = torch.promote_types(values.dtype, decoder.dtype)  # autocast may have made one of them narrower
    result: Tensor = _WeightedRows.apply(values.to(dtype), units, starts, decoder.to(dtype))
    return result


def unit_sums(values: Tensor, units: Tensor, starts: Tensor, dense: Tensor, n_units: int) -> Tensor:
    """``Z' X``: sums over the rows in which each unit fires, (rows, width) to (n_units * rank, width)."""
    result: Tensor = _UnitSums.apply(values, units, starts, dense, n_units)
    return result


def sampled(dense: Tensor, units: Tensor, starts: Tensor, decoder: Tensor, rank: int) -> Tensor:
    """``X D'`` at the entries of Z: shapes (rows, width), (units * rank, width) to (entries, rank)."""
    result: Tensor = _Sampled.apply(dense, units, starts, decoder, rank)
    return result


class _WeightedRows(Function):
    """Here as below every tensor may have a leading dimension of members."""

    @staticmethod
    def forward(values: Tensor, units: Tensor, starts: Tensor, decoder: Tensor) -> Tensor:
        rank = values.shape[-1]
        if _is_dense(values, starts, decoder.shape[-2]):
            return _each(lambda v, u, s, d: product(_dense(v, u, s, len(d)), d.mT), values, units, starts, decoder)
        units, flat_starts = joined(units, starts, decoder.shape[-2] // rank)
        bags = flat_starts * rank if rank > 1 else flat_starts
        sums = _bags(decoder.flatten(0, -2), columns_of(units, rank), bags, values.flatten())
        return sums.view(*starts.shape[:-1], starts.shape[-1] - 1, decoder.shape[-1])

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
        return all_members(_WeightedRows.apply, info.batch_size, in_dims, args, nested=_nested(args[0], in_dims[0]))


class _UnitSums(Function):
    @staticmethod
    def forward(values: Tensor, units: Tensor, starts: Tensor, dense: Tensor, n_units: int) -> Tensor:
        columns = n_units * values.shape[-1]
        if _is_dense(values, starts, columns):
            return _each(lambda v, u, s, x: product(_dense(v, u, s, columns).mT, x.mT), values, units, starts, dense)
        order = by_unit(units, starts, n_units, values.shape[-1])
        if order.places is None:
            weights = values.flatten().index_select(0, order.entries)
        else:
            weights = place(values.flatten(0, -2).index_select(0, order.entries), order.places)
        sums = _bags(dense.flatten(0, -2), order.rows, order.starts, weights)
        return sums.view(*starts.shape[:-1], columns, dense.shape[-1])

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
        return all_members(_UnitSums.apply, info.batch_size, in_dims, args, nested=_nested(args[0], in_dims[0]))


class _Sampled(Function):
    @staticmethod
    def forward(dense: Tensor, units: Tensor, starts: Tensor, decoder: Tensor, rank: int) -> Tensor:
        shape, n_units = (*units.shape, rank), decoder.shape[-2] // rank
        if _is_dense(units.unsqueeze(-1), starts, n_units):
            dots = _each(lambda x, d, u, s: _picked(product(x, d), u, s, rank), dense, decoder, units, starts)
            return dots.view(shape)
        if dense.device.type != "cpu":
            return _each(lambda x, u, s, d: _gathered_dots(x, u, s, d, rank), dense, units, starts, decoder).view(shape)
        left, right = dense.flatten(0, -2), decoder.flatten(0, -2)
        if decoder.nbytes <= _CACHED * decoder.shape[:-2].numel():
            units, starts = joined(units, starts, n_units)
            return _dots(starts * rank if rank > 1 else starts, columns_of(units, rank), left, right).view(shape)
        # unit by unit: the decoder is read once and the rows, of which there are fewer bytes, stay in the cache
        order = by_unit(units, starts, n_units, rank)
        dots = _dots(order.starts, order.rows, right, left)
        result = dots.new_empty(units.numel(), rank)
        result[order.entries] = dots.unsqueeze(-1) if order.places is None else dots[order.places]
        return result.view(shape)

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
        return all_members(_Sampled.apply, info.batch_size, in_dims, args, nested=_nested(args[0], in_dims[0]))


def _nested(matrix: Tensor, dim: int | None) -> bool:
    """Whether what is a matrix for one member has a dimension of members besides that of this ``vmap``."""
    return matrix.ndim - (dim is not None) == 3


def _is_dense(values: Tensor, starts: Tensor, columns: int) -> bool:
    """Whether so much of a code is other than 0 that products with its zeros are the cheaper ones."""
    return values.numel() > DENSE_SHARE * columns * starts[..., 1:].numel()


def _each(call: Callable[..., Tensor], *args: Tensor) -> Tensor:
    """``call`` for each member, or for the only one."""
    if args[0].ndim == 2:
        return call(*args)
    return torch.stack([call(*member) for member in zip(*args, strict=True)])


def _places(units: Tensor, starts: Tensor, n_units: int) -> Tensor:
    """Places of the entries among all units of all rows."""
    return torch.repeat_interleave(starts.diff(), output_size=len(units)).mul_(n_units).add_(units)


def _dense(values: Tensor, units: Tensor, starts: Tensor, columns: int) -> Tensor:
    """The code with its zeros, shape (rows, columns)."""
    n_units = columns // values.shape[1]
    codes = values.new_zeros((len(starts) - 1) * n_units, values.shape[1])
    return codes.index_copy_(0, _places(units, starts, n_units), values).view(-1, columns)


def _picked(codes: Tensor, units: Tensor, starts: Tensor, rank: int) -> Tensor:
    """Entries of a dense code, shape (entries, rank)."""
    return codes.view(-1, rank).index_select(0, _places(units, starts, codes.shape[1] // rank))


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
