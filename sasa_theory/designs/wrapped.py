"""Any module with ``encode`` and ``decode`` as a design: everything in this project works with it from there on."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from sasa_theory.bounds.validate import count

from .contract import Design, Loss, plain_loss


@runtime_checkable
class _Codes(Protocol):
    """What every module must have."""

    def encode(self, x: Tensor) -> Tensor: ...

    def decode(self, codes: Tensor) -> Tensor: ...


@runtime_checkable
class _Width(Protocol):
    width: int


@runtime_checkable
class _Units(Protocol):
    def units(self) -> Tensor: ...


@runtime_checkable
class _Presence(Protocol):
    def presence(self, codes: Tensor) -> Tensor: ...


@runtime_checkable
class _Loss(Protocol):
    def loss(self, x: Tensor) -> Loss | Tensor: ...


def as_design(module: nn.Module, width: int | None = None) -> Design:
    """A design that asks a module for everything the module can do, and follows the defaults of a design for the rest.

    Parameters
    ----------
    module : nn.Module
        With ``encode(x)``, shape (n, width) to (n, columns), and ``decode(codes)``, back again. It may also have

        * ``units()``: the unit of each column, whole numbers from 0 without gaps, shape (columns,);
        * ``presence(codes)``: how strongly each unit fires, shape (n, units);
        * ``loss(x)``: a :class:`~sasa_theory.designs.Loss`, or just the number to minimise.

        It is held, not copied; a design is returned as it is.
    width : int, optional
        Dimension of the activations; the module's attribute ``width`` if omitted.

    Returns
    -------
    Design
        The number of columns is found by encoding one row of zeros.

    Raises
    ------
    TypeError
        If ``encode`` or ``decode`` is missing, or they return something else than tensors.
    ValueError
        If the width is unknown, or a shape is wrong.
    """
    if isinstance(module, Design):
        return module
    name = type(module).__name__
    if not isinstance(module, nn.Module):
        raise TypeError(f"module must be a torch.nn.Module, got a {name}; let {name} derive from torch.nn.Module")
    for method in ("encode", "decode"):
        if not callable(getattr(module, method, None)):
            raise TypeError(f"{name} has no method {method}; a design needs encode(x) and decode(codes)")
    if width is None:
        if not isinstance(module, _Width):
            raise ValueError(f"width must be given, since {name} has no attribute width: as_design(module, width=768)")
        width = module.width
    return Wrapped(module, width, _columns(module, int(count("width", width))))


class Wrapped(Design):
    """A module as a design, see :func:`as_design`.

    Parameters
    ----------
    module : nn.Module
        What is asked.
    width, columns : int
        Dimensions of its activations and of its code.
    """

    def __init__(self, module: nn.Module, width: int, columns: int) -> None:
        super().__init__(width, columns)
        self.module = module
        units = self.units()
        if units.shape != (columns,) or not torch.equal(units.unique(), torch.arange(int(units.max()) + 1)):
            raise ValueError(
                f"units() of {type(module).__name__} must be the whole numbers 0, 1, ... without gaps, one for each of "
                f"{columns} columns, got {units.tolist()}"
            )

    def encode(self, x: Tensor) -> Tensor:
        """The module's."""
        return self._asked.encode(x)

    def decode(self, codes: Tensor) -> Tensor:
        """The module's."""
        return self._asked.decode(codes)

    def units(self) -> Tensor:
        """The module's; each column its own if it has none."""
        return self.module.units().cpu() if isinstance(self.module, _Units) else super().units()

    def presence(self, codes: Tensor) -> Tensor:
        """The module's; the norm of each unit's columns if it has none."""
        return self.module.presence(codes) if isinstance(self.module, _Presence) else super().presence(codes)

    def loss(self, x: Tensor) -> Loss:
        """The module's; the squared error if it has none.

        If the module returns a number, that is the total: the terms list it beside the reconstruction error, which need
        not be a part of it.
        """
        if not isinstance(self.module, _Loss):
            return super().loss(x)
        result = self.module.loss(x)
        if isinstance(result, Loss):
            return result
        if result.shape != ():
            raise ValueError(
                f"loss of {type(self.module).__name__} must be one number, got shape {tuple(result.shape)}"
            )
        with torch.no_grad():
            codes = self.encode(x)
            measured = plain_loss(x, self.decode(codes), {}, **self.firings(codes))
        return measured._replace(total=result, terms=measured.terms | {"loss": result.detach()})

    @property
    def _asked(self) -> Any:
        return self.module


@torch.no_grad()
def _columns(module: nn.Module, width: int) -> int:
    """Number of columns of the code of a row of zeros; the row must also come back with its shape."""
    zeros = torch.zeros(1, width)
    for parameter in module.parameters():
        zeros = torch.zeros(1, width, dtype=parameter.dtype, device=parameter.device)
        break
    name, training = type(module).__name__, module.training
    asked: Any = module.eval()  # what trains on a batch has nothing to learn from zeros
    try:
        codes = asked.encode(zeros)
        if not isinstance(codes, Tensor):
            raise TypeError(f"encode of {name} must return a tensor, got a {type(codes).__name__}; see the adapters")
        if codes.ndim != 2 or len(codes) != 1:
            raise ValueError(f"encode of {name} must turn (1, {width}) into (1, columns), got {tuple(codes.shape)}")
        rows = asked.decode(codes)
        if not isinstance(rows, Tensor) or rows.shape != zeros.shape:
            shape = tuple(rows.shape) if isinstance(rows, Tensor) else type(rows).__name__
            raise ValueError(f"decode of {name} must turn {tuple(codes.shape)} into (1, {width}), got {shape}")
    except RuntimeError as error:
        raise ValueError(f"{name} does not take activations of width {width}: {error}") from error
    finally:
        module.train(training)
    return codes.shape[1]
