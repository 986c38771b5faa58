"""Blocks of orthonormal rows, points of a Grassmann manifold each: back onto it, and gradients along it."""

from __future__ import annotations

import torch
from torch import Tensor


def retract(decoder: Tensor, rank: int) -> None:
    """Make the rows of each block of ``rank`` neighbours orthonormal, in place; the spans stay.

    By QR with a positive diagonal, so that orthonormal blocks stay as they are, and zero or dependent rows are replaced
    by directions orthogonal to the others.

    Parameters
    ----------
    decoder : Tensor, shape (..., columns, width)
    rank : int
        At most the width.
    """
    q, r = torch.linalg.qr(decoder.unflatten(-2, (-1, rank)).mT)
    signs = torch.where(r.diagonal(dim1=-2, dim2=-1) < 0, -1.0, 1.0)
    decoder.copy_((q * signs.unsqueeze(-2)).mT.flatten(-3, -2))


def remove_within(gradient: Tensor, decoder: Tensor, rank: int) -> None:
    """Remove from the gradient what lies in the blocks' own spans, ``G_k - (G_k D_k') D_k``, in place.

    What is left is the gradient along the Grassmann manifold, for functions of the spans alone.
    """
    blocks = decoder.unflatten(-2, (-1, rank))
    inside = gradient.unflatten(-2, (-1, rank)) @ blocks.mT @ blocks
    gradient -= inside.flatten(-3, -2)
