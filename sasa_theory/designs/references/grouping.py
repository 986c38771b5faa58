"""Grouping after the fact: the latents of a trained vector SAE, put into groups by how their decoder rows lie.

The codes stay those of the vector SAE, column by column; only the units change. It is what groups learnt in training
have to beat at the same number of columns.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass

import torch
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import eigsh
from torch import Tensor

from sasa_theory.bounds.validate import count, real

from ..around import AroundConfig
from ..config import DesignConfig, set_whole, within
from ..contract import Design
from ..linear import normalise_rows
from .clustering import fit_k_means

_BLOCK_ROWS = 1024
"""Latents whose cosines with all others are held at a time."""


@dataclass(frozen=True, kw_only=True)
class GroupedConfig(AroundConfig):
    """Settings of :class:`Grouped`.

    Attributes
    ----------
    inner : DesignConfig
        The design whose columns are grouped.
    groups : int
        Number of groups, at most the columns of ``inner``.
    """

    kind = "grouped"

    groups: int

    def __post_init__(self) -> None:
        super().__post_init__()
        set_whole(self, "groups")
        within("groups", self.groups, "columns of inner", self.inner.columns)

    @property
    def columns(self) -> int:
        """Dimension of the code: that of the inner design."""
        return self.inner.columns

    def build(self, generator: torch.Generator) -> Grouped:
        """A freshly initialised inner design, its columns dealt out to the groups in turn."""
        return Grouped(self.inner.build(generator), torch.arange(self.columns) % self.groups)


class Grouped(Design):
    """A design whose columns are grouped anew: codes and reconstructions stay, the units are the groups.

    It holds a copy of the design, in evaluation mode and without gradients: what is grouped is what was trained.

    Parameters
    ----------
    inner : Design
        The trained design.
    unit_of : Tensor of int, shape (columns,)
        Group of each column; 0, 1, ... without a gap.

    Raises
    ------
    ValueError
        If ``unit_of`` has another shape or leaves a gap.
    """

    unit_of: Tensor

    def __init__(self, inner: Design, unit_of: Tensor) -> None:
        super().__init__(inner.width, inner.columns)
        if unit_of.shape != (inner.columns,) or unit_of.is_floating_point():
            raise ValueError(
                f"unit_of must hold one whole number a column, shape ({inner.columns},), got {unit_of.dtype} of shape "
                f"{tuple(unit_of.shape)}"
            )
        used = unit_of.unique()
        if not used.equal(torch.arange(len(used), device=used.device)):
            raise ValueError(f"unit_of must use 0, 1, ... without a gap, got {used.tolist()[:9]}; see torch.unique")
        self.inner = deepcopy(inner).eval().requires_grad_(False)
        self.register_buffer("unit_of", unit_of.detach().to(torch.int64).clone())
        self._n_units = len(used)
        config = getattr(inner, "config", None)  # designs from elsewhere have none, and cannot be saved
        self.config = GroupedConfig(inner=config, groups=len(used)) if isinstance(config, DesignConfig) else None

    def units(self) -> Tensor:
        """Group of each column."""
        return self.unit_of

    @property
    def n_units(self) -> int:
        """Number of groups."""
        return self._n_units

    def encode(self, x: Tensor) -> Tensor:
        """The inner design's codes, shape (n, columns)."""
        return self.inner.encode(x)

    def decode(self, codes: Tensor) -> Tensor:
        """The inner design's reconstructions, shape (n, width)."""
        return self.inner.decode(codes)

    def forward(self, x: Tensor) -> Tensor:
        """The inner design's reconstruction, by its own way."""
        return self.inner(x)


