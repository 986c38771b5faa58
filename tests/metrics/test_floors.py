from __future__ import annotations

import pytest
import torch

from sasa_theory.metrics import METRICS, observe

from . import dictionaries
from .reading import seen

DICTIONARIES = ("perfect", "split", "merged", "duplicated", "junk")
LIMITED = [name for name, metric in METRICS.items() if metric.floor is not None]


@pytest.mark.parametrize("form", DICTIONARIES)
@pytest.mark.parametrize("name", LIMITED)
def test_no_dictionary_passes_what_theory_allows(name, form):
    metric, observation = METRICS[name], seen(form)
    value, floor = metric.measure(observation).value, metric.floor(observation)
    if metric.direction == "higher":
        assert value <= floor + 1e-5
    else:
        assert value >= floor - 1e-5


def test_recovery_of_single_columns_is_limited_by_the_dimensions():
    """Features of 1, 2 and 3 dimensions in equal numbers; split into orthogonal atoms, they reach the limit."""
    split = seen("split")
    for name, limit in (("capture", (1 + 1 / 2 + 1 / 3) / 3), ("recovery", (1 + 2 / 3 + 2 / 4) / 3)):
        assert METRICS[name].floor(split) == pytest.approx(limit)
        assert METRICS[name].measure(split).value == pytest.approx(limit, abs=1e-4)


def test_units_of_enough_columns_are_not_limited():
    known = dictionaries.world()
    wide = dictionaries.Fixed([torch.eye(16)[:4], *dictionaries.truth(known)], 2)
    for name in ("capture", "recovery"):
        assert METRICS[name].floor(observe(wide, known, 200)) == 1
