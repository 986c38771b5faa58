"""Quality against tokens seen, for several designs on one stream: every design meets the same batches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import asdict
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from sasa_theory.bounds.validate import count
from sasa_theory.designs.contract import Design
from sasa_theory.metrics.reconstruction import reconstruction
from sasa_theory.training import checkpoints
from sasa_theory.training.identity import find, identity
from sasa_theory.training.interruption import deferred
from sasa_theory.training.normalising import Rescalable
from sasa_theory.training.run import Run
from sasa_theory.training.source import Source, Stream
from sasa_theory.training.trainer import begin

from .activations import Activations
from .cached import CachedActivations
from .corpora import Place, Sequences
from .curves import Comparison, Point
from .experiment import Experiment
from .fidelity import fidelity
from .harvested import gather, read_up_to
from .stored import place_behind

_OF = "::"

_FIRST = 64
"""The first point stands at this part of the budget."""


def compare(
    experiments: Mapping[str, Experiment],
    source: Activations,
    folder: Path,
    *,
    cache: CachedActivations | None = None,
    points: int = 8,
    held_out: int = 64,
    sequences: int = 16,
    resume: bool = False,
) -> Comparison:
    """Train designs side by side on one stream and measure each at the same, logarithmically spaced numbers of tokens.

    The text's first sequences are held out, and training begins behind them; with a cache, those behind it are held
    out. Each batch is harvested once and given to every design, so that designs differ in nothing but themselves and
    their recipes.

    Parameters
    ----------
    experiments : mapping of str to Experiment
        By name; all of one budget and seed.
    source : Activations
        The language model's activations.
    cache : CachedActivations, optional
        The same on disk, from the start of the text on: trained on in place of those harvested on the way.
    folder : Path
        Where ``curves.json`` and, at each point, a checkpoint of all designs go.
    points : int
        How often each design is measured.
    held_out : int
        Sequences that are held out.
    sequences : int
        How many of them the language model reads with reconstructions in place; 0 to leave that out.
    resume : bool
        Go on from the last checkpoint.

    Raises
    ------
    ValueError
        If there is no design, budgets or seeds differ, or the folder holds another comparison.
    KeyboardInterrupt
        Upon Ctrl-C, after the step and its checkpoint.
    """
    budget, seed = _shared(experiments)
    count("held_out", held_out, max(2, sequences))
    held = Place() if cache is None else place_behind(cache.index, source)
    ahead = Sequences(source.language, source.corpus, source.harvest.length, place=held)
    for _ in range(held_out):
        next(ahead)
    rows = gather(source, held_out * (source.harvest.length - source.harvest.skip) // 2, held)
    if cache is None:
        common = _InStep(_from(source, ahead.place, budget.batch_size, seed))
    else:
        common = _InStep(cache.batches(budget.batch_size, torch.Generator().manual_seed(seed)))
    read: Source = source if cache is None else cache
    runs = {
        name: begin(each.build(source.width).to(source.language.device), read, view, budget, each.recipe, seed=seed)
        for (name, each), view in zip(experiments.items(), common.views(len(experiments)), strict=True)
    }

    def unread() -> bool:
        """Whether training has not come to the sequences that are held out: a short text comes round again."""
        return (read_up_to(source, common.state_dict()) if cache is None else ahead.place).epoch == 0

    before = _continued(runs, experiments, folder, resume=resume)
    curves: dict[str, tuple[Point, ...]] = dict.fromkeys(runs, ()) | ({} if before is None else before[0])
    done = 0 if before is None else before[1]
    due = [step for step in _steps(budget.steps, points) if step > done]
    with deferred() as interrupt:
        for step in range(done + 1, budget.steps + 1):
            for run in runs.values():
                run.advance()
            if step in due:
                curves = {
                    name: (*curves[name], _measured(run, rows, source, held, sequences)) for name, run in runs.items()
                }
            if step in due or interrupt.requested:
                _save(runs, experiments, curves, folder, step)
            if step in due:
                Comparison(curves, unread()).write(folder)
            if interrupt.requested:
                raise KeyboardInterrupt(f"stopped after step {step}, saved in {folder}")
    return Comparison(curves, unread())


def _shared(experiments: Mapping[str, Experiment]) -> tuple[Any, int]:
    every = list(experiments.values())
    if not every:
        raise ValueError("a comparison needs at least one design, got none")
    for name, each in experiments.items():
        if each.budget != every[0].budget or each.seed != every[0].seed:
            raise ValueError(f"designs must have one budget and seed to meet the same batches; {name} has another")
    return every[0].budget, every[0].seed


def _from(source: Activations, place: Place, batch_size: int, seed: int) -> Stream:
    """A stream that begins at a place of the text."""
    stream = source.batches(batch_size, torch.Generator().manual_seed(seed))
    stream.load_state_dict({**stream.state_dict(), **asdict(place)})
    return stream


def _steps(steps: int, points: int) -> list[int]:
    first = max(1, steps // _FIRST)
    return sorted({round(step) for step in np.geomspace(first, steps, int(count("points", points)))})


def _measured(run: Run, rows: Tensor, source: Activations, held: Place, sequences: int) -> Point:
    design = _as_used(run)
    block = max(1, (1 << 24) // design.columns)
    seen = reconstruction(design, rows.split(block))
    lost = fidelity(design, source, sequences=sequences, place=held, resamples=1) if sequences else None
    return Point(
        tokens=run.steps_taken * run.budget.batch_size,
        ev=seen.ev,
        columns=seen.columns,
        units=seen.units,
        bits=seen.bits,
        dead=seen.dead,
        recovered=None if lost is None else lost.mean.ce_score.value,
    )


def _as_used(run: Run) -> Design:
    """A copy of the design as it would be used if training ended here."""
    design = deepcopy(run.design).eval()
    if run.scale != 1.0:
        rescalable: object = design
        assert isinstance(rescalable, Rescalable)
        rescalable.absorb_scale(run.scale)
    return design


def _save(
    runs: Mapping[str, Run],
    experiments: Mapping[str, Experiment],
    curves: Mapping[str, Sequence[Point]],
    folder: Path,
    step: int,
) -> None:
    """One checkpoint of all runs, with the curves so far."""
    for run in runs.values():
        run.check()
    tensors = {f"{name}{_OF}{key}": tensor for name, run in runs.items() for key, tensor in run.tensors().items()}
    state = {
        "run": _identity(runs, experiments),
        "states": {name: run.state() for name, run in runs.items()},
        "curves": {name: [asdict(point) for point in points] for name, points in curves.items()},
    }
    checkpoints.write(folder, step, tensors, state)


def _continued(
    runs: Mapping[str, Run], experiments: Mapping[str, Experiment], folder: Path, *, resume: bool
) -> tuple[dict[str, tuple[Point, ...]], int] | None:
    """Curves and steps so far, the runs standing there; None at the beginning."""
    found = find(folder, _identity(runs, experiments), resume=resume)
    if found is None:
        return None
    for name, run in runs.items():
        own = f"{name}{_OF}"
        tensors = {key.removeprefix(own): tensor for key, tensor in found.tensors.items() if key.startswith(own)}
        try:
            run.restore(found.step, tensors, found.state["states"][name])
        except ValueError as error:
            raise ValueError(f"{found.path} is of another source: {error}") from None
    curves = {name: tuple(Point(**point) for point in points) for name, points in found.state["curves"].items()}
    return curves, found.step


def _identity(runs: Mapping[str, Run], experiments: Mapping[str, Experiment]) -> dict[str, Any]:
    """What must agree for a comparison to be continued."""
    return {name: identity(run.design, run.budget, run.recipe, experiments[name].seed, 1) for name, run in runs.items()}


class _InStep:
    """A stream of which every batch is given to several runs, one after the other."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._batch: Tensor | None = None
        self._drawn = 0
        self._loaded: Mapping[str, Any] | None = None

    def views(self, number: int) -> Sequence[_View]:
        """As many streams of the same batches."""
        return [_View(self) for _ in range(number)]

    def batch(self, number: int) -> Tensor:
        """The batch of this number, which must be the last one or the next."""
        if number == self._drawn:
            self._batch = next(self._stream)
            self._drawn += 1
        assert number == self._drawn - 1, "runs must take their steps in turn"
        assert self._batch is not None
        return self._batch

    def state_dict(self) -> dict[str, Any]:
        return self._stream.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        if self._loaded != state:  # once for all views: whatever is loaded is harvested again
            self._stream.load_state_dict(state)
        self._loaded, self._drawn = state, 0


class _View:
    """One run's sight of the common stream."""

    def __init__(self, common: _InStep) -> None:
        self._common, self._taken = common, 0

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Tensor:
        self._taken += 1
        return self._common.batch(self._taken - 1)

    def state_dict(self) -> dict[str, Any]:
        return self._common.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._common.load_state_dict(state)
        self._taken = 0
