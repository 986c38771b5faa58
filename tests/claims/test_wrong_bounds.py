"""An error put into any bound on purpose makes a named claim fail: no bound is compared only with itself."""

from __future__ import annotations

import sys
from dataclasses import fields, is_dataclass, replace
from functools import wraps
from inspect import signature

import numpy as np
import pytest

from sasa_theory import bounds
from sasa_theory.claims import plan, run, select

# every public bound and the claim that holds it from both sides
HELD_BY = {
    "A1": ["coverage_bound", "log_coverage_bound", "near_subspace_measure", "log_near_subspace_measure"],
    "A2": ["atom_floor", "log_atom_floor"],
    "A3": ["rate_exponent", "rate_per_dimension", "block_ceiling"],
    "A4": ["atom_ceiling", "log_atom_ceiling", "circle_count", "cap_measure", "log_cap_measure"],
    "A5": ["distortion_floor", "log_distortion_floor"],
    "B1": ["true_basis_gauge", "polygon_gauge"],
    "B2": ["mean_pair_radius", "split_path_change", "split_path_slope", "lasso_slope_circle"],
    "B3": ["gauge_floor", "gauge_floor_from_log", "log_near_optimal_floor"],
    "C1": ["phi", "single_group_optimum", "critical_lambda"],
    "C2": ["partition_floor"],
    "C3": ["second_group_pressure"],
    "C4": ["decoder_penalty_range"],
    "C5": ["coherence_limit"],
    "D1": ["spiked_cosine", "spiked_samples", "subspace_error", "samples_for_error"],
    "D2": ["memorising_coverage", "log_visiting_floor"],
    "E1": ["afa_interval", "welch_bound"],
    "E2": ["soft_topk", "laplace_cdf"],
    "F1": ["random_subspace_cosine", "circular_fit_r2"],
}


def scaled(value, factor):
    """Every real number of a result times ``factor``; whole numbers that count ranks stay."""
    if is_dataclass(value):
        return replace(value, **{f.name: scaled(getattr(value, f.name), factor) for f in fields(value)})
    if isinstance(value, tuple):
        return tuple(scaled(part, factor) for part in value)
    return value if isinstance(value, int) else np.asarray(value) * factor


def wrong(function, mutation):
    """``function`` with an error: off by a factor, or told a dimension too many."""

    @wraps(function)
    def broken(*args, **kwargs):
        bound = signature(function).bind(*args, **kwargs)
        if mutation == "d + 1":
            bound.arguments["d"] = np.asarray(bound.arguments["d"]) + 1
            return function(*bound.args, **bound.kwargs)
        result, factor = function(*args, **kwargs), 2.0 if mutation == "twice" else 0.5
        return result + np.log(factor) if function.__name__.startswith("log_") else scaled(result, factor)

    return broken


def mutations():
    for claim_id, names in HELD_BY.items():
        for name in names:
            kinds = ["twice", "half"]
            if "d" in signature(getattr(bounds, name)).parameters:
                kinds.append("d + 1")
            for kind in kinds:
                yield pytest.param(claim_id, name, kind, id=f"{claim_id}-{name}-{kind}")


def test_every_bound_is_held_by_a_claim():
    held = {name for names in HELD_BY.values() for name in names}
    assert held == {name for name in bounds.__all__ if not isinstance(getattr(bounds, name), type)}


@pytest.mark.parametrize(("claim_id", "name", "mutation"), list(mutations()))
def test_a_wrong_bound_is_violated(claim_id, name, mutation, monkeypatch):
    right = getattr(bounds, name)
    for module in [m for key, m in sys.modules.items() if key.startswith("sasa_theory")]:
        if getattr(module, name, None) is right:
            monkeypatch.setattr(module, name, wrong(right, mutation))
    tasks = [task for task in plan(select([claim_id]), "quick", seed=0) if task.kind == "measure"]
    assert any(run(task).evidence.verdict == "violated" for task in tasks)
