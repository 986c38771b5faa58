"""Training as claims need it: a design of this package by name, short, seeded by the claim's own generator."""

from __future__ import annotations

from typing import Any

import numpy as np

from sasa_theory import designs
from sasa_theory.designs.contract import Design
from sasa_theory.training import Budget, Recipe, Source, train


def new_seed(rng: np.random.Generator) -> int:
    """A seed for PyTorch from a claim's generator."""
    return int(rng.integers(2**31))


def fit(
    name: str,
    source: Source,
    rng: np.random.Generator,
    *,
    steps: int,
    batch: int,
    lr: float,
    recipe: dict[str, Any] | None = None,
    **settings: Any,
) -> Design:
    """Train the preset ``name`` with these settings on a source; everything else is the recipe's default.

    Raises
    ------
    ValueError
        If the preset, a setting or a field of the recipe is unknown or impossible.
    """
    design = designs.get(name, seed=new_seed(rng), width=source.width, **settings)
    budget = Budget(tokens=steps * batch, batch_size=batch)
    return train(design, source, budget, Recipe(lr=lr, **(recipe or {})), seed=new_seed(rng), progress=False).design
