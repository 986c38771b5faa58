"""Absorption: a child's unit takes over its parent's direction, and the parent's own unit falls silent.

A child is a feature that is present only together with its parent (a dog is an animal).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import torch
from scipy.sparse import csr_array
from torch import Tensor

from sasa_theory.tolerances import ROUNDING

from .alone import slices_of
from .contract import Metric, Reading
from .crowd import Pattern
from .evaluating import encoded, evaluating
from .rows import Known
from .units import Units, like_parameters

if TYPE_CHECKING:
    from .observation import Observation

CARRIED = 0.4
"""Share of the parent's slice that a child's unit has to restore to count as carrying it (arXiv 2503.09532)."""

CHANCE = 1e-6
"""Probability that independent features anywhere in the world look like parent and child."""

_CHILDREN = 512
"""Features whose joint firings with all others are counted at a time."""

_NUMBERS = 1 << 22
"""Numbers of decoder blocks held at a time, one block a firing."""


class Parts(NamedTuple):
    """What may serve a feature: the units, or the columns taken one by one.

    Attributes
    ----------
    units : Units
        Their decoders.
    main : Tensor of int64, shape (features,)
        The part of most energy within each feature's subspace, on slices of that feature alone.
    served : Tensor of bool, shape (features,)
        Whether that energy is more than rounding.
    fires : callable
        Codes, shape (n, columns), to which part fires, Boolean, shape (n, parts).
    """

    units: Units
    main: Tensor
    served: Tensor
    fires: Callable[[Tensor], Tensor]


def families(present: Pattern) -> Tensor:
    """Pairs of features of which one is present in every row in which the other is, and in more.

    A pair counts if independent features would show it anywhere with probability below 1e-6 (Bonferroni); rarer
    children go unnoticed. A grandparent is a parent here.

    Parameters
    ----------
    present : Pattern
        Which features are present in which row.

    Returns
    -------
    Tensor of int64, shape (pairs, 2)
        Parent and child.
    """
    rows, features = present.size
    ones = torch.ones(len(present.rows), dtype=torch.int64)
    pattern = csr_array((ones.numpy(), (present.members.cpu().numpy(), present.rows.cpu().numpy())), (features, rows))
    counts = present.counts().cpu()
    needed = torch.log(torch.tensor(CHANCE)) - 2 * torch.log(torch.tensor(float(features)))
    found = []
    for start in range(0, features, _CHILDREN):
        joint = (pattern[start : start + _CHILDREN] @ pattern.T).tocoo()
        child, parent = torch.from_numpy(joint.row).long() + start, torch.from_numpy(joint.col).long()
        inside = (torch.from_numpy(joint.data) == counts[child]) & (counts[parent] > counts[child])
        child, parent = child[inside], parent[inside]
        sure = counts[child] * torch.log(counts[parent] / rows) < needed
        found.append(torch.stack((parent[sure], child[sure]), dim=1))
    return torch.cat(found)


@torch.no_grad()
def absorbed(observation: Observation, parts: Parts, pairs: Tensor) -> Tensor:
    """Share of each parent's rows in which it is absorbed.

    It is in a row where its main part is silent and, for a child c present in the row, the main part k of c fires and
    restores at least 40 % of the parent's slice h: ``<c_k, h> >= 0.4 ||h||^2``. Two units that share a feature between
    them are no absorption: only parts that serve a child on its own count.

    Parameters
    ----------
    observation : Observation
        Of a design in a world with parents and children.
    parts : Parts
        :func:`by_unit` or :func:`by_column`.
    pairs : Tensor of int64, shape (pairs, 2)
        Parent and child.

    Returns
    -------
    Tensor, shape (features,)
        NaN for features that are no parents, never occur, or that no part serves even when they are alone.
    """
    design = observation.design
    like = like_parameters(design)
    features = len(observation.bases)
    hits, total = (torch.zeros(features, dtype=torch.float64, device=like.device) for _ in range(2))
    pairs = pairs.to(like.device)
    with evaluating(design):
        for block in observation.rows.blocks("contributions"):
            truth = block.truth
            assert truth.contributions is not None  # asked for
            codes = encoded(design, block.x.to(like))
            child, parent = (k.to(like.device) for k in _together(truth, pairs.cpu()))
            slices, present = truth.contributions.to(like), truth.features.to(like.device)
            where = truth.samples.to(like.device)[child]
            own, other = parts.main[present[parent]], parts.main[present[child]]
            fires = parts.fires(codes)
            silent = (~fires[where, own] & fires[where, other] & parts.served[present[child]]).nonzero().squeeze(1)
            blocks = parts.units.blocks(codes)
            taken = torch.zeros(len(present), dtype=torch.bool, device=like.device)
            for some in silent.split(max(1, _NUMBERS // parts.units.decoder[0].numel())):
                h = slices[parent[some]]
                decoder = parts.units.decoder[other[some]]
                restored = torch.einsum("mr,mrw,mw->m", blocks[where[some], other[some]], decoder, h)
                taken[parent[some]] |= restored >= CARRIED * h.square().sum(dim=1)
            hits += torch.bincount(present[taken], minlength=features)
            total += torch.bincount(present, minlength=features)
    counted = torch.zeros(features, dtype=torch.bool, device=like.device).index_fill(0, pairs[:, 0], True)
    return torch.where(counted & parts.served & (total > 0), hits / total, torch.nan)


def by_unit(observation: Observation) -> Parts:
    """The design's units."""
    alone, design = observation.alone, observation.design
    return Parts(
        observation.units,
        alone.candidates[:, 0],
        alone.energy.nan_to_num().amax(dim=1) > ROUNDING * alone.power,
        lambda codes: design.presence(codes) > 0,
    )


