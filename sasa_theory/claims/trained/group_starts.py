"""Where the training of a SASA starts from: good places, bad ones and hostile ones."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch

from sasa_theory.bounds.validate import Floats
from sasa_theory.designs.groups.top_groups import TopGroups

Start = Literal["random", "split", "merged", "equal", "hoarding", "wrong subspace"]
"""``random``: as the design comes. ``split``: each feature's directions are dealt to two groups. ``merged``: two
features in one group, as far as its rank allows. ``equal``: all groups alike. ``hoarding``: one group takes every row.
``wrong subspace``: all groups orthogonal to every feature."""

_NOISE = 0.01  # of a unit row: what tells groups apart that have been given nothing
_LOUD = 3.0  # encoder norm of the hoarding group; its decoder makes up for it, so that its map is a projection


@torch.no_grad()
def place(design: TopGroups, start: Start, bases: tuple[Floats, ...], rng: np.random.Generator) -> TopGroups:
    """Set encoder and decoder of a fresh design, in place; ``bases`` are the features' orthonormal rows."""
    if start == "random":
        return design
    groups, rank, width = design.n_units, design.rank, design.width
    noise = rng.standard_normal((groups, rank, width)) / np.sqrt(width)
    encoder = _NOISE * noise
    if start == "split":
        for piece, rows in enumerate(half for basis in bases for half in np.array_split(basis, 2)):
            encoder[piece % groups, : len(rows)] += rows[:rank]
    elif start == "merged":
        for pair in range(0, len(bases), 2):
            rows = np.concatenate(bases[pair : pair + 2])[:rank]
            encoder[pair // 2, : len(rows)] += rows
    elif start == "equal":
        encoder += rng.standard_normal((rank, width)) / np.sqrt(width)
    elif start == "hoarding":
        every = np.concatenate(bases)
        turned = (np.linalg.qr(rng.standard_normal((len(every), len(every))))[0] @ every)[:rank]
        encoder[0] = 0.0
        encoder[0, : len(turned)] = _LOUD * turned
    else:
        axes = np.linalg.qr(np.concatenate(bases).T)[0]
        encoder = noise - (noise @ axes) @ axes.T + _NOISE * noise
    decoder = encoder.copy()
    if start == "hoarding":
        decoder[0] /= _LOUD**2
    design.encoder.copy_(torch.from_numpy(encoder.reshape(-1, width)))
    design.decoder.copy_(torch.from_numpy(decoder.reshape(-1, width)))
    return design
