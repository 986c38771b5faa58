"""Block-sparse featurizers (arXiv 2606.25234): blocks of signed coordinates compete by their norm.

``u = (x - b_d) W + a``, cut into blocks ``u_g``; the l blocks of largest norm fire as they are. Two variants here, a
third, which shrinks blocks instead of choosing them, in :mod:`.block_lasso`:

* ``vanilla``: W is free, the decoder's blocks stay in the ball ``||D_g||_F <= 1``;
* ``grassmannian``: ``W = gamma D'`` with orthonormal blocks, ``D_g D_g' = I``, one learned gain gamma, and no bias a.

The l blocks that come next (the runners-up) learn to explain the detached residual e, at weight 1/l, so that no block
starves (AuxK).

The source feeds the encoder x where we feed ``x - b_d``; where there is an encoder's bias it makes up for that.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..config import GroupConfig, set_real, set_whole, within
from ..contract import Loss, plain_loss
from ..kernels import Active, TopUnits, decode_active, encode_active
from ..linear import LinearDesign
from ..presets import Preset
from .orthonormal_blocks import remove_within, retract


@dataclass(frozen=True, kw_only=True)
class BlockSparseConfig(GroupConfig):
    """Settings of :class:`BlockSparse`.

    Attributes
    ----------
    active : int
        Active blocks a token l, at most ``groups``.
    aux_weight : float
        The runners-up explain the residual at weight ``aux_weight / active``; 0 for none.
    """

    kind = "block_sparse"

    active: int
    aux_weight: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        set_whole(self, "active")
        within("active", self.active, "groups", self.groups)
        set_real(self, "aux_weight")

    def build(self, generator: torch.Generator) -> BlockSparse:
        """A freshly initialised design."""
        return BlockSparse(self, generator)


@dataclass(frozen=True, kw_only=True)
class GrassmannianConfig(BlockSparseConfig):
    """Settings of :class:`Grassmannian`.

    Attributes
    ----------
    retract_every : int
        Steps after which rows are made orthonormal again, as they are after the last step in any case; between, they
        drift by the steps' second order.
    """

    kind = "block_grassmannian"

    retract_every: int = 20

    def __post_init__(self) -> None:
        super().__post_init__()
        set_whole(self, "retract_every")

    def build(self, generator: torch.Generator) -> Grassmannian:
        """A freshly initialised design."""
        return Grassmannian(self, generator)


class BlockSparse(LinearDesign):
    """The vanilla variant; see the module.

    Decoder blocks start on the sphere ``||D_g||_F = 1``, the encoder at ``W_g = rank D_g'``: a block whose rows are
    orthogonal and equally long then returns the orthogonal projection of its input.
    """

    config: BlockSparseConfig
    aux_coefficient: Tensor

    def __init__(self, config: BlockSparseConfig, generator: torch.Generator) -> None:
        super().__init__(config, config.rank, generator, norm=1 / math.sqrt(config.rank))
        with torch.no_grad():
            self.encoder.mul_(config.rank)
        self.register_buffer("aux_coefficient", torch.tensor(config.aux_weight / config.active))

    def best(self, x: Tensor, count: int) -> Active:
        """The ``count`` blocks of largest norm of each row."""
        return encode_active(x, self.decoder_bias, self.encoder, self.encoder_bias, TopUnits(count, self.rank))

    def activate(self, x: Tensor) -> Active:
        """The active blocks of each row."""
        return self.best(x, self.config.active)

    def encode(self, x: Tensor) -> Tensor:
        """Signed codes, exactly ``active`` blocks a row, shape (n, groups * rank)."""
        return self.activate(x).dense(self.n_units)

    def forward(self, x: Tensor) -> Tensor:
        """Reconstruction through the active blocks alone, shape (n, width)."""
        return decode_active(self.activate(x), self.decoder) + self.decoder_bias

    def loss(self, x: Tensor, row_weight: Tensor | None = None) -> Loss:
        """``||x - x_hat||^2 + (1/l) ||e - e_hat||^2``, means over the batch, with e_hat from the runners-up."""
        best, spare = self.config.active, self.runners_up()
        active, runners = _split(self.best(x, best + spare), len(x), best)
        x_hat = decode_active(active, self.decoder) + self.decoder_bias
        penalties = {}
        if spare:
            penalties["auxiliary"] = self.auxiliary(x - x_hat, runners, row_weight)
        return plain_loss(x, x_hat, penalties, **self.firings_of(active, len(x)), row_weight=row_weight)

    def auxiliary(self, residual: Tensor, runners: Active, row_weight: Tensor | None) -> Tensor:
        """Weighted error of the runners-up at explaining the residual, which is detached here."""
        errors = (residual.detach() - decode_active(runners, self.decoder)).square().sum(dim=-1)
        return self.aux_coefficient * (errors if row_weight is None else row_weight * errors).mean()

    def end_step(self, loss: Loss, rows: int) -> None:
        """Restore the decoder's constraint; see also :meth:`LinearDesign.end_step`."""
        super().end_step(loss, rows)
        self.restore()

    def restore(self) -> None:
        """Bring the decoder's blocks back into the ball."""
        blocks = self.decoder.detach().unflatten(-2, (-1, self.rank))
        blocks /= blocks.norm(dim=(-2, -1), keepdim=True).clamp_min(1.0)

    def runners_up(self) -> int:
        """Number of blocks a row that explain the residual."""
        return min(self.config.active, self.n_units - self.config.active) if self.config.aux_weight else 0


