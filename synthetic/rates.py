"""How often each feature is meant to fire: one probability per feature, in the order of the features."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np

from sasa_theory.bounds.validate import Floats, at_most, count, real

from .whole import set_real


class Rates(ABC):
    """A law that gives every feature its firing probability in [0, 1)."""

    @abstractmethod
    def probabilities(self, features: int) -> Floats:
        """Firing probability of each feature, shape (features,)."""


@dataclass(frozen=True)
class Constant(Rates):
    """The same probability for every feature.

    Attributes
    ----------
    probability : float
        In [0, 1).
    """

    probability: float

    def __post_init__(self) -> None:
        set_real(self, "probability", 0.0, 1.0, open_high=True)

    def probabilities(self, features: int) -> Floats:
        """Firing probability of each feature, shape (features,)."""
        return np.full(features, self.probability)


@dataclass(frozen=True)
class Zipf(Rates):
    """Probabilities that fall with the rank k = 1, 2, ... as ``k^-exponent``, mapped affinely onto [least, most].

    The first feature has ``most``, the last ``least`` (a single feature: ``most``). The affine map is that of
    SynthSAEBench (arXiv 2602.14687); a pure power law through both ends would fix the exponent.

    Attributes
    ----------
    exponent : float
        > 0.
    most, least : float
        Largest and least probability, ``0 < least <= most < 1``.
    """

    exponent: float
    most: float
    least: float

    def __post_init__(self) -> None:
        set_real(self, "exponent", 0.0, open_low=True)
        for name in ("most", "least"):
            set_real(self, name, 0.0, 1.0, open_low=True, open_high=True)
        at_most("least", np.array(self.least), "most", np.array(self.most))

    def probabilities(self, features: int) -> Floats:
        """Firing probability of each feature, shape (features,)."""
        if features == 1:
            return np.array([self.most])
        power = np.arange(1.0, features + 1) ** -self.exponent
        return self.least + (self.most - self.least) * (power - power[-1]) / (power[0] - power[-1])


@dataclass(frozen=True)
class Listed(Rates):
    """Probabilities given one by one.

    Attributes
    ----------
    values : tuple of float
        One for each feature, each in [0, 1).
    """

    values: tuple[float, ...]

    def __post_init__(self) -> None:
        values = real("values", self.values, 0.0, 1.0, open_high=True)
        if values.ndim != 1:
            raise ValueError(f"values must be a sequence of numbers, got shape {values.shape}")
        object.__setattr__(self, "values", tuple(values.tolist()))

    def probabilities(self, features: int) -> Floats:
        """Firing probability of each feature, shape (features,).

        Raises
        ------
        ValueError
            If the number of values is not ``features``.
        """
        count(f"features of rates listed for {len(self.values)}", features, len(self.values), len(self.values))
        return np.array(self.values, dtype=np.float64)
