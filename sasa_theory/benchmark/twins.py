"""Whether a design finds the same units again: two trainings in one world that differ in weights and batches only."""

from __future__ import annotations

import math

import torch

from sasa_theory.designs.contract import Design
from sasa_theory.metrics import consistency, observe
from sasa_theory.metrics.rows import KnownWorld

from .records import Measured

VERSION = 1
"""Raised whenever the formula changes."""

NAMES = {"seed_consistency": "seed consistency", "atom_consistency": "consistency of atoms"}
"""Names in records and titles: of the units' subspaces, and of single directions; see
:class:`sasa_theory.metrics.Consistency`. Both are shares, and more is better."""


def agreement(design: Design, twin: Design | None, world: KnownWorld, rows: int, seed: int) -> dict[str, Measured]:
    """How far two designs have the same units, beside random dictionaries of the same ranks.

    NaN if there is no twin, or a design has no unit that fires.
    """
    try:
        if twin is None:
            raise ValueError("its training diverged")
        both = [observe(each, world, rows, seed) for each in (design, twin)]
        found = consistency(both, torch.Generator().manual_seed(seed))
        values = (found.subspaces, found.subspaces_null), (found.atoms, found.atoms_null)
    except ValueError:
        values = ((math.nan, math.nan),) * 2
    return {
        name: Measured(version=VERSION, value=value, null=(null, null), oracle=1.0)
        for name, (value, null) in zip(NAMES, values, strict=True)
    }
