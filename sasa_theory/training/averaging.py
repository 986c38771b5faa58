"""Exponential moving average of the parameters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy

import torch
from torch import Tensor

from sasa_theory.designs.contract import Design, Loss


class Average:
    """``average <- decay average + (1 - decay) parameter`` after each step, from the initial parameters on.

    Parameters
    ----------
    design : Design
        Whose parameters are averaged; its buffers are not, the averaged design takes the last ones.
    decay : float
        Weight of the past.
    """

    def __init__(self, design: Design, decay: float) -> None:
        self._decay = decay
        self._parameters = dict(design.named_parameters())
        self.tensors = {name: p.detach().clone() for name, p in self._parameters.items()}

    @torch.no_grad()
    def update(self) -> None:
        """Move the average towards the parameters."""
        torch._foreach_lerp_(list(self.tensors.values()), list(self._parameters.values()), 1 - self._decay)

    @torch.no_grad()
    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Continue from saved averages."""
        for name, tensor in self.tensors.items():
            tensor.copy_(tensors[name])

    @torch.no_grad()
    def design(self, design: Design, last: Loss) -> Design:
        """A copy of the design with the averaged parameters, its constraints restored: a mean of unit rows is shorter.

        Parameters
        ----------
        design : Design
            The design after its last step.
        last : Loss
            Loss of that step, which :meth:`Design.end_step` needs to restore the constraints.
        """
        averaged = deepcopy(design)
        for name, parameter in averaged.named_parameters():
            parameter.copy_(self.tensors[name])
        with _buffers_kept(averaged):
            averaged.end_step(last, 0)
        return averaged


@contextmanager
def _buffers_kept(design: Design) -> Iterator[None]:
    """Undo what happens to counters and thresholds inside."""
    kept = {name: buffer.clone() for name, buffer in design.named_buffers()}
    yield
    for name, buffer in design.named_buffers():
        buffer.copy_(kept[name])
