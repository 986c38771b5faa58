"""Who takes part: designs of this package by name, a class in somebody's file, the truth, and chance.

An entrant is given as text, so that it can be sent to any machine: ``sasa/paper``, ``sasa/paper[balance=0]``,
``my_design.py:MySAE``, ``oracle``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from sasa_theory import designs
from sasa_theory.designs.config import AtomConfig, DesignConfig, GroupConfig
from sasa_theory.designs.contract import Design
from sasa_theory.designs.from_file import Factory, factory_from
from sasa_theory.designs.sources import source_digest
from sasa_theory.metrics.judge import gated_subspaces
from sasa_theory.metrics.rows import Rows
from synthetic import World

from .budgets import Match, Size, matched
from .specs import Spec, parsed

ORACLE = "oracle"
"""Name of the entrant that knows the true subspaces."""

_ACTIVE = ("k", "active", "steps")
"""Names under which configs take the number of active units."""
_COEFFICIENTS = ("sparsity", "penalty_coefficient")
"""Names under which designs take the coefficient that is tuned."""
_START = {"jumprelu": 1e-2}
"""Coefficient at the middle of the search, for rows of mean square 1, by kind; else the design's default, or this:"""
_L1 = 0.035
_GATED = 4096
"""Rows on which the truth's threshold is found."""


class Entrant(ABC):
    """A design that takes part in a benchmark.

    Attributes
    ----------
    spec : str
        What it is given as.
    label : str
        What it is called in tables.
    trains : bool
        Whether it has anything to learn.
    """

    spec: str
    trains: bool = True

    @property
    def label(self) -> str:
        """What it is called in tables."""
        return self.spec

    @property
    def coefficient(self) -> str | None:
        """Name of the coefficient that is tuned beside the learning rate, if there is one."""
        return None

    @abstractmethod
    def size(self, target: Size, match: Match, width: int) -> Size:
        """Its size where others have the size ``target``."""

    @abstractmethod
    def build(self, world: World, size: Size, seed: int, factor: float | None) -> Design:
        """Freshly initialised, with its coefficient at ``factor`` times the middle of the search."""

    @abstractmethod
    def identity(self) -> dict[str, Any]:
        """What determines it but for its size, as plain values."""


def entrant(spec: str) -> Entrant:
    """The entrant that a text stands for.

    Parameters
    ----------
    spec : str
        Name of a design (``sasa-theory designs`` lists them), perhaps with settings in brackets (see :mod:`.specs`),
        ``oracle``, or ``file.py:Class``, ``module:Class``.

    Raises
    ------
    ValueError
        If there is none, with the nearest name, a setting is refused, or its file cannot be used.
    """
    if spec == ORACLE:
        return Truth()
    if ":" in spec or spec.endswith(".py"):
        return Written(spec)
    parsed(spec)  # refuses what is wrong with it
    return Named(spec)


@dataclass(frozen=True)
class Truth(Entrant):
    """The world's own subspaces, as every score's oracle has them: see :func:`.metrics.judge.gated_subspaces`."""

    spec: str = ORACLE
    trains: bool = False

    def size(self, target: Size, match: Match, width: int) -> Size:
        """The reference's; the truth has its own."""
        return target

    def build(self, world: World, size: Size, seed: int, factor: float | None) -> Design:
        """The design that projects on the true subspaces."""
        return gated_subspaces(Rows(world, _GATED))

    def identity(self) -> dict[str, Any]:
        """Its name, and what decides which of its units fire."""
        return {"name": ORACLE, "gate": "threshold"}


