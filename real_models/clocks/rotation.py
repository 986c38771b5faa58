"""The causal test: turning a clock's circle by j hours, inside what some units span, must move the answer by j.

What a reader of the residual stream adds up to at the last position is its *view* of the input: for a design, what some
of its units decode; for a subspace, the projection. On inputs that the model was trained on, the view is fitted by the
circle of the answers,

    view ~ mean + [cos(2 pi h / p), sin(2 pi h / p)] B,    h = (a + b) mod p,

and on all others it is turned by j hours without a look at their labels: with y the coordinates of ``view - mean`` in
the plane of B, ``x' = x + (y R_j - y) B``. The rest of the model then answers. Where a clock has circles of several
frequencies f, ``cos(2 pi f h / p)`` and so on, B has two rows for each, and they turn together, each f times as far.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import pi
from typing import NamedTuple

import torch
from torch import Tensor

from real_models.sites import Site, replaced
from sasa_theory.designs.contract import Design
from sasa_theory.metrics.units import Units
from sasa_theory.seeds import generator_for

from .transformer import answer
from .world import LAST_BLOCK, ClockWorld

View = Callable[[Tensor], Tensor]
"""What is seen of activations: shape (n, width) to (n, width)."""


@dataclass(frozen=True)
class Circle:
    """The circles of a clock's hours in a view, as fitted.

    Attributes
    ----------
    view : callable
        See :data:`View`.
    mean : Tensor, shape (width,)
        Their centre.
    rows : Tensor, shape (2 * frequencies, width)
        B: of each frequency the rows of its cosine and of its sine.
    frequencies : tuple of int
        How often each goes round while the clock does once.
    """

    view: View
    mean: Tensor
    rows: Tensor
    frequencies: tuple[int, ...] = (1,)

    def turned(self, x: Tensor, angle: Tensor) -> Tensor:
        """Activations, shape (n, width), with the circle turned by an angle for each row, shape (n,)."""
        y = (self.view(x) - self.mean) @ torch.linalg.pinv(self.rows)
        y = y.unflatten(1, (-1, 2))
        turn = angle.unsqueeze(1) * angle.new_tensor(self.frequencies)
        cos, sin = turn.cos(), turn.sin()
        there = torch.stack([y[..., 0] * cos - y[..., 1] * sin, y[..., 0] * sin + y[..., 1] * cos], dim=2)
        return x + (there - y).flatten(1) @ self.rows


def of_units(design: Design, units: Sequence[int]) -> View:
    """What some units of a design add."""
    split = Units.of(design)
    places, decoder = split.places[list(units)], split.decoder[list(units)]

    @torch.no_grad()
    def view(x: Tensor) -> Tensor:
        codes = design.encode(x)
        padded = torch.cat((codes, codes.new_zeros(len(codes), 1)), dim=1)
        return torch.einsum("nur,urw->nw", padded[:, places], decoder)

    return view


def of_subspace(basis: Tensor, bias: Tensor) -> View:
    """The projection on a subspace: ``(x - bias) V' V`` for orthonormal rows V, shape (d, width)."""
    return lambda x: (x - bias) @ basis.mT @ basis


def random_subspace(width: int, dim: int, seed: int) -> Tensor:
    """Orthonormal basis of a uniform random subspace, shape (dim, width)."""
    normal = torch.randn(width, dim, generator=generator_for("random subspace", seed))
    return torch.linalg.qr(normal).Q.mT.contiguous()


def fitted(world: ClockWorld, i: int, view: View, frequencies: tuple[int, ...] = (1,)) -> Circle:
    """The circles of clock i in a view, by least squares over the inputs that the model was trained on."""
    clocks = world.taught.lesson.clocks
    rows = (clocks.clock == i) & clocks.seen
    angle = 2 * pi * clocks.sum[rows].double().unsqueeze(1) / clocks.hours[i] * torch.tensor(frequencies)
    waves = torch.stack([angle.cos(), angle.sin()], dim=2).flatten(1)
    regressors = torch.cat([torch.ones_like(angle[:, :1]), waves], dim=1)
    coefficients = torch.linalg.lstsq(regressors, view(world.x[rows]).double()).solution.to(world.x)
    return Circle(view, coefficients[0], coefficients[1:], frequencies)


@torch.no_grad()
def moved(world: ClockWorld, i: int, circle: Circle, site: Site = LAST_BLOCK) -> float:
    """Share of answers that move by j hours when the circle is turned by j hours.

    Over all held-out inputs of clock i and all j = 1, ..., p - 1; an answer has moved if it is ``a + b + j`` on
    the same clock.

    Parameters
    ----------
    world : ClockWorld
        Taken at the same site.
    i : int
        The clock.
    circle : Circle
        Of that clock.
    site : Site
        Where the activations are replaced, at the last position.
    """
    clocks = world.taught.lesson.clocks
    hours = clocks.hours[i]
    unseen = ((clocks.clock == i) & ~clocks.seen).nonzero().squeeze(1)
    rows = unseen.repeat_interleave(hours - 1)
    turns = torch.arange(1, hours).repeat(len(unseen))
    angle = 2 * pi * turns / hours

    def change(x: Tensor) -> Tensor:
        last = circle.turned(x[:, -1], angle.to(x))
        return torch.cat([x[:, :-1], last.unsqueeze(1)], dim=1)

    model = world.taught.language.model
    with replaced(model, site, change):
        said = answer(model, clocks.tokens[rows]).argmax(dim=1)
    wanted = clocks.first[i] + (clocks.sum[rows] + turns) % hours
    return float((said == wanted).double().mean())


class Ranked(NamedTuple):
    """A design's units on some rows.

    Attributes
    ----------
    order : tuple of int
        The units, those first that add most about their own mean: a part that is the same in all rows tells no hour.
    energies : Tensor, shape (units,)
        ``E||s - E s||^2`` of the sum s of what the first 1, 2, ... of them add.
    """

    order: tuple[int, ...]
    energies: Tensor

    def number(self, energy: float) -> int:
        """How many of them add together what is nearest to an energy, by ratio; of several numbers the least."""
        return int((self.energies.clamp_min(torch.finfo(torch.float64).tiny) / energy).log().abs().argmin()) + 1


@torch.no_grad()
def ranked(design: Design, x: Tensor) -> Ranked:
    """Units by the energy that they add to rows, shape (n, width)."""
    split = Units.of(design)
    added = torch.einsum("nur,urw->unw", split.blocks(design.encode(x)).double(), split.decoder.double())
    added = added - added.mean(dim=1, keepdim=True)
    order = added.square().sum(dim=2).mean(dim=1).argsort(descending=True)
    energies = added[order].cumsum(dim=0).square().sum(dim=2).mean(dim=1)
    return Ranked(tuple(order.tolist()), energies)
