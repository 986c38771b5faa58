"""Ensembles: how functions whose tensors may have a leading dimension of members answer to ``vmap``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor


def all_members(
    operator: Callable[..., Any], members: int, in_dims: Sequence[int | None], args: Sequence[Any], *, nested: bool
) -> tuple[Any, Any]:
    """What the ``vmap`` rule of an autograd function returns: its results for all members at once.

    Parameters
    ----------
    operator : callable
        Takes ``args`` of one member, or all of them with one more leading dimension; returns a tensor or a tuple.
    members : int
        Size of the ensemble.
    in_dims : sequence of int or None
        Where each argument keeps its members; None if it is shared.
    args : sequence
        The arguments.
    nested : bool
        Whether ``args`` have a dimension of members already, from a ``vmap`` inside this one; the operator is then
        called once for each member.
    """
    if nested:
        calls = [operator(*_of_member(i, in_dims, args)) for i in range(members)]
        if isinstance(calls[0], Tensor):
            return torch.stack(calls), 0
        return tuple(torch.stack(parts) for parts in zip(*calls, strict=True)), (0,) * len(calls[0])
    result = operator(*(_stacked(a, d, members) for a, d in zip(args, in_dims, strict=True)))
    return result, 0 if isinstance(result, Tensor) else (0,) * len(result)


def _of_member(i: int, in_dims: Sequence[int | None], args: Sequence[Any]) -> list[Any]:
    return [a if d is None else a.select(d, i) for a, d in zip(args, in_dims, strict=True)]


def _stacked(arg: Any, dim: int | None, members: int) -> Any:
    if not isinstance(arg, Tensor) or dim == 0:
        return arg
    return arg.expand(members, *arg.shape) if dim is None else arg.movedim(dim, 0)
