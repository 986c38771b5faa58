"""Give dead units the inputs that are reconstructed worst, as periodic resampling does (dictionary_learning's rule)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.optim import Optimizer

from sasa_theory.designs.linear import LinearDesign

ENCODER_SHARE = 0.2
"""Norm of a resampled encoder row, in mean norms of the living ones: weak enough not to disturb them."""


@torch.no_grad()
def resample(
    design: LinearDesign, optimiser: Optimizer, dead: Tensor, batch: Tensor, generator: torch.Generator
) -> int:
    """Restart dead units in place.

    Each row of a dead unit becomes the direction of ``x - b_d`` for an input drawn with probability proportional to
    the square of its loss ``||x - x_hat||^2``: in the decoder with the mean norm of the living rows (1 where rows have
    norm 1), in the encoder, unless that is the same tensor, with :data:`ENCODER_SHARE` of the living rows' mean norm.
    Biases, thresholds and gates start afresh (:meth:`~sasa_theory.designs.linear.LinearDesign.fresh_entries`); the
    optimiser's moments of all these entries and the unit's count of idle tokens become 0.

    Parameters
    ----------
    design : LinearDesign
        Owner of the units.
    optimiser : Optimizer
        Its state of the rows is reset.
    dead : Tensor of bool, shape (units,)
        Which units to restart.
    batch : Tensor, shape (n, width)
        Inputs to draw from, each at most once; units for which none is left wait for the next time.
    generator : torch.Generator
        On the CPU.

    Returns
    -------
    int
        Number of units restarted.
    """
    weights = (batch - design(batch)).square().sum(dim=-1).square().to("cpu", torch.float64)
    drawable = int((weights > 0).sum())
    units = dead.nonzero().flatten()[: drawable // design.rank]
    if not len(units) or dead.all():
        return 0
    picks = torch.multinomial(weights / weights.max(), len(units) * design.rank, generator=generator)
    inputs = batch[picks.to(batch.device)] - design.decoder_bias
    directions = (inputs / inputs.norm(dim=-1, keepdim=True).clamp_min(1e-8)).to(design.decoder.dtype)
    rows = (units.unsqueeze(-1) * design.rank + torch.arange(design.rank, device=units.device)).flatten()
    living = dead.logical_not().repeat_interleave(design.rank)
    design.decoder[rows] = directions * design.decoder[living].norm(dim=-1).mean()
    if design.encoder is not design.decoder:
        design.encoder[rows] = directions * (ENCODER_SHARE * design.encoder[living].norm(dim=-1).mean())
    restarted = [(design.decoder, rows), (design.encoder, rows)]
    for name, entry in design.fresh_entries().items():
        parameter = design.get_parameter(name)
        own = rows if len(parameter) == design.columns else units
        parameter[own] = entry
        restarted.append((parameter, own))
    for parameter, own in restarted:
        for moment in optimiser.state[parameter].values():
            if isinstance(moment, Tensor) and moment.shape == parameter.shape:
                moment[own] = 0.0
    design.idle[units] = 0
    return len(units)
