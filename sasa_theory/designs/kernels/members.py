"""Ensembles: an operator written for one member, applied to each of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor


def each_member(
    operator: Callable[..., Any], members: int, in_dims: Sequence[int | None], args: Sequence[Any]
) -> tuple[Any, Any]:
    """What a ``vmap`` rule of an autograd function returns: the operator's results member by member, stacked.

    The products inside are large enough to fill the machine one member at a time, and their number of active units
    never depends on the member.

    Parameters
    ----------
    operator : callable
        Takes ``args`` of one member; returns a tensor or a tuple of tensors.
    members : int
        Size of the ensemble.
    in_dims : sequence of int or None
        Where each argument keeps its members; None if it is shared.
    args : sequence
        The arguments.
    """
    outputs = [
        operator(*(a if d is None else a.select(d, i) for a, d in zip(args, in_dims, strict=True)))
        for i in range(members)
    ]
    if isinstance(outputs[0], Tensor):
        return torch.stack(outputs), 0
    return tuple(torch.stack(parts) for parts in zip(*outputs, strict=True)), (0,) * len(outputs[0])