@torch.no_grad()
def by_column(observation: Observation) -> Parts:
    """The columns of the code, one by one."""
    design, units = observation.design, observation.units
    like = like_parameters(design)
    rows = units.decoder.new_zeros(units.columns + 1, 1, design.width)
    rows[units.places.flatten(), 0] = units.decoder.flatten(0, 1)
    columns = torch.arange(units.columns, device=like.device).unsqueeze(1)
    single = Units(rows[:-1], units.offset, columns, units.columns)
    bias = observation.rows.world.bias.to(like)
    slices = slices_of(observation.rows, len(observation.bases))
    energies, powers = [], []
    with evaluating(design):
        for h, basis in zip(slices, observation.bases, strict=True):
            squares = encoded(design, bias + h.to(like)).double().square().sum(dim=0) / max(1, len(h))
            energies.append(squares * (single.decoder.squeeze(1) @ basis.to(like).mT).double().square().sum(dim=1))
            powers.append(h.to(squares).square().sum() / max(1, len(h)))
    energy = torch.stack(energies)
    served = energy.amax(dim=1) > ROUNDING * torch.stack(powers)
    return Parts(single, energy.argmax(dim=1), served, lambda codes: codes != 0)


def _together(truth: Known, pairs: Tensor) -> tuple[Tensor, Tensor]:
    """Firings of child and of parent in the same row, all pairs in all rows: places in the truth's firings."""
    features = truth.size[1]
    samples, who = truth.samples.cpu(), truth.features.cpu()
    keys, order = (samples * features + who).sort()
    pairs = pairs[pairs[:, 1].argsort(stable=True)]
    number = torch.bincount(pairs[:, 1], minlength=features)
    first = number.cumsum(0) - number
    repeats = number[who]
    child = torch.arange(len(who)).repeat_interleave(repeats)
    within = torch.arange(len(child)) - (repeats.cumsum(0) - repeats)[child]
    parent = pairs[first[who[child]] + within, 0]
    wanted = samples[child] * features + parent
    place = torch.searchsorted(keys, wanted).clamp_max(len(keys) - 1)
    both = keys[place] == wanted
    return child[both], order[place[both]]


def _absorption(observation: Observation) -> Reading:
    """Mean over parents of the share of their rows in which their main unit is silent while a child's carries them.

    The main unit k of a child that is present carries the parent's slice h if ``<c_k, h> >= 0.4 ||h||^2``, c_k its
    contribution to the row. Main units are those of most energy within a feature's subspace on slices of it alone.
    Parents and children are found in the rows: a child is present only with its parent. NaN in worlds without.
    """
    return _reading(observation, by_unit)


def _absorption_columns(observation: Observation) -> Reading:
    """The same with single columns of the code in place of units, for comparison with the literature.

    It changes when the columns of a unit are turned among one another, though the design stays the same function.
    """
    return _reading(observation, by_column)


def _reading(observation: Observation, parts: Callable[[Observation], Parts]) -> Reading:
    pairs = families(observation.crowd.present)
    if not len(pairs):
        return Reading(torch.nan)
    each = absorbed(observation, parts(observation), pairs)
    return Reading(float(each.nanmean()), each)


METRICS = (
    Metric(
        name="absorption",
        title="absorbed parents",
        unit="share",
        direction="lower",
        version=1,
        measure=_absorption,
        source="arXiv 2409.14507, arXiv 2503.09532; on units derived here",
    ),
    Metric(
        name="absorption_columns",
        title="absorbed parents, by column",
        unit="share",
        direction="lower",
        version=1,
        measure=_absorption_columns,
        source="arXiv 2409.14507, arXiv 2503.09532",
    ),
)
