"""What most tests of metrics start from: the small world, a truth spoilt on purpose in it, and a metric's values."""

from __future__ import annotations

from functools import cache

from sasa_theory.metrics import METRICS, Observation, observe
from synthetic import World

from . import dictionaries

ROWS = 2000


@cache
def known() -> World:
    """The small world."""
    return dictionaries.world()


@cache
def seen(form: str) -> Observation:
    """A dictionary of :mod:`.dictionaries` by name, on the first rows of that world."""
    return observe(getattr(dictionaries, form)(known()), known(), ROWS)


def value(name: str, observation: Observation) -> float:
    """A metric's value."""
    return METRICS[name].measure(observation).value


def each(name: str, observation: Observation) -> list[float]:
    """A metric's values feature by feature, or unit by unit."""
    found = METRICS[name].measure(observation).each
    assert found is not None
    return found.tolist()
