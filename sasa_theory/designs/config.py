"""Configurations of designs: frozen, complete, and impossible ones refused with the nearest possible value."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from importlib import import_module
from pkgutil import iter_modules
from typing import Any, ClassVar, Self

import torch

from sasa_theory.bounds.validate import choice, count, known_fields, real

from .contract import Design


@dataclass(frozen=True, kw_only=True)
class DesignConfig(ABC):
    """What defines a design but its weights.

    Attributes
    ----------
    width : int
        Dimension of the activations.
    """

    kind: ClassVar[str]
    """Name under which a saved design finds its class again."""

    width: int

    def __post_init__(self) -> None:
        set_whole(self, "width")

    @property
    @abstractmethod
    def columns(self) -> int:
        """Dimension of the code."""

    @abstractmethod
    def build(self, generator: torch.Generator) -> Design:
        """A freshly initialised design; the generator supplies every random number."""

    def to_dict(self) -> dict[str, Any]:
        """Plain values that JSON can hold and :meth:`from_dict` reads back."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The config of a mapping from field names to values.

        Raises
        ------
        ValueError
            If a field is unknown, missing or impossible.
        """
        known_fields(cls, values)
        required = [f.name for f in fields(cls) if f.init and f.default is f.default_factory]  # both MISSING
        for name in required:
            if name not in values:
                raise ValueError(f"field {name} of {cls.__name__} is missing; it has no default")
        return cls(**values)


@dataclass(frozen=True, kw_only=True)
class AtomConfig(DesignConfig):
    """A vector SAE: one decoder direction a latent.

    Attributes
    ----------
    atoms : int
        Number of latents m.
    """

    atoms: int

    def __post_init__(self) -> None:
        super().__post_init__()
        set_whole(self, "atoms")

    @property
    def columns(self) -> int:
        """Dimension of the code: the number of atoms."""
        return self.atoms


@dataclass(frozen=True, kw_only=True)
class GroupConfig(DesignConfig):
    """A block SAE: K groups of r columns.

    Attributes
    ----------
    groups : int
        Number of groups K.
    rank : int
        Columns of each group r; at most the width.
    """

    groups: int
    rank: int

    def __post_init__(self) -> None:
        super().__post_init__()
        set_whole(self, "groups", "rank")
        within("rank", self.rank, "width", self.width)

    @property
    def columns(self) -> int:
        """Dimension of the code: groups x rank."""
        return self.groups * self.rank

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The config of a mapping from field names to values.

        A budget ``l0`` of active columns may stand in the place of ``active``, the groups that it buys.

        Raises
        ------
        ValueError
            If a field is unknown, missing or impossible, or ``l0`` is not a multiple of the rank.
        """
        if values.keys() >= {"l0", "rank"} and "active" in (f.name for f in fields(cls)):
            if "active" in values:
                raise ValueError(f"give active = {values['active']} or l0 = {values['l0']}, not both")
            set_by_budget = {"active": whole_units(values["l0"], values["rank"])}
            values = {name: value for name, value in values.items() if name != "l0"} | set_by_budget
        return super().from_dict(values)


def config_class(name: str, kind: str) -> type[DesignConfig]:
    """The config class of a kind: one of this package, or one that the caller has defined.

    Parameters
    ----------
    name : str
        What the kind is called where it was read; it opens the error message.
    kind : str
        The kind.

    Raises
    ------
    ValueError
        If there is no such kind, with the nearest.
    """
    if kind not in _kinds():
        for package in ("", ".atoms", ".groups", ".references"):
            for module in iter_modules(import_module(__package__ + package).__path__):
                if not module.ispkg:
                    import_module(f"{__package__}{package}.{module.name}")
    known = _kinds()
    return known[choice(name, kind, sorted(known))]


def _kinds() -> dict[str, type[DesignConfig]]:
    """Config classes by kind, as far as they have been imported."""
    found: dict[str, type[DesignConfig]] = {}
    waiting = DesignConfig.__subclasses__()
    while waiting:
        cls = waiting.pop()
        waiting += cls.__subclasses__()
        if "kind" in vars(cls):
            found[cls.kind] = cls
    return found


def set_whole(config: Any, *names: str, low: int = 1) -> None:
    """Check that the named fields are whole numbers >= ``low`` and store them as int."""
    for name in names:
        object.__setattr__(config, name, int(count(name, getattr(config, name), low)))


def set_real(config: Any, *names: str, low: float = 0.0, high: float = math.inf, open_low: bool = False) -> None:
    """Check that the named fields are numbers in the range and store them as float."""
    for name in names:
        object.__setattr__(config, name, float(real(name, getattr(config, name), low, high, open_low=open_low)))


def within(name: str, value: int, limit_name: str, limit: int) -> None:
    """Check ``value <= limit``.

    Raises
    ------
    ValueError
        Otherwise, with the largest possible value.
    """
    if value > limit:
        raise ValueError(f"{name} must be at most {limit_name} = {limit}, got {value}; the nearest possible is {limit}")


def whole_units(l0: int, rank: int) -> int:
    """Number of groups of ``rank`` columns that a budget of ``l0`` active columns buys.

    Raises
    ------
    ValueError
        If ``l0`` is not a multiple of ``rank``, with the nearest multiple.
    """
    l0, rank = int(count("l0", l0, 0)), int(count("rank", rank))
    if l0 % rank or l0 < rank:
        nearest = max(1, (l0 + rank // 2) // rank) * rank
        raise ValueError(f"l0 must be a multiple of rank = {rank}, got {l0}; the nearest possible is {nearest}")
    return l0 // rank
