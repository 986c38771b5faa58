"""Singular values of the maps that training leaves, for penalties that differ between the members of one ensemble."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np
import torch
from torch import Tensor

from sasa_theory.bounds.validate import Floats
from sasa_theory.designs.contract import Design
from sasa_theory.designs.groups.d_gating import DGated
from sasa_theory.designs.groups.nuclear import singular_values
from sasa_theory.designs.linear import LinearDesign
from sasa_theory.training import Budget, Ensemble, Memory, Recipe, train

KEPT = 0.01
"""Singular value above which a direction counts as kept: far below every kept one, far above what Adam leaves."""

_LR = 0.02


def trained_spectra(members: Sequence[Design], rows: Tensor, *, steps: int, seed: int) -> Floats:
    """Train on all rows at once by Adam, and return the maps' singular values, shape (members, groups, rank).

    Full batches, as it is the minimum itself that the theory speaks of; the rate falls to 0 at the end.
    """
    budget = Budget(tokens=steps * len(rows), batch_size=len(rows))
    trained = train(Ensemble(members), Memory(rows), budget, Recipe(lr=_LR), seed=seed, progress=False).design
    return np.stack([_spectrum(cast(LinearDesign, design)) for design in cast(Ensemble, trained).split()])


def bracket(ratios: Floats, kept: Floats, full: float) -> tuple[float, float]:
    """Largest ratio up to which all ``full`` directions are kept, and the smallest from which on none is.

    Parameters
    ----------
    ratios : ndarray, shape (n,)
        Ascending penalties.
    kept : ndarray, shape (n,)
        Number of directions kept at each.

    Returns
    -------
    tuple of float
        0 if not all are kept at the first, infinity if some are kept at the last.
    """
    below = int(np.argmin(np.append(kept == full, False)))
    above = len(kept) - int(np.argmin(np.append(kept[::-1] == 0, False)))
    low = float(ratios[below - 1]) if below else 0.0
    return low, float(ratios[above]) if above < len(ratios) else np.inf


@torch.no_grad()
def _spectrum(design: LinearDesign) -> Floats:
    weights = design.weights() if isinstance(design, DGated) else (design.encoder, design.decoder)
    encoder, decoder = (w.detach().double().unflatten(-2, (-1, design.rank)) for w in weights)
    return np.asarray(singular_values(decoder, encoder).numpy(), dtype=float)
