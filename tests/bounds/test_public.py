"""What holds for every bound alike: an oracle, checked arguments, broadcasting, no torch."""

from __future__ import annotations

import inspect
import itertools
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from sasa_theory import bounds

from .oracles import FUNCTIONS, ORACLES

NOT_WHOLE = {"a half": 1.5, "zero": 0, "negative": -1}
NOT_A_REAL = {"nan": np.nan, "inf": np.inf, "minus inf": -np.inf, "text": "x", "complex": 1j, "bool": True}
KINDS: dict[str, dict[str, Any]] = {  # beyond NOT_A_REAL, which every argument refuses
    "count": NOT_WHOLE,
    "fraction (0, 1]": {"zero": 0.0, "negative": -0.1, "above": 1.1},
    "fraction [0, 1]": {"negative": -0.1, "above": 1.1},
    "fraction [0, 1)": {"negative": -0.1, "one": 1.0},
    "positive": {"zero": 0.0, "negative": -0.1},
    "at least 0": {"negative": -0.1},
    "angle": {"negative": -0.1, "above": 1.6},
    "real": {},
}
D, K, EPS = ("count", 8), ("count", 2), ("fraction (0, 1]", 0.3)
PCA = {
    "d": D,
    "ambient": ("count", 20),
    "signal": ("positive", 2.0),
    "noise": ("at least 0", 1.0),
    "usage": ("fraction (0, 1]", 0.5),
}
ARGUMENTS: dict[str, dict[str, tuple[str, Any]]] = {  # name: argument: kind, a good value
    "afa_interval": {"norm": ("at least 0", 2.0), "eps": ("fraction [0, 1]", 0.1), "active": K},
    "atom_ceiling": {"d": D, "eps": EPS},
    "atom_floor": {"d": D, "k": K, "eps": EPS, "delta": ("fraction [0, 1)", 0.1)},
    "block_ceiling": {"d": D, "k": K, "eps": EPS},
    "cap_measure": {"d": D, "angle": ("angle", 0.5)},
    "circle_count": {"eps": EPS},
    "circular_fit_r2": {"regressors": K, "points": D},
    "coherence_limit": {"active": K, "least_norm": ("positive", 1.0), "largest_norm": ("positive", 2.0)},
    "coverage_bound": {"atoms": ("count", 9), "d": D, "k": K, "eps": EPS},
    "critical_lambda": {"energy": ("at least 0", 2.0), "d": D, "usage": EPS},
    "decoder_penalty_range": {"rank": K},
    "distortion_floor": {"atoms": ("count", 9), "d": D},
    "gauge_floor": {"atoms": ("count", 9), "d": D},
    "gauge_floor_from_log": {"log_atoms": ("at least 0", 3.0), "d": D},
    "laplace_cdf": {"t": ("real", 0.3)},
    "lasso_slope_circle": {"lam": ("at least 0", 0.3)},
    "log_atom_ceiling": {"d": D, "eps": EPS},
    "log_atom_floor": {"d": D, "k": K, "eps": EPS, "delta": ("fraction [0, 1)", 0.1)},
    "log_cap_measure": {"d": D, "angle": ("angle", 0.5)},
    "log_coverage_bound": {"log_atoms": ("real", 3.0), "d": D, "k": K, "eps": EPS},
    "log_distortion_floor": {"log_atoms": ("at least 0", 3.0), "d": D},
    "log_near_optimal_floor": {"d": D, "eta": ("positive", 0.1)},
    "log_near_subspace_measure": {"d": D, "k": K, "eps": EPS},
    "log_visiting_floor": {"d": D, "eps": EPS, "moved": K, "delta": ("fraction [0, 1)", 0.1)},
    "mean_pair_radius": {"d": D},
    "log_block_ceiling": {"d": D, "k": K, "eps": EPS},
    "log_memorising_coverage": {"log_samples": ("at least 0", 2.0), "d": D, "eps": EPS},
    "memorising_coverage": {"samples": ("count", 9), "d": D, "eps": EPS},
    "near_subspace_measure": {"d": D, "k": K, "eps": EPS},
    "partition_floor": {"eigenvalues": ("at least 0", [0.5, 1.0]), "lam": ("at least 0", 0.3)},
    "phi": {"s": ("at least 0", 1.0), "lam": ("at least 0", 0.3)},
    "polygon_gauge": {"atoms": ("count", 9)},
    "random_subspace_cosine": {"p": K, "q": ("count", 3), "ambient": D},
    "rate_exponent": {"d": D, "k": K},
    "rate_per_dimension": {"k": K, "eps": EPS},
    "samples_for_error": {"error": ("positive", 0.1), **PCA},
    "second_group_pressure": {
        "sigma": ("real", np.diag([2.0, 1.0])),
        "cell": ("real", np.eye(2) / 2),
        "lam": ("positive", 0.3),
    },
    "single_group_optimum": {"eigenvalues": ("at least 0", [0.5, 1.0]), "lam": ("at least 0", 0.3), "rank": K},
    "soft_topk": {"scores": ("real", [1.0, 2.0, 4.0]), "kappa": ("positive", 1.5), "alpha": ("positive", 0.5)},
    "spiked_cosine": {"signal": ("positive", 2.0), "ambient": ("count", 20), "samples": ("count", 90)},
    "spiked_samples": {"cosine": ("fraction [0, 1)", 0.5), "signal": ("positive", 2.0), "ambient": ("count", 20)},
    "split_path_change": {"t": ("angle", 0.5), "pair_radius": ("at least 0", 0.7)},
    "split_path_slope": {"pair_radius": ("at least 0", 0.7)},
    "subspace_error": {"samples": ("count", 90), **PCA},
    "true_basis_gauge": {"d": D},
    "welch_bound": {"atoms": ("count", 9), "width": D},
}
DEFAULTS: dict[str, Any] = {  # what an argument that is left out means, wherever it may be
    "delta": 0.0,
    "gated": True,
    "largest_norm": 1.0,
    "least_norm": 1.0,
    "moved": 1,
    "noise": 1.0,
    "usage": 1.0,
}
GAUGES = {"gauge_floor", "gauge_floor_from_log", "log_near_optimal_floor"}  # of plain atoms; other codes are signed
LEFT_OUT = [
    pytest.param(name, argument, DEFAULTS.get(argument, name not in GAUGES), id=f"{name}-{argument}")
    for name in FUNCTIONS
    for argument, parameter in inspect.signature(getattr(bounds, name)).parameters.items()
    if parameter.default is not parameter.empty and argument != "rank"  # whose oracle knows its default
]
NOT_ELEMENTWISE = {"partition_floor", "second_group_pressure", "single_group_optimum", "soft_topk"}
ELEMENTWISE = [name for name in FUNCTIONS if name not in NOT_ELEMENTWISE]
BAD = [
    pytest.param(name, argument, bad, id=f"{name}-{argument}-{label}")
    for name, arguments in ARGUMENTS.items()
    for argument, (kind, _) in arguments.items()
    for label, bad in {**NOT_A_REAL, **KINDS[kind]}.items()
]


