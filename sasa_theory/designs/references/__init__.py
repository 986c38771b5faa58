"""What trained designs are compared with: classical fits, random dictionaries, the truth itself."""

from .clustering import fit_k_means, fit_k_subspaces
from .communities import group_by_communities
from .grouping import group_by_neighbours, group_by_spectrum
from .oracle import oracle
from .pca import fit_pca

__all__ = [
    "fit_k_means",
    "fit_k_subspaces",
    "fit_pca",
    "group_by_communities",
    "group_by_neighbours",
    "group_by_spectrum",
    "oracle",
]
