"""D-Gating (arXiv 2509.23898): sparsity of groups, or of spectra, by weight decay on a product of D factors.

By the inequality of arithmetic and geometric means, D factors whose product is given have a sum of squares of at least
``D |product|^(2/D)``, with equality when they are alike. Smooth decay ``(lambda/D) sum ||factor||^2`` is therefore a
non-smooth penalty in disguise, with the same minima:

* :class:`GatedGroups`: ``(E_k, D_k) = omega_k prod_l gamma_kl`` (D - 1 scalar gates a group) amounts to ``lambda sum_k
  ||(E_k, D_k)||_F^(2/D)``: the group lasso for D = 2, its 2/3 quasi-norm for D = 3. Groups die for good, so that the
  penalty chooses their number.
* :class:`GatedSpectra`: ``E_k' F_k1 ... F_k(D-2) D_k`` (D - 2 square factors between encoder and decoder) amounts to
  ``lambda sum_k sum_j sigma_kj^(2/D)`` of the maps' singular values: the nuclear norm for D = 2, the Schatten
  quasi-norm of order 2/3 for D = 3. Directions die, so that the penalty chooses ranks.

Around the gates stands a plain top-s design: ``s`` groups of largest ``||(x - b_d) E_k'||`` fire, signed, unbiased.
Gradient descent brings dead factors near 0, never to it; :meth:`DGated.export` draws the line.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from sasa_theory.bounds.validate import real

from ..config import GroupConfig, set_real, set_whole, within
from ..contract import Loss, plain_loss
from ..kernels import Active, TopUnits, decode_active, encode_active
from ..linear import LinearDesign
from ..presets import Preset
from .block_sparse import BlockSparse, BlockSparseConfig


@dataclass(frozen=True, kw_only=True)
class DGatedConfig(GroupConfig):
    """Settings of :class:`DGated` designs.

    Attributes
    ----------
    active : int
        Active groups a token s, at most ``groups``.
    depth : int
        Number of factors D, at least 2.
    coefficient : float
        Weight of the penalty relative to the data: lambda is this times the energy that falls to a group or, for
        spectra, twice that which falls to a column, if ``E||x - mean(x)||^2`` of the batch is dealt out evenly. Groups
        or directions of about this share of that mean energy are given up, whatever the activations' scale.
    """

    active: int
    depth: int = 2
    coefficient: float = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        set_whole(self, "active")
        within("active", self.active, "groups", self.groups)
        set_whole(self, "depth", low=2)
        set_real(self, "coefficient")


@dataclass(frozen=True, kw_only=True)
class GatedGroupsConfig(DGatedConfig):
    """Settings of :class:`GatedGroups`: those of :class:`DGatedConfig`."""

    kind = "gated_groups"

    def build(self, generator: torch.Generator) -> GatedGroups:
        """A freshly initialised design."""
        return GatedGroups(self, generator)


@dataclass(frozen=True, kw_only=True)
class GatedSpectraConfig(DGatedConfig):
    """Settings of :class:`GatedSpectra`: those of :class:`DGatedConfig`."""

    kind = "gated_spectra"

    def build(self, generator: torch.Generator) -> GatedSpectra:
        """A freshly initialised design."""
        return GatedSpectra(self, generator)


class DGated(LinearDesign):
    """A top-s design whose weights are products, see the module.

    ``encoder`` and ``decoder`` are factors here; :meth:`weights` are what they amount to.
    """

    config: DGatedConfig
    coefficient: Tensor

    def __init__(self, config: DGatedConfig, generator: torch.Generator) -> None:
        super().__init__(config, config.rank, generator, encoder_bias=False)
        self.register_buffer("coefficient", torch.tensor(config.coefficient))

    @abstractmethod
    def weights(self) -> tuple[Tensor, Tensor]:
        """Encoder and decoder that the factors amount to, both of shape (columns, width)."""

    @property
    @abstractmethod
    def shares(self) -> float:
        """Into how many parts the batch's energy is divided to give the unit of the coefficient."""

    @abstractmethod
    def squares(self) -> Tensor:
        """Sum of squares of all factors of each group, shape (groups,)."""

    def activate(self, x: Tensor) -> Active:
        """The active groups of each row."""
        return encode_active(x, self.decoder_bias, self.weights()[0], None, TopUnits(self.config.active, self.rank))

    def encode(self, x: Tensor) -> Tensor:
        """Signed codes, ``active`` groups a row (fewer if the others are 0), shape (n, columns)."""
        return self.activate(x).dense(self.n_units)

    def decode(self, codes: Tensor) -> Tensor:
        """``z D + b_d`` with the decoder of :meth:`weights`, shape (n, width)."""
        return codes @ self.weights()[1] + self.decoder_bias

    def forward(self, x: Tensor) -> Tensor:
        """Reconstruction through the active groups alone, shape (n, width)."""
        return decode_active(self.activate(x), self.weights()[1]) + self.decoder_bias

    def preactivations(self, x: Tensor) -> Tensor:
        """``(x - b_d) E'`` with the encoder of :meth:`weights`, shape (n, columns)."""
        return nn.functional.linear(x - self.decoder_bias, self.weights()[0])

    def loss(self, x: Tensor, row_weight: Tensor | None = None) -> Loss:
        """``||x - x_hat||^2 + (lambda / D) sum ||factor||^2``, the first a mean over the batch."""
        encoder, decoder = self.weights()
        active = encode_active(x, self.decoder_bias, encoder, None, TopUnits(self.config.active, self.rank))
        x_hat = decode_active(active, decoder) + self.decoder_bias
        energies = (x - x.mean(dim=0)).square().sum(dim=-1)
        energy = (energies if row_weight is None else row_weight * energies).mean()
        weight = self.coefficient * energy / self.shares
        penalties = {"decay": weight / self.config.depth * self.squares().sum()}
        return plain_loss(x, x_hat, penalties, **self.firings_of(active, len(x)), row_weight=row_weight)

    @torch.no_grad()
    def sizes(self) -> Tensor:
        """Norm ``||(E_k, D_k)||_F`` of each group's weights, shape (groups,)."""
        return torch.cat(self.weights(), dim=-1).unflatten(-2, (-1, self.rank)).norm(dim=(-2, -1))

    @torch.no_grad()
    def export(self, threshold: float = 1e-3) -> BlockSparse:
        """The same function as a plain top-s design, without the groups that the penalty has put out.

        Parameters
        ----------
        threshold : float
            Groups with ``||(E_k, D_k)||_F`` at most this times that of the largest group are dropped.

        Raises
        ------
        ValueError
            If ``threshold`` is not in [0, 1), or no group has weights other than 0.
        """
        cut = float(real("threshold", threshold, 0.0, 1.0, open_high=True))
        sizes = self.sizes()
        kept = sizes > cut * sizes.max()
        if not kept.any():
            used = self.config.coefficient
            raise ValueError(f"every group is 0, nothing is left to export; train with a coefficient below {used:g}")
        config = BlockSparseConfig(
            width=self.width, groups=int(kept.sum()), rank=self.rank, active=min(self.config.active, int(kept.sum()))
        )
        plain = BlockSparse(config, torch.Generator(self.decoder.device).manual_seed(0)).to(self.decoder)
        columns = kept.repeat_interleave(self.rank)
        encoder, decoder = self.weights()
        plain.encoder.copy_(encoder[columns])
        plain.decoder.copy_(decoder[columns])
        plain.decoder_bias.copy_(self.decoder_bias)
        plain.idle.copy_(self.idle[kept])
        return plain


