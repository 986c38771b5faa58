"""Grouping after the fact by communities in the graph of decoder rows: Leiden's algorithm, through igraph."""

from __future__ import annotations

import random
from importlib import import_module
from typing import Any

import torch

from sasa_theory.bounds.validate import real

from ..contract import Design
from .grouping import Grouped, neighbour_edges


def group_by_communities(
    design: Design, neighbours: int = 10, resolution: float = 1.0, *, generator: torch.Generator
) -> Grouped:
    """Communities of latents whose decoder rows lie close (Leiden: Traag, Waltman and van Eck, 2019).

    Each column is joined to the ``neighbours`` columns of largest positive cosine with it; the cosine is the weight w.
    Leiden's algorithm, repeated until it changes nothing, (locally) maximises the modularity
    ``sum_ij (w_ij - resolution * s_i s_j / s) [same group]``, s_i the sum of column i's weights and s that of all. A
    single weak link does not join two communities, as it does in :func:`.group_by_neighbours`; nor need their number be
    known, as in :func:`.group_by_spectrum`. A column without neighbours of positive cosine is a group of its own.

    Parameters
    ----------
    design : Design
        A trained design; its decoder must be affine in the codes.
    neighbours : int
        At least as many as the columns of a group less 1, or large groups fall apart.
    resolution : float
        Larger values give more and smaller groups. Positive.
    generator : torch.Generator
        Draws the seed of Leiden's order of visits.

    Raises
    ------
    ValueError
        If ``neighbours`` is not between 1 and the columns less 1, or ``resolution`` not positive.
    ModuleNotFoundError
        If igraph is not installed.
    """
    resolution = float(real("resolution", resolution, 0, open_low=True))
    igraph = _igraph()
    edges, cosines = neighbour_edges(design, neighbours)
    kept = cosines > 0
    graph = igraph.Graph(design.columns, edges[:, kept].T.tolist(), edge_attrs={"weight": cosines[kept].tolist()})
    graph.simplify(combine_edges="max")  # two columns that are each other's neighbours have one link
    seed = int(torch.randint(2**31, (1,), generator=generator, device=generator.device))
    igraph.set_random_number_generator(random.Random(seed))
    try:
        found = graph.community_leiden("modularity", weights="weight", resolution=resolution, n_iterations=-1)
    finally:
        igraph.set_random_number_generator(random)  # igraph's own choice
    return Grouped(design, torch.tensor(found.membership, device=edges.device).unique(return_inverse=True)[1])


def _igraph() -> Any:
    """The optional package."""
    try:
        return import_module("igraph")
    except ModuleNotFoundError:
        raise ModuleNotFoundError(
            "group_by_communities needs the package igraph: pip install 'sasa-theory[leiden]'", name="igraph"
        ) from None
