"""A small world and the dictionaries that every metric is tried on: the truth, and truths spoilt on purpose."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from sasa_theory.designs import Design
from synthetic import Feature, Features, Forest, Independent, Listed, World, preset

DIMS = (1, 1, 2, 2, 3, 3)
WIDTH = 16


def world(seed: int = 0, noise: float = 0.0) -> World:
    """Two features of each dimension 1 to 3 on spheres in orthogonal subspaces of 16 dimensions, two active a row."""
    features = tuple(Features(Feature("subspace", dim, radius="sphere"), 2) for dim in (1, 2, 3))
    return World.build(preset("theorem", "small", width=WIDTH, features=features, noise=noise), seed=seed)


class Fixed(Design):
    """Blocks of given rows: the ``active`` blocks whose projections are longest fire with ``z_k = x E_k'``.

    ``encoders`` are the decoders unless given; the gate always looks at the orthonormal row spaces of ``gates``, so
    that ``E -> Q E, D -> D Q^-1`` changes neither what fires nor what is reconstructed.
    """

    def __init__(
        self,
        decoders: Sequence[Tensor],
        active: int,
        encoders: Sequence[Tensor] | None = None,
        gates: Sequence[Tensor] | None = None,
    ) -> None:
        super().__init__(decoders[0].shape[1], sum(len(block) for block in decoders))
        self.register_buffer("decoder", torch.cat(list(decoders)))
        self.register_buffer("encoder", torch.cat(list(encoders or decoders)))
        self.gates = [torch.linalg.qr(gate.T).Q.T for gate in (gates or decoders)]
        self.of = torch.cat([torch.full((len(block),), k) for k, block in enumerate(decoders)])
        self.active = active

    decoder: Tensor
    encoder: Tensor

    def units(self) -> Tensor:
        return self.of

    def encode(self, x: Tensor) -> Tensor:
        lengths = torch.stack([(x @ gate.to(x).T).norm(dim=1) for gate in self.gates], dim=1)
        on = torch.zeros_like(lengths).scatter(1, lengths.topk(self.active, dim=1).indices, 1.0) * (lengths > 1e-6)
        return (x @ self.encoder.T) * on[:, self.of]

    def decode(self, codes: Tensor) -> Tensor:
        return codes @ self.decoder


def truth(known: World) -> list[Tensor]:
    """The true bases."""
    return [known.basis(i) for i in range(known.config.size)]


def perfect(known: World) -> Fixed:
    """Every feature in one unit of its own."""
    return Fixed(truth(known), 2)


class Rewritten(Design):
    """Another design with its columns mixed within units, ``E -> Q E, D -> Q^-T D``, and its units in another order.

    Both fire in the same rows, and each unit adds the same to each of them.
    """

    def __init__(self, other: Design, mixing: Tensor, order: Tensor) -> None:
        super().__init__(other.width, other.columns)
        self.other, self.order = other, order
        self.register_buffer("mixing", mixing)
        self.register_buffer("back", torch.linalg.inv(mixing).T)

    mixing: Tensor
    back: Tensor

    def units(self) -> Tensor:
        return self.order[self.other.units()]

    def encode(self, x: Tensor) -> Tensor:
        return self.other.encode(x) @ self.mixing.T

    def decode(self, codes: Tensor) -> Tensor:
        return self.other.decode(codes @ self.back)


def mixed(other: Design, turns: Callable[[int], Tensor]) -> Rewritten:
    """Each unit's columns mixed by a matrix of its size."""
    mixing = torch.zeros(other.columns, other.columns)
    for k in range(other.n_units):
        columns = (other.units() == k).nonzero().squeeze(1)
        mixing[columns.unsqueeze(1), columns] = turns(len(columns))
    return Rewritten(other, mixing, torch.arange(other.n_units))


def permuted(known: World, generator: torch.Generator, form: Callable[[World], Design] = perfect) -> Rewritten:
    """The same units in another order."""
    other = form(known)
    return Rewritten(other, torch.eye(other.columns), torch.randperm(other.n_units, generator=generator))


def rotated(known: World, generator: torch.Generator, form: Callable[[World], Design] = perfect) -> Rewritten:
    """The same units, each turned (and mirrored) within itself."""
    return mixed(form(known), lambda size: mirrored(size, generator))


def regauged(known: World, generator: torch.Generator, form: Callable[[World], Design] = perfect) -> Rewritten:
    """The same units, the columns of each mixed by a matrix of condition 10."""

    def mixing(size: int) -> Tensor:
        return mirrored(size, generator) * torch.logspace(-0.5, 0.5, size) @ orthogonal(size, generator)

    return mixed(form(known), mixing)


