"""Small experiments on tiny random models, shared by tests."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from real_models.activations import Activations, Harvest
from real_models.corpora import InMemory
from real_models.experiment import Experiment
from real_models.sites import Site
from sasa_theory.training import Budget, recipe

from . import tiny

TEXTS = [f"text {i} " + "abcdefgh"[i % 7 :] * (5 + i % 9) for i in range(400)]
SITE, HARVEST = Site(1, "resid_post"), Harvest(length=16, sequences=4, buffer=8)
SETTINGS: dict[str, dict[str, Any]] = {
    "sasa/paper": {"groups": 10, "rank": 3, "active": 2},
    "topk": {"atoms": 30, "k": 6},
}


def experiment(design: str = "sasa/paper", **changes: Any) -> Experiment:
    made = Experiment(
        model="tiny",
        site=SITE,
        corpus="in memory",
        design=design,
        settings=SETTINGS[design],
        recipe=recipe(design, warmup=2, lr=1e-2),
        budget=Budget(tokens=960, batch_size=32),
        harvest=HARVEST,
    )
    return replace(made, **changes)


def source(seed: int = 0, texts: list[str] = TEXTS) -> Activations:
    return Activations(tiny.language(seed=seed), SITE, InMemory(texts), HARVEST)
