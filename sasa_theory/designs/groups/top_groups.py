"""The s groups of largest norm, linear and signed, and the revival of dead groups: SASA but for its penalty."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from sasa_theory.bounds.validate import choice

from ..config import GroupConfig, set_real, set_whole, within
from ..contract import Loss, plain_loss
from ..kernels import Active, TopUnits, decode_active, encode_active
from ..kernels.by_unit import columns_of
from ..linear import LinearDesign
from ..revival import any_dead

_AUXILIARIES = ("groups", "latents", "none")
_MEMORY = 0.01  # share of the last batch in the running usage
_LEAST_USAGE = 1e-3  # of the mean, so that a group that never fires is helped a thousandfold at most


@dataclass(frozen=True, kw_only=True)
class TopGroupsConfig(GroupConfig):
    """Settings of :class:`TopGroups`.

    Attributes
    ----------
    active : int
        Active groups a token s, at most ``groups``; the budget in columns is ``active * rank``.
    auxiliary : str
        ``groups``: dead groups re-encode the residual, the ``aux_count`` of largest norm decode (the paper's);
        ``latents``: the ``aux_count`` dead columns with the largest signed codes of the activations decode, whatever
        their group (the authors' release); or ``none``.
    aux_coefficient : float
        Weight alpha of the squared error of that explanation.
    aux_count : int or None
        Dead groups, or dead columns, that may explain a token's residual. If None, as many as fire: ``active`` groups,
        or ``active * rank`` columns. Many more explain it together, each a little, and find no feature of their own.
    dead_after : int
        Tokens without firing after which a group counts as dead; counted in whole batches.
    balance : float
        Share of the steps over which seldom groups are helped to compete: norms are multiplied by ``(mean usage /
        usage)^c``, with c falling linearly from 1 to 0. Features in orthogonal subspaces whose dimensions add up to at
        most the rank may share a group at no cost to the objective, so that only the start of training can tell them
        apart. 0 for none.
    screen : bool
        Look through the groups in 8-bit whole numbers first, faster where there are many: the same groups fire, but
        for norms closer than :data:`~sasa_theory.designs.kernels.SCREEN_TOLERANCE` of the product of the norms.
    """

    active: int
    auxiliary: Literal["groups", "latents", "none"] = "groups"
    aux_coefficient: float = 1.0
    aux_count: int | None = None
    dead_after: int = 1_000
    balance: float = 0.0
    screen: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        set_whole(self, "active", "dead_after")
        within("active", self.active, "groups", self.groups)
        choice("auxiliary", self.auxiliary, _AUXILIARIES)
        set_real(self, "aux_coefficient")
        set_real(self, "balance", high=1.0)
        if self.aux_count is not None:
            set_whole(self, "aux_count")


class TopGroups(LinearDesign):
    """The groups of largest norm of each token; see the module.

    Parameters
    ----------
    config : TopGroupsConfig
        What the design was built from.
    generator : torch.Generator
        Supplies the initial weights: encoder and decoder equal, rows of norm 1.
    encoder_bias : bool
        Whether there is a b_e.
    """

    config: TopGroupsConfig
    aux_coefficient: Tensor
    usage: Tensor

    def __init__(self, config: TopGroupsConfig, generator: torch.Generator, *, encoder_bias: bool = False) -> None:
        super().__init__(config, config.rank, generator, encoder_bias=encoder_bias)
        self.register_buffer("aux_coefficient", torch.tensor(config.aux_coefficient))
        self.register_buffer("usage", torch.full((self.n_units,), self._mean_usage()))
        self._candidates: Tensor | None = None
        self._mixed = False
        self._help = 0.0

    def activate(self, x: Tensor) -> Active:
        """The active groups of each row; in training mode those that the balance of the step makes active."""
        rule = TopUnits(self.config.active, self.rank, screen=self.config.screen)
        gain = None
        if self._help and self.training:
            gain = (self.usage.clamp_min(_LEAST_USAGE * self._mean_usage()) / self._mean_usage()) ** -self._help
        return encode_active(x, self.decoder_bias, self.encoder, self.encoder_bias, rule, gain)

    def encode(self, x: Tensor) -> Tensor:
        """Signed codes, exactly ``active`` groups a row, shape (n, groups * rank)."""
        return self.activate(x).dense(self.n_units)

    def forward(self, x: Tensor) -> Tensor:
        """Reconstruction through the active groups alone, shape (n, width)."""
        return decode_active(self.activate(x), self.decoder) + self.decoder_bias

    def begin_step(self, step: int, steps: int) -> None:
        """Set the balance; look once which groups are dead, of an ensemble in any member."""
        self._help = max(0.0, 1 - step / (self.config.balance * steps)) if self.config.balance else 0.0
        self._candidates = None
        if self.config.auxiliary != "none" and any_dead(self.idle, self.config.dead_after, self.aux_coefficient):
            dead = (self.idle >= self.config.dead_after).view(-1, self.n_units).any(dim=0)
            self._candidates, self._mixed = dead.nonzero().squeeze(1), self.idle.ndim > 1

    def loss(self, x: Tensor, row_weight: Tensor | None = None) -> Loss:
        """Squared error and penalties, means over the batch; ``row_weight``, shape (n,), weighs squared errors."""
        active = self.activate(x)
        x_hat = decode_active(active, self.decoder) + self.decoder_bias
        return self.loss_of(x, x_hat, {}, self.firings_of(active, len(x)), row_weight)

    def loss_of(
        self,
        x: Tensor,
        x_hat: Tensor,
        penalties: dict[str, Tensor],
        firings: dict[str, Tensor],
        row_weight: Tensor | None,
    ) -> Loss:
        """:meth:`loss` of a reconstruction by these firings, with penalties of a variant's own."""
        if self._candidates is not None:
            penalties = penalties | {"auxiliary": self.auxiliary(x, x_hat, self._candidates, row_weight)}
        return plain_loss(x, x_hat, penalties, **firings, row_weight=row_weight)

    def end_step(self, loss: Loss, rows: int) -> None:
        """Count idle tokens; follow each group's usage."""
        super().end_step(loss, rows)
        if self.config.balance:
            self.usage.lerp_((loss.fired / rows).to(self.usage.dtype), _MEMORY)

    def auxiliary(self, x: Tensor, x_hat: Tensor, candidates: Tensor, row_weight: Tensor | None) -> Tensor:
        """``alpha ||e - e_hat||^2``, mean over the batch, of the residual e held fixed and what the dead make of it.

        ``candidates``, shape (some groups,), are all dead groups, of an ensemble perhaps among others; nothing else is
        computed.
        """
        config, columns = self.config, columns_of(candidates, self.rank)
        encoder, decoder = self.encoder.index_select(-2, columns), self.decoder.index_select(-2, columns)
        bias = None if self.encoder_bias is None else self.encoder_bias.index_select(-1, columns)
        dead = self.idle.index_select(-1, candidates) >= config.dead_after
        residual = (x - x_hat).detach()
        if config.auxiliary == "groups":
            count, inputs, centre = config.aux_count or config.active, residual, torch.zeros_like(self.decoder_bias)
            rule = TopUnits(min(count, len(candidates)), self.rank)
        else:
            count, inputs, centre = config.aux_count or config.active * self.rank, x, self.decoder_bias
            rule = TopUnits(min(count, max(1, self.width // 2), len(columns)), by="value")
            dead = dead.repeat_interleave(self.rank, dim=-1)
        active = encode_active(inputs, centre, encoder, bias, rule, allowed=dead if self._mixed else None)
        if self._mixed:  # where fewer are dead than may explain, others add nothing
            usable = dead.to(active.values.dtype)[active.units].unsqueeze(-1)
            active = active._replace(values=active.values * usable)
        errors = (residual - decode_active(active, decoder)).square().sum(dim=-1)
        errors = errors if row_weight is None else row_weight * errors
        return self.aux_coefficient * errors.mean() * dead.any()  # members without dead groups go without

    def _mean_usage(self) -> float:
        return self.config.active / self.n_units
