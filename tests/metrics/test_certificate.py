"""The certificate of a trained SASA: exact at the optimum, never negative, refused where the theorem does not hold."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sasa_theory import designs
from sasa_theory.bounds import single_group_optimum
from sasa_theory.metrics.certificate import certify, objective

_LAM = 0.3


def _rows(mean: float = 0.0) -> torch.Tensor:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((400, 5)) * np.array([2.0, 1.5, 1.0, 0.5, 0.1])
    return torch.from_numpy(x + mean)


def _design(**settings: object) -> torch.nn.Module:
    base = {"width": 5, "groups": 3, "rank": 5, "active": 1, "penalty_unit": "sum", "penalty_coefficient": _LAM}
    return designs.get("sasa/paper", **{**base, **settings}).double()


def _optimal(rows: torch.Tensor) -> torch.nn.Module:
    """The minimiser on these rows, written into the first group by hand."""
    design = _design()
    mean = rows.mean(dim=0)
    energies, axes = np.linalg.eigh(np.cov(rows.numpy().T, bias=True))
    kept = single_group_optimum(energies, _LAM).shrinkage
    with torch.no_grad():
        design.encoder.zero_()
        design.decoder.zero_()
        design.encoder[:5] = torch.from_numpy(axes.T)
        design.decoder[:5] = torch.from_numpy(kept[:, None] * axes.T)
        design.decoder_bias.copy_(mean)
    return design


@pytest.mark.parametrize("mean", [0.0, 3.0])
def test_the_optimum_has_no_gap(mean: float) -> None:
    rows = _rows(mean)
    assert certify(_optimal(rows), rows).gap == pytest.approx(0.0, abs=1e-9)


def test_no_model_is_below_the_floor() -> None:
    rows = _rows(1.0)
    for seed in range(20):
        assert certify(_design(seed=seed), rows).gap > 0


def test_the_objective_is_what_the_design_minimises() -> None:
    rows, design = _rows(), _design(auxiliary="none")
    assert objective(design, rows, _LAM)[0] == pytest.approx(design.loss(rows).total.item(), rel=1e-3)


@pytest.mark.parametrize(("unit", "factor"), [("sum", 1.0), ("mean", 1 / 3), ("energy", None)])
def test_lambda_is_read_in_every_unit(unit: str, factor: float | None) -> None:
    rows = _rows()
    if factor is None:
        factor = 2 * float(rows.var(dim=0, correction=0).sum()) / 15
    design = _design(penalty_unit=unit, penalty_every=4)
    assert certify(design, rows).lam == pytest.approx(_LAM * factor, rel=1e-6)


def test_the_standard_error_is_that_of_the_mean() -> None:
    rows, design = _rows(), _design()
    errors = (rows - design(rows).detach()).square().sum(dim=1)
    assert certify(design, rows).standard_error == pytest.approx(float(errors.std()) / 20, rel=1e-9)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"active": 2}, "active=1, got a design with active=2"),
        ({"encoder_bias": True}, "without an encoder bias"),
        ({"penalty": "none"}, "lam must be given"),
    ],
)
def test_what_the_theorem_does_not_cover_is_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        certify(_design(**settings), _rows())


@pytest.mark.parametrize("rows", [torch.zeros(4, 3), torch.zeros(1, 5), torch.zeros(5)])
def test_rows_that_do_not_fit_are_refused(rows: torch.Tensor) -> None:
    with pytest.raises(ValueError, match=r"rows must have shape \(n, 5\)"):
        certify(_design(), rows)


def test_equal_rows_are_refused() -> None:
    with pytest.raises(ValueError, match="differ"):
        certify(_design(), torch.ones(7, 5).double())


def test_a_given_lambda_counts() -> None:
    rows = _rows()
    assert certify(_design(penalty="none"), rows, lam=0.7).lam == 0.7
    with pytest.raises(ValueError, match="lam"):
        certify(_design(), rows, lam=0.0)
