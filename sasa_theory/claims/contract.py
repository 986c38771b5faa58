"""What a claim is: a statement that measures itself, and a falsifier outside its assumptions that must fail.

A measurement never uses the bound it is compared with. A claim counts as verified only if every measurement holds and
every falsifier, taken through the same comparison, is violated: a claim that cannot fail says nothing.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Generic, Literal, TypeVar

import numpy as np

from sasa_theory.tolerances import RESOLUTION, ROUNDING

Effort = Literal["fast", "quick", "full"]
"""``fast``, a taste of a minute at most, is for claims that train; what others do at once they do as ``quick``."""

Relation = Literal["<=", ">=", "=="]
Verdict = Literal["holds", "violated", "inconclusive"]
S = TypeVar("S")  # a claim's setting: a frozen dataclass of numbers, texts and truth values


@dataclass(frozen=True)
class Evidence:
    """One comparison of a measured value with a bound.

    Attributes
    ----------
    relation : {"<=", ">=", "=="}
        How the measured value must stand to the bound.
    bound : float
        What the theory says, in the units of ``measured``.
    measured : float
        What was found without using the bound.
    low, high : float
        Interval of the measured value at level ``tolerances.CONFIDENCE``; both equal ``measured`` if nothing is random.
    samples : int
        Number of random draws, solver runs or test points behind the measurement.
    tolerance : float
        Known systematic error relative to the bound (finite size, solver), declared by the claim with its reason.
    below, above : float
        For an equality that is approached from one side: how far, relative to the bound, the measured value may lie on
        that side. A dictionary trained to a floor comes within 8 % above it, and never below.
    also : mapping of str to float or tuple of float
        Other numbers found on the way (other counts, curves along training): shown and fitted, never judged alone.
    """

    relation: Relation
    bound: float
    measured: float
    low: float
    high: float
    samples: int
    tolerance: float = ROUNDING
    below: float = 0.0
    above: float = 0.0
    also: Mapping[str, float | tuple[float, ...]] = field(default_factory=dict)

    @property
    def margin(self) -> float:
        """Relative distance from the bound on the allowed side; for an equality minus the relative deviation."""
        if not np.isfinite(self.bound) or self.bound == self.measured:
            return 0.0 if self.bound == self.measured else self._side() * np.inf
        scale = max(abs(self.bound), abs(self.measured))
        return self._side() * abs(self.measured - self.bound) / scale

    @property
    def verdict(self) -> Verdict:
        """``violated`` if no value of the interval is allowed; ``holds`` if all are, or if the interval is narrow.

        Bounds may be attained, so an interval around the bound is no failure; but one that reaches further than
        ``tolerances.RESOLUTION`` of the bound could not have seen a violation and is ``inconclusive``.
        """
        if not all(map(np.isfinite, (self.measured, self.low, self.high))) or np.isnan(self.bound):
            return "inconclusive"
        scale = max(abs(self.measured), abs(self.bound) if np.isfinite(self.bound) else 0.0)
        lowest, highest = -np.inf, np.inf
        if self.relation != "<=":
            lowest = self.bound - (self.tolerance + self.below) * scale
        if self.relation != ">=":
            highest = self.bound + (self.tolerance + self.above) * scale
        if self.low > highest or self.high < lowest:
            return "violated"
        narrow = max(self.high - self.measured, self.measured - self.low) <= RESOLUTION * scale
        return "holds" if narrow or (lowest <= self.low and self.high <= highest) else "inconclusive"

    def _side(self) -> int:
        """1 if the measured value lies on the side that the relation allows, else -1; an equality allows none."""
        return 1 if (self.relation, self.measured < self.bound) in ((">=", False), ("<=", True)) else -1


@dataclass(frozen=True)
class Chart:
    """How a claim's evidence is drawn: measured points with intervals over the theory's curve.

    Attributes
    ----------
    x : str
        Field of the setting on the horizontal axis.
    by : tuple of str
        Fields that separate one curve from another.
    x_label, y_label : str
        Axis titles with units.
    log_x, log_y : bool
        Logarithmic axes; the slopes in the legend are taken in the axes' own coordinates.
    """

    x: str
    by: tuple[str, ...]
    x_label: str
    y_label: str
    log_x: bool = False
    log_y: bool = False


class Claim(ABC, Generic[S]):
    """One executable theorem about settings of type ``S``, a frozen dataclass of numbers, texts and truth values.

    Subclasses fill in the class attributes and the four methods; they hold no state.

    Attributes
    ----------
    id : str
        Short name, also the figure's file name.
    title : str
        A few words for tables.
    statement : str
        The theorem in LaTeX.
    plain : str
        The theorem in one plain sentence.
    assumptions : tuple of str
        What the statement needs; the falsifier breaks one of them.
    reference : tuple of str
        Sources: arXiv numbers, books, or "derived here".
    chart : Chart
        How the evidence is drawn.
    tags : frozenset of str
        Groups of claims that need something special, such as "trained".
    """

    id: ClassVar[str]
    title: ClassVar[str]
    statement: ClassVar[str]
    plain: ClassVar[str]
    assumptions: ClassVar[tuple[str, ...]]
    reference: ClassVar[tuple[str, ...]]
    chart: ClassVar[Chart]
    tags: ClassVar[frozenset[str]] = frozenset()

    @abstractmethod
    def grid(self, effort: Effort) -> list[S]:
        """Settings inside the assumptions at which the claim is measured."""

    @abstractmethod
    def falsifiers(self, effort: Effort) -> list[S]:
        """Settings just outside the assumptions in which the same comparison must be violated."""

    @abstractmethod
    def measure(self, setting: S, rng: np.random.Generator) -> Evidence:
        """Measure at one setting of :meth:`grid` and compare with the bound."""

    @abstractmethod
    def falsify(self, setting: S, rng: np.random.Generator) -> Evidence:
        """Measure at one setting of :meth:`falsifiers` and compare with the bound as if the assumptions held."""

    def conclude(self, found: Sequence[tuple[S, Evidence]], rng: np.random.Generator) -> list[tuple[S, Evidence]]:
        """Compare what only the measurements together can say, such as a law fitted to them; by default nothing.

        Parameters
        ----------
        found : sequence of pairs
            Every setting of :meth:`grid` with its evidence.
        rng : numpy.random.Generator
            For resampling; nothing new is measured.

        Returns
        -------
        list of pairs
            What each comparison is about, and its evidence. They count like measurements.
        """
        return []
