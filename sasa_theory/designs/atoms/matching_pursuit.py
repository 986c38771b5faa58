"""Matching pursuit (MP-SAE, arXiv 2506.03093): one dictionary encodes and decodes, one unit at a time.

From the residual ``e_0 = x - b_d``, each of ``steps`` steps takes the unit that explains most of what is left,

    k_t = argmax_k ||B_k e_{t-1}||,    z_{k_t} += B_{k_t} e_{t-1},    e_t = e_{t-1} - B_{k_t}' B_{k_t} e_{t-1},

so that the residual never grows. Units are blocks ``B_k`` of ``rank`` orthonormal rows; with rank 1 they are unit
atoms, whose correlations are rectified unless signed. A unit may be taken again. Gradients run through the values with
the units held fixed. What one unit has explained no other is asked for: later units depend on earlier ones, as those
of a hierarchy do.

Cost: with m columns and n rows, correlations once, ``n m width``, and their update at every step: ``n m rank`` through
the dictionary's Gram matrix (m^2 numbers, ``m^2 width`` to make) where that is cheaper, else ``n m width`` again.
Gradients keep ``n steps rank width`` numbers.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ..config import AtomConfig, DesignConfig, GroupConfig, set_real, set_whole
from ..contract import Design, Loss, plain_loss
from ..groups.orthonormal_blocks import remove_within, retract
from ..linear import normalise_rows
from ..presets import Preset
from ..references.tied import random_bases
from ..revival import any_dead, normalised_error

_LARGEST_GRAM = 8192  # columns: 256 MB in float32


@dataclass(frozen=True, kw_only=True)
class PursuitConfig(DesignConfig):
    """Settings of :class:`MatchingPursuit`.

    Attributes
    ----------
    steps : int
        Units taken for each token.
    aux_coefficient : float
        Weight of the error of as many dead units at explaining what the live ones leave over, relative to its variance
        (see :func:`~sasa_theory.designs.revival.normalised_error`); 0, as in the source, for none.
    dead_after : int
        Tokens without firing after which a unit counts as dead.
    """

    steps: int
    aux_coefficient: float = 0.0
    dead_after: int = 10_000_000

    def __post_init__(self) -> None:
        super().__post_init__()
        set_whole(self, "steps", "dead_after")
        set_real(self, "aux_coefficient")

    @abstractmethod
    def build(self, generator: torch.Generator) -> MatchingPursuit:
        """A freshly initialised matching pursuit."""


@dataclass(frozen=True, kw_only=True)
class MatchingPursuitConfig(PursuitConfig, AtomConfig):
    """Settings of :class:`MatchingPursuit` over atoms.

    Attributes
    ----------
    signed : bool
        Take the largest correlation in magnitude and keep its sign; else the largest, and nothing where it is negative.
    """

    kind = "matching_pursuit"

    signed: bool = False

    def build(self, generator: torch.Generator) -> MatchingPursuit:
        """A freshly initialised matching pursuit over atoms."""
        return MatchingPursuit(self, 1, generator, signed=self.signed)


@dataclass(frozen=True, kw_only=True)
class GroupPursuitConfig(PursuitConfig, GroupConfig):
    """Settings of :class:`MatchingPursuit` over groups, whose columns are signed."""

    kind = "group_matching_pursuit"

    def build(self, generator: torch.Generator) -> MatchingPursuit:
        """A freshly initialised matching pursuit over groups."""
        return MatchingPursuit(self, self.rank, generator, signed=True)


class Pursuit(NamedTuple):
    """What a pursuit took, step by step.

    Attributes
    ----------
    units : Tensor, shape (n, steps)
        The unit of each step; int64. One may appear more than once.
    values : Tensor, shape (n, steps, rank)
        What each step added to the code.
    explained : Tensor, shape (n, width)
        Sum of the steps' contributions: the residual is the input without it.
    """

    units: Tensor
    values: Tensor
    explained: Tensor


class MatchingPursuit(Design):
    """Matching pursuit; see the module.

    Parameters
    ----------
    config : PursuitConfig
        What the design was built from.
    rank : int
        Rows of a block.
    generator : torch.Generator
        Supplies the dictionary: uniform orthonormal blocks. The bias starts at 0.
    signed : bool
        Whether codes may be negative.
    """

    idle: Tensor
    aux_coefficient: Tensor

    def __init__(self, config: PursuitConfig, rank: int, generator: torch.Generator, *, signed: bool) -> None:
        super().__init__(config.width, config.columns)
        self.config, self.rank, self.signed = config, rank, signed
        self.decoder = nn.Parameter(random_bases([rank] * (config.columns // rank), config.width, generator))
        self.decoder_bias = nn.Parameter(self.decoder.new_zeros(config.width))
        self.register_buffer("idle", torch.zeros(self.n_units, dtype=torch.int64))
        self.register_buffer("aux_coefficient", torch.tensor(config.aux_coefficient))
        self._revive = False

    def units(self) -> Tensor:
        """Unit of each column: ``rank`` neighbours each."""
        return torch.arange(self.columns) // self.rank

    @property
    def n_units(self) -> int:
        """Number of units."""
        return self.columns // self.rank

    def pursue(self, e: Tensor, allowed: Tensor | None = None) -> Pursuit:
        """Take ``steps`` units for each row of ``e``, shape (n, width), perhaps only of the ``allowed``, (units,).

        In full precision under autocast too: each step builds on the rounding of those before.
        """
        with torch.autocast(e.device.type, enabled=False):
            return self._pursue(e, allowed)

    def _pursue(self, e: Tensor, allowed: Tensor | None) -> Pursuit:
        with torch.no_grad():
            units = self._select(e, allowed)
        blocks = self.decoder.unflatten(0, (-1, self.rank))[units].flatten(1, 2)  # (n, steps * rank, width)
        # v_t = B_t (e - sum_{s<t} B_s' v_s) for all t at once: a triangular system
        step = torch.arange(blocks.shape[1], device=e.device) // self.rank
        earlier = step.unsqueeze(-1) > step
        system = torch.where(earlier, blocks @ blocks.mT, 0.0)
        values = torch.linalg.solve_triangular(system, blocks @ e.unsqueeze(-1), upper=False, unitriangular=True)
        if not self.signed:
            # where no correlation is positive nothing is taken, there and, as nothing changes any more, after it
            values = values * (values > 0).cumprod(dim=1)
        explained = (values.mT @ blocks).squeeze(-2)
        return Pursuit(units, values.unflatten(1, (-1, self.rank)).squeeze(-1), explained)

    def _select(self, e: Tensor, allowed: Tensor | None) -> Tensor:
        """Unit of each step, shape (n, steps)."""
        dictionary = self.decoder
        gram = None
        if self.columns <= min(_LARGEST_GRAM, self.config.steps * len(e)):
            gram = (dictionary @ dictionary.mT).unflatten(0, (-1, self.rank))
        correlations = e @ dictionary.mT
        taken = []
        for step in range(self.config.steps):
            p = correlations.unflatten(-1, (-1, self.rank))
            scores = p.square().sum(dim=-1) if self.signed else p.squeeze(-1)
            if allowed is not None:
                scores = scores.masked_fill(~allowed, -torch.inf)
            best = scores.argmax(dim=-1)
            taken.append(best)
            if step + 1 == self.config.steps:
                break
            value = p.gather(1, best[:, None, None].expand(-1, 1, self.rank))  # (n, 1, rank)
            if not self.signed:
                value = value.relu()
            if gram is not None:
                correlations = correlations - (value @ gram[best]).squeeze(1)
            else:
                blocks = dictionary.unflatten(0, (-1, self.rank))[best]
                e = e - (value @ blocks).squeeze(1)
                correlations = e @ dictionary.mT
        return torch.stack(taken, dim=1)

    def encode(self, x: Tensor) -> Tensor:
        """Codes of at most ``steps`` units a row, shape (n, columns)."""
        return self._codes(self.pursue(x - self.decoder_bias))

    def decode(self, codes: Tensor) -> Tensor:
        """``z D + b_d``, shape (n, width)."""
        return codes @ self.decoder + self.decoder_bias

    def forward(self, x: Tensor) -> Tensor:
        """``x`` without the last residual, shape (n, width)."""
        return self.pursue(x - self.decoder_bias).explained + self.decoder_bias

    def begin_step(self, step: int, steps: int) -> None:
        """Look once whether any unit is dead."""
        self._revive = any_dead(self.idle, self.config.dead_after, self.aux_coefficient)

    def loss(self, x: Tensor) -> Loss:
        """``||x - x_hat||^2``, and the auxiliary error if any unit is dead; means over the batch."""
        found = self.pursue(x - self.decoder_bias)
        x_hat = found.explained + self.decoder_bias
        penalties = {}
        if self._revive:
            residual, dead = (x - x_hat).detach(), self.idle >= self.config.dead_after
            error = normalised_error(residual, self.pursue(residual, dead).explained)
            penalties["auxiliary"] = self.aux_coefficient * error * dead.any()  # for the members with dead units only
        return plain_loss(x, x_hat, penalties, **self.firings(self._codes(found)))

    def project_gradients(self) -> None:
        """Remove the gradient's part inside the blocks' own spans: the loss depends on the spans alone."""
        if self.decoder.grad is not None:
            remove_within(self.decoder.grad, self.decoder.detach(), self.rank)

    def end_step(self, loss: Loss, rows: int) -> None:
        """Restore orthonormal rows; count for each unit the tokens since it was last taken."""
        if self.rank == 1:
            normalise_rows(self.decoder.detach())
        else:
            retract(self.decoder.detach(), self.rank)
        self.idle.add_(rows).masked_fill_(loss.fired > 0, 0)

    @torch.no_grad()
    def absorb_scale(self, scale: float) -> None:
        """Turn a design trained on ``scale * x`` into the equal one for ``x``: its codes shrink by ``scale``."""
        self.decoder_bias.div_(scale)

    def _codes(self, found: Pursuit) -> Tensor:
        codes = found.values.new_zeros(len(found.units), self.n_units, self.rank)
        return codes.scatter_add(1, found.units.unsqueeze(-1).expand_as(found.values), found.values).flatten(1)


PRESETS = {
    "matching-pursuit": Preset(
        MatchingPursuitConfig,
        "greedy pursuit with a shared dictionary of unit atoms, non-negative codes",
        "arXiv 2506.03093",
    ),
    "matching-pursuit/signed": Preset(
        MatchingPursuitConfig,
        "as matching-pursuit, atoms taken by magnitude and with their sign",
        "arXiv 2506.03093 with the usual matching pursuit's absolute correlations",
        {"signed": True},
    ),
    "matching-pursuit/group": Preset(
        GroupPursuitConfig,
        "greedy pursuit with a shared dictionary of orthonormal blocks, taken by the norm of the projection",
        "arXiv 2506.03093, carried over to blocks here",
    ),
}