def good(name: str) -> dict[str, Any]:
    return {argument: value for argument, (_, value) in ARGUMENTS[name].items()}


def test_every_bound_has_an_oracle_and_its_arguments_are_listed() -> None:
    assert set(ORACLES) == set(FUNCTIONS)
    assert set(ARGUMENTS) == set(FUNCTIONS)
    for name in FUNCTIONS:
        parameters = set(inspect.signature(getattr(bounds, name)).parameters) - {"signed", "gated"}
        assert set(ARGUMENTS[name]) == parameters, name
        assert list(inspect.signature(ORACLES[name]).parameters) == list(
            inspect.signature(getattr(bounds, name)).parameters
        )


@pytest.mark.parametrize(("name", "argument", "bad"), BAD)
def test_bad_values_are_named(name: str, argument: str, bad: Any) -> None:
    shape = np.shape(good(name)[argument])
    value = np.full(shape, bad) if shape else bad
    with pytest.raises(ValueError, match=rf"(?s)\b{argument} must be .*in [\[(].+, .+[\])], got ") as raised:
        getattr(bounds, name)(**{**good(name), argument: value})
    if not shape:
        shown = f"{bad:g}" if isinstance(bad, int | float) and not isinstance(bad, bool) else repr(bad)
        assert str(raised.value).endswith(f"got {shown}")


