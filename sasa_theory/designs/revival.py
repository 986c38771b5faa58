"""Auxiliary losses through units that no longer fire, so that they find work again."""

from __future__ import annotations

import torch
from torch import Tensor

from .kernels import TopUnits, decode_active, encode_active
from .linear import LinearDesign


def any_dead(idle: Tensor, dead_after: int, coefficient: Tensor) -> bool:
    """Whether an auxiliary loss of this coefficient, of any member of an ensemble, has dead units to train."""
    return bool(((coefficient > 0).unsqueeze(-1) & (idle >= dead_after)).any())


def explain_residual(
    design: LinearDesign,
    inputs: Tensor,
    centre: Tensor,
    dead: Tensor,
    count: int,
    *,
    signed: bool,
    gain: Tensor | None = None,
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
    gain : Tensor, shape (units,), optional
        What each unit's score is multiplied by in the ranking.

    Returns
    -------
    Tensor, shape (n, width)
    """
    rule = TopUnits(min(count, design.n_units), design.rank, "norm" if signed else "value")
    active = encode_active(inputs, centre, design.encoder, design.encoder_bias, rule, gain, dead)
    values = active.values if signed else active.values.relu()
    usable = dead.to(values.dtype)[active.units].unsqueeze(-1)  # fewer dead units than count: the others add nothing
    return decode_active(active._replace(values=values * usable), design.decoder)


def normalised_error(residual: Tensor, explained: Tensor, row_weight: Tensor | None = None) -> Tensor:
    """``||e - e_hat||^2 / ||e - mean(e)||^2`` over the batch: 1 for a constant guess. ``residual`` is detached.

    ``row_weight``, shape (n,), multiplies each row's squared errors, as if its residual were longer by the root.
    """
    if row_weight is not None:
        longer = row_weight.sqrt().unsqueeze(-1)
        residual, explained = longer * residual, longer * explained
    return (residual - explained).square().sum() / spread(residual)


def spread(rows: Tensor) -> Tensor:
    """``||x - mean(x)||^2`` summed over the batch, shape (); held above rounding where all rows are equal."""
    info = torch.finfo(rows.dtype)
    floor = info.eps * rows.square().sum() + info.tiny
    return torch.maximum((rows - rows.mean(dim=0)).square().sum(), floor)
