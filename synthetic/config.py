"""The declaration of a world: plain frozen values, checked, and their form as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from sasa_theory.bounds.validate import choice, count, known_fields

from .copula import Copula
from .dictionaries import coherent_bases, independent_bases, low_coherence_bases, orthogonal_bases
from .features import Feature
from .firing import Exactly, Firing, Independent
from .forest import Forest
from .magnitudes import Magnitude, PerFeature
from .rates import Constant, Listed, Zipf
from .whole import is_a, set_real, set_whole

DICTIONARIES = {
    "independent": independent_bases,
    "orthogonal": orthogonal_bases,
    "low_coherence": low_coherence_bases,
}


@dataclass(frozen=True)
class Dictionary:
    """How the features lie in the space; see :mod:`synthetic.dictionaries`.

    Attributes
    ----------
    kind : str
        ``independent``, ``orthogonal``, ``low_coherence`` or ``coherent``.
    mu : float
        Largest principal cosine, in [0, 1), for kind ``coherent`` only.
    """

    kind: str = "independent"
    mu: float = 0.0

    def __post_init__(self) -> None:
        choice("kind", self.kind, [*DICTIONARIES, "coherent"])
        set_real(self, "mu", 0.0, 1.0, open_high=True)
        if self.mu and self.kind != "coherent":
            raise ValueError(f"mu is for kind 'coherent' only, got {self.mu:g} with kind {self.kind!r}")

    def bases(self, width: int, dims: Sequence[int], generator: torch.Generator) -> Tensor:
        """Draw the stacked bases, shape (sum(dims), width)."""
        if self.kind == "coherent":
            return coherent_bases(width, dims, self.mu, generator)
        return DICTIONARIES[self.kind](width, dims, generator)


@dataclass(frozen=True)
class Features:
    """``count`` features that share one law.

    Attributes
    ----------
    law : Feature
        Law of the slice.
    count : int
        >= 1.
    """

    law: Feature
    count: int = 1

    def __post_init__(self) -> None:
        is_a(Feature, law=self.law)
        set_whole(self, "count")


@dataclass(frozen=True)
class WorldConfig:
    r"""Everything that defines a world, up to the seed: :math:`x = b + \sum_{i \text{ fires}} A_i V_i z_i + e`.

    Attributes
    ----------
    width : int
        Dimension of x.
    features : tuple of Features
        The laws of the slices z_i, in order.
    firing : Firing
        Which features fire.
    dictionary : Dictionary
        The bases V_i.
    magnitude : Magnitude
        The factors A_i.
    energy : str
        ``total``: a slice has the energy that its law declares; ``per_dim``: that times its linear dimension.
    noise : float
        Power of the isotropic noise e as a fraction of the signal's power, >= 0. The signal's power is the expected
        sum of the energies of the slices that fire, in closed form, not that of a batch: without the cross terms of
        one-sided features, whose means are not zero, and without the bias.
    bias : float
        Norm of b, whose direction is random.
    power : float
        If positive, everything is rescaled so that ``E||x||^2`` has this value; 0 leaves the scale alone. Not with
        one-sided magnitudes, for which it has no closed form.
    """

    width: int
    features: tuple[Features, ...]
    firing: Firing
    dictionary: Dictionary = field(default_factory=Dictionary)
    magnitude: Magnitude = field(default_factory=Magnitude)
    energy: str = "total"
    noise: float = 0.0
    bias: float = 0.0
    power: float = 0.0

    def __post_init__(self) -> None:
        set_whole(self, "width")
        is_a(Firing, firing=self.firing)
        is_a(Dictionary, dictionary=self.dictionary)
        is_a(Magnitude, magnitude=self.magnitude)
        if not isinstance(self.features, tuple) or not self.features:
            raise ValueError(f"features must be a tuple of at least one Features, got {self.features!r}")
        for entry in self.features:
            is_a(Features, features=entry)
        largest = max(entry.law.linear_dim for entry in self.features)
        count("linear dimension of a feature", largest, 1, self.width)
        choice("energy", self.energy, ("total", "per_dim"))
        for name in ("noise", "bias", "power"):
            set_real(self, name, 0.0)
        self.firing.check(self.size)
        if self.power and self.magnitude.one_sided:
            raise ValueError(
                f"power must be 0 with one-sided magnitudes, got {self.power:g}; set the magnitudes instead"
            )
        if self.magnitude.by_parent and not (isinstance(self.firing, Independent) and self.firing.forest):
            raise ValueError(
                "magnitude by_parent needs firing with a forest; set by_parent to False or declare a forest"
            )

    @property
    def size(self) -> int:
        """Number of features."""
        return sum(entry.count for entry in self.features)

    @cached_property
    def laws(self) -> tuple[Feature, ...]:
        """Law of each feature."""
        return tuple(entry.law for entry in self.features for _ in range(entry.count))

    @cached_property
    def dims(self) -> tuple[int, ...]:
        """Linear dimension of each feature."""
        return tuple(law.linear_dim for law in self.laws)

    def to_dict(self) -> dict[str, Any]:
        """Plain values that JSON can hold; :meth:`from_dict` restores an equal config."""
        plain: dict[str, Any] = _to_plain(self)
        return plain

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> WorldConfig:
        """Restore a config.

        Raises
        ------
        ValueError
            At an unknown type or field, a missing field, or a value that the config refuses.
        """
        config = _from_plain(plain)
        is_a(cls, config=config)
        return config


_TYPES: dict[str, type[Any]] = {
    cls.__name__: cls
    for cls in (
        WorldConfig,
        Features,
        Feature,
        Dictionary,
        Magnitude,
        PerFeature,
        Exactly,
        Independent,
        Constant,
        Zipf,
        Listed,
        Copula,
        Forest,
    )
}


def _to_plain(value: Any) -> Any:
    if is_dataclass(value):
        return {"type": type(value).__name__, **{f.name: _to_plain(getattr(value, f.name)) for f in fields(value)}}
    return [_to_plain(entry) for entry in value] if isinstance(value, tuple) else value


def _from_plain(plain: Any) -> Any:
    if isinstance(plain, list):
        return tuple(_from_plain(entry) for entry in plain)
    if not isinstance(plain, Mapping):
        return plain
    cls = _TYPES[choice("type", plain.get("type", "nothing"), _TYPES)]
    values = {name: _from_plain(value) for name, value in plain.items() if name != "type"}
    known_fields(cls, values)
    try:
        return cls(**values)
    except (TypeError, OverflowError) as error:
        raise ValueError(
            f"{cls.__name__} cannot be made from the fields {', '.join(values) or 'none'}: {error}"
        ) from None