@pytest.mark.parametrize(
    ("name", "changed", "message"),
    [
        ("near_subspace_measure", {"k": 9}, r"k must be at most d = 8, got 9"),
        ("atom_floor", {"k": 9}, r"k must be at most d = 8, got 9"),
        ("coverage_bound", {"k": 9}, r"k must be at most d = 8, got 9"),
        ("coverage_bound", {"atoms": 1}, r"k must be at most atoms = 1, got \d"),
        ("log_coverage_bound", {"log_atoms": 0.0}, r"log k must be at most log_atoms = 0, got"),
        ("rate_exponent", {"k": 9}, r"k must be at most d = 8, got 9"),
        ("block_ceiling", {"k": 9}, r"k must be at most d = 8, got 9"),
        ("subspace_error", {"ambient": 7}, r"d must be at most ambient = 7, got 8"),
        ("random_subspace_cosine", {"q": 9}, r"max\(p, q\) must be at most ambient = 8, got 9"),
        ("circular_fit_r2", {"points": 2}, r"regressors must be at most points - 1 = 1, got 2"),
        ("coherence_limit", {"least_norm": 3.0}, r"least_norm must be at most largest_norm = 2, got 3"),
        ("soft_topk", {"kappa": 3.0}, r"kappa must be in \(0, 3\), got 3"),
        ("mean_pair_radius", {"d": 1}, r"d must be in \[2, inf\), got 1"),
        ("polygon_gauge", {"atoms": 2}, r"atoms must be in \[3, inf\), got 2"),
        ("gauge_floor", {"d": 1}, r"d must be in \[2, inf\), got 1"),
        ("log_near_optimal_floor", {"d": 1}, r"d must be in \[2, inf\), got 1"),
    ],
)
def test_arguments_that_contradict_each_other(name: str, changed: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        getattr(bounds, name)(**{**good(name), **changed})


@pytest.mark.parametrize(("name", "argument", "default"), LEFT_OUT)
def test_arguments_may_be_left_out(name: str, argument: str, default: Any) -> None:
    rest = {given: value for given, value in good(name).items() if given != argument}
    left_out, named = (_parts(getattr(bounds, name)(**arguments)) for arguments in (rest, {**rest, argument: default}))
    assert left_out == named


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_broadcasting_equals_the_loop(name: str) -> None:
    """The first argument takes two values along one axis, every other one two along another."""
    bound = getattr(bounds, name)
    first, *rest = (_two(value) for value in good(name).values())
    whole = _parts(bound(**dict(zip(ARGUMENTS[name], (first[:, None], *rest), strict=True))))
    for i, j in itertools.product(range(2), repeat=2):
        single = _parts(bound(**dict(zip(ARGUMENTS[name], (first[i], *(r[j] for r in rest)), strict=True))))
        for part, value in zip(whole, single, strict=True):
            assert np.broadcast_to(part, (2, 2))[i, j] == pytest.approx(value, rel=1e-13)


def _parts(result: Any) -> tuple[Any, ...]:
    return result if isinstance(result, tuple) else (result,)


def _two(value: float) -> Any:
    return np.array([value, value + 1]) if isinstance(value, int) else np.array([value, 0.9 * value])


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_scalars_in_scalars_out(name: str) -> None:
    result = getattr(bounds, name)(**good(name))
    for part in _parts(result):
        assert isinstance(part, np.float64)


@pytest.mark.parametrize(
    "name", ["atom_ceiling", "cap_measure", "coverage_bound", "distortion_floor", "near_subspace_measure"]
)
def test_log_forms_are_logs_of_plain_forms(name: str) -> None:
    arguments = good(name)
    logged = {("log_" + a if a == "atoms" else a): (np.log(v) if a == "atoms" else v) for a, v in arguments.items()}
    assert np.exp(getattr(bounds, "log_" + name)(**logged)) == pytest.approx(
        getattr(bounds, name)(**arguments), rel=1e-13
    )


@pytest.mark.parametrize("module", ["sasa_theory", "sasa_theory.bounds"])
def test_import_leaves_torch_alone(module: str) -> None:
    code = f"import sys, {module}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
