r"""SASA (arXiv 2606.06333): groups of r linear, signed columns; the s groups of largest norm fire; ranks cost.

``p_k = (x - b_d) E_k'``; S holds the s largest ``||p_k||``; ``x_hat = sum_{k in S} p_k D_k + b_d``;

    ||x - x_hat||^2 + lambda sum_k ||E_k' D_k||_* + alpha L_aux,

with the nuclear norm of each group's end-to-end map, and an auxiliary loss by which groups that no longer fire explain
the residual. Rotating a group, ``E_k -> Q E_k``, ``D_k -> Q D_k``, changes nothing.

One group alone on a slice whose directions have energies ``s_j`` (usage included) keeps direction j, shrunk by ``1 -
lambda / (2 s_j)``, if ``lambda < 2 s_j``; see :func:`sasa_theory.bounds.single_group_optimum`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from sasa_theory.bounds.validate import choice

from ..config import set_real, set_whole
from ..contract import Loss
from ..linear import normalise_rows
from ..presets import Preset
from .nuclear import decoder_norm, factor_norm, map_norm
from .top_groups import TopGroups, TopGroupsConfig

_PENALTIES = ("map", "decoder", "factors", "none")
_UNITS = ("energy", "sum", "mean")
_UNIT_ROWS = ("none", "decoder", "both")


@dataclass(frozen=True, kw_only=True)
class SasaConfig(TopGroupsConfig):
    """Settings of :class:`Sasa`, besides those of top groups; the defaults are the paper's model.

    Attributes
    ----------
    penalty : str
        Whose nuclear norm is penalised: ``map``, the end-to-end map ``E_k' D_k``; ``decoder``, D_k alone; ``factors``,
        the map through its bound ``(||E_k||^2 + ||D_k||^2) / 2``, tight at the minimum; or ``none``.
    penalty_coefficient : float
        Weight lambda, in this unit:
    penalty_unit : str
        ``sum``: lambda multiplies the sum of the norms over the groups; ``mean``: their mean. Both then depend on the
        scale of the activations. ``energy``: lambda multiplies ``2 E / (groups * rank)`` times the sum, E being the
        batch's variance ``E||x - mean||^2``. A direction is then given up where its energy falls below lambda times the
        mean energy of a column, and lambda means the same at any scale. The paper does not publish its value.
    penalty_every : int
        Steps between two penalties, each then multiplied by as much.
    encoder_bias : bool
        Whether ``p`` has a bias b_e.
    unit_rows : str
        Whose rows are brought back to norm 1 after each step: ``none``, ``decoder`` or ``both``. It ties the columns to
        axes: rotating a group then no longer leaves everything as it was.
    """

    kind = "sasa"

    penalty: Literal["map", "decoder", "factors", "none"] = "map"
    penalty_coefficient: float = 0.1
    penalty_unit: Literal["energy", "sum", "mean"] = "energy"
    penalty_every: int = 1
    encoder_bias: bool = False
    unit_rows: Literal["none", "decoder", "both"] = "none"

    def __post_init__(self) -> None:
        super().__post_init__()
        choice("penalty", self.penalty, _PENALTIES)
        set_real(self, "penalty_coefficient")
        choice("penalty_unit", self.penalty_unit, _UNITS)
        set_whole(self, "penalty_every")
        choice("unit_rows", self.unit_rows, _UNIT_ROWS)

    def build(self, generator: torch.Generator) -> Sasa:
        """A freshly initialised SASA: encoder and decoder equal, rows of norm 1."""
        return Sasa(self, generator)


class Sasa(TopGroups):
    """SASA; see the module."""

    config: SasaConfig
    penalty_coefficient: Tensor
    skipped: Tensor

    def __init__(self, config: SasaConfig, generator: torch.Generator) -> None:
        super().__init__(config, generator, encoder_bias=config.encoder_bias)
        self.register_buffer("penalty_coefficient", torch.tensor(config.penalty_coefficient))
        self.register_buffer("skipped", torch.tensor(0))
        self._penalise = config.penalty != "none"

    def begin_step(self, step: int, steps: int) -> None:
        """Decide whether the penalty is due; look once whether any group is dead."""
        super().begin_step(step, steps)
        self._penalise = self.config.penalty != "none" and step % self.config.penalty_every == 0

    def loss_of(
        self,
        x: Tensor,
        x_hat: Tensor,
        penalties: dict[str, Tensor],
        firings: dict[str, Tensor],
        row_weight: Tensor | None,
    ) -> Loss:
        """Squared error, nuclear norms, auxiliary loss and penalties of a variant's own, of a given reconstruction.

        The term ``nuclear`` is NaN in a step in which the norm of some group could not be computed; ``total`` then goes
        without that group's.
        """
        if not self._penalise:
            return super().loss_of(x, x_hat, penalties, firings, row_weight)
        norms = self.norms() * self.penalty_weight(x, row_weight)
        loss = super().loss_of(x, x_hat, penalties | {"nuclear": norms.nansum()}, firings, row_weight)
        return loss._replace(terms=loss.terms | {"nuclear": norms.detach().sum()})

    def norms(self) -> Tensor:
        """The penalised norm of each group, shape (groups,)."""
        encoder, decoder = (weights.unflatten(-2, (-1, self.rank)) for weights in (self.encoder, self.decoder))
        if self.config.penalty == "decoder":
            return decoder_norm(decoder)
        return factor_norm(encoder, decoder) if self.config.penalty == "factors" else map_norm(encoder, decoder)

    def end_step(self, loss: Loss, rows: int) -> None:
        """Restore unit rows, count idle tokens and the steps in which norms could not be computed."""
        super().end_step(loss, rows)
        if self.config.unit_rows != "none":
            normalise_rows(self.decoder.detach())
        if self.config.unit_rows == "both":
            normalise_rows(self.encoder.detach())
        if "nuclear" in loss.terms:
            self.skipped.add_(loss.terms["nuclear"].isnan())

    def log_extra(self) -> dict[str, Any]:
        """``nuclear_skipped``: number of steps in which the norm of some group could not be computed."""
        return {"nuclear_skipped": self.skipped.tolist()}

    def penalty_weight(self, x: Tensor, row_weight: Tensor | None = None) -> Tensor:
        """What multiplies the sum of the norms in a step that has a penalty: lambda in the unit ``sum``, shape ()."""
        weight = self.penalty_coefficient * self.config.penalty_every
        if self.config.penalty_unit == "mean":
            return weight / self.n_units
        if self.config.penalty_unit == "sum":
            return weight
        squares = (x - x.mean(dim=0)).square().sum(dim=-1)
        return weight * 2 * (squares if row_weight is None else row_weight * squares).mean() / self.columns


_RELEASE = {
    "penalty": "decoder",
    "penalty_coefficient": 100.0,
    "penalty_unit": "mean",
    "auxiliary": "latents",
    "aux_count": 512,
    "dead_after": 4_096_000,  # 1000 steps of 4096 tokens
    "encoder_bias": True,
    "unit_rows": "both",
}

PRESETS = {
    "sasa/paper": Preset(
        SasaConfig,
        "the paper's SASA: map penalty, whole-group revival, no encoder bias, free rows. Ours are lambda, which the "
        "paper does not publish (directions below a tenth of a column's mean energy are given up), as many groups to "
        "explain a residual as fire (the paper: 512 of 2048), and the balance at the start, without which features "
        "end up sharing groups (balance=0 is the paper)",
        "arXiv 2606.06333",
        {"balance": 0.6},
    ),
    "sasa/release": Preset(
        SasaConfig,
        "the authors' July 2026 code: rows of encoder and decoder of norm 1, penalty on the decoder alone, revival "
        "latent by latent. Differs from the paper: with unit rows that penalty lies in [sqrt(r), r] and can only make "
        "rows less orthogonal, hardly lower ranks; 100 is meant for activations of mean squared norm 80653",
        "authors' release (github.com/arshandalili/sasa), July 2026",
        _RELEASE,
    ),
    "sasa/release_map": Preset(
        SasaConfig,
        "the authors' July 2026 code with its option of penalising the map: encoder rows are free",
        "authors' release (github.com/arshandalili/sasa), July 2026",
        {**_RELEASE, "penalty": "map", "unit_rows": "decoder"},
    ),
    "sasa/no_nuclear": Preset(
        SasaConfig,
        "sasa/paper without the penalty on ranks",
        "arXiv 2606.06333, ablation",
        {"penalty": "none", "balance": 0.6},
    ),
}
