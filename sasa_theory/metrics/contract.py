"""What a metric is: a formula with a name, a unit and a version, and what chance, truth and theory give for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from inspect import cleandoc
from typing import TYPE_CHECKING, Literal, NamedTuple

from torch import Tensor

if TYPE_CHECKING:
    from .observation import Observation

Direction = Literal["higher", "lower", "nearest"]
"""Which values are better; ``nearest``: those nearest to the oracle's."""


class Reading(NamedTuple):
    """What a formula makes of an observation.

    Attributes
    ----------
    value : float
        The metric: a mean over ``each`` unless the formula says otherwise; NaN where it is not defined.
    each : Tensor or None
        The same for every feature, unit, or seed, as the formula says; NaN where it is not defined.
    """

    value: float
    each: Tensor | None = None


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A versioned formula over an :class:`~sasa_theory.metrics.observation.Observation`.

    Attributes
    ----------
    name : str
        As it stands in records: words of a letter and more, joined by underscores.
    title : str
        As it stands in tables and on axes.
    unit : str
        Of its values, e.g. ``share``, ``units``, ``bits``.
    direction : Direction
        Which values are better.
    version : int
        Raised by one whenever the formula changes: values of different versions are never compared.
    measure : callable
        The formula; its docstring states it.
    best : float or None
        Value of the optimum, which a perfect design reaches; None where it depends on the world.
    floor : callable, optional
        What theory says no design of this form can pass, from the observation.
    source : str
        Where the formula comes from.
    """

    name: str
    title: str
    unit: str
    direction: Direction
    version: int
    measure: Callable[[Observation], Reading]
    best: float | None = None
    floor: Callable[[Observation], float] | None = None
    source: str = ""

    @property
    def definition(self) -> str:
        """The formula in words, as its function states it."""
        return cleandoc(self.measure.__doc__ or "")


@dataclass(frozen=True, kw_only=True)
class Score:
    """A metric's value for a design, beside what it has to be compared with.

    Attributes
    ----------
    metric : Metric
        What was measured.
    value : float
        For the design.
    each : Tensor or None
        See :class:`Reading`.
    null : tuple of float, or None
        Lowest and highest value of random dictionaries of the same shape on the same rows; None if none was measured.
    oracle : float or None
        Value of the true subspaces on the same rows; None if it was not measured.
    floor : float or None
        What theory says cannot be passed.
    """

    metric: Metric
    value: float
    each: Tensor | None = None
    null: tuple[float, float] | None = None
    oracle: float | None = None
    floor: float | None = None
