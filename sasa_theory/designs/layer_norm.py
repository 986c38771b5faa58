"""Token-level layer norm around a design: normalise each row, run the design, undo the normalisation.

``u = (x - mean(x) 1) / scale`` with ``scale = std(x) + epsilon`` (unbiased deviation over the width), ``x_hat = scale
u_hat + mean(x) 1``. Without more ado the decoder would need to know x. Here the code carries what it needs in two more
columns, so that the decoder is linear and the side channel is counted::

    codes = [scale * z, scale, mean(x)]        x_hat = (scale * z) D + scale b_d + mean(x) 1

The two columns fire in practically every row and each is a unit of its own: they add 2 to the L0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, get_args

import torch
from torch import Tensor

from sasa_theory.bounds.validate import choice

from .around import AroundConfig
from .contract import Design, Loss
from .linear import LinearDesign

Space = Literal["normalised", "raw"]

EPSILON = 1e-5
"""Added to the deviation, in units of the activations: a constant row is normalised to 0."""

_SIDE = 2  # columns beyond those of the inner design: scale and mean


class Normalised(NamedTuple):
    """Rows of deviation 1 around 0, and what brings them back: ``x = scale * u + mean``.

    Attributes
    ----------
    u : Tensor, shape (n, width)
    scale, mean : Tensor, shape (n, 1)
    """

    u: Tensor
    scale: Tensor
    mean: Tensor


@dataclass(frozen=True, kw_only=True)
class LayerNormedConfig(AroundConfig):
    """Settings of :class:`LayerNormed`.

    Attributes
    ----------
    inner : DesignConfig
        The design that sees the normalised rows; it must build a :class:`~sasa_theory.designs.linear.LinearDesign`.
    space : str
        Where the error is minimised: ``normalised`` (every row counts alike; arXiv 2606.06333) or ``raw`` (a row
        counts ``scale^2`` times: what the authors' released code does).
    """

    kind = "layer_norm"

    space: Space = "normalised"

    def __post_init__(self) -> None:
        super().__post_init__()
        if isinstance(self.inner, LayerNormedConfig):
            raise ValueError(
                f"inner must be the config of a design that is not layer-normed yet, got {self.inner!r}; "
                "the nearest possible is its own inner"
            )
        choice("space", self.space, get_args(Space))

    @property
    def columns(self) -> int:
        """Dimension of the code: that of the inner design, the scale and the mean."""
        return self.inner.columns + _SIDE

    def build(self, generator: torch.Generator) -> LayerNormed:
        """A freshly initialised inner design behind layer norm."""
        inner = self.inner.build(generator)
        if not isinstance(inner, LinearDesign):
            raise ValueError(f"inner must build a linear design, got {self.inner.kind!r}, a {type(inner).__name__}")
        return LayerNormed(inner, self.space)


class LayerNormed(Design):
    """A linear design behind token-level layer norm: raw activations in, raw reconstructions out; see the module.

    Hooks are the inner design's. Coefficients, and whatever else concerns weights, are found at :attr:`inner`.

    Parameters
    ----------
    inner : LinearDesign
        The design that sees the normalised rows; it is held, not copied.
    space : str
        Where the error is minimised, see :class:`LayerNormedConfig`.
    """

    epsilon: Tensor

    def __init__(self, inner: LinearDesign, space: Space = "normalised") -> None:
        super().__init__(inner.width, inner.columns + _SIDE)
        self.config, self.inner = LayerNormedConfig(inner=inner.config, space=space), inner
        self.register_buffer("epsilon", inner.decoder.new_tensor(EPSILON))

    def normalise(self, x: Tensor) -> Normalised:
        """Rows with mean 0 and deviation 1, and what was taken from them."""
        mean = x.mean(dim=-1, keepdim=True)
        centred = x - mean
        scale = centred.std(dim=-1, keepdim=True) + self.epsilon
        return Normalised(centred / scale, scale, mean)

    def encode(self, x: Tensor) -> Tensor:
        """``[scale * z, scale, mean]``, shape (n, columns)."""
        u, scale, mean = self.normalise(x)
        return torch.cat((scale * self.inner.encode(u), scale, mean), dim=-1)

    def decode(self, codes: Tensor) -> Tensor:
        """``codes D + scale b_d + mean 1``, shape (n, width): linear, and 0 at 0."""
        scaled, scale, mean = codes.split((self.inner.columns, 1, 1), dim=-1)
        return self.inner.decode(scaled) + (scale - 1) * self.inner.decoder_bias + mean

    def forward(self, x: Tensor) -> Tensor:
        """``scale * inner(u) + mean``, by the inner design's fast way."""
        u, scale, mean = self.normalise(x)
        return scale * self.inner(u) + mean

    def units(self) -> Tensor:
        """Those of the inner design; the scale and the mean are units of their own, the last two."""
        inner = self.inner.units()
        return torch.cat((inner, self.inner.n_units + torch.arange(_SIDE, device=inner.device)))

    @property
    def n_units(self) -> int:
        """Number of units, the scale and the mean included."""
        return self.inner.n_units + _SIDE

    @property
    def idle(self) -> Tensor:
        """Tokens since each unit last fired, shape (units,); the scale and the mean are never idle."""
        idle = self.inner.idle
        return torch.cat((idle, idle.new_zeros(*idle.shape[:-1], _SIDE)), dim=-1)

    def presence(self, codes: Tensor) -> Tensor:
        """The inner design's, in units of the raw activations; magnitudes of scale and mean. Shape (n, units)."""
        columns = self.inner.columns
        return torch.cat((self.inner.presence(codes[..., :columns]), codes[..., columns:].abs()), dim=-1)

    def loss(self, x: Tensor) -> Loss:
        """The inner design's loss of the normalised rows, weighted by ``scale^2`` in raw space.

        ``error`` and ``row_errors`` are in raw space in either case, since they are compared with the variance of x.
        """
        u, scale, mean = self.normalise(x)
        weight = scale.detach().square().squeeze(-1)
        loss = self.inner.loss(u, row_weight=weight) if self.config.space == "raw" else self.inner.loss(u)
        row_errors = weight * loss.row_errors
        sides = torch.stack(((scale != 0).sum(), (mean != 0).sum()))
        return loss._replace(
            error=row_errors.mean(),
            row_errors=row_errors,
            fired=torch.cat((loss.fired, sides.to(loss.fired.dtype)), dim=-1),
            active=loss.active + sides.sum() / max(len(x), 1),
        )

    def begin_step(self, step: int, steps: int) -> None:
        """The inner design's."""
        self.inner.begin_step(step, steps)

    def project_gradients(self) -> None:
        """The inner design's."""
        self.inner.project_gradients()

    def end_step(self, loss: Loss, rows: int) -> None:
        """The inner design's, told of its own units."""
        self.inner.end_step(loss._replace(fired=loss.fired[..., :-_SIDE]), rows)

    def log_extra(self) -> dict[str, Any]:
        """The inner design's."""
        return self.inner.log_extra()

    @torch.no_grad()
    def absorb_scale(self, scale: float) -> None:
        """Turn a design trained on ``scale * x`` into the equal one for ``x``: the normalised rows stay as they were.

        Only the constant beside the deviation has the unit of the activations.
        """
        self.epsilon.div_(scale)
