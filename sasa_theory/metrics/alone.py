"""A design on slices of one feature each, without neighbours and noise: what it does for that feature itself.

In a crowd, units that serve another active feature and merely overlap this one would be credited with its energy.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from sasa_theory.designs.contract import Design
from sasa_theory.tolerances import FLAT

from .crowd import second_moments
from .evaluating import encoded, evaluating
from .rows import Rows
from .shapley import shapley_values
from .turns import Turns, turns
from .units import Units, like_parameters

SLICES = 256
"""Slices of each feature that are looked at, or all there are in the rows."""

CANDIDATES = 64
"""Units of most energy in a feature whose joint energies are kept: counts of units end there."""

SERVED = 0.2
"""Least share of a feature's power that units which serve it add: less is what those of its neighbours spill into it,
even at an angle of 50 degrees between them (the share that spills is the fourth power of the cosine)."""

CONSTANT = 1e-12
"""Variance relative to the power below which slices count as all the same: rounding in float32."""


@dataclass(frozen=True)
class Alone:
    """What a design makes of ``x = bias + h``, h a slice of one feature as it occurs in the world.

    Contributions are ``c_k = z_k D_k``. A feature that never occurred has NaN throughout and no slices.

    Attributes
    ----------
    slices : Tensor, shape (features,)
        Slices looked at.
    power : Tensor, shape (features,)
        ``E||h||^2``.
    energy : Tensor, shape (features, units)
        ``E||V_i c_k||^2``: what each unit adds within the feature's subspace.
    fired : Tensor, shape (features, units)
        Share of the slices in which each unit fired.
    explained : Tensor, shape (features, units)
        ``1 - E||h - E h - (c_k - E c_k)||^2 / E||h - E h||^2``: R^2 of each unit's contribution on its own; NaN if the
        slices do not vary.
    candidates : Tensor of int64, shape (features, at most 64)
        Units of most energy, the most first.
    joint : Tensor, shape (features, candidates, candidates)
        ``E<V_i c_k, V_i c_l>``: energies with their cross-terms.
    with_all : Tensor, shape (features, units)
        ``E<V_i c_k, V_i c>``, c the sum over all units, candidates or not: :func:`.shapley.shapley_values`.
    turns : Turns
        How units share single slices, one entry a feature in each field; see :class:`.turns.Turns`.
    maps : tuple of Tensor, each of shape (d_i, width)
        ``E[v c_k'] E[v v']^-1`` for the unit k of most energy, v the slice's coordinates: the linear map, in row
        vectors, that the unit applies to the feature.
    matched_maps : tuple of Tensor, each of shape (d_i, width)
        The same of the unit assigned to the feature by its subspace (:mod:`.matching`); 0 if none is.
    spans : tuple of Tensor, each of shape (d_i, d_i)
        Orthogonal projector on the span of the slices' coordinates: the identity unless they are too few or degenerate.
        Of the maps only what they make of the span is known; they are 0 across it.
    moments : tuple of Tensor, each of shape (d_i, d_i)
        ``E[v v']`` over all slices in the rows, not only those looked at.
    """

    slices: Tensor
    power: Tensor
    energy: Tensor
    fired: Tensor
    explained: Tensor
    candidates: Tensor
    joint: Tensor
    with_all: Tensor
    turns: Turns
    maps: tuple[Tensor, ...]
    matched_maps: tuple[Tensor, ...]
    spans: tuple[Tensor, ...]
    moments: tuple[Tensor, ...]

    @property
    def served(self) -> Tensor:
        """Whether units add at least :data:`SERVED` of its power to the feature, shape (features,).

        One by one, ``sum_k E||V_i c_k||^2``, which copies that cancel do, or all together, ``E||V_i c||^2``, which many
        that share the amplitude do.
        """
        return torch.maximum(self.energy.sum(dim=1), self.with_all.sum(dim=1)) >= SERVED * self.power


@torch.no_grad()
def observe_alone(design: Design, units: Units, rows: Rows, bases: tuple[Tensor, ...], matched: Tensor) -> Alone:
    """Encode slices of each feature, as many as :data:`SLICES` or as the rows have.

    ``matched`` names the unit assigned to each feature, or -1.
    """
    like = like_parameters(design)
    slices = slices_of(rows, len(bases))
    bias = rows.world.bias.to(like)
    kept = min(CANDIDATES, units.count)
    found = []
    with evaluating(design):
        for h, basis, unit in zip(slices, bases, matched.tolist(), strict=True):
            found.append(_one(design, units, h.to(like), bias, basis.to(like), kept, unit))
    statistics, shared, maps, matched_maps, spans = zip(*found, strict=True)
    fields = (torch.stack(parts) for parts in zip(*statistics, strict=True))
    power, energy, fired, explained, candidates, joint, with_all = fields
    number = torch.tensor([len(h) for h in slices], device=like.device)
    who = Turns(*(torch.stack(parts) for parts in zip(*shared, strict=True)))
    moments = tuple(each.to(like.device) for each in _moments(rows, bases))
    return Alone(
        number, power, energy, fired, explained, candidates, joint, with_all, who, maps, matched_maps, spans, moments
    )


def slices_of(rows: Rows, features: int) -> list[Tensor]:
    """The first slices of each feature in the rows, at most :data:`SLICES` each, shapes (slices, width)."""
    found: list[list[Tensor]] = [[] for _ in range(features)]
    missing = torch.full((features,), SLICES)
    empty = torch.empty(0, rows.world.width)
    for block in rows.blocks("contributions"):
        truth = block.truth
        assert truth.contributions is not None  # asked for
        for i in truth.features.unique().tolist():
            if missing[i] > 0:
                new = truth.contributions[truth.features == i][: int(missing[i])]
                found[i].append(new.cpu())
                missing[i] -= len(new)
        if not missing.any():
            break
    return [torch.cat(parts) if parts else empty for parts in found]


def _moments(rows: Rows, bases: tuple[Tensor, ...]) -> list[Tensor]:
    """Second moments of each feature's coordinates over all rows, shapes (d_i, d_i), float64; NaN if it has none."""
    stacked = [basis.double().cpu() for basis in bases]
    sums = [basis.new_zeros(len(basis), len(basis)) for basis in stacked]
    number = torch.zeros(len(bases), dtype=torch.int64)
    for block in rows.blocks("contributions"):
        truth = block.truth
        assert truth.contributions is not None  # asked for
        features, slices = truth.features.cpu(), truth.contributions.cpu()
        for i in features.unique().tolist():
            coordinates = slices[features == i].double() @ stacked[i].mT
            sums[i] += coordinates.mT @ coordinates
        number += torch.bincount(features, minlength=len(bases))
    return [total / n for total, n in zip(sums, number, strict=True)]


def _one(
    design: Design, units: Units, h: Tensor, bias: Tensor, basis: Tensor, kept: int, matched: int
) -> tuple[tuple[Tensor, ...], Turns, Tensor, Tensor, Tensor]:
    """The fields of :class:`Alone` for one feature, in their order, without the number of slices."""
    if not len(h):
        nothing = h.new_full((units.count,), torch.nan, dtype=torch.float64)
        candidates = torch.arange(kept, device=h.device)
        joint = nothing.new_full((kept, kept), torch.nan)
        unknown = nothing.new_full(basis.shape, torch.nan)
        statistics = (nothing[0], nothing, nothing, nothing, candidates, joint, nothing)
        span = unknown.new_zeros(len(basis), len(basis))
        return statistics, Turns(nothing, nothing[0], nothing[0], nothing[0]), unknown, unknown, span
    codes = encoded(design, bias + h)
    fired = (design.presence(codes) > 0).double().mean(dim=0)
    on = fired.nonzero().squeeze(1)  # of many units few fire for one feature; the others add nothing
    blocks, decoder = units.blocks(codes)[:, on].double(), units.decoder[on].double()
    h, basis = h.double(), basis.double()
    inside = torch.einsum("nkr,krd->nkd", blocks, decoder @ basis.mT)  # V_i c_k
    added, coordinates = inside.square().sum(dim=2), h @ basis.mT
    energy = torch.zeros_like(fired).index_copy(0, on, added.mean(dim=0))
    power = h.square().sum(dim=1).mean()
    explained = torch.zeros_like(fired).index_copy(0, on, _explained(blocks, decoder, h)) / _varies(h, power)
    candidates = energy.argsort(descending=True, stable=True)[:kept]
    place = torch.full_like(fired, len(on), dtype=torch.int64).index_copy(0, on, torch.arange(len(on), device=h.device))
    among = torch.nn.functional.pad(inside, (0, 0, 0, 1))[:, place[candidates]]
    joint = torch.einsum("nkd,nld->kl", among, among) / len(h)
    with_all = torch.zeros_like(fired).index_copy(0, on, shapley_values(inside))
    who = turns(added, coordinates)
    shares = torch.zeros_like(fired).index_copy(0, on, who.shares).masked_fill(who.at_once.isnan(), torch.nan)
    statistics = (power, energy, fired, explained, candidates, joint, with_all)
    chosen = torch.tensor([int(candidates[0]), matched], device=h.device)
    outputs = _contributions(units, codes, chosen)
    left, sizes, right = torch.linalg.svd(coordinates, full_matrices=False)
    known = sizes > FLAT * sizes[0]
    right = right[known]
    best, other = (right.mT / sizes[known]) @ left[:, known].mT @ outputs
    return statistics, who._replace(shares=shares), best, other, right.mT @ right


def _explained(blocks: Tensor, decoder: Tensor, h: Tensor) -> Tensor:
    """What each unit takes off the variance of the slices: ``E||h - E h||^2 - E||h - E h - (c_k - E c_k)||^2``."""
    centred, moved = h - h.mean(dim=0), blocks - blocks.mean(dim=0)
    along = (centred @ decoder.flatten(0, 1).mT).view_as(moved)
    across = (second_moments(moved) * (decoder @ decoder.mT)).sum(dim=(1, 2))
    return (2 * (moved * along).sum(dim=(0, 2)) - across) / len(h)


def _varies(h: Tensor, power: Tensor) -> Tensor:
    """The variance of the slices, NaN if they do not vary."""
    spread = (h - h.mean(dim=0)).square().sum(dim=1).mean()
    return torch.where(spread > CONSTANT * power, spread, torch.nan)


def _contributions(units: Units, codes: Tensor, chosen: Tensor) -> Tensor:
    """What some units add to each slice, 0 for unit -1: shape (chosen, n, width), float64."""
    blocks = units.blocks(codes)[:, chosen].double().transpose(0, 1)
    return (blocks @ units.decoder[chosen].double()) * (chosen >= 0).view(-1, 1, 1)