class GatedGroups(DGated):
    """Whole groups behind scalar gates; see the module. Starts balanced: all factors of a group have the same norm."""

    config: GatedGroupsConfig

    def __init__(self, config: GatedGroupsConfig, generator: torch.Generator) -> None:
        super().__init__(config, generator)
        # The D-th root of ||(E_k, D_k)||_F for unit rows.
        self.start = size = float(2 * config.rank) ** (0.5 / config.depth)
        gates = torch.full((config.groups, config.depth - 1), size, device=self.decoder.device)
        self.gates = nn.Parameter(gates)
        with torch.no_grad():
            for factor in (self.encoder, self.decoder):
                factor.div_(size ** (config.depth - 1))

    @property
    def shares(self) -> float:
        """One part a group."""
        return self.config.groups

    def weights(self) -> tuple[Tensor, Tensor]:
        """``omega_k prod_l gamma_kl``, the encoder's and the decoder's part."""
        gate = self.gates.prod(dim=-1).repeat_interleave(self.rank, dim=-1).unsqueeze(-1)
        return self.encoder * gate, self.decoder * gate

    def fresh_entries(self) -> dict[str, Tensor | float]:
        """As of every linear design, and the gates of a balanced start."""
        return {**super().fresh_entries(), "gates": self.start}

    def squares(self) -> Tensor:
        """``||omega_k||^2 + sum_l gamma_kl^2``."""
        return _block_squares(self.encoder, self.rank) + _block_squares(self.decoder, self.rank) + _squares(self.gates)


