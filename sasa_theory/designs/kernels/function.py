"""Autograd functions as cheap as small products need them."""

from __future__ import annotations

from typing import Any

import torch


class Function(torch.autograd.Function):
    """An autograd function whose arguments are all given, by position.

    To fill in defaults PyTorch inspects the signature anew in each call, which takes as long as a small product. There
    are none here, so that it is spared outside transformations such as ``vmap``.
    """

    @classmethod
    def apply(cls, *args: Any) -> Any:
        """Result of the function for these arguments."""
        if torch._C._are_functorch_transforms_active():
            return super().apply(*args)
        return super(torch.autograd.Function, cls).apply(*args)  # type: ignore[misc]