def group_by_spectrum(design: Design, groups: int, *, generator: torch.Generator) -> Grouped:
    """Spectral clustering of the decoder rows by angle (Engels et al., arXiv 2405.14860).

    Affinity ``A_ij = 1 - arccos(cos_ij) / pi``: 1 for equal directions, 1/2 for orthogonal ones, 0 for opposite ones.
    Rows of ``T^{-1/2} V``, V the leading eigenvectors of ``T^{-1/2} A T^{-1/2}`` and T the row sums of A, go to k-means
    (Shi and Malik, 2000). They are not brought to norm 1, which would blow up the noise in large groups, whose rows are
    short, and lose the small groups.
    Memory: the matrix A, columns x columns float64.

    Parameters
    ----------
    design : Design
        A trained design; its decoder must be affine in the codes.
    groups : int
        Number of groups, less than the columns. Fewer come out if fewer directions are distinct.
    generator : torch.Generator
        Draws the eigensolver's start and the seeds of k-means.

    Raises
    ------
    ValueError
        If ``groups`` is out of range.
    """
    groups = int(count("groups", groups, 1, design.columns - 1))
    rows = _directions(design).cpu().double()
    affinity = 1 - (rows @ rows.mT).clamp(-1, 1).arccos() / torch.pi
    scale = affinity.sum(dim=1).rsqrt()
    start = torch.rand(design.columns, generator=generator, device=generator.device, dtype=torch.float64).cpu()
    symmetric = (scale.unsqueeze(1) * affinity * scale).numpy()
    vectors = torch.from_numpy(eigsh(symmetric, k=groups, which="LA", v0=start.numpy())[1]) * scale.unsqueeze(1)
    nearest = fit_k_means(vectors, groups, generator=generator).nearest(vectors)
    return Grouped(design, nearest.unique(return_inverse=True)[1])


def group_by_neighbours(design: Design, neighbours: int = 2, least_cosine: float = 0.5) -> Grouped:
    """Connected components of the graph of nearest decoder rows (Engels et al., arXiv 2405.14860, larger models).

    Each column is joined to the ``neighbours`` columns of largest cosine with it, as far as that exceeds
    ``least_cosine``. A column with no such neighbour is a group of its own.

    Raises
    ------
    ValueError
        If ``neighbours`` is not between 1 and the columns less 1, or ``least_cosine`` not in [-1, 1].
    """
    real("least_cosine", least_cosine, -1, 1)
    edges, cosines = neighbour_edges(design, neighbours)
    edges = edges[:, cosines > least_cosine]
    start, end = edges.cpu().numpy()
    graph = coo_array((start >= 0, (start, end)), shape=(design.columns, design.columns))
    labels = connected_components(graph, directed=False)[1]
    return Grouped(design, torch.from_numpy(labels).to(edges.device))


def neighbour_edges(design: Design, neighbours: int) -> tuple[Tensor, Tensor]:
    """The graph of nearest decoder rows: each column with those of largest cosine with it.

    Returns
    -------
    edges : Tensor of int, shape (2, columns * neighbours)
        From column to neighbour.
    cosines : Tensor, shape (columns * neighbours,)
        Of their decoder rows; 0 where one of them adds nothing.

    Raises
    ------
    ValueError
        If ``neighbours`` is not between 1 and the columns less 1.
    """
    neighbours = int(count("neighbours", neighbours, 1, design.columns - 1))
    rows = _directions(design)
    every = torch.arange(len(rows), device=rows.device)
    near, cosines = [], []
    for block in every.split(_BLOCK_ROWS):
        found = rows[block] @ rows.mT
        found[block - block[0], block] = -torch.inf
        best = found.topk(neighbours, dim=1)
        near.append(best.indices)
        cosines.append(best.values)
    edges = torch.stack((every.repeat_interleave(neighbours), torch.cat(near).flatten()))
    return edges, torch.cat(cosines).flatten()


@torch.no_grad()
def _directions(design: Design) -> Tensor:
    """Unit decoder rows, ``decode`` of one column less ``decode`` of none; zero where a column adds nothing."""
    like = next((t for t in (*design.parameters(), *design.buffers()) if t.is_floating_point()), torch.empty(0))
    nothing = design.decode(like.new_zeros(1, design.columns))
    blocks = [
        design.decode(torch.nn.functional.one_hot(columns, design.columns).to(like))
        for columns in torch.arange(design.columns).split(_BLOCK_ROWS)
    ]
    rows = torch.cat(blocks) - nothing
    normalise_rows(rows)
    return rows
