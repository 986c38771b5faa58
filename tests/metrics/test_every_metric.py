"""What every registered metric owes: its formula, the optimum for the truth, invariance, a version that is true."""

from __future__ import annotations

import json
import math
import re
import subprocess
import sys
from functools import cache
from typing import get_args

import pytest
import torch

from sasa_theory.metrics import METRICS, Observation, judge, observe
from sasa_theory.metrics.contract import Direction
from sasa_theory.metrics.judge import random_like, true_subspaces

from . import dictionaries, golden
from .reading import ROWS, known, seen, value

WIDENED = 10

CHANCE_SUFFICES: dict[str, str] = {
    "dead": "units of a random dictionary fire as well",
    "merge_rate": "of the few features that random units serve, no two need have the same unit",
    "opposed": "random units restore little, and little is left to work against",
    "support_size_error": "a random dictionary fires as many units as are asked for",
}
"""Metrics with an optimum that a random dictionary may reach too, and why."""

FOLLOWS_THE_GAUGE: dict[tuple[str, str], str] = {
    ("absorption_columns", "rotated"): "columns are taken one by one, as the literature does",
    ("absorption_columns", "regauged"): "the same",
    ("decoder_rank", "regauged"): "rows of a decoder are weighed alike, used or not, as the literature does",
    ("redundancy", "rotated"): "columns are the atoms that are clustered, as the literature does",
    ("redundancy", "regauged"): "the same",
}
"""Metrics of raw decoders or columns, that change when the columns of a unit are mixed, and why."""


@cache
def families():
    return dictionaries.families()


@cache
def flawed(change: str | None = None) -> Observation:
    if change is None:
        return observe(dictionaries.Patchwork(families()), families(), ROWS)
    return observe(rewritten(change, families(), dictionaries.Patchwork), families(), ROWS)


@cache
def flawless(change: str) -> Observation:
    return observe(rewritten(change, known(), dictionaries.perfect), known(), ROWS)


def rewritten(change, world, form):
    return getattr(dictionaries, change)(world, torch.Generator().manual_seed(11), form)


@cache
def references() -> tuple[Observation, list[Observation]]:
    perfect = seen("perfect")
    truth = observe(true_subspaces(perfect), known(), ROWS)
    return truth, [observe(random, known(), ROWS) for random in random_like(perfect)]


@cache
def chance() -> Observation:
    """A random dictionary of another seed than those of the null."""
    return observe(random_like(seen("perfect"), seed=100)[0], known(), ROWS)


def same(a: float, b: float) -> bool:
    return (math.isnan(a) and math.isnan(b)) or math.isclose(a, b, rel_tol=1e-4, abs_tol=1e-5)


def test_names_are_the_keys_and_words_of_small_letters_joined_by_underscores() -> None:
    for name, metric in METRICS.items():
        assert name == metric.name
        assert re.fullmatch(r"[a-z][a-z0-9]+(_[a-z0-9]+)*", name)


def test_no_two_metrics_share_a_title() -> None:
    titles = [metric.title for metric in METRICS.values()]
    assert len(set(titles)) == len(titles)


@pytest.mark.parametrize("name", METRICS)
def test_its_description_is_complete(name: str) -> None:
    metric = METRICS[name]
    assert len(metric.definition) > 20
    assert metric.title
    assert metric.unit
    assert metric.direction in get_args(Direction)
    assert metric.version >= 1
    assert metric.source == "" or re.search(r"arXiv \d{4}\.\d{4,5}|\(\d{4}\)", metric.source)


@pytest.mark.parametrize("name", [name for name, metric in METRICS.items() if metric.best is not None])
def test_the_truth_is_at_the_optimum(name: str) -> None:
    best = METRICS[name].best
    assert value(name, seen("perfect")) == pytest.approx(best, abs=1e-5)
    assert value(name, references()[0]) == pytest.approx(best, abs=1e-5)


@pytest.mark.parametrize("name", [name for name, metric in METRICS.items() if metric.best is not None])
def test_chance_is_worse_than_the_optimum(name: str) -> None:
    metric = METRICS[name]
    offs = [value(name, observation) - metric.best for observation in references()[1]]
    if name in CHANCE_SUFFICES:
        assert min(map(abs, offs)) < 1e-5, f"{name} need not be excused: {CHANCE_SUFFICES[name]}"
        return
    for off in offs:
        if metric.direction == "higher":
            assert off < -0.01
        elif metric.direction == "lower":
            assert off > 0.01
        else:
            assert abs(off) > 0.01


