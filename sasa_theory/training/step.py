"""One step of training, the same for one design, for an ensemble of stacked designs and on several devices."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor
from torch.nn import Parameter
from torch.optim import Optimizer

from sasa_theory.designs.contract import Design, Loss

from .divergence import check_finite
from .optimisers import clip_gradients
from .recipe import Recipe
from .schedule import Schedule

Objective = Callable[[Tensor], Loss]
"""Loss of a batch: ``design.loss`` itself, or the same for all members of an ensemble, or through a wrapper."""


class Step:
    """Callable that takes one step and returns its loss, detached.

    In this order: ``begin_step``, loss, backward, ``project_gradients``, clipping, optimiser, ``end_step``.

    Parameters
    ----------
    design : Design
        Owner of the hooks; its parameters are what the optimiser trains.
    objective : callable
        Loss of a batch. Several members' losses (total of shape (members,)) are minimised one by one.
    optimiser : Optimizer
        Its learning rates are set from the schedule.
    schedule : Schedule
        Learning rates.
    recipe : Recipe
        Clipping, autocast, and what an error message has to say about a divergence.
    """

    def __init__(
        self,
        design: Design,
        objective: Objective,
        optimiser: Optimizer,
        schedule: Schedule,
        recipe: Recipe,
    ) -> None:
        self.design, self.objective, self.optimiser, self.schedule = design, objective, optimiser, schedule
        self.recipe = recipe
        self.parameters: list[Parameter] = [p for group in optimiser.param_groups for p in group["params"]]

    def __call__(self, step: int, batch: Tensor, rows: int | None = None) -> Loss:
        """Take step ``step`` on a batch, shape (n, width), which stands for ``rows`` rows (default n) in the counters.

        Raises
        ------
        Diverged
            If the loss is not finite. On a CPU it is looked at in each step, before any weight changes; elsewhere
            that would make the device wait, and the log looks at it.
        """
        design, optimiser = self.design, self.optimiser
        design.begin_step(step, self.schedule.steps)
        with self._precision(batch.device.type):
            loss = self.objective(batch)
        if batch.device.type == "cpu":
            check_finite(loss, batch, step, self.schedule(step), self.recipe)
        optimiser.zero_grad(set_to_none=True)
        loss.total.backward(torch.ones_like(loss.total))
        loss = loss._replace(total=loss.total.detach())
        with torch.no_grad():
            design.project_gradients()
            if self.recipe.clip is not None:
                clip_gradients(self.parameters, self.recipe.clip, leading=design.leading)
            rate = self.schedule(step)
            for group in optimiser.param_groups:
                group["lr"] = rate
            optimiser.step()
            design.end_step(loss, len(batch) if rows is None else rows)
        return loss

    def _precision(self, device: str) -> AbstractContextManager[object]:
        return torch.autocast(device, torch.bfloat16) if self.recipe.autocast else nullcontext()
