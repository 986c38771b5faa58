"""Many small designs of one shape, trained as one: their weights are stacked, every product is one batched product.

The members may differ in their initial weights (seeds), in the coefficients of their losses and in their learning
rates; they see the same batches. Each is trained as it would be alone, up to rounding.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from math import isclose
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state

from sasa_theory.bounds.validate import real
from sasa_theory.designs.contract import Design, Loss

from .normalising import Rescalable
from .settings import settings_of


class Ensemble(Design):
    """Stacked designs: every parameter and buffer has one more leading dimension, one entry a member.

    >>> members = [designs.get("topk", width=64, atoms=256, k=6, seed=seed) for seed in range(8)]
    >>> trained = train(Ensemble(members), world, Budget(tokens=3_000_000, batch_size=1024))
    >>> first, *others = trained.design.split()

    Parameters
    ----------
    members : sequence of Design
        Of one class, shape, dtype and device; what is no tensor (k, schedules) must be the same in all. They are
        copied.
    rates : sequence of float, optional
        Learning rate of each member as a multiple of the recipe's.

    Attributes
    ----------
    members : list of Design
        Copies of the members as they came; :meth:`split` gives them as they are now.

    Raises
    ------
    ValueError
        If there is no member, the members do not match, or ``rates`` has another length.
    """

    leading = 1

    def __init__(self, members: Sequence[Design], rates: Sequence[float] | None = None) -> None:
        if not members:
            raise ValueError("an ensemble needs at least one member, got none")
        first = members[0]
        for i, member in enumerate(members[1:], 1):
            _check_alike(first, member, i)
        super().__init__(first.width, first.columns)
        self.size = len(members)
        self.members = [deepcopy(member) for member in members]
        self.stacked = deepcopy(first)
        parameters, buffers = stack_module_state(self.members)
        stacked = {name: nn.Parameter(tensor.detach().clone()) for name, tensor in parameters.items()}
        names = {id(parameter): name for name, parameter in self.stacked.named_parameters()}
        for name, parameter in list(self.stacked.named_parameters(remove_duplicate=False)):
            _owner(self.stacked, name)._parameters[_last(name)] = stacked[names[id(parameter)]]  # tied ones stay tied
        for name, tensor in buffers.items():
            _owner(self.stacked, name)._buffers[_last(name)] = tensor.clone()
        self.rates, self._before = self._checked(rates), {}

    members: list[Design]
    _before: dict[str, Tensor]

    def units(self) -> Tensor:
        """The unit of each column, as in every member."""
        return self.members[0].units()

    def encode(self, x: Tensor) -> Tensor:
        """Codes by every member, shape (members, n, columns)."""
        return self._each(lambda design: design.encode(x))

    def decode(self, codes: Tensor) -> Tensor:
        """Reconstructions of every member's codes, shape (members, n, columns) to (members, n, width)."""
        return self._each(lambda design, own: design.decode(own), codes)

    def forward(self, x: Tensor) -> Tensor:
        """Reconstructions by every member, shape (members, n, width)."""
        return self._each(lambda design: design(x))

    def presence(self, codes: Tensor) -> Tensor:
        """How strongly the units of every member fire, shape (members, n, columns) to (members, n, units)."""
        return self._each(lambda design, own: design.presence(own), codes)

    def loss(self, x: Tensor) -> Loss:
        """Losses of all members on the same batch; every field has one more leading dimension."""
        if self.stacked.takes_members:
            return self.stacked.loss(x)
        return self._each(lambda design: design.loss(x))

    def begin_step(self, step: int, steps: int) -> None:
        """The members' own."""
        self.stacked.begin_step(step, steps)

    def project_gradients(self) -> None:
        """The members' own. Where learning rates differ, remember the weights: the step is scaled afterwards."""
        self.stacked.project_gradients()
        if self.rates is not None:
            self._before = {name: p.detach().clone() for name, p in self.stacked.named_parameters()}

    def end_step(self, loss: Loss, rows: int) -> None:
        """Scale each member's step by its rate (every step of Adam is linear in it), then the members' own hook."""
        before, self._before = self._before, {}  # empty where no step was taken, as when constraints are restored
        for name, start in before.items():
            parameter = self.stacked.get_parameter(name).detach()
            rates = parameter.new_tensor(self.rates).reshape(-1, *[1] * (parameter.ndim - 1))
            parameter.copy_(start + rates * (parameter - start))
        self.stacked.end_step(loss, rows)

    def absorb_scale(self, scale: float) -> None:
        """The members' own.

        Raises
        ------
        ValueError
            If they have none.
        """
        if not isinstance(self.stacked, Rescalable):
            raise ValueError(f"{type(self.stacked).__name__} has no absorb_scale; set normalise='none'")
        self.stacked.absorb_scale(scale)

    def log_extra(self) -> dict[str, Any]:
        """The members' own."""
        return self.stacked.log_extra()

    @torch.no_grad()
    def split(self) -> list[Design]:
        """The members as designs of their own, with copies of their present weights, on the device of these."""
        designs = [deepcopy(member) for member in self.members]
        for parameter in self.stacked.parameters():
            designs = [design.to(parameter) for design in designs]
            break
        state = self.stacked.state_dict()
        for i, design in enumerate(designs):
            design.load_state_dict({name: tensor[i] for name, tensor in state.items()})
            design.train(self.training)
        return designs

    def _each(self, call: Callable[..., Any], *inputs: Tensor) -> Any:
        """``call(member, own inputs)`` for all members at once; inputs have a leading dimension of members."""
        body = _Call(self.stacked, call)
        parameters: dict[str, Tensor] = {f"design.{name}": p for name, p in self.stacked.named_parameters()}
        buffers = {f"design.{name}": b for name, b in self.stacked.named_buffers()}

        def one(parameters: dict[str, Tensor], buffers: dict[str, Tensor], *own: Tensor) -> Any:
            return functional_call(body, (parameters, buffers), own)

        return torch.vmap(one)(parameters, buffers, *inputs)

    def _checked(self, rates: Sequence[float] | None) -> list[float] | None:
        if rates is None:
            return None
        values = real("rates", list(rates), 0.0)
        if values.shape != (self.size,):
            raise ValueError(f"rates must have one entry for each of {self.size} members, got {len(values)}")
        return values.tolist()


