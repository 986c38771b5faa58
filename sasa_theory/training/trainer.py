"""The loop: any design, any source, one budget; logged, checkpointed, resumed to the same bits."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from time import monotonic
from typing import Any

import torch

from sasa_theory.bounds.validate import count, real
from sasa_theory.designs.config import DesignConfig
from sasa_theory.designs.contract import Design
from sasa_theory.designs.layer_norm import LayerNormed
from sasa_theory.designs.linear import LinearDesign

from . import centring, checkpoints
from .allocator import keep_large_blocks
from .budget import Budget
from .divergence import check_explosion, check_weights
from .ensemble import Ensemble
from .interruption import deferred
from .log import Entry, Log, number
from .normalising import Rescalable, unit_mean_square_scale
from .processes import Processes
from .progress import Bar
from .recipe import Recipe
from .recipes import recipe as named_recipe
from .run import Run
from .source import Source

_SAVE, _STOP = 1, 2


@dataclass(frozen=True)
class Trained:
    """What training gives.

    Attributes
    ----------
    design : Design
        The trained design, in evaluation mode; it takes activations as the source gives them.
    average : Design or None
        The same with the moving average of the parameters, if the recipe asked for one.
    log : tuple of Entry
        The log from the first step on.
    scale : float
        Factor of the activations during training, which the design has since taken over.
    """

    design: Design
    average: Design | None
    log: tuple[Entry, ...]
    scale: float


@dataclass(frozen=True, kw_only=True)
class Saving:
    """Where and when a run leaves traces.

    Attributes
    ----------
    folder : Path or None
        For checkpoints and ``log.jsonl``; nothing is written if None.
    every_steps : int
        Steps between checkpoints; 0 for none by steps.
    every_seconds : float
        Seconds between checkpoints.
    """

    folder: Path | None
    every_steps: int
    every_seconds: float


def train(
    design: Design,
    source: Source,
    budget: Budget,
    recipe: Recipe | str | None = None,
    *,
    seed: int = 0,
    folder: str | Path | None = None,
    resume: bool = False,
    checkpoint_steps: int = 0,
    checkpoint_seconds: float = 600.0,
    log_every: int = 100,
    tensorboard: str | Path | None = None,
    progress: bool = True,
) -> Trained:
    """Train a design on a source of activations.

    >>> design = designs.get("topk", width=64, atoms=256, k=6)
    >>> trained = train(design, world, Budget(tokens=3_000_000, batch_size=1024))

    Parameters
    ----------
    design : Design
        Trained in place, on the device and in the dtype of its parameters. One without parameters returns as it is.
    source : Source
        Of the design's width.
    budget : Budget
        Tokens and batch size.
    recipe : Recipe or str or None
        How; a string names one of :func:`sasa_theory.training.recipe`; None is ``Recipe()``.
    seed : int
        Seed of the stream and of resampling. What is estimated before training is estimated from the stream's start.
    folder : path or None
        Where checkpoints and ``log.jsonl`` go. The last two checkpoints are kept.
    resume : bool
        Continue from the last checkpoint in the folder, if there is one. On the same kind of device and as many threads
        the final weights are bit for bit those of an uninterrupted run.
    checkpoint_steps : int
        Steps between checkpoints; 0 for none by steps. One is always written at the end, and upon Ctrl-C.
    checkpoint_seconds : float
        Seconds between checkpoints.
    log_every : int
        Steps between entries of the log.
    tensorboard : path or None
        Folder for TensorBoard.
    progress : bool
        Whether to draw a progress bar on a terminal.

    Returns
    -------
    Trained

    Raises
    ------
    ValueError
        If an argument is out of range, the widths differ, the design cannot do what the recipe asks for, or the folder
        holds another run (the message names the field).
    Diverged
        If the loss stops being finite or explodes. The last checkpoint stays.
    OSError
        If a checkpoint cannot be written. The one before it stays.
    """
    if isinstance(recipe, str):
        recipe = named_recipe(recipe)
    recipe = recipe or Recipe()
    log_every, seed = int(count("log_every", log_every)), int(count("seed", seed, 0, 2**53))
    saving = Saving(
        folder=None if folder is None else Path(folder),
        every_steps=int(count("checkpoint_steps", checkpoint_steps, 0)),
        every_seconds=float(real("checkpoint_seconds", checkpoint_seconds, 0.0)),
    )
    if source.width != design.width:
        raise ValueError(f"the design is of width {design.width}, the source of {source.width}; they must agree")
    if not any(p.requires_grad for p in design.parameters()):
        return Trained(design.eval(), None, (), 1.0)
    design = _prepared(design, recipe).train()
    identity = _identity(design, budget, recipe, seed)
    checkpoint = _found(saving.folder, identity, resume=resume)
    run = _started(design, source, budget, recipe, seed, checkpoint)
    first = run.processes.rank == 0
    log = Log(saving.folder if first else None, run.steps_taken, Path(tensorboard) if tensorboard and first else None)
    try:
        with keep_large_blocks(), Bar(budget.steps, run.steps_taken, shown=progress and first) as bar:
            loop(run, log, bar, log_every, saving, identity)
    finally:
        log.close()
    return _finished(run, tuple(log.entries))


def loop(run: Run, log: Log, bar: Bar, log_every: int, saving: Saving, identity: Mapping[str, Any]) -> None:
    """Take the remaining steps of a run, writing log and checkpoints as they fall due."""
    steps, saved_at, begun = run.budget.steps, monotonic(), monotonic() - run.seconds

    def save() -> None:
        if saving.folder is not None:
            run.seconds = monotonic() - begun
            run.check()
            check_weights(run.design.parameters(), run.steps_taken, run.rate, run.recipe)
            state = {"run": identity, **run.state()}
            if run.processes.rank == 0:
                checkpoints.write(saving.folder, run.steps_taken, run.tensors(), state)
            run.processes.wait()

    with deferred(active=saving.folder is not None) as interrupt:
        while run.steps_taken < steps:
            run.advance()
            done, now = run.steps_taken, monotonic()
            if done % log_every == 0 or done == steps:
                run.seconds = now - begun
                entry = _entry(run)
                log.add(entry)
                bar.show(entry)
            due = saving.every_steps and done % saving.every_steps == 0
            due = due or now - saved_at > saving.every_seconds or done == steps
            wish = _STOP if interrupt.requested else _SAVE if due else 0
            if saving.folder is not None:
                wish = run.processes.agree(wish)
            if wish:
                save()
                saved_at = monotonic()
            if wish == _STOP:
                raise KeyboardInterrupt


def _entry(run: Run) -> Entry:
    """The log's next entry.

    Raises
    ------
    Diverged
        If the loss is not finite or exploded.
    """
    run.check()
    if run.batch is not None:
        run.meter.see(run.batch)
    reading = run.meter.read()
    check_explosion(reading, run.steps_taken, run.rate, run.recipe)
    each = {"loss": reading.loss, "ev": reading.explained, "l0": reading.active, "dead": reading.dead}
    return Entry(
        step=run.steps_taken,
        tokens=run.steps_taken * run.budget.batch_size,
        loss=float(reading.loss.mean()),
        ev=number(float(reading.explained.mean())),
        l0=float(reading.active.mean()),
        dead=float(reading.dead.mean()),
        terms={name: number(float(values.mean())) for name, values in reading.terms.items()},
        lr=run.rate,
        seconds=run.seconds,
        extra=run.design.extra_state(),
        members={name: [number(v) for v in values.tolist()] for name, values in each.items() if values.ndim},
    )


def _prepared(design: Design, recipe: Recipe) -> Design:
    """The design as it will be trained.

    Raises
    ------
    ValueError
        If it does not allow the recipe's normalisation.
    """
    if recipe.resample_every and Processes().size > 1:
        raise ValueError(f"resample_every must be 0 in a run of several processes, got {recipe.resample_every}")
    anything: object = design
    if recipe.normalise == "unit_mean_square" and not isinstance(anything, Rescalable):
        raise ValueError(
            f"normalise='unit_mean_square' needs a design with absorb_scale, which {type(design).__name__} lacks; "
            "set normalise='none'"
        )
    if recipe.normalise != "layer_norm" or isinstance(design, LayerNormed):
        return design
    if not isinstance(design, LinearDesign):
        raise ValueError(
            f"normalise='layer_norm' needs a linear encoder and decoder, which {type(design).__name__} lacks; "
            "set normalise='none'"
        )
    return LayerNormed(design)


def _identity(design: Design, budget: Budget, recipe: Recipe, seed: int) -> dict[str, Any]:
    """What must agree for a run to be continued, as plain values; the stream's state says the rest."""
    run = {"budget": asdict(budget), "recipe": recipe.to_dict(), "seed": seed, "processes": Processes().size}
    return {"design": _settings(design), **run}


