"""What a run needs in memory and time, estimated before it starts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import torch

from sasa_theory.designs.contract import Design
from sasa_theory.training.budget import Budget

from .activations import Harvest
from .free_memory import free_memory
from .language_model import LanguageModel
from .sites import Site, read

GIB = 2**30
_CHUNKS = 3
"""Buffers of activations at once: the one that is served, and the next one before and after it is shuffled."""

_COPIES = 4
"""Float32 numbers a parameter of the design: itself, its gradient and Adam's two moments."""

_CODES = 4
"""Tensors of the size of a batch's codes that are alive in a step."""

_PROBE_ROWS = 256


@dataclass(frozen=True, kw_only=True)
class Memory:
    """Bytes that a run needs at once.

    Attributes
    ----------
    model, buffer, design, step : int
        Weights of the language model; activations that are shuffled; the design with gradients and moments; one step's
        batch, codes and reconstructions.
    """

    model: int
    buffer: int
    design: int
    step: int

    @property
    def total(self) -> int:
        """All of it."""
        return self.model + self.buffer + self.design + self.step


@dataclass(frozen=True, kw_only=True)
class Time:
    """Estimated time of a run, from a forward pass and a few steps on this machine.

    Attributes
    ----------
    harvest, train : float
        Seconds a token.
    tokens, gathered : int
        Of the budget, and those of them that are not on disk yet.
    flops : float
        Floating-point operations a token: two a weight below the site, twelve a column and dimension for training.
    """

    harvest: float
    train: float
    tokens: int
    gathered: int
    flops: float

    @property
    def seconds(self) -> float:
        """Of the whole run, where harvesting and training share a processor."""
        return self.harvest * self.gathered + self.train * self.tokens


def memory(language: LanguageModel, width: int, rows: int, columns: int, batch_size: int) -> Memory:
    """Bytes that a run needs; biases, what the allocator keeps and a model's own work space come on top.

    Parameters
    ----------
    language : LanguageModel
        The model that is read.
    width : int
        Of the activations.
    rows : int
        How many of them are shuffled together.
    columns : int
        Of the design: each has a row of the encoder and one of the decoder.
    batch_size : int
        Rows of a step.
    """
    weights = sum(parameter.numel() * parameter.element_size() for parameter in language.model.parameters())
    return Memory(
        model=weights,
        buffer=_CHUNKS * rows * width * 4,
        design=_COPIES * 4 * 2 * columns * width,
        step=4 * batch_size * (_CODES * columns + 3 * width),
    )


def check_memory(need: Memory, device: torch.device) -> None:
    """Refuse what does not fit; the model itself is there already.

    Raises
    ------
    ValueError
        If less is free than the run needs beside the model.
    """
    free = free_memory(device)
    more = need.total - need.model
    if free is not None and more > free:
        parts = f"{need.buffer / GIB:.1f} for activations, {need.design / GIB:.1f} for the design and its optimiser, "
        raise ValueError(
            f"training needs {more / GIB:.1f} GiB beside the model ({parts}{need.step / GIB:.1f} for a step), {device} "
            f"has {free / GIB:.1f} GiB free; make buffer, batch size or the design smaller"
        )


def time_needed(
    language: LanguageModel, site: Site, harvest: Harvest, design: Design, budget: Budget, gathered: int | None = None
) -> Time:
    """Time of a run, from one forward pass over a few random tokens and one loss with its gradient, each done twice.

    The design is left as it was. ``gathered`` is how many activations must be gathered; all of the budget if omitted.
    """
    sequences = max(1, min(harvest.sequences, _PROBE_ROWS // harvest.length))
    generator = torch.Generator().manual_seed(0)
    shape = (sequences, harvest.length)
    tokens = torch.randint(language.vocabulary, shape, generator=generator).to(language.device)
    first = next(design.parameters(), torch.empty(0))
    rows = torch.randn(min(_PROBE_ROWS, budget.batch_size), design.width, generator=generator).to(first)

    def forward() -> None:
        read(language.model, site, input_ids=tokens)
        _wait(language.device)

    def step() -> None:
        design.loss(rows).total.backward()
        _wait(rows.device)

    try:
        times = Time(
            harvest=_seconds(forward) / tokens.numel() * harvest.length / (harvest.length - harvest.skip),
            train=_seconds(step) / len(rows),
            tokens=budget.tokens,
            gathered=budget.tokens if gathered is None else gathered,
            flops=_flops(language, site, design),
        )
    finally:
        design.zero_grad(set_to_none=True)
    return times


def _flops(language: LanguageModel, site: Site, design: Design) -> float:
    config: Any = language.model.config
    layers = int(config.get_text_config().num_hidden_layers)
    inside = sum(p.numel() for name, p in language.model.named_parameters() if ".weight" in name and p.ndim > 1)
    inside -= language.vocabulary * language.width(site)  # looked up, not multiplied
    return 2.0 * inside * (site.block + 1) / layers + 12.0 * design.columns * design.width


def _seconds(work: Callable[[], None]) -> float:
    """Of the second of two runs: the first one warms up."""
    work()
    start = perf_counter()
    work()
    return perf_counter() - start


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def told(need: Memory, time: Time) -> str:
    """Both in a line or two."""
    return (
        f"memory: {need.total / GIB:.2f} GiB (model {need.model / GIB:.2f}, activations {need.buffer / GIB:.2f}, "
        f"design with optimiser {need.design / GIB:.2f}, a step {need.step / GIB:.2f})\n"
        f"time: about {clock(time.seconds)} for {time.tokens:,} tokens ({1 / time.harvest:,.0f} tokens/s harvested, "
        f"{1 / time.train:,.0f} trained; {time.flops / 1e9:.3g} GFLOP a token)"
    )


def clock(seconds: float) -> str:
    """Seconds as people say them."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 172_800 else f"{seconds / 86_400:.1f} days"
