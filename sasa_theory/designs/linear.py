"""What almost every design shares: a linear encoder, a linear decoder, their biases and constraints."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from .config import DesignConfig
from .contract import Design, Loss, plain_loss
from .kernels import Active, linear

Constraint = Literal["free", "unit"]
"""Rows of the decoder: anything, or of norm 1."""

_TINY = 1e-8


class LinearDesign(Design):
    """Codes from ``u = (x - b_d) E' + b_e``, reconstruction ``x_hat = z D + b_d``.

    Encoder and decoder are stored alike, one row a column of the code; the ``rank`` rows of a unit are neighbours.

    Parameters
    ----------
    config : DesignConfig
        What the design was built from.
    rank : int
        Columns of a unit.
    generator : torch.Generator
        Supplies the initial weights: the decoder's rows are uniform directions, the encoder equals the decoder, the
        biases are 0.
    norm : float
        Initial norm of the rows.
    encoder_bias : bool
        Whether there is a b_e.
    constraint : str
        ``unit``: decoder rows are kept at norm 1; gradients lose their part along the rows before each step.
    """

    idle: Tensor

    def __init__(
        self,
        config: DesignConfig,
        rank: int,
        generator: torch.Generator,
        *,
        norm: float = 1.0,
        encoder_bias: bool = True,
        constraint: Constraint = "free",
    ) -> None:
        super().__init__(config.width, config.columns)
        self.config, self.rank, self.constraint = config, rank, constraint
        rows = norm * random_directions(config.columns, config.width, generator)
        self.decoder, self.encoder = nn.Parameter(rows), nn.Parameter(rows.clone())
        self.encoder_bias = nn.Parameter(rows.new_zeros(config.columns)) if encoder_bias else None
        self.decoder_bias = nn.Parameter(rows.new_zeros(config.width))
        self.register_buffer("idle", torch.zeros(self.n_units, dtype=torch.int64))

    def units(self) -> Tensor:
        """Unit of each column: ``rank`` neighbours each."""
        return torch.arange(self.columns) // self.rank

    @property
    def n_units(self) -> int:
        """Number of units."""
        return self.columns // self.rank

    def presence(self, codes: Tensor) -> Tensor:
        """Norm of each unit's columns, shape (n, units)."""
        return codes.abs() if self.rank == 1 else codes.unflatten(-1, (-1, self.rank)).norm(dim=-1)

    def preactivations(self, x: Tensor) -> Tensor:
        """``(x - b_d) E' + b_e``, shape (n, columns)."""
        return linear(x - self.decoder_bias, self.encoder, self.encoder_bias)

    def decode(self, codes: Tensor) -> Tensor:
        """``z D + b_d``, shape (n, width)."""
        return linear(codes, self.decoder.mT, self.decoder_bias)

    def loss(self, x: Tensor, row_weight: Tensor | None = None) -> Loss:
        """What to minimise on a batch; default: the squared error. ``row_weight``, shape (n,): weights of the rows."""
        codes = self.encode(x)
        return plain_loss(x, self.decode(codes), {}, **self.firings(codes), row_weight=row_weight)

    def firings_of(self, active: Active, rows: int) -> dict[str, Tensor]:
        """The fields ``fired`` and ``active`` of :class:`Loss` for a sparse code of this many rows."""
        on = active.values.detach() != 0
        fired = on.new_zeros(*on.shape[:-2], self.n_units, dtype=torch.int64)
        fired = fired.scatter_add(-1, active.units, on.any(dim=-1).to(torch.int64))
        return {"fired": fired, "active": on.sum(dim=(-2, -1)) / max(rows, 1)}

    def project_gradients(self) -> None:
        """For unit rows: remove from the decoder's gradient its part along each row."""
        if self.constraint == "unit" and self.decoder.grad is not None:
            remove_parallel(self.decoder.grad, self.decoder.detach())

    def end_step(self, loss: Loss, rows: int) -> None:
        """Restore unit rows; count for each unit the tokens since it last fired."""
        if self.constraint == "unit":
            normalise_rows(self.decoder.detach())
        self.idle.add_(rows).masked_fill_(loss.fired > 0, 0)

    def fresh_entries(self) -> dict[str, Tensor | float]:
        """What a freshly initialised column, or unit, has in each parameter that is neither encoder nor decoder.

        Keys are names of parameters whose first dimension counts columns or units.
        """
        return {} if self.encoder_bias is None else {"encoder_bias": 0.0}

    @torch.no_grad()
    def absorb_scale(self, scale: float) -> None:
        """Turn a design trained on ``scale * x`` into the equal one for ``x``: its codes shrink by ``scale``.

        Every selection and rectification here commutes with a positive factor, so that only the biases change.
        """
        if self.encoder_bias is not None:
            self.encoder_bias.div_(scale)
        self.decoder_bias.div_(scale)


def random_directions(rows: int, width: int, generator: torch.Generator) -> Tensor:
    """Independent uniform directions, shape (rows, width), float32, on the generator's device."""
    gaussian = torch.randn(rows, width, generator=generator, device=generator.device)
    normalise_rows(gaussian)
    return gaussian


def normalise_rows(weights: Tensor) -> None:
    """Give every row norm 1, in place; a row of zeros stays."""
    weights /= weights.norm(dim=-1, keepdim=True).clamp_min(_TINY)


def remove_parallel(gradient: Tensor, rows: Tensor) -> None:
    """Remove from each row of the gradient its part along the same row of the weights, in place. Rows have norm 1."""
    gradient -= (gradient * rows).sum(dim=-1, keepdim=True) * rows
