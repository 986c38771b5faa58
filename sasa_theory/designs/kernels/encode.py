"""Encoding that keeps only what fires, forward and backward."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from .active import Active
from .codes import Encoder
from .members import each_member
from .rule import TopUnits
from .screen import screened_search
from .search import Found, search
from .sparse import columns_of, unit_sums, weighted_rows


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
    return Active(*_Encode.apply(x, centre, encoder, bias, rule, gain, allowed))


class _Encode(torch.autograd.Function):
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
        x = x - centre
        if allowed is None:
            return _found(x, Encoder(encoder, bias, gain, rule))
        few = _few(allowed, rule.count)
        columns = columns_of(few, rule.rank)
        found = _found(
            x,
            Encoder(
                encoder[columns],
                None if bias is None else bias[columns],
                None if gain is None else gain[few],
                rule,
            ),
        )
        return found._replace(units=few[found.units])

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
            sums = gradient.new_zeros(n_units, gradient.shape[-1]).index_add(0, units, gradient).flatten()
        return (
            weighted_rows(gradient, units, starts, encoder) if of_x else None,
            -(sums @ encoder) if of_centre and sums is not None else None,
            unit_sums(gradient, units, starts, x - centre, n_units) if of_encoder else None,
            sums if of_bias else None,
            None,
            None,
            None,
        )

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], *args: Any) -> tuple[Any, Any]:
        return each_member(_Encode.apply, info.batch_size, in_dims, args)


def _few(allowed: Tensor, count: int) -> Tensor:
    """The allowed units; where there are fewer than ``count``, that many of the others as well."""
    units = allowed.nonzero().squeeze(1)
    missing = min(count, len(allowed)) - len(units)
    return units if missing <= 0 else torch.cat((units, (~allowed).nonzero().squeeze(1)[:missing]))


def _found(x: Tensor, encoder: Encoder) -> Found:
    return screened_search(x, encoder) if encoder.rule.screen else search(x, encoder)
