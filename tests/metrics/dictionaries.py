"""A small world and the dictionaries that every metric is tried on: the truth, and truths spoilt on purpose."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from sasa_theory.designs import Design
from synthetic import Feature, Features, World, preset

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


def permuted(known: World, generator: torch.Generator) -> Fixed:
    """The same units in another order."""
    bases = truth(known)
    return Fixed([bases[k] for k in torch.randperm(len(bases), generator=generator).tolist()], 2)


def rotated(known: World, generator: torch.Generator) -> Fixed:
    """The same units, each turned (and mirrored) within itself."""
    return Fixed([orthogonal(len(basis), generator) @ basis for basis in truth(known)], 2)


def regauged(known: World, generator: torch.Generator) -> Fixed:
    """The same maps and gates: ``E -> Q E``, ``D -> Q^-T D`` for any invertible Q, ``z D`` being ``x E' D``."""
    bases = truth(known)
    mixing = [orthogonal(len(b), generator) * (0.5 + torch.rand(len(b), generator=generator)) for b in bases]
    return Fixed(
        [torch.linalg.inv(q).T @ basis for q, basis in zip(mixing, bases, strict=True)],
        2,
        encoders=[q @ basis for q, basis in zip(mixing, bases, strict=True)],
        gates=bases,
    )


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


def orthogonal(d: int, generator: torch.Generator) -> Tensor:
    """A random orthogonal matrix."""
    return torch.linalg.qr(torch.randn(d, d, generator=generator)).Q
