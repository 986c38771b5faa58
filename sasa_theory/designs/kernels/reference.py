"""The slow, obvious way: every column of every row is computed, and autograd does the rest.

It is what the fast kernels are tested against, gradients included.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .active import Active
from .rule import TopUnits


def encode_active(
    x: Tensor,
    centre: Tensor,
    encoder: Tensor,
    bias: Tensor | None,
    rule: TopUnits,
    gain: Tensor | None = None,
    allowed: Tensor | None = None,
) -> Active:
    """Codes ``u = (x - centre) encoder' + bias`` of the units that a rule keeps; see the fast version for arguments."""
    columns = (x - centre) @ encoder.mT
    if bias is not None:
        columns = columns + bias
    u = columns.unflatten(-1, (-1, rule.rank))
    scores = (u.squeeze(-1) if rule.by == "value" else u.norm(dim=-1)).detach()
    if gain is not None:
        scores = scores * gain
    if allowed is not None:
        scores = scores.masked_fill(~allowed, -torch.inf)
    rows, units, starts = _top(scores, rule)
    return Active(u[rows, units], units, starts)


def decode_active(active: Active, decoder: Tensor) -> Tensor:
    """Sum over a row's active units of ``values @ decoder block``, shape (rows, width)."""
    codes = active.dense(len(decoder) // active.values.shape[-1])
    return codes @ decoder


def _top(scores: Tensor, rule: TopUnits) -> tuple[Tensor, Tensor, Tensor]:
    n, groups = scores.shape
    if rule.over == "row":
        units = scores.topk(rule.count, dim=1).indices
        rows = torch.arange(n, device=scores.device).repeat_interleave(rule.count)
        return rows, units.flatten(), torch.arange(n + 1, device=scores.device) * rule.count
    best = scores.flatten().topk(rule.count * n).indices.sort().values
    rows = best // groups
    starts = torch.searchsorted(rows, torch.arange(n + 1, device=scores.device))
    return rows, best % groups, starts
