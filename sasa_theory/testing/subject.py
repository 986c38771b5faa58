"""What the checks look at: fresh copies of one design, its weights moved so that no zero hides a mistake."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from sasa_theory.designs import Design, as_design
from sasa_theory.designs.wrapped import Wrapped

ROWS = 8
"""Rows that a check is given before shrinking."""

_MOVE = 0.1  # of the mean size of a parameter's entries, or of 1 where all are 0
_RATE = 1e-3  # of its training
_STEPS = 10  # of the training whose first step the checks look at


@runtime_checkable
class _BatchDependent(Protocol):
    batch_dependent: bool


@runtime_checkable
class _Invariant(Protocol):
    invariances: tuple[str, ...]


class Subject:
    """Makes the designs that a check asks for.

    Parameters
    ----------
    factory : callable
        Returns a fresh module, a new one at every call.
    width : int, optional
        Dimension of the activations, for modules without an attribute ``width``.

    Attributes
    ----------
    name : str
        Name of the module's class.
    file : str or None
        Where the class is written, if that is a file.
    width : int
        Dimension of the activations.
    batch_dependent : bool
        Whether the module declares that in training mode rows may depend on each other.
    invariances : tuple of str
        What the module declares to keep.

    Raises
    ------
    ValueError
        If two calls return the same module: a check would see what another one has changed.
    TypeError, ValueError
        If the module is no design, see :func:`~sasa_theory.designs.as_design`.
    """

    def __init__(self, factory: Callable[[], nn.Module], width: int | None = None) -> None:
        self._factory, self._width = factory, width
        first = self._made(0)
        if first is self._made(0):
            raise ValueError(
                f"factory must return a fresh module at every call, got the same {type(first).__name__} twice; "
                "write factory=lambda: MySAE(...)"
            )
        self.name = type(first).__name__
        self.width = as_design(first, width).width
        declaring = first.module if isinstance(first, Wrapped) else first
        self.file = _file(declaring)
        self.batch_dependent = isinstance(declaring, _BatchDependent) and bool(declaring.batch_dependent)
        self.invariances = tuple(declaring.invariances) if isinstance(declaring, _Invariant) else ()

    def design(self, dtype: torch.dtype = torch.float64, *, seed: int = 0, moved: bool = True) -> Design:
        """A fresh design in evaluation mode.

        ``moved`` adds noise to every parameter: fresh biases are 0 and encoders equal decoders, which hides mistakes.
        ``seed`` is that of the noise and of what the factory draws from PyTorch's default generator.
        """
        design = as_design(self._made(seed), self._width).to(dtype)
        if moved:
            generator = torch.Generator().manual_seed(seed)
            with torch.no_grad():
                for parameter in design.parameters():
                    noise = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
                    size = float(parameter.abs().mean()) or 1.0 if parameter.numel() else 1.0
                    parameter.add_((_MOVE * size * noise).to(dtype))
        return design.eval()

    def training(self, dtype: torch.dtype = torch.float64, *, seed: int = 0, moved: bool = True) -> Design:
        """As :meth:`design`, in training mode before the first of a few steps."""
        design = self.design(dtype, seed=seed, moved=moved).train()
        design.begin_step(0, _STEPS)
        return design

    def trained(self, x: Tensor, steps: int = 3) -> Design:
        """A design after a few steps on the rows, in evaluation mode: its state is no longer the initial one."""
        design = self.design(x.dtype).train()
        for step in range(steps):
            design.begin_step(step, steps)
            loss = design.loss(x)
            if loss.total.requires_grad:
                design.zero_grad()
                loss.total.backward()
                design.project_gradients()
            with torch.no_grad():  # by hand: importing torch.optim takes longer than all checks together
                for parameter in design.parameters():
                    if parameter.grad is not None:
                        parameter.sub_(_RATE * parameter.grad)
            design.end_step(loss, len(x))
        return design.eval()

    def rows(self, seed: int) -> Tensor:
        """Standard normal rows, float64, shape (:data:`ROWS`, width)."""
        return torch.randn(ROWS, self.width, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)

    def _made(self, seed: int) -> nn.Module:
        with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
            torch.manual_seed(seed)
            return self._factory()


def _file(module: nn.Module) -> str | None:
    try:
        return inspect.getsourcefile(type(module))
    except (TypeError, OSError):  # written at a prompt
        return None