class Grassmannian(BlockSparse):
    """The tied variant; see the module. It starts at gain 1, where each block projects orthogonally on its span.

    ``encoder`` is the very tensor ``decoder``: what it computes is to be multiplied by ``exp(log_gain)``.
    """

    config: GrassmannianConfig

    def __init__(self, config: GrassmannianConfig, generator: torch.Generator) -> None:
        super().__init__(config, generator)
        retract(self.decoder.detach(), self.rank)
        self.encoder, self.encoder_bias = self.decoder, None
        self.log_gain = nn.Parameter(torch.zeros((), device=self.decoder.device))
        self._retract = True

    def best(self, x: Tensor, count: int) -> Active:
        """The ``count`` blocks of largest norm of each row."""
        active = super().best(x, count)
        return active._replace(values=self.log_gain.exp() * active.values)

    def preactivations(self, x: Tensor) -> Tensor:
        """``gamma (x - b_d) D'``, shape (n, columns)."""
        return self.log_gain.exp() * super().preactivations(x)

    def begin_step(self, step: int, steps: int) -> None:
        """Decide whether a retraction is due after this step."""
        self._retract = (step + 1) % self.config.retract_every == 0 or step + 1 >= steps

    def project_gradients(self) -> None:
        """Keep the gradient along the Grassmann manifold."""
        if self.decoder.grad is not None:
            remove_within(self.decoder.grad, self.decoder.detach(), self.rank)

    def restore(self) -> None:
        """Make the rows orthonormal again if it is time."""
        if self._retract:
            retract(self.decoder.detach(), self.rank)


def _split(active: Active, rows: int, first: int) -> tuple[Active, Active]:
    """Split a code with equally many units a row: the ``first`` units of largest norm in each row, and the others."""
    values, units = active.values.unflatten(0, (rows, -1)), active.units.unflatten(0, (rows, -1))
    order = values.detach().norm(dim=-1).argsort(dim=-1, descending=True, stable=True)
    parts = []
    for chosen in (order[:, :first], order[:, first:]):
        picked = values.gather(1, chosen.unsqueeze(-1).expand(*chosen.shape, values.shape[-1]))
        starts = torch.arange(rows + 1, device=values.device) * chosen.shape[1]
        parts.append(Active(picked.flatten(0, 1), units.gather(1, chosen).flatten(), starts))
    return parts[0], parts[1]


PRESETS = {
    "bsf/vanilla": Preset(
        BlockSparseConfig,
        "l blocks of largest norm, decoder blocks in the Frobenius ball; the encoder sees x - b_d, the source's x",
        "arXiv 2606.25234",
    ),
    "bsf/grassmannian": Preset(
        GrassmannianConfig,
        "tied orthonormal blocks and one learned gain, which starts at 1",
        "arXiv 2606.25234",
    ),
}
