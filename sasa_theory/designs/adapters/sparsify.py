"""Sparse coders of EleutherAI's ``sparsify`` (github.com/EleutherAI/sparsify) as designs."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from sasa_theory.designs.contract import Design
from sasa_theory.designs.wrapped import Wrapped


def wrap(coder: Any) -> Design:
    """A ``SparseCoder`` as a design.

    Parameters
    ----------
    coder : SparseCoder
        A module whose ``encode(x)`` returns the values and the positions of the k latents that fire, with ``W_dec``,
        shape (latents, width), ``b_dec``, ``W_skip``, ``num_latents``, ``d_in`` and ``cfg.transcode``.

    Raises
    ------
    ValueError
        If it is a transcoder, has a skip connection or has no decoder: its output is then no function of the codes
        that stands for its input.
    """
    if coder.cfg.transcode or coder.W_skip is not None or coder.W_dec is None:
        what = "is a transcoder" if coder.cfg.transcode else "has no decoder" if coder.W_dec is None else "skips layers"
        raise ValueError(f"coder must be a sparse autoencoder, but this one {what}; load one trained as an autoencoder")
    return Wrapped(_DenseCodes(coder), coder.d_in, coder.num_latents)


class _DenseCodes(nn.Module):
    def __init__(self, coder: Any) -> None:
        super().__init__()
        self.coder = coder

    def encode(self, x: Tensor) -> Tensor:
        values, positions = self.coder.encode(x)[:2]
        codes: Tensor = values.new_zeros(len(x), self.coder.num_latents).scatter(-1, positions, values)
        return codes

    def decode(self, codes: Tensor) -> Tensor:
        rows: Tensor = codes.to(self.coder.W_dec.dtype) @ self.coder.W_dec + self.coder.b_dec
        return rows
