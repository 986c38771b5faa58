"""How few inputs a design can be trained on, many epochs over, before its units cover a feature's directions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from sasa_theory.bounds.validate import Floats
from sasa_theory.claims.measuring.geometry import sphere
from sasa_theory.claims.measuring.subspaces import random_bases
from sasa_theory.designs.linear import LinearDesign
from sasa_theory.training import Memory

from .fitting import fit

_POINTS = 4_000  # fresh directions that judge: a covered share of .5 is known to .008
_BATCH = 64


def slice_rows(m: int, d: int, ambient: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """A random basis (ambient, d) and ``m`` uniform unit vectors of its span, shape (m, ambient)."""
    basis = random_bases(ambient, d, rng)[0]
    return basis, sphere(m, d, rng) @ basis.T


def train_on(
    rows: Floats, name: str, rng: np.random.Generator, *, steps: int, lr: float, **settings: Any
) -> LinearDesign:
    """Train a preset on these rows and no others, over and over."""
    source = Memory(torch.tensor(rows, dtype=torch.float32))
    design = fit(name, source, rng, steps=steps, batch=min(_BATCH, max(8, len(rows))), lr=lr, **settings)
    assert isinstance(design, LinearDesign)
    return design


def unit_bases(design: LinearDesign) -> Floats:
    """Orthonormal basis of what each unit's decoder rows span, shape (units, rank, width)."""
    blocks = design.decoder.detach().double().unflatten(0, (-1, design.rank))
    return torch.linalg.svd(blocks, full_matrices=False)[2].numpy()


def covered_share(units: Floats, basis: Floats, eps: float, rng: np.random.Generator, *, signed: bool = True) -> float:
    """Share of fresh directions of a slice within ``eps`` of one unit's subspace.

    Parameters
    ----------
    units : array, shape (units, rank, width)
        Orthonormal rows.
    basis : array, shape (width, d)
        Of the slice.
    eps : float
        Chordal distance.
    rng : numpy.random.Generator
        Of the directions.
    signed : bool
        Whether codes may be negative; if not, units of one row are rays.
    """
    points = sphere(_POINTS, basis.shape[1], rng) @ basis.T
    best = np.zeros(len(points))
    for unit in units:
        part = points @ unit.T
        np.maximum(best, ((part if signed else part.clip(0)) ** 2).sum(axis=1), out=best)
    return float((best >= 1 - eps**2).mean())


def fewest(sizes: list[int], reached: Callable[[int], bool]) -> float:
    """The least of ascending ``sizes`` that suffices, by bisection; the last stands for itself and more, untried.

    Assumes that more suffices if less does, which training obeys but for chance: then some step from too few to enough.
    """
    low, high = 0, len(sizes) - 1
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if reached(sizes[middle]) else (middle + 1, high)
    return float(sizes[low])
