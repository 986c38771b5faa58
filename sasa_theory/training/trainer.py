"""The loop: any design, any source, one budget; logged, checkpointed, resumed to the same bits."""

from __future__ import annotations

from dataclasses import dataclass
from inspect import signature
from pathlib import Path

import torch

from sasa_theory.bounds.validate import count, real
from sasa_theory.designs.contract import Design
from sasa_theory.designs.layer_norm import LayerNormed
from sasa_theory.designs.linear import LinearDesign

from . import centring
from .allocator import keep_large_blocks
from .budget import Budget
from .checkpoints import Checkpoint
from .ensemble import Ensemble
from .identity import find, identity
from .log import Entry, Log
from .loop import Saving, take_steps
from .normalising import Rescalable, unit_mean_square_scale
from .processes import Processes
from .progress import Bar
from .recipe import Recipe
from .recipes import recipe as named_recipe
from .run import Run
from .source import Source, Stream


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
        The log from the first step on; of several processes, only the first has what was written before resuming.
    scale : float
        Factor of the activations during training, which the design has since taken over.
    """

    design: Design
    average: Design | None
    log: tuple[Entry, ...]
    scale: float


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
        Trained in place, on the device and in the dtype of its parameters. One without parameters returns as it is; of
        an :class:`Ensemble` that the recipe puts behind layer norm, copies are trained.
    source : Source
        Of the design's width. Its streams must say where they stand (``state_dict``) if there is a folder, and know
        shards if there are several processes.
    budget : Budget
        Tokens and batch size.
    recipe : Recipe or str or None
        How; a string names one of :func:`sasa_theory.training.recipe`; None is ``Recipe()``.
    seed : int
        Seed of the stream and of resampling. What is estimated before training is estimated from the stream's start.
    folder : path or None
        Where checkpoints, the last two, and ``log.jsonl`` go. If there are several processes, all must see it.
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
        If an argument is out of range, the widths differ, the design cannot do what the recipe asks for, the source
        ends early or gives batches of another shape, or the folder holds another run (the message names the field).
    Diverged
        If the loss stops being finite or explodes. The last checkpoint stays.
    OSError
        If the log or a checkpoint cannot be written. The last checkpoint stays.
    KeyboardInterrupt
        Upon Ctrl-C; with a folder, after the step and its checkpoint. A second Ctrl-C does not wait for them.
    """
    if isinstance(recipe, str):
        recipe = named_recipe(recipe)
    recipe = recipe or Recipe()
    log_every, seed = int(count("log_every", log_every)), int(count("seed", seed, 0, 2**53))
    every_steps = int(count("checkpoint_steps", checkpoint_steps, 0))
    every_seconds = float(real("checkpoint_seconds", checkpoint_seconds, 0.0))
    folder = None if folder is None else Path(folder)
    if source.width != design.width:
        raise ValueError(f"the design is of width {design.width}, the source of {source.width}; they must agree")
    if not any(p.requires_grad for p in design.parameters()):
        return Trained(design.eval(), None, (), 1.0)
    processes = Processes()
    if recipe.resample_every and processes.size > 1:
        raise ValueError(f"resample_every must be 0 in a run of several processes, got {recipe.resample_every}")
    design = _prepared(design, recipe).train()
    saving = Saving(
        folder=folder,
        every_steps=every_steps,
        every_seconds=every_seconds,
        identity=identity(design, budget, recipe, seed, processes.size),
    )
    found = find(folder, saving.identity, resume=resume)
    run = _started(design, source, budget, recipe, seed, processes, saving, found)
    first = processes.rank == 0
    log = Log(folder if first else None, run.steps_taken, Path(tensorboard) if tensorboard and first else None)
    try:
        with keep_large_blocks(), Bar(budget.steps, run.steps_taken, shown=progress and first) as bar:
            take_steps(run, log, bar, log_every, saving)
    finally:
        log.close()
    return _finished(run, tuple(log.entries))


