"""Tied designs that nobody trains: known subspaces encode by projecting, and the largest projections are kept.

``u = (x - b) D'``; the ``active`` units with the largest ``||u_k||`` keep their columns, those of them that exceed a
threshold, ``x_hat = b + z D``. Where the rows of each unit are orthonormal this adds up the orthogonal projections on
the chosen subspaces. Projections on subspaces that are not orthogonal to each other overlap and are not corrected for.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ..config import DesignConfig
from ..contract import Design


class TiedGroups(Design):
    """The units with the largest projections, see the module. It has no parameters, only buffers.

    Parameters
    ----------
    config : DesignConfig
        What the design was built from.
    dims : sequence of int
        Columns of each unit, which need not be equal; the columns of a unit are neighbours.
    active : int
        Units that fire in each row, at most.
    decoder : Tensor, shape (sum(dims), width)
        Rows of the units, one unit after the other.
    decoder_bias : Tensor, shape (width,), or None
        Centre b; 0 if None.
    threshold : float
        Length of its projection above which a unit may fire.
    """

    decoder: Tensor
    decoder_bias: Tensor
    unit_of: Tensor

    def __init__(
        self,
        config: DesignConfig,
        dims: Sequence[int],
        active: int,
        decoder: Tensor,
        decoder_bias: Tensor | None = None,
        threshold: float = 0.0,
    ) -> None:
        super().__init__(config.width, config.columns)
        self.config, self.dims, self.active, self.threshold = config, tuple(dims), active, threshold
        bias = decoder.new_zeros(config.width) if decoder_bias is None else decoder_bias
        self.register_buffer("decoder", decoder.detach().clone())
        self.register_buffer("decoder_bias", bias.detach().to(decoder).clone())
        unit_of = torch.arange(len(self.dims)).repeat_interleave(torch.tensor(self.dims))
        self.register_buffer("unit_of", unit_of.to(decoder.device), persistent=False)  # the config knows it

    def units(self) -> Tensor:
        """Unit of each column: as many neighbours as the unit has dimensions."""
        return self.unit_of

    @property
    def n_units(self) -> int:
        """Number of units."""
        return len(self.dims)

    def projections(self, x: Tensor) -> Tensor:
        """``(x - b) D'``, shape (n, columns)."""
        return (x - self.decoder_bias) @ self.decoder.mT

    def encode(self, x: Tensor) -> Tensor:
        """Projections on the ``active`` units where they are largest, 0 elsewhere. Shape (n, columns)."""
        u = self.projections(x)
        sizes = self.presence(u)
        largest, units = sizes.topk(self.active, dim=-1)
        kept = torch.zeros_like(sizes).scatter(-1, units, (largest > self.threshold).to(sizes))
        return u * kept[..., self.unit_of]

    def decode(self, codes: Tensor) -> Tensor:
        """``z D + b``, shape (n, width)."""
        return codes @ self.decoder + self.decoder_bias


def random_bases(dims: Sequence[int], width: int, generator: torch.Generator) -> Tensor:
    """Orthonormal bases of independent uniform subspaces of these dimensions, stacked, shape (sum(dims), width)."""
    largest = max(dims)
    gaussian = torch.randn(len(dims), width, largest, generator=generator, device=generator.device)
    q, r = torch.linalg.qr(gaussian)
    rows: Tensor = (q * r.diagonal(dim1=-2, dim2=-1).sign().unsqueeze(-2)).mT  # qr's own signs are not uniform
    kept = torch.arange(largest) < torch.tensor(dims).unsqueeze(-1)
    return rows[kept.to(rows.device)]


def check_activations(x: Tensor, least: int) -> Tensor:
    """``x`` after checking that it holds at least ``least`` finite rows.

    Raises
    ------
    ValueError
        If it is not of shape (n, width) with n >= least, not floating point, or not finite.
    """
    if x.ndim != 2 or len(x) < least or not x.is_floating_point():
        raise ValueError(
            f"x must be of floating point and shape (n, width) with n >= {least}, got {x.dtype} of shape "
            f"{tuple(x.shape)}"
        )
    finite = x.isfinite().all(dim=1)
    if not finite.all():
        first = int((~finite).nonzero()[0])
        raise ValueError(f"x must be finite; row {first} is the first of {int((~finite).sum())} rows that are not")
    return x
