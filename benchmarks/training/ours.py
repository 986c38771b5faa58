"""Our designs in our trainer, as a user starts it."""

from __future__ import annotations

import torch

from sasa_theory import designs
from sasa_theory.designs.contract import Design
from sasa_theory.training import Budget, Recipe, recipe
from sasa_theory.training import train as run_trainer
from sasa_theory.training.ensemble import Ensemble

from .settings import DEAD_AFTER, MEMBERS, RANK, Setting
from .turn import Turn

_STEPS = 10**6
"""Of the budget; the turn ends much sooner."""


def topk(turn: Turn, setting: Setting, tuned: bool) -> None:
    """``topk``."""
    _train(_topk(setting), turn, setting, Recipe())


def screened(turn: Turn, setting: Setting, tuned: bool) -> None:
    """``topk`` that looks through the latents in whole numbers first."""
    _train(_screened(setting), turn, setting, Recipe())


def ensemble(turn: Turn, setting: Setting, tuned: bool) -> None:
    """Several ``topk`` trained as one on the same batches."""
    _train(Ensemble([_topk(setting, seed) for seed in range(MEMBERS)]), turn, setting, Recipe())


def sasa(turn: Turn, setting: Setting, tuned: bool) -> None:
    """``sasa/release`` with its recipe."""
    sizes = {"groups": setting.columns // RANK, "rank": RANK, "active": setting.active // RANK}
    design = designs.get("sasa/release", width=setting.width, **sizes, dead_after=DEAD_AFTER)
    _train(design, turn, setting, recipe("sasa/release"))


def reconstruct(turn: Turn, setting: Setting, tuned: bool) -> None:
    """Encode and decode with ``topk``: the design as a function."""
    _reconstruct(_topk(setting), turn)


def reconstruct_screened(turn: Turn, setting: Setting, tuned: bool) -> None:
    """The same with a first look through the latents in whole numbers."""
    _reconstruct(_screened(setting), turn)


@torch.no_grad()
def _reconstruct(design: Design, turn: Turn) -> None:
    design.eval()
    for x in turn:
        design(x)


def _train(design: Design, turn: Turn, setting: Setting, settings: Recipe) -> None:
    run_trainer(design, turn, Budget(tokens=_STEPS * setting.batch, batch_size=setting.batch), settings)


def _topk(setting: Setting, seed: int = 0) -> Design:
    return designs.get("topk", seed=seed, **_topk_sizes(setting))


def _screened(setting: Setting) -> Design:
    return designs.get("topk", screen=True, **_topk_sizes(setting))


def _topk_sizes(setting: Setting) -> dict[str, int]:
    return {"width": setting.width, "atoms": setting.columns, "k": setting.active, "dead_after": DEAD_AFTER}