@pytest.mark.parametrize("name", METRICS)
def test_chance_of_another_seed_is_near_the_null(name: str) -> None:
    """A null of three draws says where chance is, not how far it reaches: a fourth draw lies outside half the time.

    Of a normal law it lies further outside than ``WIDENED`` times their range in 3 of 1,000 cases. With six features
    values are coarse, and three draws may agree by accident: hence also a sixth of the value, what one feature decides.
    """
    drawn = [value(name, observation) for observation in references()[1]]
    fresh = value(name, chance())
    if math.isnan(fresh):
        assert all(map(math.isnan, drawn))  # not defined in this world, or for random dictionaries
        return
    low, high = min(drawn), max(drawn)
    beyond = max(low - fresh, fresh - high, 0.0)
    assert beyond <= WIDENED * (high - low) + max(map(abs, drawn)) / known().config.size


@pytest.mark.parametrize("name", METRICS)
def test_it_has_something_to_say_about_flaws(name: str) -> None:
    """Or it would agree with itself as NaN in the next test."""
    assert not math.isnan(value(name, flawed()))


@pytest.mark.parametrize("change", ["permuted", "rotated", "regauged"])
@pytest.mark.parametrize("name", METRICS)
def test_it_does_not_depend_on_how_the_same_units_are_written(name: str, change: str) -> None:
    unchanged = same(value(name, seen("perfect")), value(name, flawless(change)))
    unchanged &= same(value(name, flawed()), value(name, flawed(change)))
    if (name, change) in FOLLOWS_THE_GAUGE:
        assert not unchanged, f"{name} need not be excused: {FOLLOWS_THE_GAUGE[name, change]}"
    else:
        assert unchanged


@pytest.mark.parametrize("name", METRICS)
def test_it_bears_a_design_that_never_fires(name: str) -> None:
    metric = METRICS[name]
    assert isinstance(metric.measure(seen("silent")).value, float)
    assert metric.floor is None or isinstance(metric.floor(seen("silent")), float)


@pytest.mark.parametrize("name", METRICS)
def test_values_for_each_are_averaged_or_explained(name: str) -> None:
    reading = METRICS[name].measure(seen("split"))
    assert isinstance(reading.value, float)
    assert reading.each is None or reading.each.ndim == 1


@cache
def measured() -> dict[str, list[float | None]]:
    return golden.measured()


@pytest.mark.parametrize("name", METRICS)
def test_a_formula_only_changes_with_its_version(name: str) -> None:
    written = json.loads(golden.FILE.read_text())
    assert name in written, f"{name} has no golden values yet: run `{golden.COMMAND}`"
    (version, *values), (now, *found) = written[name], measured()[name]
    assert version == now, f"{name} has a new version: run `{golden.COMMAND}`"
    for before, after in zip(values, found, strict=True):
        agree = same(math.nan if before is None else before, math.nan if after is None else after)
        assert agree, f"{name} of version {version} was {before} and is {after}: raise its version if this is meant"


def test_no_golden_value_outlives_its_metric() -> None:
    stale = set(json.loads(golden.FILE.read_text())) - set(METRICS)
    assert not stale, f"run `{golden.COMMAND}`"


def test_judge_puts_every_metric_beside_chance_and_truth() -> None:
    scores = judge(dictionaries.perfect(known()), known(), rows=300)
    assert set(scores) == set(METRICS)
    assert all(score.null is not None and score.oracle is not None for score in scores.values())


_MEMORY = """
import resource
import sys
from dataclasses import replace
from sasa_theory import designs
from sasa_theory.metrics import METRICS, observe
from sasa_theory.metrics.rows import Rows
from synthetic import Feature, Features, World, preset

features = tuple(Features(Feature("subspace", dim), 2) for dim in (1, 2, 3))
world = World.build(preset("theorem", "small", width=32, features=features), seed=0)
kind = {"sparse": {"name": "topk", "k": 4}, "dense": {"name": "relu", "sparsity": 0.0}}[sys.argv[1]]
design = designs.get(width=32, atoms=2048, seed=0, **kind)
for rows in (1024, 9216):
    observation = replace(observe(design, world, rows), rows=Rows(world, rows, block=256))
    for metric in METRICS.values():
        metric.measure(observation)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="ru_maxrss counts other things elsewhere")
@pytest.mark.parametrize("codes", ["sparse", "dense"])
def test_memory_does_not_grow_with_the_rows(codes: str) -> None:
    """The codes of the further 8,192 rows would take 64 MB alone, were they kept, pairs of dense ones twice as much."""
    run = subprocess.run([sys.executable, "-c", _MEMORY, codes], capture_output=True, text=True, check=True)
    few, many = map(int, run.stdout.split())
    assert many - few < 40, run.stdout
