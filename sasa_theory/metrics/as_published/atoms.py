"""Reconstruction of a feature, and the atoms that carry its energy, as the authors count them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from sasa_theory.tolerances import ROUNDING

from ..contract import Reading
from .in_crowd import in_crowd, inside
from .published import Published

if TYPE_CHECKING:
    from ..observation import Observation

SHARE = 0.9
"""Share of the energy that the counted atoms carry."""

GATE = 0.5
"""Least reconstruction of a feature whose atoms are counted."""


def _recon(observation: Observation) -> Reading:
    """``1 - sum ||V_i (x - x_hat)||^2 / sum ||V_i x||^2`` over the rows in which i is active, mean over features.

    Defect: V_i x holds what other active features and noise add there, so that even the true subspaces stay below 1.
    """
    found = observation.kept(in_crowd)
    each = 1 - found.error / found.power
    return Reading(float(each.nanmean()), each)


def atoms_needed(energies: Tensor, share: float = SHARE) -> Tensor:
    """Fewest columns whose energies add up to this share, shape (features, columns) to (features,); NaN without any."""
    total = energies.sum(dim=1, keepdim=True)
    most = energies.sort(dim=1, descending=True).values.cumsum(dim=1)
    needed = (most < share * (1 - ROUNDING) * total).sum(dim=1).double() + 1
    return needed.masked_fill(~(total.squeeze(1) > 0), torch.nan)


def _atoms(observation: Observation) -> Reading:
    """Fewest columns j whose ``e_ij = E[a_j^2 | i active] ||V_i w_j||^2`` add up to 90 % of all, mean over features.

    Only features with reconstruction (``published_feature_recon``) of at least one half. Defects: columns whose
    contributions cancel count with their energies; columns that serve features active in the same rows count too; where
    a_j has the norm of w_j in it, the norm is counted twice; the columns of a group change when it is rotated.
    """
    needed = atoms_needed(observation.kept(in_crowd).squares * inside(observation))
    recon = observation.kept(_recon).each
    assert recon is not None  # it has one value a feature
    each = needed.masked_fill(~(recon >= GATE), torch.nan)
    return Reading(float(each.nanmean()), each)


def _ratio(observation: Observation) -> Reading:
    """``N_i / d_i``, N_i the columns of ``published_atoms_90``, mean over features.

    Defects: those of ``published_atoms_90``.
    """
    atoms = observation.kept(_atoms).each
    assert atoms is not None  # it has one value a feature
    each = atoms / observation.dims.to(atoms)
    return Reading(float(each.nanmean()), each)


METRICS = (
    Published(
        name="published_feature_recon",
        title="reconstruction of a feature",
        unit="share",
        direction="higher",
        version=1,
        measure=_recon,
        defect="interference and noise within the subspace count as the feature's",
    ),
    Published(
        name="published_atoms_90",
        title="atoms a feature",
        unit="columns",
        direction="lower",
        version=1,
        measure=_atoms,
        defect="cross-terms, co-active features and norms counted twice; columns of a group are not rotation invariant",
        corrected_by="units_90",
    ),
    Published(
        name="published_splitting_ratio",
        title="atoms a dimension",
        unit="columns",
        direction="lower",
        version=1,
        measure=_ratio,
        defect="those of the atoms a feature",
    ),
)
