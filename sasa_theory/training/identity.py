"""Which run a folder belongs to: what must agree before a checkpoint is continued."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sasa_theory.designs.contract import Design

from . import checkpoints
from .budget import Budget
from .ensemble import Ensemble
from .recipe import Recipe
from .settings import flat, settings_of


def identity(design: Design, budget: Budget, recipe: Recipe, seed: int, processes: int) -> dict[str, Any]:
    """What must agree for a run to be continued, as plain values; the stream's own state answers for the source."""
    settings = settings_of(design)
    if isinstance(design, Ensemble):
        settings = {"rates": design.rates} | {f"member {i}": settings_of(m) for i, m in enumerate(design.members)}
    run = {"budget": asdict(budget), "recipe": recipe.to_dict(), "seed": seed, "processes": processes}
    return {"design": settings, **run}


def find(folder: Path | None, own: Mapping[str, Any], *, resume: bool) -> checkpoints.Checkpoint | None:
    """The checkpoint to continue from, if any.

    Parameters
    ----------
    folder : Path or None
        The run's folder; made if it does not exist.
    own : Mapping
        :func:`identity` of the run that asks.
    resume : bool
        Whether it is to be continued.

    Raises
    ------
    ValueError
        If there is a checkpoint that is not to be continued, or is of another run (the message names the field).
    """
    if folder is None:
        if resume:
            raise ValueError("resume=True needs the folder to resume from, got folder=None")
        return None
    folder.mkdir(parents=True, exist_ok=True)
    if not resume:
        if checkpoints.steps(folder):
            raise ValueError(
                f"{folder} holds the checkpoints of a run; continue it with resume=True, or name another folder"
            )
        return None
    checkpoint = checkpoints.latest(folder)
    if checkpoint is None:
        return None
    before, now = flat(checkpoint.state["run"]), flat(json.loads(json.dumps(own)))
    for name in {**before, **now}:
        if before.get(name) != now.get(name):
            raise ValueError(
                f"{folder} holds another run: {name} was {before.get(name)!r}, got {now.get(name)!r}; "
                f"set it back, or name another folder"
            )
    return checkpoint