def split(known: World) -> Fixed:
    """Every feature in as many units of one column as it has dimensions."""
    rows = [row.unsqueeze(0) for basis in truth(known) for row in basis]
    return Fixed(rows, 2 * max(DIMS))


def merged(known: World) -> Fixed:
    """Features 0 and 2, 1 and 3 share a unit each."""
    bases = truth(known)
    return Fixed([torch.cat((bases[0], bases[2])), torch.cat((bases[1], bases[3])), *bases[4:]], 2)


def duplicated(known: World) -> Fixed:
    """Every feature's unit twice, the copies of a feature firing in turn: on one half-space each."""
    return Halves(truth(known))


class Halves(Fixed):
    """Two copies of each block; which one fires depends on the sign of the block's first code."""

    def __init__(self, bases: Sequence[Tensor]) -> None:
        super().__init__([basis for basis in bases for _ in range(2)], 4)

    def encode(self, x: Tensor) -> Tensor:
        codes = super().encode(x)
        first = torch.stack([codes[:, self.of == k][:, 0] for k in range(self.n_units)], dim=1)
        wanted = torch.arange(self.n_units) % 2 == 0
        return codes * ((first > 0) == wanted)[:, self.of]


def junk(known: World) -> Fixed:
    """One unit of full rank that reconstructs everything, beside units that never fire."""
    eye = torch.eye(known.width)
    return Fixed([eye, *(0 * basis for basis in truth(known))], 1)


def silent(known: World) -> Fixed:
    """The true subspaces, but nothing ever fires."""
    return Fixed(truth(known), 2, encoders=[0 * basis for basis in truth(known)])


def families(noise: float = 0.0) -> World:
    """Two lines, and two planes each that are present only together with their line, in 12 dimensions."""
    kinds = (Features(Feature("subspace", 1), 2), Features(Feature("subspace", 2), 4))
    firing = Independent(Listed((0.4, 0.4, 0.15, 0.15, 0.1, 0.1)), forest=Forest(2, 2, 1))
    return World.build(preset("theorem", "small", width=12, features=kinds, firing=firing, noise=noise), seed=4)


class Patchwork(Fixed):
    """For :func:`families`, one flaw a feature, so that every formula has something to say about it.

    Of the lines, the first's unit falls silent beside a child's that spans both, and the second's is tilted, its
    squared cosine .87. Of the planes, the first's unit is that child's; the second has its own; the third's is too
    strong, and another takes that back along one axis; the fourth is covered by a fan of lines, of which one or two
    fire. One more unit is dead.
    """

    def __init__(self, known: World) -> None:
        bases = truth(known)
        generator = torch.Generator().manual_seed(2)
        beyond = torch.linalg.svd(torch.cat(bases)).Vh[-1:]
        tilted = 0.87**0.5 * bases[1] + 0.13**0.5 * beyond
        taking = orthogonal(3, generator) @ torch.cat((bases[2], bases[0]))
        angles = torch.arange(FAN) * torch.pi / FAN
        fan = list((torch.stack((angles.cos(), angles.sin()), dim=1) @ bases[5]).split(1))
        own = [bases[0], tilted, taking, bases[3], bases[4], bases[4][:1], *fan, bases[3]]
        super().__init__(
            [*own[:4], 1.3 * bases[4], -0.3 * bases[4][:1], *own[6:]],
            len(own),
            encoders=[*own[:-1], 0 * bases[3]],
            gates=[*own[:2], bases[2], *own[3:]],
        )
        self.needed = torch.tensor([0.3] * 6 + [0.97] * FAN + [0.3])

    def encode(self, x: Tensor) -> Tensor:
        lengths = torch.stack([(x @ gate.to(x).T).norm(dim=1) for gate in self.gates], dim=1)
        on = lengths > self.needed
        on[:, 0] &= ~on[:, 2]
        return (x @ self.encoder.T) * on[:, self.of]


FAN = 8
"""Lines of the fan, 22.5 degrees apart: how many of them cover the circle to within 0.5 is no round case."""


def orthogonal(d: int, generator: torch.Generator) -> Tensor:
    """A random orthogonal matrix."""
    return torch.linalg.qr(torch.randn(d, d, generator=generator)).Q


def mirrored(d: int, generator: torch.Generator) -> Tensor:
    """The same with random signs, so that a single column may change its own."""
    return orthogonal(d, generator) * torch.randn(d, generator=generator).sign()
