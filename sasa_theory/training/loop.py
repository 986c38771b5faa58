"""The steps of a run one after the other, with log entries and checkpoints as they fall due."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any

from . import checkpoints
from .divergence import check_explosion, check_weights
from .interruption import deferred
from .log import Entry, Log, number
from .progress import Bar
from .run import Run

_SAVE, _STOP = 1, 2


@dataclass(frozen=True, kw_only=True)
class Saving:
    """Where and when a run leaves checkpoints.

    Attributes
    ----------
    folder : Path or None
        Where they go; nothing is written if None.
    every_steps : int
        Steps between checkpoints; 0 for none by steps.
    every_seconds : float
        Seconds between checkpoints.
    identity : Mapping
        What they say of the run, for whoever wants to continue it.
    """

    folder: Path | None
    every_steps: int
    every_seconds: float
    identity: Mapping[str, Any]


def take_steps(run: Run, log: Log, bar: Bar, log_every: int, saving: Saving) -> None:
    """Take the remaining steps of a run.

    Raises
    ------
    Diverged
        If the loss stops being finite or explodes.
    OSError
        If the log or a checkpoint cannot be written.
    KeyboardInterrupt
        Upon Ctrl-C; where there is a folder, after the step and its checkpoint.
    """
    steps, saved_at, begun = run.budget.steps, monotonic(), monotonic() - run.seconds
    folder = saving.folder
    with deferred(active=folder is not None) as interrupt:
        while run.steps_taken < steps:
            run.advance()
            done, now = run.steps_taken, monotonic()
            run.seconds = now - begun
            if done % log_every == 0 or done == steps:
                entry = read(run)
                log.add(entry)
                bar.show(entry)
            if folder is None:
                continue
            due = saving.every_steps and done % saving.every_steps == 0
            due = due or now - saved_at > saving.every_seconds or done == steps
            wish = run.processes.agree(_STOP if interrupt.requested else _SAVE if due else 0)
            if wish:
                _save(run, folder, saving.identity)
                saved_at = monotonic()
            if wish == _STOP:
                raise KeyboardInterrupt(f"stopped after step {done}, saved in {folder}; continue with resume=True")


def _save(run: Run, folder: Path, identity: Mapping[str, Any]) -> None:
    """Write a checkpoint, by the first process for all, unless there is nothing worth continuing from."""
    run.check()
    check_weights(run.design.parameters(), run.steps_taken, run.rate, run.recipe)
    state = {"run": identity, **run.state()}
    if run.processes.rank == 0:
        checkpoints.write(folder, run.steps_taken, run.tensors(), state)
    run.processes.wait()


def read(run: Run) -> Entry:
    """The log's next entry.

    Raises
    ------
    Diverged
        If the loss is not finite or exploded.
    """
    run.check()
    if run.batch is not None:
        run.meter.see(run.processes.all_rows(run.batch))
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
        terms={name: number(float(values.mean())) for name, values in {**reading.terms, **reading.noted}.items()},
        lr=run.rate,
        seconds=run.seconds,
        extra=run.design.log_extra(),
        members={name: [number(v) for v in values.tolist()] for name, values in each.items() if values.ndim},
    )
