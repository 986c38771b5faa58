"""JumpReLU SAE (arXiv 2407.14435): ``f = u 1[u > theta]``, ``u = (x - b_d) E' + b_e``, one learned theta > 0 a latent.

Loss ``||x - x_hat||^2 + lambda S`` where S is the number of active latents, its squared distance from a target or a
smooth count by tanh. Steps have no useful derivative in theta; rectangles of bandwidth epsilon stand in, see
:class:`Jump` and :class:`Step`. Bandwidth and initial theta are lengths on the scale of u.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from sasa_theory.bounds.validate import choice

from ..config import set_real, set_whole
from ..contract import Loss, plain_loss
from ..presets import Preset
from ..revival import any_dead
from .decoder_norms import contributions
from .penalised import Penalised, PenalisedConfig

Penalty = Literal["l0", "target", "tanh"]


@dataclass(frozen=True, kw_only=True)
class JumpReLUConfig(PenalisedConfig):
    """Settings of :class:`JumpReLU`.

    Attributes
    ----------
    penalty : str
        ``l0``: the mean number L0 of active latents; ``target``: ``(L0 / target_l0 - 1)^2``; ``tanh``: the mean of
        ``sum_j tanh(tanh_scale f_j ||d_j||)``.
    target_l0 : float or None
        Needed by ``target``, and by nothing else.
    tanh_scale : float
        Slope of tanh at 0, per unit of the reconstruction.
    threshold : float
        Initial theta.
    bandwidth : float
        Width epsilon of the rectangles: latents with ``|u - theta| < epsilon / 2`` move theta.
    dead_coefficient : float
        Weight of ``sum_j ReLU(theta_j - u_j) ||d_j||`` over dead latents, which pulls them back to their threshold.
    dead_after : int
        Tokens without firing after which a latent counts as dead.
    """

    kind = "jumprelu"

    penalty: Penalty = "l0"
    target_l0: float | None = None
    tanh_scale: float = 4.0
    threshold: float = 0.001
    bandwidth: float = 0.001
    dead_coefficient: float = 0.0
    dead_after: int = 10_000_000

    def __post_init__(self) -> None:
        super().__post_init__()
        choice("penalty", self.penalty, get_args(Penalty))
        set_real(self, "tanh_scale", "threshold", "bandwidth", open_low=True)
        set_real(self, "dead_coefficient")
        set_whole(self, "dead_after")
        if (self.target_l0 is not None) != (self.penalty == "target"):
            raise ValueError(
                f"target_l0 must be given with penalty='target' and with no other, got target_l0={self.target_l0} "
                f"and penalty={self.penalty!r}; the nearest possible is "
                + ("penalty='target'" if self.penalty != "target" else f"a number in (0, atoms = {self.atoms}]")
            )
        if self.target_l0 is not None:
            set_real(self, "target_l0", high=self.atoms, open_low=True)

    def build(self, generator: torch.Generator) -> JumpReLU:
        """A freshly initialised JumpReLU SAE."""
        return JumpReLU(self, generator)


class JumpReLU(Penalised):
    """JumpReLU; see the module. The threshold is kept as its logarithm, so that no step makes it negative."""

    config: JumpReLUConfig
    dead_coefficient: Tensor

    def __init__(self, config: JumpReLUConfig, generator: torch.Generator) -> None:
        super().__init__(config, generator)
        self.log_threshold = nn.Parameter(self.decoder.new_full((self.columns,), math.log(config.threshold)))
        self.register_buffer("dead_coefficient", torch.tensor(config.dead_coefficient))
        self._revive = False

    @property
    def threshold(self) -> Tensor:
        """Theta, shape (atoms,)."""
        return self.log_threshold.exp()

    def encode(self, x: Tensor) -> Tensor:
        """Codes, each 0 or above its threshold, shape (n, atoms)."""
        return jump(self.preactivations(x), self.threshold, self.config.bandwidth)

    def begin_step(self, step: int, steps: int) -> None:
        """Warm the coefficient up; look once whether any latent is dead."""
        super().begin_step(step, steps)
        self._revive = any_dead(self.idle, self.config.dead_after, self.dead_coefficient)

    def loss(self, x: Tensor, row_weight: Tensor | None = None) -> Loss:
        """``||x - x_hat||^2 + lambda S``, and the pull on dead latents; means over the batch."""
        u, threshold = self.preactivations(x), self.threshold
        codes = jump(u, threshold, self.config.bandwidth)
        penalties = {"sparsity": self.coefficient * self._sparsity(u, threshold, codes)}
        if self._revive:
            dead = self.idle >= self.config.dead_after
            gap = contributions(self, (threshold - u).relu()) * dead
            penalties["dead"] = self.dead_coefficient * gap.sum(dim=-1).mean()
        return plain_loss(x, self.decode(codes), penalties, **self.firings(codes), row_weight=row_weight)

    def _sparsity(self, u: Tensor, threshold: Tensor, codes: Tensor) -> Tensor:
        if self.config.penalty == "tanh":
            return (self.config.tanh_scale * contributions(self, codes)).tanh().sum(dim=-1).mean()
        l0 = step(u, threshold, self.config.bandwidth).sum(dim=-1).mean()
        return l0 if self.config.target_l0 is None else (l0 / self.config.target_l0 - 1).square()

    def fresh_entries(self) -> dict[str, Tensor | float]:
        """As of every linear design; thresholds start where the config says."""
        return {**super().fresh_entries(), "log_threshold": math.log(self.config.threshold)}

    @torch.no_grad()
    def absorb_scale(self, scale: float) -> None:
        """Turn a design trained on ``scale * x`` into the equal one for ``x``; thresholds shrink too."""
        super().absorb_scale(scale)
        self.log_threshold.sub_(math.log(scale))


def jump(u: Tensor, threshold: Tensor, bandwidth: float) -> Tensor:
    """``u 1[u > theta]`` for u of shape (n, m), theta (m,), with the derivatives of :class:`Jump`."""
    result: Tensor = Jump.apply(u, threshold, bandwidth)
    return result


def step(u: Tensor, threshold: Tensor, bandwidth: float) -> Tensor:
    """``1[u > theta]`` for u of shape (n, m), theta (m,), with the derivatives of :class:`Step`."""
    result: Tensor = Step.apply(u, threshold, bandwidth)
    return result


class Jump(torch.autograd.Function):
    """``u 1[u > theta]``; ``d/du = 1[u > theta]``, ``d/dtheta = -(theta / eps) 1[|u - theta| < eps / 2]``."""

    generate_vmap_rule = True

    @staticmethod
    def forward(u: Tensor, threshold: Tensor, bandwidth: float) -> Tensor:
        """The jump."""
        return u * (u > threshold)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, float], output: Tensor) -> None:
        """Keep the inputs."""
        ctx.save_for_backward(*inputs[:2])
        ctx.bandwidth = inputs[2]

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None]:
        """Pseudo-derivatives."""
        u, threshold = ctx.saved_tensors
        near = _rectangle(u, threshold, ctx.bandwidth)
        return gradient * (u > threshold), -(threshold / ctx.bandwidth) * (gradient * near).sum(dim=0), None


class Step(torch.autograd.Function):
    """``1[u > theta]``; ``d/du = 0``, ``d/dtheta = -(1 / eps) 1[|u - theta| < eps / 2]``."""

    generate_vmap_rule = True

    @staticmethod
    def forward(u: Tensor, threshold: Tensor, bandwidth: float) -> Tensor:
        """The step."""
        return (u > threshold).to(u.dtype)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, float], output: Tensor) -> None:
        """Keep the inputs."""
        ctx.save_for_backward(*inputs[:2])
        ctx.bandwidth = inputs[2]

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[None, Tensor, None]:
        """Pseudo-derivatives."""
        u, threshold = ctx.saved_tensors
        return None, -(gradient * _rectangle(u, threshold, ctx.bandwidth)).sum(dim=0) / ctx.bandwidth, None


def _rectangle(u: Tensor, threshold: Tensor, bandwidth: float) -> Tensor:
    return (u - threshold).abs() < bandwidth / 2


_SAELENS = {
    "sparsity": 1.0,
    "warmup": 0.0,
    "constraint": "free",
    "initial_norm": 0.1,
    "threshold": 0.01,
    "bandwidth": 0.05,
}

PRESETS = {
    "jumprelu": Preset(JumpReLUConfig, "learned thresholds, L0 penalty, decoder rows of norm 1", "arXiv 2407.14435"),
    "jumprelu/target": Preset(
        JumpReLUConfig,
        "penalty that holds L0 at `target_l0`; differs from its source: thresholds are learned as logarithms",
        "dictionary_learning, JumpReLU trainer",
        {"penalty": "target", "sparsity": 1.0},
    ),
    "jumprelu/saelens": Preset(
        JumpReLUConfig,
        "L0 penalty, wider rectangles, free decoder rows",
        "SAELens 6, architecture `jumprelu`, `step` loss",
        _SAELENS,
    ),
    "jumprelu/tanh": Preset(
        JumpReLUConfig,
        "as jumprelu/saelens with the smooth count by tanh, and a pull on dead latents",
        "SAELens 6, architecture `jumprelu`, `tanh` loss",
        {**_SAELENS, "penalty": "tanh", "dead_coefficient": 3e-6, "dead_after": 4_096_000},  # 1000 steps of 4096 tokens
    ),
}
