"""Redundancy of decoder clusters: more atoms than dimensions, beside what as many random directions would show."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from sasa_theory.designs.contract import Design
from sasa_theory.designs.references import group_by_neighbours
from sasa_theory.tolerances import ROUNDING

from .contract import Metric, Reading
from .units import Units

if TYPE_CHECKING:
    from .observation import Observation

VARIANCE = 0.8
"""Share of a cluster's energy that its dimension holds."""

MORE_THAN = 3
"""Clusters of so few atoms, or fewer, do not count."""

DRAWS = 8
"""Random clusters behind the null of each size; a ratio varies by a few hundredths between them."""


@dataclass(frozen=True)
class Redundancy:
    """Clusters of decoder atoms and how many atoms they spend on a dimension.

    Attributes
    ----------
    ratio : float
        Median over clusters of ``size / dimension``; NaN if no cluster has more than 3 atoms.
    null : float
        Median over the same clusters of the mean ratio of as many random directions in the same width.
    sizes, dimensions : Tensor of int64, shape (clusters,)
        Of the clusters of more than 3 atoms.
    nulls : Tensor, shape (clusters,)
        Null ratio of each of them.
    """

    ratio: float
    null: float
    sizes: Tensor
    dimensions: Tensor
    nulls: Tensor

    @property
    def over_null(self) -> float:
        """``ratio / null``: 1 where clusters are no more redundant than chance."""
        return self.ratio / self.null


def pca_dimension(atoms: Tensor) -> int:
    """Least q whose q largest eigenvalues of the Gram matrix of unit atoms hold 80 % of its trace, not centred.

    Parameters
    ----------
    atoms : Tensor, shape (size, width)
        Their norms do not matter: encoder and decoder share them out at will.
    """
    unit = torch.nn.functional.normalize(atoms.double(), dim=1)
    gram = unit @ unit.mT if len(unit) <= unit.shape[1] else unit.mT @ unit
    energy = torch.linalg.eigvalsh(gram).flip(0).cumsum(0)
    return int((energy < VARIANCE * (1 - ROUNDING) * energy[-1]).sum()) + 1


def random_ratio(size: int, width: int, generator: torch.Generator) -> float:
    """Mean ``size / dimension`` of clusters of random directions.

    It exceeds 1 although nothing is redundant: 80 % of the energy of nearly orthogonal atoms lies in about 80 % as many
    dimensions. In 768 dimensions it is 1.00, 1.14, 1.24, 1.33, 1.39, 1.47 at sizes 4, 8, 16, 24, 50, 100.
    """
    draws = (torch.randn(size, width, generator=generator, dtype=torch.float64) for _ in range(DRAWS))
    return sum(size / pca_dimension(atoms) for atoms in draws) / DRAWS


@torch.no_grad()
def redundancy(design: Design, clusters: Tensor, *, generator: torch.Generator) -> Redundancy:
    """Atoms a dimension in each cluster of decoder atoms, beside the null of its size.

    Parameters
    ----------
    design : Design
        Its atoms are its columns, whatever its units. Columns that add nothing belong to no cluster.
    clusters : Tensor of int64, shape (columns,)
        Cluster of each column, e.g. ``group_by_neighbours(design).units()`` or ``group_by_spectrum(...).units()`` of
        :mod:`sasa_theory.designs.references`.
    generator : torch.Generator
        Of the random clusters, on the CPU.

    Raises
    ------
    ValueError
        If ``clusters`` has another shape, or the decoder is not affine.
    """
    if clusters.shape != (design.columns,):
        raise ValueError(f"clusters must have one entry a column, shape ({design.columns},), got {clusters.shape}")
    atoms = _atoms(Units.of(design)).cpu()
    used = atoms.norm(dim=1) > 0
    atoms, clusters = atoms[used], clusters.cpu()[used]
    names, counts = clusters.unique(return_counts=True)
    large = counts > MORE_THAN
    sizes = counts[large]
    dimensions = torch.tensor([pca_dimension(atoms[clusters == name]) for name in names[large]], dtype=torch.int64)
    by_size = {size: random_ratio(size, design.width, generator) for size in sizes.unique().tolist()}
    nulls = torch.tensor([by_size[size] for size in sizes.tolist()], dtype=torch.float64)
    return Redundancy(_median(sizes / dimensions.double()), _median(nulls), sizes, dimensions, nulls)


def _atoms(units: Units) -> Tensor:
    """Decoder rows by column, shape (columns, width)."""
    rows = units.decoder.new_zeros(units.columns + 1, units.decoder.shape[2])
    rows[units.places.flatten()] = units.decoder.flatten(0, 1)
    return rows[:-1]


def _median(values: Tensor) -> float:
    """The median, of an even number the mean of the middle two; NaN of none."""
    return float(values.quantile(0.5)) if len(values) else torch.nan


def _over_null(observation: Observation) -> Reading:
    """Median of ``size / dimension`` over clusters of decoder atoms, divided by that of random directions.

    Clusters are the connected components of more than 3 atoms among the two nearest neighbours with cosine above 1/2;
    their dimension holds 80 % of the energy of the unit atoms. Random clusters have the same sizes. NaN if there is no
    such cluster. Atoms are columns: turning the columns of a unit among one another changes the value.

    Neighbours were chosen for their cosines. Where random atoms have neighbours as well (many atoms in few dimensions),
    the value of a random dictionary, not 1, is what to compare with.
    """
    design = observation.design
    if design.columns <= MORE_THAN:
        return Reading(torch.nan)
    generator = torch.Generator().manual_seed(observation.rows.seed)
    return Reading(redundancy(design, group_by_neighbours(design).units(), generator=generator).over_null)


METRICS = (
    Metric(
        name="redundancy",
        title="redundancy over chance",
        unit="ratio",
        direction="lower",
        version=1,
        measure=_over_null,
        source="arXiv 2405.14860 (clusters); the null is derived here",
    ),
)
