"""Changes of activations at labels: take away what a unit adds, project out its subspace, keep only that, turn it."""

from __future__ import annotations

from collections.abc import Callable
from math import pi

import numpy as np
import torch
from torch import Tensor

from sasa_theory.bounds.validate import Floats

from .circle import places
from .pieces import Piece, span

Change = Callable[[Tensor], Tensor]
"""Rows at labels, shape (rows, width), float32 on the CPU, to what takes their place."""


def removed(piece: Piece) -> Change:
    """Take away what a piece adds."""
    return lambda x: x - piece.added(x)


def projected(basis: Tensor, neutral: Tensor) -> Change:
    """Give rows the coordinates of a neutral row in a subspace."""
    return lambda x: x - _inside(x - neutral.to(x), basis)


def kept(basis: Tensor, neutral: Tensor) -> Change:
    """Give rows the coordinates of a neutral row everywhere but in a subspace."""
    return lambda x: neutral.to(x) + _inside(x - neutral.to(x), basis)


def turned(basis: Tensor, means: Floats, labels: float) -> Change:
    """Turn the circle of the labels' means within a subspace by so many labels.

    The means there are fitted by ``c + cos(a) u + sin(a) v``, a the angle of each label; coordinates along u and v are
    turned, so that an ellipse is turned within itself.

    Raises
    ------
    ValueError
        If the fit has no two dimensions, as in subspaces of rank 1.
    """
    here = torch.from_numpy(means) @ basis.mT
    axes = torch.linalg.pinv(torch.from_numpy(places(len(means), cyclic=True))) @ (here - here.mean(dim=0))
    if len(span(axes)) < 2:
        raise ValueError("there is no circle to be turned: the labels' means lie on a line in this subspace")
    angle = 2 * pi * labels / len(means)
    turn = torch.tensor([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]], dtype=torch.float64)
    centre, there = here.mean(dim=0), torch.linalg.pinv(axes)

    def change(x: Tensor) -> Tensor:
        t = (x.double() @ basis.mT - centre) @ there
        return x + ((t @ turn - t) @ axes @ basis).to(x)

    return change


def random_removed(basis: Tensor, reference: Piece, generator: torch.Generator) -> Change:
    """Take away a random vector of a subspace, the same in all rows, as long as what the reference adds in each."""
    mixed = torch.randn(len(basis), generator=generator, dtype=torch.float64) @ basis
    direction = mixed / mixed.norm()
    return lambda x: x - reference.added(x).norm(dim=1, keepdim=True) * direction.to(x)


def _inside(x: Tensor, basis: Tensor) -> Tensor:
    return x @ basis.to(x).mT @ basis.to(x)