def _settings(design: Design) -> dict[str, Any]:
    if isinstance(design, Ensemble):
        return {"rates": design.rates} | {f"member {i}": _settings(member) for i, member in enumerate(design.members)}
    config = getattr(design, "config", None)
    settings = config.to_dict() if isinstance(config, DesignConfig) else {}
    return {"class": type(design).__name__, "width": design.width, "columns": design.columns} | settings


def _found(folder: Path | None, identity: Mapping[str, Any], *, resume: bool) -> checkpoints.Checkpoint | None:
    """The checkpoint to continue from, if any.

    Raises
    ------
    ValueError
        If there is one that is not to be continued, or is of another run.
    """
    if folder is None:
        if resume:
            raise ValueError("resume=True needs the folder to resume from, got folder=None")
        return None
    folder.mkdir(parents=True, exist_ok=True)
    checkpoint = checkpoints.latest(folder)
    if checkpoint is None:
        return None
    if not resume:
        raise ValueError(
            f"{folder} holds the checkpoints of a run; continue it with resume=True, or name another folder"
        )
    before, now = _flat(checkpoint.state["run"]), _flat(json.loads(json.dumps(identity)))
    for name in {**before, **now}:
        if before.get(name) != now.get(name):
            raise ValueError(
                f"{folder} holds another run: {name} was {before.get(name)!r}, got {now.get(name)!r}; "
                f"set it back, or name another folder"
            )
    return checkpoint


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested mappings as one, with names like ``recipe.lr``."""
    out: dict[str, Any] = {}
    for name, value in values.items():
        out |= _flat(value, f"{prefix}{name}.") if isinstance(value, Mapping) else {prefix + name: value}
    return out


def _started(
    design: Design, source: Source, budget: Budget, recipe: Recipe, seed: int, found: checkpoints.Checkpoint | None
) -> Run:
    """The run at its first step, or where the checkpoint stands."""
    generators = {name: torch.Generator().manual_seed(seed + k) for k, name in enumerate(("stream", "resampling"))}
    processes = Processes()
    share, shard = processes.share(budget.batch_size), (processes.rank, processes.size)
    stream = source.batches(share, generators["stream"], shard)
    scale = 1.0
    if found is None and recipe.normalise == "unit_mean_square":
        scale = unit_mean_square_scale(source, torch.Generator().manual_seed(seed), budget.batch_size)
    run = Run(design, stream, budget, recipe, generators, scale=scale)
    if found is None and recipe.centre != "none":
        rows = next(source.batches(centring.ROWS, torch.Generator().manual_seed(seed)))
        centring.centre_bias(design, scale * rows.to(run.device, run.dtype), recipe.centre)
    if found is not None:
        try:
            run.restore(found.step, found.tensors, found.state)
        except ValueError as error:
            raise ValueError(f"{found.path} is of another source: {error}") from None
    return run


def _finished(run: Run, log: tuple[Entry, ...]) -> Trained:
    """The design, and its average, for activations as they are."""
    average = None
    if run.average is not None and run.last is not None:
        average = run.average.design(run.design, run.last)
    folded: tuple[object, ...] = (run.design, average)
    for design in folded:
        if run.scale != 1.0 and isinstance(design, Rescalable):
            design.absorb_scale(run.scale)
    return Trained(run.design.eval(), None if average is None else average.eval(), log, run.scale)