@dataclass(frozen=True)
class Named(Entrant):
    """A preset of :mod:`sasa_theory.designs`, perhaps with some settings of its own, which nothing tunes."""

    spec: str

    @property
    def trains(self) -> bool:  # type: ignore[override]
        """Whether it is no random dictionary."""
        return self._parsed.name.partition("/")[0] != "random"

    @cached_property
    def _parsed(self) -> Spec:
        return parsed(self.spec)

    @cached_property
    def _config(self) -> type[DesignConfig]:
        return designs.presets()[self._parsed.name].config

    @property
    def _fields(self) -> dict[str, Any]:
        """Fields of the config and their defaults in this preset; MISSING where there is none."""
        own = {entry.name: entry.default for entry in fields(self._config)}
        return own | dict(designs.presets()[self._parsed.name].settings) | self._parsed.settings

    @property
    def coefficient(self) -> str | None:
        """The sparsity penalty's or the rank penalty's, unless it is set or there is no penalty."""
        if self._fields.get("penalty") == "none":
            return None
        name = next((name for name in _COEFFICIENTS if name in self._fields), None)
        return None if name in self._parsed.settings else name

    def size(self, target: Size, match: Match, width: int) -> Size:
        """Units of one column for vector designs, of the reference's rank for designs of groups."""
        return matched(target, target.rank if issubclass(self._config, GroupConfig) else 1, match)

    def build(self, world: World, size: Size, seed: int, factor: float | None) -> Design:
        """See :meth:`Entrant.build`."""
        assert issubclass(self._config, AtomConfig | GroupConfig)
        settings: dict[str, Any] = {"width": world.width, **self._parsed.settings}
        groups = issubclass(self._config, GroupConfig)
        settings |= {"groups": size.units, "rank": size.rank} if groups else {"atoms": size.units}
        settings |= {name: size.active for name in _ACTIVE if name in self._fields}
        if self._fields.get("penalty") == "target":
            settings["target_l0"] = size.active
        if self.coefficient is not None:
            settings[self.coefficient] = (1.0 if factor is None else factor) * self._middle(world)
        return designs.get(self._parsed.name, seed=seed, **settings)

    def identity(self) -> dict[str, Any]:
        """Name and settings, so that a preset that changes is another entrant."""
        settings = {name: value for name, value in self._fields.items() if isinstance(value, str | int | float | tuple)}
        return {"name": self._parsed.name, "kind": self._config.kind, "settings": settings}

    def _middle(self, world: World) -> float:
        assert self.coefficient is not None
        default = self._fields[self.coefficient]
        if self.coefficient != "sparsity":
            return float(default)
        power = _mean_square(world)
        return _START[self._config.kind] * power if self._config.kind in _START else _L1 * power**0.5


@dataclass(frozen=True)
class Written(Entrant):
    """A class in a file or an installed module; see :func:`sasa_theory.designs.from_file.factory_from`.

    If it has a parameter ``sparsity``, that is tuned. It must have as many columns as were matched, or the nearest
    number that its units allow.
    """

    spec: str

    @cached_property
    def _factory(self) -> Factory:
        return factory_from(self.spec)

    @property
    def label(self) -> str:
        """File without its folder, and class."""
        return Path(self.spec).name if ".py:" in self.spec else self.spec

    @property
    def coefficient(self) -> str | None:
        """``sparsity``, if the class takes it."""
        return "sparsity" if "sparsity" in self._factory.takes else None

    def size(self, target: Size, match: Match, width: int) -> Size:
        """As the class divides its columns into units when it is asked for as many columns as the reference has.

        Raises
        ------
        ValueError
            If the class does not make as many columns as it is asked for.
        """
        design = self._made(width, target, 0)
        rank = max(1, round(design.columns / design.n_units))
        size = matched(target, rank, match)
        if match != "units" and 2 * abs(size.columns - target.columns) > rank:
            raise self._unmatched(design, target)
        self._keeping(self._made(width, size, 0), size)
        return size

    def build(self, world: World, size: Size, seed: int, factor: float | None) -> Design:
        """See :meth:`Entrant.build`.

        Raises
        ------
        ValueError
            If the class does not make as many columns as it is asked for.
        """
        middle = _L1 if self.coefficient is None else _L1 * _mean_square(world) ** 0.5
        return self._keeping(self._made(world.width, size, seed, (1.0 if factor is None else factor) * middle), size)

    def identity(self) -> dict[str, Any]:
        """Class and digest of the files it is written in, as they are when first asked."""
        return self._identity

    @cached_property
    def _identity(self) -> dict[str, Any]:
        return {"name": self.label, "source": source_digest(self._factory)}

    def _made(self, width: int, size: Size, seed: int, sparsity: float = _L1) -> Design:
        sizes = {"columns": size.columns, "active": size.active_columns, "sparsity": sparsity}
        return designs.as_design(self._factory(width, seed=seed, **sizes), width)

    def _keeping(self, design: Design, size: Size) -> Design:
        """The design, if no other number of whole units is nearer to the size."""
        if 2 * abs(design.columns - size.columns) > max(design.units().bincount().tolist()):
            raise self._unmatched(design, size)
        return design

    def _unmatched(self, design: Design, size: Size) -> ValueError:
        return ValueError(
            f"{self.label} has {design.columns} columns in {design.n_units} units where {size.columns} columns were "
            "matched; let it have a parameter columns, and make as many"
        )


def _mean_square(world: World) -> float:
    """``E||x||^2`` of a world's rows, from a sample that is the same for every entrant."""
    return float(world.sample(4096, torch.Generator().manual_seed(0)).x.square().sum(dim=1).mean())
