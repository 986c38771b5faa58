"""Dense products ``x W'``, through oneDNN where it has them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from .members import each_member

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
    x : Tensor, shape (n, inputs)
    weight : Tensor, shape (outputs, inputs)
    bias : Tensor, shape (outputs,), optional

    Returns
    -------
    Tensor, shape (n, outputs)
        Under autocast, in the type of autocast.
    """
    result: Tensor = _Product.apply(*_autocast(x, weight))
    return result if bias is None else result + bias


def product(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """``x W' + b`` without gradients, and without regard to autocast."""
    if _onednn is not None and x.device.type == "cpu" and x.dtype in _ONEDNN_DTYPES and x.numel() and len(weight):
        bias = None if bias is None else bias.contiguous()  # the operator reads it as if it were
        return _onednn(x, weight, bias, "none", [], "")
    return torch.nn.functional.linear(x, weight, bias)


def autocast_dtype(device: torch.device) -> torch.dtype | None:
    """The type in which autocast wants products on this device; None where it is off."""
    return torch.get_autocast_dtype(device.type) if torch.is_autocast_enabled(device.type) else None


def _autocast(x: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    dtype = autocast_dtype(x.device) or torch.promote_types(x.dtype, weight.dtype)
    return x.to(dtype), weight.to(dtype)


class _Product(torch.autograd.Function):
    """``x W'``; its gradients are products again, so that every order of derivative exists."""

    @staticmethod
    def forward(x: Tensor, weight: Tensor) -> Tensor:
        return product(x, weight)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None]:
        x, weight = ctx.saved_tensors
        of_x, of_weight = ctx.needs_input_grad
        return (
            _Product.apply(gradient, weight.mT) if of_x else None,
            _Product.apply(gradient.mT, x.mT) if of_weight else None,
        )

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], *args: Tensor) -> tuple[Any, Any]:
        return each_member(_Product.apply, info.batch_size, in_dims, args)
