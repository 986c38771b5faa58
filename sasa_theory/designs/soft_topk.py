"""Soft top-k by Laplace sums (LapSum), batched and differentiable: gates that add up to a budget for each row.

``p_j = F((z_j - b) / alpha)`` with ``F`` the Laplace distribution function and ``b`` the root of ``sum p_j = kappa``.
:func:`sasa_theory.bounds.soft_topk` is the slow reference, where root and Jacobians are derived. Operator: arXiv
2605.06610.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

_ROUNDS = 100
_CACHED = 1 << 18
"""Entries worked on at a time on a CPU: passes over what stays in its cache cost a third of passes over the whole."""


def soft_topk(scores: Tensor, kappa: Tensor, alpha: Tensor) -> Tensor:
    """Gates in [0, 1] that sum to the budget in every row.

    All is reckoned from the score at which the hard mask would end, in logarithms where numbers leave the range, so
    that no scale overflows; as ``alpha`` tends to 0 the gates tend to the hard mask for whole budgets without ties.
    Gradients are the closed-form ``dp_j/dz_i = (w_j/alpha) (delta_ij - w_i/sum w)`` and ``dp_j/dkappa = w_j/sum w``
    with ``w_j = F'((z_j - b)/alpha)``; there is none for ``alpha``, and none of second order.

    Cost: a partial sort down to the largest budget, and some ten passes over the scores.

    Parameters
    ----------
    scores : Tensor, shape (..., m)
        Finite scores.
    kappa : Tensor, shape (...) or any that broadcasts to it
        Budgets strictly between 0 and m. Others cannot be met and are held at the nearest that can.
    alpha : Tensor, shape ()
        Scale > 0, in the units of the scores.

    Returns
    -------
    Tensor, shape (..., m)
    """
    # the scale takes the shape of the budgets, so that all three agree row by row when members of an ensemble differ
    budgets, scales = kappa.expand(scores.shape[:-1]), alpha.expand(scores.shape[:-1])
    gates: Tensor = _SoftTopK.apply(scores, budgets, scales.detach())[0]
    return gates


def hard_topk(scores: Tensor, count: Tensor) -> Tensor:
    """Which scores are among the ``count`` largest of their row: bool, shape (n, m), for counts of shape (n,)."""
    order = scores.argsort(dim=-1, descending=True)
    kept = torch.arange(scores.shape[-1], device=scores.device) < count.unsqueeze(-1)
    return torch.zeros_like(kept).scatter(-1, order, kept)


class _SoftTopK(torch.autograd.Function):
    """Gates, and the standardised distances from the threshold, which their gradients need."""

    @staticmethod
    def forward(scores: Tensor, kappa: Tensor, alpha: Tensor) -> tuple[Tensor, Tensor]:
        rows, m = kappa.numel(), scores.shape[-1]
        together = max(1, _CACHED // m) if scores.device.type == "cpu" else max(1, rows)
        flat = (scores.reshape(rows, m), kappa.reshape(rows, 1), alpha.reshape(rows, 1))
        parts = zip(*(x.split(together) for x in flat), strict=True)
        distance = torch.cat([_distances(*part) for part in parts]).reshape(scores.shape)
        tail = 0.5 * torch.exp(-distance.abs())
        return torch.where(distance <= 0, tail, 1 - tail), distance

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: tuple[Tensor, Tensor]) -> None:
        ctx.save_for_backward(output[1], inputs[2])
        ctx.mark_non_differentiable(output[1])

    @staticmethod
    def backward(ctx: Any, gradient: Tensor, _: Tensor) -> tuple[Tensor, Tensor, None]:
        distance, alpha = ctx.saved_tensors
        share = torch.softmax(-distance.abs(), dim=-1)  # w / sum w, also where every w underflows
        mean = (share * gradient).sum(dim=-1, keepdim=True)
        slopes = 0.5 * torch.exp(-distance.abs()) / alpha.unsqueeze(-1)
        return slopes * (gradient - mean), mean.squeeze(-1), None

    @staticmethod
    def vmap(
        info: Any, in_dims: tuple[int | None, ...], scores: Tensor, kappa: Tensor, alpha: Tensor
    ) -> tuple[tuple[Tensor, Tensor], tuple[int, int]]:
        """Rows are independent: members of an ensemble are more rows."""
        scores, kappa, alpha = (
            x.unsqueeze(0).expand(info.batch_size, *x.shape) if dim is None else x.movedim(dim, 0)
            for x, dim in zip((scores, kappa, alpha), in_dims, strict=True)
        )
        return _SoftTopK.apply(scores, kappa, alpha), (0, 0)


def _distances(scores: Tensor, kappa: Tensor, alpha: Tensor) -> Tensor:
    """``(z_j - b) / alpha`` for scores of shape (n, m), budgets and scales of shape (n, 1)."""
    m, eps = scores.shape[-1], torch.finfo(scores.dtype).eps
    budget = kappa.clamp(eps, m * (1 - eps))
    last = budget.ceil().long()  # the root lies near the score of this rank: differences from it keep their digits
    pivot = scores.topk(int(last.max()), dim=-1).values.gather(-1, last - 1)
    z = (scores - pivot) / alpha
    return z - _root(z, _above(z, budget), budget)


def _above(z: Tensor, budget: Tensor) -> Tensor:
    """Which scores lie above the root of ``sum F(z_j - b) = budget``; bool, shape (..., m). The search starts at b = 0.

    As long as no score changes sides the sum is ``q - A e^b / 2 + B e^-b / 2``. Beyond the scores that do, this falls
    short of the sum on the way up and exceeds it on the way down; so its root, where each round goes, never passes the
    true one, and is the true one when the scores stay on their sides.
    """
    tiny = torch.finfo(z.dtype).tiny
    b, count = torch.zeros_like(budget), torch.full_like(budget, -1)
    above = z >= b
    for _ in range(_ROUNDS):
        q = above.sum(dim=-1, keepdim=True).to(z.dtype)
        if torch.equal(q, count):
            break
        weights = torch.exp(-(z - b).abs())
        A = torch.where(above, weights, 0).sum(dim=-1, keepdim=True).clamp_min(tiny)
        B = torch.where(above, 0, weights).sum(dim=-1, keepdim=True).clamp_min(tiny)
        surplus = q - budget
        larger = surplus.abs() + torch.hypot(surplus, A.sqrt() * B.sqrt())
        b = b + torch.where(surplus >= 0, larger / A, B / larger).log()
        above, count = z >= b, q
    return above


def _root(z: Tensor, above: Tensor, budget: Tensor) -> Tensor:
    """Root b of ``sum F(z_j - b) = budget`` when it is known which scores lie above it, shape (..., 1)."""
    # A u^2 + 2 (budget - q) u - B = 0 for u = e^b, with A = sum_{above} e^-z and B = sum_{below} e^z
    log_a = torch.where(above, -z, -torch.inf).logsumexp(dim=-1, keepdim=True)
    log_b = torch.where(above, -torch.inf, z).logsumexp(dim=-1, keepdim=True)
    surplus = above.sum(dim=-1, keepdim=True) - budget
    log_surplus = surplus.abs().log()
    larger = torch.logaddexp(log_surplus, 0.5 * torch.logaddexp(2 * log_surplus, log_a + log_b))
    return torch.where(surplus >= 0, larger - log_a, log_b - larger)
