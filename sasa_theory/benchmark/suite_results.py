"""What the runs of a suite come to: the value of each metric for each arm, with the interval of its seeds."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from .comparing import Estimate, estimate
from .entrants import ORACLE
from .plan import Contest, Done
from .ranking import LEVEL
from .records import Record
from .suite_parts import CHANCE, Part, Suite
from .suites import Arena


@dataclass(frozen=True)
class Results:
    """All runs of a suite.

    Attributes
    ----------
    suite : Suite
        The experiment.
    done : mapping of str to Record
        Records by key.
    seeds : int or None
        Runs of each arm; the part's number if None.
    """

    suite: Suite
    done: Done
    seeds: int | None = None

    def value(self, part: Part, arena: Arena, arm: str, metric: str) -> Estimate:
        """Mean over seeds, and its interval; NaN where the metric is not defined for some seed.

        Parameters
        ----------
        part : Part
            Of the suite.
        arena : Arena
            Of the part.
        arm : str
            Name of an arm of the part.
        metric : str
            Name of a metric.
        """
        return self._estimate(self._records(part, arena, part.arms[arm]), metric)

    def truth(self, part: Part, arena: Arena, metric: str) -> float:
        """Mean over seeds for the true subspaces."""
        return self._estimate(self._records(part, arena, ORACLE), metric).mean

    def chance(self, part: Part, arena: Arena, arm: str, metric: str) -> float:
        """Mean over seeds for a random design of the arm's form and size."""
        grouped = self._contest(part, arena, part.arms[arm]).size.rank > 1
        return self._estimate(self._records(part, arena, CHANCE[grouped]), metric).mean

    def rate(self, part: Part, arena: Arena, arm: str) -> float:
        """Learning rate that the search chose, or that was given; NaN where nothing is trained."""
        chosen = self._contest(part, arena, part.arms[arm]).chosen(self.done)
        return math.nan if chosen is None or chosen.lr is None else chosen.lr

    def failures(self) -> tuple[str, ...]:
        """Runs without metrics, in words."""
        return tuple(
            f"{record.design} in {record.world}, seed {record.seed}: {record.failed}"
            for part in self.suite.parts
            for record in self.suite.plan(part, self.seeds).records(self.done)
            if record.failed
        )

    @cached_property
    def _contests(self) -> dict[tuple[str, str, str], Contest]:
        return {
            (part.title, each.arena.name, each.entered.spec): each
            for part in self.suite.parts
            for each in self.suite.plan(part, self.seeds).contests
        }

    def _contest(self, part: Part, arena: Arena, spec: str) -> Contest:
        return self._contests[part.title, arena.name, spec]

    def _records(self, part: Part, arena: Arena, spec: str) -> list[Record]:
        return [self.done[job.key] for job in self._contest(part, arena, spec).runs(self.done)]

    def _estimate(self, records: list[Record], metric: str) -> Estimate:
        values = [record.value(metric) for record in records]
        return estimate(values, LEVEL) if np.isfinite(values).all() else Estimate(math.nan, math.nan, math.nan)
