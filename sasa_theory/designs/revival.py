"""Auxiliary losses through units that no longer fire, so that they find work again."""

from __future__ import annotations

import torch
from torch import Tensor

from .kernels import TopUnits, decode_active, encode_active
from .linear import LinearDesign


def explain_residual(
    design: LinearDesign, inputs: Tensor, centre: Tensor, dead: Tensor, count: int, *, signed: bool
) -> Tensor:
    """What the best dead units make of a residual: their codes of ``inputs``, decoded without the bias.

    Parameters
    ----------
    design : LinearDesign
        Its encoder and decoder are used, one unit a row of ``dead``.
    inputs, centre : Tensor
        Codes are ``(inputs - centre) E' + b_e``: the activations around b_d, or the residual around 0.
    dead : Tensor of bool, shape (units,)
        Units that may be used.
    count : int
        How many of them a row.
    signed : bool
        Rank units by norm and keep signs; else by value, and rectify.

    Returns
    -------
    Tensor, shape (n, width)
    """
    rule = TopUnits(min(count, design.n_units), design.rank, "norm" if signed else "value")
    active = encode_active(inputs, centre, design.encoder, design.encoder_bias, rule, allowed=dead)
    values = active.values if signed else active.values.relu()
    usable = dead.to(values.dtype)[active.units].unsqueeze(-1)  # fewer dead units than count: the others add nothing
    return decode_active(active._replace(values=values * usable), design.decoder)


def normalised_error(residual: Tensor, explained: Tensor) -> Tensor:
    """``||e - e_hat||^2 / ||e - mean(e)||^2`` over the batch: 1 for a constant guess. ``residual`` is detached."""
    spread = (residual - residual.mean(dim=0)).square().sum()
    return (residual - explained).square().sum() / spread.clamp_min(torch.finfo(spread.dtype).tiny)
