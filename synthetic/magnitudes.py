"""How strongly a feature fires: a scale for every feature, and a random magnitude for every firing."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from sasa_theory.bounds.validate import at_most, choice

from .whole import is_a, set_real

LAWS = ("linear", "uniform", "folded_normal")


@dataclass(frozen=True)
class PerFeature:
    """One non-negative number for every feature.

    Attributes
    ----------
    law : str
        ``linear``: from ``a`` at the first feature to ``b`` at the last (a constant if a = b); ``uniform``: independent
        draws from [a, b]; ``folded_normal``: independent draws of ``|N(a, b^2)|``.
    a, b : float
        >= 0; for ``uniform`` a <= b.
    """

    law: str = "linear"
    a: float = 1.0
    b: float = 1.0

    def __post_init__(self) -> None:
        choice("law", self.law, LAWS)
        set_real(self, "a", 0.0)
        set_real(self, "b", 0.0)
        if self.law == "uniform":
            at_most("a", np.array(self.a), "b", np.array(self.b))

    def draw(self, features: int, generator: torch.Generator) -> Tensor:
        """Draw the numbers, shape (features,), float32."""
        out = torch.empty(features, device=generator.device, dtype=torch.float32)
        if self.law == "linear":
            return torch.linspace(self.a, self.b, features, out=out)
        if self.law == "uniform":
            return self.a + (self.b - self.a) * out.uniform_(generator=generator)
        return (self.a + self.b * out.normal_(generator=generator)).abs()


@dataclass(frozen=True)
class Magnitude:
    """The magnitude of a firing, ``|N(m_i, s_i^2)|``, which multiplies the slice drawn from the feature's law.

    It is the constant m_i for s_i = 0, and its mean square is ``m_i^2 + s_i^2`` always. (SynthSAEBench rectifies the
    normal number instead of folding it; for m_i several times s_i the two hardly differ.)

    Attributes
    ----------
    mean, spread : PerFeature
        m_i and s_i.
    one_sided : bool
        Whether features of one dimension fire in one direction only: their coefficient is replaced by its absolute
        value. Their energy stays; their mean is no longer zero.
    by_parent : bool
        Whether a child's magnitude is multiplied by its parent's (already multiplied by the grandparent's, and so on)
        divided by the parent's m. Needs m_i > 0.
    """

    mean: PerFeature = field(default_factory=PerFeature)
    spread: PerFeature = field(default_factory=lambda: PerFeature(a=0.0, b=0.0))
    one_sided: bool = False
    by_parent: bool = False

    def __post_init__(self) -> None:
        is_a(PerFeature, mean=self.mean, spread=self.spread)
        is_a(bool, one_sided=self.one_sided, by_parent=self.by_parent)
        if self.by_parent and min(self.mean.a, self.mean.b) == 0:
            raise ValueError(
                f"mean must have positive a and b when by_parent is set, got a = {self.mean.a:g}, b = {self.mean.b:g}"
            )