def begin(
    design: Design, source: Source, stream: Stream, budget: Budget, recipe: Recipe | None = None, *, seed: int = 0
) -> Run:
    """A run at its first step, for whoever takes its steps himself, e.g. those of several designs in turn.

    Parameters
    ----------
    design, budget, recipe, seed
        As in :func:`train`.
    source : Source
        What is estimated before training is estimated from a stream of its own.
    stream : Stream
        Batches of ``budget.batch_size`` rows.

    Raises
    ------
    ValueError
        As :func:`train`.
    """
    recipe = recipe or Recipe()
    if source.width != design.width:
        raise ValueError(f"the design is of width {design.width}, the source of {source.width}; they must agree")
    saving = Saving(folder=None, every_steps=0, every_seconds=0.0, identity={})
    prepared = _prepared(design, recipe).train()
    return _started(prepared, source, budget, recipe, seed, Processes(), saving, None, stream)


def _prepared(design: Design, recipe: Recipe) -> Design:
    """The design as it will be trained.

    Raises
    ------
    ValueError
        If it does not allow the recipe's normalisation.
    """
    one = design.members[0] if isinstance(design, Ensemble) else design
    name = type(one).__name__
    anything: object = one
    if recipe.normalise == "unit_mean_square" and not isinstance(anything, Rescalable):
        raise ValueError(
            f"normalise='unit_mean_square' needs a design with absorb_scale, which {name} lacks; set normalise='none'"
        )
    if recipe.space is None:
        return design
    if isinstance(one, LayerNormed):
        if one.config.space != recipe.space:
            raise ValueError(
                f"normalise={recipe.normalise!r} measures errors in {recipe.space} space, the design is layer-normed "
                f"with space={one.config.space!r}; make them agree, or set normalise='none'"
            )
        return design
    if not isinstance(one, LinearDesign):
        raise ValueError(
            f"normalise={recipe.normalise!r} needs a linear encoder and decoder, which {name} lacks; "
            "set normalise='none'"
        )
    if isinstance(design, Ensemble):
        return Ensemble([_layer_normed(member, recipe) for member in design.split()], design.rates)
    return _layer_normed(design, recipe)


def _layer_normed(design: Design, recipe: Recipe) -> LayerNormed:
    assert isinstance(design, LinearDesign)
    assert recipe.space is not None
    return LayerNormed(design, recipe.space)


def _started(
    design: Design,
    source: Source,
    budget: Budget,
    recipe: Recipe,
    seed: int,
    processes: Processes,
    saving: Saving,
    found: Checkpoint | None,
    stream: Stream | None = None,
) -> Run:
    """The run at its first step, or where the checkpoint stands."""
    generators = {name: torch.Generator().manual_seed(seed + k) for k, name in enumerate(("stream", "resampling"))}
    if stream is None:
        stream = _stream(source, processes.share(budget.batch_size), generators["stream"], processes)
    anything: object = stream
    if saving.folder is not None and not isinstance(anything, Stream):
        raise ValueError(
            f"checkpoints need to know where the stream stands, but {type(stream).__name__} has no state_dict and "
            "load_state_dict; add them, or set folder=None"
        )
    scale = 1.0
    if found is None and recipe.normalise == "unit_mean_square":
        scale = unit_mean_square_scale(source, torch.Generator().manual_seed(seed), budget.batch_size)
    run = Run(design, stream, budget, recipe, generators, processes, scale=scale)
    if found is None and recipe.centre != "none":
        rows = next(source.batches(centring.ROWS, torch.Generator().manual_seed(seed)))
        centring.centre_bias(design, scale * rows.to(run.device, run.dtype), recipe.centre)
    if found is not None:
        try:
            run.restore(found.step, found.tensors, found.state)
        except ValueError as error:
            raise ValueError(f"{found.path} is of another source: {error}") from None
    return run


def _stream(source: Source, rows: int, generator: torch.Generator, processes: Processes) -> Stream:
    """The part of the source's batches that falls to this process."""
    if processes.size == 1:
        return source.batches(rows, generator)
    shard = (processes.rank, processes.size)
    try:
        signature(source.batches).bind(rows, generator, shard)
    except TypeError:
        raise ValueError(
            f"{type(source).__name__}.batches takes no shard, so that every process would see the same rows; "
            "add the argument, or train in one process"
        ) from None
    return source.batches(rows, generator, shard)


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