class _Call(nn.Module):
    """``call(design, ...)`` as the forward of a module, which is what :func:`torch.func.functional_call` evaluates."""

    def __init__(self, design: Design, call: Callable[..., Any]) -> None:
        super().__init__()
        self.design, self._call = design, call

    def forward(self, *inputs: Tensor) -> Any:
        return self._call(self.design, *inputs)


def _check_alike(first: Design, other: Design, i: int) -> None:
    if type(other) is not type(first):
        got = f"{type(first).__name__} and, as member {i}, {type(other).__name__}"
        raise ValueError(f"members must be of one class, got {got}")
    ours, own = settings_of(first), settings_of(other)
    for name in {**ours, **own}:
        one, two = ours.get(name), own.get(name)
        if one != two and not _held_by_a_buffer(first, other, one, two):
            raise ValueError(f"members must match: {name} = {two!r} of member {i}, {one!r} of member 0")
    theirs = other.state_dict()
    for name, tensor in first.state_dict().items():
        if theirs[name].shape != tensor.shape:
            shapes = f"shape {tuple(theirs[name].shape)}, that of member 0 {tuple(tensor.shape)}"
            raise ValueError(f"members must match: {name} of member {i} has {shapes}")


def _held_by_a_buffer(first: Design, other: Design, ours: object, own: object) -> bool:
    """Whether a setting is a coefficient, which each member has as a tensor of its own."""
    if not (isinstance(ours, float) and isinstance(own, float)):
        return False
    pairs = zip(first.buffers(), other.buffers(), strict=True)
    return any(a.ndim == 0 and isclose(a, ours, rel_tol=1e-6) and isclose(b, own, rel_tol=1e-6) for a, b in pairs)


def _owner(module: nn.Module, name: str) -> nn.Module:
    return module.get_submodule(name.rpartition(".")[0])


def _last(name: str) -> str:
    return name.rpartition(".")[2]
