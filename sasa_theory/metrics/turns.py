"""Who does the work in single slices of a feature: one unit at a time, each in its place, or several at once."""

from __future__ import annotations

from math import log
from typing import NamedTuple

import torch
from torch import Tensor

from sasa_theory.tolerances import ROUNDING


class Turns(NamedTuple):
    """How units share the slices of one feature, or, with one more leading dimension, of several.

    The share of unit k in slice h is ``p_k(h) = ||V c_k||^2 / sum_l ||V c_l||^2``. Slices to which the units add
    nothing are left out; if none is left, or a single one for the last two fields, there is NaN.

    Attributes
    ----------
    shares : Tensor, shape (units,)
        ``E p_k(h)``.
    at_once : Tensor, shape ()
        ``E H(p(h))`` in bits, H the entropy: 0 if one unit at a time does everything.
    neighbours : Tensor, shape ()
        ``E <p(h), p(h')>``, h' the other slice nearest to h in direction: the probability that the same unit is drawn
        for both.
    strangers : Tensor, shape ()
        ``E <p(h), p(h')>`` over all pairs of different slices: what neighbours would have by chance.
    """

    shares: Tensor
    at_once: Tensor
    neighbours: Tensor
    strangers: Tensor


def turns(added: Tensor, coordinates: Tensor) -> Turns:
    """How units share some slices.

    Parameters
    ----------
    added : Tensor, shape (slices, units)
        ``||V c_k||^2``, float64.
    coordinates : Tensor, shape (slices, d)
        The slices in a basis of the feature, float64.
    """
    total = added.sum(dim=1)
    served = total > ROUNDING * coordinates.square().sum(dim=1)  # less is what rounding makes of an unserved feature
    added, coordinates, n = added[served], coordinates[served], int(served.sum())
    p = added / added.sum(dim=1, keepdim=True)
    shares = p.mean(dim=0)
    at_once = torch.special.entr(p).sum(dim=1).mean() / log(2)
    if n < 2:
        return Turns(shares, at_once, shares.new_full((), torch.nan), shares.new_full((), torch.nan))
    directions = torch.nn.functional.normalize(coordinates, dim=1)
    cosines = (directions @ directions.mT).fill_diagonal_(-torch.inf)
    neighbours = (p * p[cosines.argmax(dim=1)]).sum(dim=1).mean()
    strangers = (p.sum(dim=0).square().sum() - p.square().sum()) / (n * (n - 1))
    return Turns(shares, at_once, neighbours, strangers)