class GatedSpectra(DGated):
    """Maps in ``depth`` matrix factors; see the module. Starts balanced up to the random rows' not being orthogonal."""

    config: GatedSpectraConfig

    def __init__(self, config: GatedSpectraConfig, generator: torch.Generator) -> None:
        super().__init__(config, generator)
        eyes = torch.eye(config.rank, device=self.decoder.device).expand(config.groups, -1, -1)
        self.middle = nn.ParameterList(nn.Parameter(eyes.clone()) for _ in range(config.depth - 2))

    @property
    def shares(self) -> float:
        """Half a part a column: a direction stays while its energy exceeds ``lambda / 2`` (D = 2), as in SASA."""
        return self.columns / 2

    def weights(self) -> tuple[Tensor, Tensor]:
        """The encoder, and ``F_k1 ... F_k(D-2) D_k``."""
        decoder = self.decoder.unflatten(-2, (-1, self.rank))
        for factor in reversed(list(self.middle)):
            decoder = factor @ decoder
        return self.encoder, decoder.flatten(-3, -2)

    def fresh_entries(self) -> dict[str, Tensor | float]:
        """As of every linear design; the factors in between start at the identity."""
        eye = torch.eye(self.rank, dtype=self.decoder.dtype, device=self.decoder.device)
        return {**super().fresh_entries(), **{f"middle.{i}": eye for i in range(len(self.middle))}}

    def squares(self) -> Tensor:
        """``||E_k||_F^2 + sum_l ||F_kl||_F^2 + ||D_k||_F^2``."""
        total = _block_squares(self.encoder, self.rank) + _block_squares(self.decoder, self.rank)
        for factor in self.middle:
            total = total + factor.square().sum(dim=(-2, -1))
        return total


def _squares(rows: Tensor) -> Tensor:
    return rows.square().sum(dim=-1)


def _block_squares(rows: Tensor, rank: int) -> Tensor:
    return _squares(rows).unflatten(-1, (-1, rank)).sum(dim=-1)


PRESETS = {
    "d-gating/2": Preset(
        GatedGroupsConfig,
        "top-s groups; one gate a group: the group lasso on whole groups",
        "arXiv 2509.23898",
        {"depth": 2},
    ),
    "d-gating/3": Preset(
        GatedGroupsConfig,
        "top-s groups; two gates a group: the 2/3 quasi-norm on whole groups",
        "arXiv 2509.23898",
        {"depth": 3},
    ),
    "d-gating/spectra/2": Preset(
        GatedSpectraConfig,
        "top-s groups; encoder and decoder decay: the nuclear norm of the maps",
        "arXiv 2509.23898",
        {"depth": 2},
    ),
    "d-gating/spectra/3": Preset(
        GatedSpectraConfig,
        "top-s groups; a square factor between them: Schatten-2/3 of the maps",
        "arXiv 2509.23898",
        {"depth": 3},
    ),
}
