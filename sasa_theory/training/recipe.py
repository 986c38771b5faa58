"""How a design is trained: optimiser, schedule, normalisation; impossible settings refused with the nearest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, Self, get_args

from sasa_theory.bounds.validate import choice, known_fields
from sasa_theory.designs.config import set_real, set_whole

Optimiser = Literal["adam", "adamw"]
Shape = Literal["linear", "cosine"]
Normalisation = Literal["none", "unit_mean_square", "layer_norm", "layer_norm_raw"]
Space = Literal["normalised", "raw"]
Centre = Literal["none", "mean", "median"]

_WARMUP, _WARMUP_SHARE = 1000, 20


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Settings of training that belong neither to the design nor to the budget.

    Attributes
    ----------
    optimiser : str
        ``adam``, or ``adamw``, whose weight decay is decoupled. Neither decays biases and other vectors.
    lr : float or None
        Peak learning rate. None: ``2e-4 / sqrt(columns / 2^14)``, the rule of thumb of arXiv 2406.04093.
    betas : pair of float
        Decay of Adam's first and second moments.
    eps : float
        Added to Adam's denominator.
    weight_decay : float
        Needs ``adamw``.
    schedule : str
        Shape after the warm-up. ``linear``: constant, then linear over the last ``decay`` share of the steps;
        ``cosine``: half a cosine over all of them.
    warmup : int or None
        Steps of linear warm-up. None: 1000, or a twentieth of the steps if that is less.
    decay : float
        Share of the steps over which a ``linear`` schedule falls.
    floor : float
        Learning rate after the last step, as a share of the peak.
    clip : float or None
        Largest norm of the gradient of all parameters together.
    normalise : str
        ``unit_mean_square``: train on ``c x`` with ``E||c x||^2 = width``; the finished design takes ``x`` itself.
        ``layer_norm``: the design is wrapped in :class:`sasa_theory.designs.layer_norm.LayerNormed`;
        ``layer_norm_raw``: likewise, with errors measured before normalisation, in the units of the activations.
    centre : str
        Where the decoder's bias starts: as the design has it, or at the mean or the geometric median of a sample.
    autocast : bool
        Evaluate the loss under bfloat16 autocast.
    ema : float
        Decay of an exponential moving average of the parameters; 0 for none.
    resample_every : int
        Steps between resamplings of the units that did not fire in between; 0 for none.

    Raises
    ------
    ValueError
        If a setting is unknown or impossible.
    """

    optimiser: Optimiser = "adam"
    lr: float | None = None
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    weight_decay: float = 0.0
    schedule: Shape = "linear"
    warmup: int | None = None
    decay: float = 0.2
    floor: float = 0.0
    clip: float | None = None
    normalise: Normalisation = "none"
    centre: Centre = "none"
    autocast: bool = False
    ema: float = 0.0
    resample_every: int = 0

    def __post_init__(self) -> None:
        options = {"optimiser": Optimiser, "schedule": Shape, "normalise": Normalisation, "centre": Centre}
        for name, allowed in options.items():
            choice(name, getattr(self, name), get_args(allowed))
        for name in ("lr", "clip"):
            if getattr(self, name) is not None:
                set_real(self, name, open_low=True)
        set_real(self, "eps", open_low=True)
        set_real(self, "weight_decay")
        set_real(self, "decay", "floor", high=1.0)
        set_real(self, "ema", high=1 - 1e-9)
        set_whole(self, "resample_every", low=0)
        if self.warmup is not None:
            set_whole(self, "warmup", low=0)
        self._set_betas()
        if self.weight_decay and self.optimiser == "adam":
            raise ValueError(f"weight_decay {self.weight_decay:g} needs optimiser 'adamw', got 'adam'")
        if not isinstance(self.autocast, bool):
            raise ValueError(f"autocast must be True or False, got {self.autocast!r}")

    def _set_betas(self) -> None:
        try:
            first, second = (float(beta) for beta in self.betas)
        except (TypeError, ValueError):
            raise ValueError(f"betas must be a pair of numbers in [0, 1), got {self.betas!r}") from None
        if not (0 <= first < 1 and 0 <= second < 1):
            raise ValueError(f"betas must lie in [0, 1), got {self.betas!r}; the usual pair is (0.9, 0.999)")
        object.__setattr__(self, "betas", (first, second))

    def peak(self, columns: int) -> float:
        """Peak learning rate for a design with this many columns."""
        return 2e-4 * (2**14 / columns) ** 0.5 if self.lr is None else self.lr

    @property
    def space(self) -> Space | None:
        """Where a layer-normed design measures its error; None if there is no layer norm."""
        spaces: dict[Normalisation, Space] = {"layer_norm": "normalised", "layer_norm_raw": "raw"}
        return spaces.get(self.normalise)

    def warmup_steps(self, steps: int) -> int:
        """Steps of warm-up in a run of ``steps``.

        Raises
        ------
        ValueError
            If warm-up and final decay do not fit into the run.
        """
        if self.warmup is None:
            return min(_WARMUP, steps // _WARMUP_SHARE)
        room = steps - (round(self.decay * steps) if self.schedule == "linear" else 0)
        if self.warmup > room:
            raise ValueError(
                f"warmup of {self.warmup} steps does not fit into {steps} steps with decay {self.decay:g}; "
                f"the nearest possible is {room}"
            )
        return self.warmup

    def to_dict(self) -> dict[str, Any]:
        """Plain values that JSON can hold and :meth:`from_dict` reads back."""
        return asdict(self) | {"betas": list(self.betas)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The recipe of a mapping from field names to values.

        Raises
        ------
        ValueError
            If a field is unknown (with the nearest) or impossible.
        """
        known_fields(cls, values)
        return cls(**values)
