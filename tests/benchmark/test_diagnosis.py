from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sasa_theory.benchmark.diagnosis import RULES, Case, Standing, diagnose

NULL = {"recovery": 0.2, "capture": 0.3, "purity": 0.15, "support_f1": 0.1, "ev": 0.25}


def case(units=24, columns=72, features=24, dimensions=36, drop=(), seeds=(), floor=None, **values):
    """A design like the truth, but for the metrics given."""
    metrics = {
        name: Standing(values.get(name, 0.98), null, 1.0, floor if name == "recovery" else None)
        for name, null in NULL.items()
    }
    metrics["recovery"] = metrics["recovery"]._replace(seeds=seeds)
    metrics["dead"] = Standing(values.get("dead", 0.0), 0.0, 0.0)
    metrics["l0_units"] = Standing(values.get("l0_units", 2.0), 2.0, 2.0)
    return Case(
        metrics={name: standing for name, standing in metrics.items() if name not in drop},
        units=units,
        columns=columns,
        features=features,
        dimensions=dimensions,
    )


CASES = {
    "like the truth": (case(), "nothing", "near the truth"),
    "few units": (case(units=12, recovery=0.5), "budget", "12 units for 24 features"),
    "few columns": (case(columns=30, recovery=0.5), "budget", "30 columns for features of 36 dimensions"),
    "dead units": (case(units=40, dead=0.5, recovery=0.5), "budget", "of 40 units only 20 ever fire"),
    "few active": (case(l0_units=1.0, support_f1=0.5), "budget", "1.0 units fire in a row where 2.0 features"),
    "unlucky seeds": (case(recovery=0.6, seeds=(0.25, 0.97, 0.58)), "optimisation", "recovery 0.25 to 0.97 over seeds"),
    "at the floor": (
        case(recovery=0.6, capture=0.5, floor=0.62),
        "geometry",
        "recovery 0.60 is about what theory allows",
    ),
    "at a high floor": (case(recovery=0.85, support_f1=0.5, floor=0.86), "geometry", "cannot hold the features"),
    "floor at the truth": (case(recovery=0.95, support_f1=0.5, floor=1.0), "gating", "wrong rows"),
    "not yet at the floor": (case(recovery=0.6, capture=0.5, floor=0.8), "geometry", "too little of each feature"),
    "split": (case(recovery=0.6, capture=0.5), "geometry", "too little of each feature: capture 0.50"),
    "merged": (case(recovery=0.6, purity=0.5), "geometry", "more than one feature: purity 0.50"),
    "elsewhere": (case(recovery=0.3, purity=0.3, capture=0.35), "geometry", "do not span the features: recovery 0.30"),
    "all seeds alike": (case(recovery=0.6, seeds=(0.61, 0.59)), "geometry", "do not span the features: recovery 0.60"),
    "wrong gates": (case(support_f1=0.5, ev=0.5), "gating", "support_f1 0.50 (truth 1.00, chance 0.10)"),
    "shrunk": (case(ev=0.7), "optimisation", "amplitudes are not: ev 0.70"),
    "one seed": (case(recovery=0.6, seeds=(0.6,)), "geometry", "do not span"),
    "no gates measured": (case(drop=("support_f1",)), "unknown", "not measured beside truth and chance: support_f1"),
    "nothing measured": (case(drop=tuple(NULL)), "unknown", "chance: recovery, support_f1, ev"),
    "no dead share": (case(drop=("dead", "l0_units")), "nothing", "near the truth"),
}


@pytest.mark.parametrize(("given_case", "limit", "words"), CASES.values(), ids=CASES)
def test_each_constructed_case_is_named(given_case, limit, words):
    found = diagnose(given_case)
    assert found.limit == limit
    assert words in found.sentence
    assert found.sentence.startswith(limit.capitalize() + ": ")
    assert found.sentence.endswith(".")
    assert "\n" not in found.sentence


def test_every_rule_decides_some_case():
    decided = {next((k for k, rule in enumerate(RULES) if rule.applies(c)), None) for c, *_ in CASES.values()}
    assert decided - {None} == set(range(len(RULES)))


def test_a_design_beyond_the_truth_is_not_limited_by_it():
    beyond = Standing(1.6, 0.0, 0.9)  # of activations with noise, more than the truth's subspaces can come back
    found = case()
    assert diagnose(Case(**(vars(found) | {"metrics": {**found.metrics, "ev": beyond}}))).limit == "nothing"


@pytest.mark.parametrize("oracle", [1.0, 0.9])
def test_a_metric_in_which_chance_is_no_worse_than_the_truth_decides_nothing(oracle):
    found = case(recovery=0.5)
    level = Standing(0.5, 1.0, oracle)
    assert math.isnan(Case(**(vars(found) | {"metrics": {"recovery": level}})).gap("recovery"))
    decided = diagnose(Case(**(vars(found) | {"metrics": {**found.metrics, "recovery": level}})))
    assert decided.limit == "unknown"


@given(st.fixed_dictionaries({name: st.floats(0, 1) | st.just(math.nan) for name in (*NULL, "dead")}))
def test_any_values_get_one_sentence(values):
    found = diagnose(case(**values))
    assert found.limit in {"budget", "optimisation", "geometry", "gating", "nothing", "unknown"}
    assert found.sentence.count("\n") == 0


@given(st.floats(0.01, 100), st.floats(-10, 10), st.floats(0, 1), st.floats(0, 1))
def test_units_of_a_metric_do_not_matter(scale, shift, recovery, capture):
    known = case(recovery=recovery, capture=capture)
    moved = {
        name: Standing(*(shift + scale * x for x in standing[:3])) if name in NULL else standing
        for name, standing in known.metrics.items()
    }
    gaps = [abs(known.gap(name) - 0.2) for name in NULL]
    if min(gaps) > 1e-6:  # rounding may decide on a threshold itself
        assert diagnose(Case(**(vars(known) | {"metrics": moved}))).limit == diagnose(known).limit
