"""Everything that changes while a design is trained: one step at a time, saved and restored exactly."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from sasa_theory.designs.contract import Design, Loss
from sasa_theory.designs.layer_norm import LayerNormed
from sasa_theory.designs.linear import LinearDesign

from .averaging import Average
from .budget import Budget
from .divergence import check_finite
from .meter import Meter
from .optimisers import build_optimiser
from .processes import Processes
from .recipe import Recipe
from .resampling import resample
from .schedule import Schedule
from .source import Stream
from .step import Step


class Run:
    """A design in training.

    Parameters
    ----------
    design : Design
        Trained in place.
    stream : Stream
        Supplies the batches.
    budget : Budget
        Number of steps, and rows that the batches of all devices have together.
    recipe : Recipe
        Everything else.
    generators : Mapping of str to torch.Generator
        Every generator that training draws from, so that checkpoints hold their states; ``resampling`` must be one.
    processes : Processes
        Who shares the batches.
    scale : float
        Factor of the activations.

    Attributes
    ----------
    steps_taken : int
        Steps so far.
    seconds : float
        Time spent so far; who drives the run adds to it.
    last : Loss or None
        Loss of the last step.

    Raises
    ------
    ValueError
        If the recipe asks for what the design or the budget does not allow.
    """

    def __init__(
        self,
        design: Design,
        stream: Stream,
        budget: Budget,
        recipe: Recipe,
        generators: Mapping[str, torch.Generator],
        processes: Processes,
        *,
        scale: float = 1.0,
    ) -> None:
        parameters = {name: p for name, p in design.named_parameters() if p.requires_grad}
        first = next(iter(parameters.values()))
        self.design, self.stream, self.budget, self.recipe = design, stream, budget, recipe
        self.generators, self.scale = generators, scale
        self.device, self.dtype = first.device, first.dtype
        self.optimiser = build_optimiser(parameters, recipe, leading=design.leading)
        self.schedule = Schedule.of(recipe, budget.steps, design.columns)
        self.processes = processes
        self.step = Step(design, processes.objective(design), self.optimiser, self.schedule, recipe)
        self.average = Average(design, recipe.ema) if recipe.ema else None
        self.meter = Meter()
        self.steps_taken, self.seconds = 0, 0.0
        self.last: Loss | None = None
        self.batch: Tensor | None = None
        self._resampled = _resampled(design) if recipe.resample_every else None

    def advance(self) -> None:
        """Take one step.

        Raises
        ------
        ValueError
            If the stream ends, or gives a batch of another shape.
        """
        batch = self._batch().to(self.device, self.dtype, non_blocking=True)
        if self.scale != 1.0:
            batch = batch * self.scale
        loss = self.step(self.steps_taken, batch, self.budget.batch_size)
        self.meter.add(loss)
        self.steps_taken += 1
        self.batch, self.last = batch, loss
        self._resample(batch)
        if self.average is not None:
            self.average.update()

    def _batch(self) -> Tensor:
        rows, taken = self.processes.share(self.budget.batch_size), self.steps_taken
        batch = next(self.stream, None)
        if batch is None:
            seen = taken * self.budget.batch_size
            raise ValueError(
                f"the source ended after {taken} of {self.budget.steps} steps; let it begin again by itself, or ask "
                f"for tokens={seen} at most"
            )
        if batch.shape != (rows, self.design.width):
            raise ValueError(
                f"batches must be of shape {(rows, self.design.width)}, got {tuple(batch.shape)} at step {taken}"
            )
        return batch

    def _resample(self, batch: Tensor) -> None:
        every, design = self.recipe.resample_every, self._resampled
        if design is not None and self.steps_taken % every == 0:
            inputs = self.design.normalise(batch).u if isinstance(self.design, LayerNormed) else batch
            dead = design.idle >= every * self.budget.batch_size
            resample(design, self.optimiser, dead, inputs, self.generators["resampling"])

    def check(self) -> None:
        """Look at the last loss, which on some devices no step waited for.

        Raises
        ------
        Diverged
            If it is not finite.
        """
        if self.last is not None and self.batch is not None:
            check_finite(self.last, self.batch, self.steps_taken - 1, self.rate, self.recipe)

    @property
    def rate(self) -> float:
        """Learning rate of the last step."""
        return self.schedule(max(0, self.steps_taken - 1))

    def tensors(self) -> dict[str, Tensor]:
        """Every tensor that the next steps depend on."""
        parts: dict[str, Mapping[str, Tensor]] = {
            "design": self.design.state_dict(),
            "optimiser": self._moments(),
            "meter": self.meter.tensors(),
            "generator": {name: generator.get_state() for name, generator in self.generators.items()},
            "average": {} if self.average is None else self.average.tensors,
        }
        if self.last is not None:
            last = self.last._asdict()
            parts["last.term"], parts["last.noted"] = last.pop("terms"), last.pop("noted")
            parts["last"] = last
        return {f"{part}/{name}": tensor for part, tensors in parts.items() for name, tensor in tensors.items()}

    def state(self) -> dict[str, Any]:
        """Every plain value that the next steps depend on."""
        return {
            "streams": self.processes.gather(self.stream.state_dict()),
            "scale": self.scale,
            "seconds": self.seconds,
        }

    def restore(self, step: int, tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
        """Continue from what :meth:`tensors` and :meth:`state` gave after ``step`` steps.

        Raises
        ------
        ValueError
            If the stream is of another source.
        """
        parts: dict[str, dict[str, Tensor]] = {}
        for name, tensor in tensors.items():
            part, _, rest = name.partition("/")
            parts.setdefault(part, {})[rest] = tensor
        self.stream.load_state_dict(state["streams"][self.processes.rank])
        self.design.load_state_dict(parts["design"])
        self._load_moments(parts["optimiser"])
        self.meter.load({name: tensor.to(self.device) for name, tensor in parts["meter"].items()})
        for name, generator in self.generators.items():
            generator.set_state(parts["generator"][name])
        if self.average is not None:
            self.average.load(parts["average"])
        if "last" in parts:
            last, terms, noted = (
                {name: tensor.to(self.device) for name, tensor in parts.get(part, {}).items()}
                for part in ("last", "last.term", "last.noted")
            )
            self.last = Loss(**last, terms=terms, noted=noted)
        self.scale, self.seconds, self.steps_taken = state["scale"], state["seconds"], step

    def _moments(self) -> dict[str, Tensor]:
        states = self.optimiser.state_dict()["state"]
        return {f"{index}/{name}": tensor for index, slots in states.items() for name, tensor in slots.items()}

    def _load_moments(self, tensors: Mapping[str, Tensor]) -> None:
        own = self.optimiser.state_dict()
        own["state"] = {}
        for name, tensor in tensors.items():
            index, _, slot = name.partition("/")
            own["state"].setdefault(int(index), {})[slot] = tensor
        self.optimiser.load_state_dict(own)


def _resampled(design: Design) -> LinearDesign:
    """The design whose units resampling restarts.

    Raises
    ------
    ValueError
        If there is none.
    """
    inner = design.inner if isinstance(design, LayerNormed) else design
    if not isinstance(inner, LinearDesign):
        raise ValueError(
            f"resample_every must be 0 for {type(design).__name__}: units are restarted as rows of one encoder and one "
            "decoder"
        )
    return inner
