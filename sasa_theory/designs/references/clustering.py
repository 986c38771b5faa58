"""Clusterings as designs: every row is explained by the one centroid, or the few subspaces, nearest to it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..config import AtomConfig, GroupConfig, set_whole, within
from ..contract import Design
from ..linear import normalise_rows, random_directions
from .lloyd import Points, Subspaces, lloyd
from .tied import TiedGroups, check_activations, random_bases


@dataclass(frozen=True, kw_only=True)
class KMeansConfig(AtomConfig):
    """Settings of k-means; :func:`fit_k_means` finds the centroids, one an atom."""

    kind = "k_means"

    def build(self, generator: torch.Generator) -> KMeans:
        """Random unit vectors in the place of centroids."""
        return KMeans(self, random_directions(self.atoms, self.width, generator))


class KMeans(Design):
    """The nearest centroid: ``x_hat = b + z D`` with one active atom, its direction unit, its code the distance.

    Atom j has ``D_j = (c_j - b) / l_j`` and code ``l_j = ||c_j - b||`` in the rows nearest to centroid c_j; a centroid
    at b itself is no direction, and the code of its rows is 0.

    Parameters
    ----------
    config : KMeansConfig
        What the design was built from.
    centroids : Tensor, shape (atoms, width)
        Centroids c_j.
    centre : Tensor, shape (width,), or None
        Point b from which codes are counted; 0 if None.
    """

    decoder: Tensor
    decoder_bias: Tensor
    lengths: Tensor

    def __init__(self, config: KMeansConfig, centroids: Tensor, centre: Tensor | None = None) -> None:
        super().__init__(config.width, config.columns)
        self.config = config
        bias = centroids.new_zeros(config.width) if centre is None else centre.to(centroids)
        offsets = (centroids - bias).detach()
        self.register_buffer("lengths", offsets.norm(dim=-1))
        normalise_rows(offsets)
        self.register_buffer("decoder", offsets)
        self.register_buffer("decoder_bias", bias.detach().clone())

    def nearest(self, x: Tensor) -> Tensor:
        """Number of the centroid nearest to each row, shape (n,)."""
        closeness = self.lengths * ((x - self.decoder_bias) @ self.decoder.mT) - self.lengths.square() / 2
        return closeness.argmax(dim=-1)

    def encode(self, x: Tensor) -> Tensor:
        """The length of the nearest centroid in its column, shape (n, atoms)."""
        columns = torch.arange(self.columns, device=self.lengths.device)
        return (self.nearest(x).unsqueeze(-1) == columns) * self.lengths

    def decode(self, codes: Tensor) -> Tensor:
        """``z D + b``, shape (n, width)."""
        return codes @ self.decoder + self.decoder_bias


@dataclass(frozen=True, kw_only=True)
class KSubspacesConfig(GroupConfig):
    """Settings of k-subspaces; :func:`fit_k_subspaces` finds the subspaces, one a group.

    Attributes
    ----------
    active : int
        Groups that fire in each row: those with the largest projections. At most ``groups``.
    """

    kind = "k_subspaces"

    active: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        set_whole(self, "active")
        within("active", self.active, "groups", self.groups)

    def build(self, generator: torch.Generator) -> TiedGroups:
        """Random subspaces in the place of fitted ones."""
        return self.around(random_bases((self.rank,) * self.groups, self.width, generator))

    def around(self, rows: Tensor, centre: Tensor | None = None) -> TiedGroups:
        """The design with these stacked orthonormal bases, around this centre, shape (width,)."""
        return TiedGroups(self, (self.rank,) * self.groups, self.active, rows, centre)


def fit_k_means(
    x: Tensor, clusters: int, *, generator: torch.Generator, restarts: int = 4, iterations: int = 100
) -> KMeans:
    """k-means: centroids with a (locally) smallest mean ``||x - c||^2``; codes are counted from the mean of the data.

    Parameters
    ----------
    x : Tensor, shape (n, width)
        Activations, n at least ``clusters``.
    clusters : int
        Number of centroids.
    generator : torch.Generator
        Draws the seeds of each restart; the same generator gives the same clusters.
    restarts : int
        Runs, of which the best is kept.
    iterations : int
        Longest run.

    Raises
    ------
    ValueError
        If a number is impossible, or x is not finite or has too few rows.
    """
    check_activations(x, 1)
    config = KMeansConfig(width=x.shape[1], atoms=clusters)
    mean = x.mean(dim=0)
    centroids = lloyd(Points(), x - mean, config.atoms, generator, restarts, iterations)
    return KMeans(config, centroids.squeeze(1) + mean, mean)


def fit_k_subspaces(
    x: Tensor,
    clusters: int,
    rank: int,
    *,
    generator: torch.Generator,
    active: int = 1,
    restarts: int = 4,
    iterations: int = 100,
) -> TiedGroups:
    """k-subspaces: subspaces through the mean with a (locally) smallest mean ``||x - P x||^2``, P that of x's cluster.

    Each row belongs to one subspace during the fit, whatever ``active`` is: if it belonged to several, all would agree
    on the leading directions of the data.

    Parameters
    ----------
    x : Tensor, shape (n, width)
        Activations, n at least ``clusters`` and ``rank``.
    clusters, rank : int
        Number of subspaces and their dimension.
    generator : torch.Generator
        Draws the seeds of each restart.
    active : int
        Subspaces that fire in each row of the design.
    restarts, iterations : int
        Runs, of which the best is kept, and the longest run.

    Raises
    ------
    ValueError
        If a number is impossible, or x is not finite or has too few rows.
    """
    check_activations(x, 1)
    config = KSubspacesConfig(width=x.shape[1], groups=clusters, rank=rank, active=active)
    mean = x.mean(dim=0)
    bases = lloyd(Subspaces(config.rank), x - mean, config.groups, generator, restarts, iterations)
    return config.around(bases.flatten(0, 1), mean)
