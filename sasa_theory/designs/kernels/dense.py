"""Dense products ``x W'``, through oneDNN where it has them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from .function import Function
from .members import all_members

try:
    _onednn = torch.ops.mkldnn._linear_pointwise.default if torch.backends.mkldnn.is_available() else None
except AttributeError:  # an operator without promise of permanence
    _onednn = None

_ONEDNN_DTYPES = (torch.float32, torch.bfloat16)


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """``x W' + b`` like :func:`torch.nn.functional.linear`, by the faster library, gradients included.

    PyTorch sends float32 products to MKL, which on processors not made by Intel runs at half the speed of oneDNN.

    Parameters
    ----------
    x : Tensor, shape (..., inputs)
    weight : Tensor, shape (outputs, inputs)
    bias : Tensor, shape (outputs,), optional

    Returns
    -------
    Tensor, shape (..., outputs)
        Under autocast, in the type of autocast.
    """
    dtype = autocast_dtype(x.device) or torch.promote_types(x.dtype, weight.dtype)
    bias = None if bias is None else bias.to(dtype)
    rows = x if x.ndim == 2 else x.reshape(-1, x.shape[-1])
    result: Tensor = _Product.apply(rows.to(dtype), weight.to(dtype), bias)
    return result if x.ndim == 2 else result.reshape(*x.shape[:-1], len(weight))


def product(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """``x W' + b`` without gradients, and without regard to autocast."""
    if _onednn is not None and x.device.type == "cpu" and x.dtype in _ONEDNN_DTYPES and x.numel() and len(weight):
        bias = None if bias is None else bias.contiguous()  # the operator reads it as if it were
        return _onednn(x, weight, bias, "none", [], "")
    with torch.autocast(x.device.type, enabled=False):
        return torch.nn.functional.linear(x, weight, bias)


def autocast_dtype(device: torch.device) -> torch.dtype | None:
    """The type in which autocast wants products on this device; None where it is off."""
    return torch.get_autocast_dtype(device.type) if torch.is_autocast_enabled(device.type) else None


class _Product(Function):
    """``x W' + b``; its gradients are products again, so that every order of derivative exists."""

    @staticmethod
    def forward(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        if x.ndim == 2:
            return product(x, weight, bias)
        biases = [None] * len(x) if bias is None else bias
        return torch.stack([product(*member) for member in zip(x, weight, biases, strict=True)])

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, Tensor | None], output: Tensor) -> None:
        ctx.save_for_backward(*inputs[:2])

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        x, weight = ctx.saved_tensors
        of_x, of_weight, of_bias = ctx.needs_input_grad
        return (
            _Product.apply(gradient, weight.mT, None) if of_x else None,
            _Product.apply(gradient.mT, x.mT, None) if of_weight else None,
            gradient.sum(dim=-2) if of_bias else None,
        )

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], *args: Any) -> tuple[Any, Any]:
        x, dim = args[0], in_dims[0]
        nested = x.ndim - (dim is not None) == 3
        return all_members(_Product.apply, info.batch_size, in_dims, args, nested=nested)
