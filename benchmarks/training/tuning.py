"""What makes a contender fast on this machine without touching it: malloc, threads, and the library of its products."""

from __future__ import annotations

import os
from typing import Any

from .settings import Mode, Setting

_LARGE_BLOCKS_STAY = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(2**31 - 1)}
_NOT_INHERITED = ("MALLOC_", "GLIBC_TUNABLES", "OMP_", "MKL_", "KMP_", "LD_PRELOAD", "DNNL_", "ONEDNN_")


def environment(mode: Mode, setting: Setting) -> dict[str, str]:
    """Environment of a contender's process: nobody's own settings, but large blocks kept by malloc where tuned."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(_NOT_INHERITED)}
    own |= {"WANDB_MODE": "disabled", "HF_HUB_OFFLINE": "1"}
    if setting.threads is not None:
        own["OMP_NUM_THREADS"] = str(setting.threads)
    return own | (_LARGE_BLOCKS_STAY if mode == "tuned" else {})


def route_products() -> None:
    """Send torch's float32 products of matrices through oneDNN from now on, gradients included.

    It replaces ``@``, ``matmul``, ``mm`` and ``torch.nn.functional.linear``, so that peers need not be touched.
    """
    import torch
    from torch import Tensor

    multiply = torch.ops.mkldnn._linear_pointwise.default

    class Product(torch.autograd.Function):
        """``x W'``."""

        @staticmethod
        def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
            ctx.save_for_backward(x, weight)
            return multiply(x, weight, None, "none", [], "")

        @staticmethod
        def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None]:
            x, weight = ctx.saved_tensors
            of_x, of_weight = ctx.needs_input_grad
            return (
                multiply(gradient, weight.mT, None, "none", [], "") if of_x else None,
                multiply(gradient.mT, x.mT, None, "none", [], "") if of_weight else None,
            )

    def routable(*factors: Any) -> bool:
        return all(
            isinstance(f, Tensor)
            and (f.ndim, f.dtype, f.layout) == (2, torch.float32, torch.strided)
            and f.device.type == "cpu"
            and f.numel()
            for f in factors
        )

    linear, matmul = torch.nn.functional.linear, torch.matmul

    def routed_linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        if not routable(input, weight):
            return linear(input, weight, bias)
        result = Product.apply(input, weight)
        return result if bias is None else result + bias

    def routed_matmul(a: Tensor, b: Tensor) -> Tensor:
        return Product.apply(a, b.mT) if routable(a, b) else matmul(a, b)

    torch.nn.functional.linear = routed_linear
    torch.matmul = torch.mm = Tensor.matmul = Tensor.mm = Tensor.__matmul__ = routed_matmul
