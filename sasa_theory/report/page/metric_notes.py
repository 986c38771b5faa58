"""What is said of a metric wherever its values stand: title, unit, which values are better, formula in words."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from sasa_theory.benchmark import twins
from sasa_theory.metrics import metric
from sasa_theory.metrics.contract import Direction

_ARROWS: dict[Direction, str] = {"higher": "↑", "lower": "↓", "nearest": "→"}
_BETTER: dict[Direction, str] = {
    "higher": "more is better",
    "lower": "less is better",
    "nearest": "nearest to the truth's value is best",
}


_ROLE = re.compile(r":\w+:`~?\.?([^`]+)`")
"""A reference to code, as docstrings have them."""


@dataclass(frozen=True)
class MetricNote:
    """A metric for readers.

    Attributes
    ----------
    name, title, unit : str
        As in records, in tables, and of its values.
    direction : Direction or None
        Which values are better; None for a metric that this version does not know.
    definition : str
        The formula in words.
    source : str
        Where it comes from; may be empty.
    """

    name: str
    title: str
    unit: str
    direction: Direction | None
    definition: str
    source: str = ""

    @property
    def arrow(self) -> str:
        """Which values are better, as one sign."""
        return _ARROWS[self.direction] if self.direction else ""

    @property
    def better(self) -> str:
        """Which values are better, in words."""
        return _BETTER[self.direction] if self.direction else ""


@cache
def note(name: str) -> MetricNote:
    """What is known of a metric; of one that is not, its name."""
    if name in twins.NAMES:
        return MetricNote(name, twins.NAMES[name], "share", "higher", _prose(twins.__doc__ or ""))
    try:
        found = metric(name)
    except ValueError:
        return MetricNote(name, name.replace("_", " "), "", None, "A metric that this version does not have.")
    return MetricNote(name, found.title, found.unit, found.direction, _prose(found.definition), found.source)


def _prose(docstring: str) -> str:
    """A docstring without its marks."""
    return _ROLE.sub(r"\1", docstring.strip()).replace("``", "")
