"""Encoding that keeps only what fires, forward and backward."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from .active import Active
from .by_unit import columns_of
from .codes import Encoder
from .function import Function
from .members import all_members
from .rule import TopUnits
from .screen import screened_search
from .search import Found, best_of_members, search
from .sparse import unit_sums, weighted_rows

_JOINT = 1 << 22
"""Bytes of the encoders of all members up to which one product of all is the faster one: they stay in the cache."""


def encode_active(
    x: Tensor,
    centre: Tensor,
    encoder: Tensor,
    bias: Tensor | None,
    rule: TopUnits,
    gain: Tensor | None = None,
    allowed: Tensor | None = None,
) -> Active:
    """Codes ``u = (x - centre) E' + b`` of the units that a rule keeps.

    No dense code is stored: the rows are encoded a few at a time, and the gradients are sums over active entries.

    All tensors, or all but the rows, may have a leading dimension of members.

    Parameters
    ----------
    x : Tensor, shape (n, width)
    centre : Tensor, shape (width,)
    encoder : Tensor, shape (units * rank, width)
    bias : Tensor, shape (units * rank,), or None
    rule : TopUnits
        Which units are kept; among equals it depends only on the scores.
    gain : Tensor, shape (units,), optional
        Scores are multiplied by it before the selection. It gets no gradient.
    allowed : Tensor of bool, shape (units,), optional
        Units that may be kept; others are only where there are too few of these.

    Returns
    -------
    Active
        Differentiable with respect to x, centre, encoder and bias at a fixed selection. Under autocast the product is
        taken in its type and the values have the type of x and the encoder.
    """
    if encoder.ndim > x.ndim:
        x = x.expand(*encoder.shape[:-2], *x.shape)
    return Active(*_Encode.apply(x, centre, encoder, bias, rule, gain, allowed))


class _Encode(Function):
    """Every tensor may have a leading dimension of members."""

    @staticmethod
    def forward(
        x: Tensor,
        centre: Tensor,
        encoder: Tensor,
        bias: Tensor | None,
        rule: TopUnits,
        gain: Tensor | None,
        allowed: Tensor | None,
    ) -> Found:
        if encoder.ndim == 2:
            return _found(x - centre, Encoder(encoder, bias, gain, rule), allowed)
        shared = x.stride(0) == 0 and allowed is None and encoder.nbytes <= _JOINT
        if shared and rule.over == "row" and not rule.screen:
            return _found_jointly(x[0], centre, encoder, bias, rule, gain)
        none = [None] * len(encoder)
        each = [none if field is None else field for field in (bias, gain, allowed)]
        members = [
            _found(rows - middle, Encoder(weight, own_bias, own_gain, rule), own_allowed)
            for rows, middle, weight, own_bias, own_gain, own_allowed in zip(x, centre, encoder, *each, strict=True)
        ]
        return Found(*(torch.stack(fields) for fields in zip(*members, strict=True)))

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Found) -> None:
        x, centre, encoder, *_ = inputs
        _, units, starts = output
        ctx.mark_non_differentiable(units, starts)
        ctx.save_for_backward(x, centre, encoder, units, starts)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor, *_: Any) -> tuple[Tensor | None, ...]:
        x, centre, encoder, units, starts = ctx.saved_tensors
        of_x, of_centre, of_encoder, of_bias, *_ = ctx.needs_input_grad
        n_units = encoder.shape[-2] // gradient.shape[-1]
        sums = None
        if of_centre or of_bias:
            sums = _sums(gradient, units, n_units)
        return (
            weighted_rows(gradient, units, starts, encoder) if of_x else None,
            -(sums.unsqueeze(-2) @ encoder).squeeze(-2) if of_centre and sums is not None else None,
            unit_sums(gradient, units, starts, x - centre.unsqueeze(-2), n_units) if of_encoder else None,
            sums if of_bias else None,
            None,
            None,
            None,
        )

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], *args: Any) -> tuple[Any, Any]:
        nested = args[2].ndim - (in_dims[2] is not None) == 3
        return all_members(_Encode.apply, info.batch_size, in_dims, args, nested=nested)


def _found_jointly(
    x: Tensor, centre: Tensor, encoder: Tensor, bias: Tensor | None, rule: TopUnits, gain: Tensor | None
) -> Found:
    """One product of the rows with the encoders of all members; their centres enter through their biases."""
    shift = -(encoder @ centre.unsqueeze(-1)).squeeze(-1)
    shift = shift if bias is None else shift + bias
    joint = Encoder(encoder.flatten(0, 1), shift.flatten(), None if gain is None else gain.flatten(), rule)
    return best_of_members(x, joint, len(encoder))


def _sums(values: Tensor, units: Tensor, n_units: int) -> Tensor:
    """Sum of each unit's codes, shapes (..., entries, rank) and (..., entries) to (..., n_units * rank)."""
    members, rank = units.shape[:-1], values.shape[-1]
    if rank == 1:  # adding single numbers is three times as fast
        return values.new_zeros(*members, n_units).scatter_add(-1, units, values.squeeze(-1))
    zeros = values.new_zeros(*members, n_units, rank)
    return zeros.scatter_add(-2, units.unsqueeze(-1).expand_as(values), values).flatten(-2)


def _found(x: Tensor, encoder: Encoder, allowed: Tensor | None) -> Found:
    if allowed is None:
        return screened_search(x, encoder) if encoder.rule.screen else search(x, encoder)
    few = _few(allowed, encoder.rule.count)
    columns = columns_of(few, encoder.rule.rank)
    among = Encoder(
        encoder.weight[columns],
        None if encoder.bias is None else encoder.bias[columns],
        None if encoder.gain is None else encoder.gain[few],
        encoder.rule,
    )
    found = _found(x, among, None)
    return found._replace(units=few[found.units])


def _few(allowed: Tensor, count: int) -> Tensor:
    """The allowed units; where there are fewer than ``count``, that many of the others as well."""
    units = allowed.nonzero().squeeze(1)
    missing = min(count, len(allowed)) - len(units)
    return units if missing <= 0 else torch.cat((units, (~allowed).nonzero().squeeze(1)[:missing]))
