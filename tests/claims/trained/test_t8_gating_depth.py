"""The curve of T8 against a brute-force minimum, and a start that is what it should be."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sasa_theory import designs
from sasa_theory.bounds.validate import Floats
from sasa_theory.claims.trained import t8_gating_depth as module
from sasa_theory.claims.trained.t8_gating_depth import GatingDepth, Setting, kept


@pytest.mark.parametrize("depth", [2, 3])
@pytest.mark.parametrize("ratio", [0.1, 0.5, 1.0, 1.4, 1.6, 1.9, 2.2])
def test_the_curve_is_the_minimum_reached_from_above(depth: int, ratio: float) -> None:
    w = np.linspace(0, 1, 200_001)
    cost = (1 - w) ** 2 + ratio * w ** (2 / depth)
    rising = np.flatnonzero(np.diff(cost[::-1]) > 0)  # walk down from 1 until the cost rises
    end = w[::-1][rising[0]] if len(rising) else 0.0
    assert float(kept(ratio, depth)) == pytest.approx(end, abs=2e-5)


def test_the_branch_of_three_factors_ends_at_a_quarter() -> None:
    just_below = np.nextafter(module._SPINODAL, 0.0)
    assert float(kept(just_below, 3)) == pytest.approx(0.25, abs=1e-5)
    assert float(kept(module._SPINODAL, 3)) == 0.0


def test_factors_start_with_the_map_a_projection() -> None:
    basis = np.linalg.qr(np.random.default_rng(0).standard_normal((8, 3)))[0].T
    design = designs.get("d-gating/spectra/3", width=8, groups=1, rank=3, active=1)
    module._begin(design, basis, 1.0, np.random.default_rng(1))
    encoder, decoder = (w.detach().double().numpy() for w in design.weights())
    assert encoder.T @ decoder == pytest.approx(basis.T @ basis, abs=1e-6)
    x = torch.from_numpy(np.random.default_rng(2).standard_normal((5, 3)) @ basis).float()
    assert design(x).detach().numpy() == pytest.approx(x.numpy(), abs=1e-5)


def _verdicts(monkeypatch: pytest.MonkeyPatch, curve_of: int) -> list[str]:
    """Verdicts on the drop and the conclusions, if training three and two factors left these curves."""

    def trained(members: list[object], *_: object, **__: object) -> Floats:
        depth = 3 if members[0].middle else 2  # type: ignore[attr-defined]
        return kept(module._RATIOS[depth], curve_of or depth)[:, None, None]

    monkeypatch.setattr(module, "trained_spectra", trained)
    claim, rng = GatingDepth(), np.random.default_rng(0)
    found = [(setting, claim.measure(setting, rng)) for setting in (Setting("a", 1, 3, 1), Setting("b", 1, 2, 1))]
    said = claim.conclude(found, rng)
    return [evidence.verdict for _, evidence in (*found, *said)]


def test_the_curves_of_theory_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    assert set(_verdicts(monkeypatch, 0)) == {"holds"}


@pytest.mark.parametrize("depth", [2, 3])
def test_one_curve_for_both_is_noticed(monkeypatch: pytest.MonkeyPatch, depth: int) -> None:
    assert "violated" in _verdicts(monkeypatch, depth)[:2]
    assert "violated" in _verdicts(monkeypatch, depth)[2:]
