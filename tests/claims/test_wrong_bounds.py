"""An error put into any bound on purpose makes a named claim fail: no bound is compared only with itself."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass, replace
from functools import wraps
from inspect import signature
from typing import Any, get_args, get_type_hints

import numpy as np
import pytest

from sasa_theory import bounds
from sasa_theory.claims import plan, run, select

# every public bound and the claim that holds it from both sides
HELD_BY = {
    "A1": ["coverage_bound", "log_coverage_bound", "near_subspace_measure", "log_near_subspace_measure"],
    "A2": ["atom_floor", "log_atom_floor"],
    "A3": ["rate_exponent", "rate_per_dimension", "block_ceiling", "log_block_ceiling"],
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
    "D2": ["memorising_coverage", "log_memorising_coverage", "log_visiting_floor"],
    "E1": ["afa_interval", "welch_bound"],
    "E2": ["soft_topk", "laplace_cdf"],
    "F1": ["random_subspace_cosine", "circular_fit_r2"],
}

Mistake = Callable[..., Any]  # (function, arguments) -> what the function returns if somebody got it wrong

# of a result, or of the logarithm that a function returns in its place
IN_RESULTS = {"twice": lambda v: 2 * v, "half": lambda v: v / 2, "power 1.15": lambda v: np.sign(v) * np.abs(v) ** 1.15}
IN_LOGS = {"twice": lambda v: v + np.log(2), "half": lambda v: v - np.log(2), "power 1.15": lambda v: 1.15 * v}
IN_COUNTS = {"one more": lambda v: v + 1, "one less": lambda v: v - 1}

# of arguments, where a function has them
IN_ARGUMENTS = {
    "d + 1": ({"d"}, lambda a: {"d": np.asarray(a["d"]) + 1}),
    "k for d": ({"d", "k"}, lambda a: {"d": a["k"]}),
    "d for k": ({"d", "k"}, lambda a: {"k": a["d"]}),
    "one k": ({"k"}, lambda a: {"k": 1}),
    "one active": ({"active"}, lambda a: {"active": 1}),
    "eps ** 1.1": ({"eps"}, lambda a: {"eps": np.asarray(a["eps"]) ** 1.1}),
}


def parts(function: Callable[..., Any]) -> dict[int | str | None, type]:
    """What a result is made of: ends of a tuple, fields of a dataclass, or the whole under None; and their types."""
    result = get_type_hints(function)["return"]
    if is_dataclass(result):
        hints = get_type_hints(result)
        return {field.name: hints[field.name] for field in fields(result)}
    return dict(enumerate(get_args(result))) if getattr(result, "__origin__", None) is tuple else {None: result}


def in_result(part: int | str | None, change: Callable[[Any], Any]) -> Mistake:
    """Change one part of the result."""

    def mistaken(function: Callable[..., Any], arguments: dict[str, Any]) -> Any:
        result = function(**arguments)
        if part is None:
            return change(result)
        if isinstance(part, str):
            return replace(result, **{part: change(getattr(result, part))})
        return tuple(change(end) if i == part else end for i, end in enumerate(result))

    return mistaken


def in_arguments(change: Callable[[dict[str, Any]], dict[str, Any]]) -> Mistake:
    """Change arguments wherever the function then still accepts them: an error message would give the mistake away."""

    def mistaken(function: Callable[..., Any], arguments: dict[str, Any]) -> Any:
        try:
            return function(**{**arguments, **change(arguments)})
        except ValueError:
            return function(**arguments)

    return mistaken


def mistakes(name: str) -> Iterator[tuple[str, Mistake]]:
    """Every mistake that the results and the arguments of a bound allow, by name."""
    function = getattr(bounds, name)
    for part, kind in parts(function).items():
        changes = IN_COUNTS if kind is int else IN_LOGS if name.startswith("log_") else IN_RESULTS
        for label, change in changes.items():
            yield label if part is None else f"{label} of {part}", in_result(part, change)
    parameters = signature(function).parameters
    for label, (needed, change) in IN_ARGUMENTS.items():
        if needed <= parameters.keys():
            yield label, in_arguments(change)
    for parameter in parameters.values():
        if isinstance(parameter.default, bool):
            yield f"other {parameter.name}", in_arguments(lambda a, p=parameter.name: {p: not a[p]})
        elif parameter.default is not parameter.empty:
            yield f"no {parameter.name}", in_arguments(lambda a, p=parameter: {p.name: p.default})


def cases() -> Iterator[Any]:
    for claim_id, names in HELD_BY.items():
        for name in names:
            for label, mistake in mistakes(name):
                yield pytest.param(claim_id, name, mistake, id=f"{claim_id}-{name}-{label}")


def test_every_bound_is_held_by_a_claim():
    held = {name for names in HELD_BY.values() for name in names}
    assert held == {name for name in bounds.__all__ if not isinstance(getattr(bounds, name), type)}


@pytest.mark.parametrize(("claim_id", "name", "mistake"), list(cases()))
def test_a_wrong_bound_is_violated(claim_id, name, mistake, monkeypatch):
    right = getattr(bounds, name)

    @wraps(right)
    def wrong(*args, **kwargs):
        bound = signature(right).bind(*args, **kwargs)
        bound.apply_defaults()
        return mistake(right, bound.arguments)

    for module in [m for key, m in sys.modules.items() if key.startswith("sasa_theory")]:
        if getattr(module, name, None) is right:
            monkeypatch.setattr(module, name, wrong)
    tasks = [task for task in plan(select([claim_id]), "quick", seed=0) if task.kind == "measure"]
    assert any(run(task).evidence.verdict == "violated" for task in tasks)
