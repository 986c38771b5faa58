import numpy as np
import pytest

from sasa_theory.claims.trained import t2_lower_risk_path as t2
from sasa_theory.claims.trained.t2_lower_risk_path import LowerRiskPath, Setting, share_of_fall

CLAIM = LowerRiskPath()
PATH = Setting("path", 2, "unit sphere", 0.1, 5)


def measured(setting):
    return CLAIM.measure(setting, np.random.default_rng(0))


@pytest.fixture(scope="module")
def scan():
    return measured(PATH)


def test_optimal_codes_fall_first_biases_follow_and_without_bias_nothing_falls(scan):
    optimal, with_bias, bias_free = (np.array(scan.also[name]) for name in ("optimal", "with_bias", "bias_free"))
    assert (optimal <= with_bias + 1e-9).all()
    assert (with_bias < bias_free).all()
    np.testing.assert_allclose(bias_free, bias_free[0], rtol=1e-4)
    share = share_of_fall(scan)
    assert np.isnan(share[[0, -1]]).all()
    assert share[1] < 0.05 < 0.5 < share[5]


@pytest.mark.parametrize("factor", [0.99, 1.01])
def test_a_wrong_floor_fails(monkeypatch, factor):
    right = t2.bias_free_floor
    monkeypatch.setattr(t2, "bias_free_floor", lambda law, lam: factor * right(law, lam))
    assert measured(Setting("even rays, bias-free", 2, "unit sphere", 0.1, 6)).verdict == "violated"


def test_a_wrong_slope_of_the_optimal_codes_fails(monkeypatch):
    setting = Setting("optimal codes, slope", 2, "Gaussian radii", 0.3, 5)
    assert measured(setting).verdict == "holds"
    right = t2.basis_with_spare
    monkeypatch.setattr(t2, "basis_with_spare", lambda d, t: right(d, 1.1 * t))
    assert measured(setting).verdict == "violated"


@pytest.mark.parametrize("coder", ["optimal codes", "with bias"])
def test_a_trainer_that_does_not_move_fails(monkeypatch, coder):
    monkeypatch.setattr(t2, "_RATE", 0.0)
    setting = Setting(f"descent, {coder}", 2, "unit sphere", 0.1, 8, 20)
    evidence = measured(setting)
    assert evidence.verdict == "violated"
    said = {about.case: found.verdict for about, found in CLAIM.conclude([(setting, evidence)], None)}
    assert said[f"directions in use, {coder}"] == "violated"


def test_an_encoder_that_is_never_fitted_fails(monkeypatch):
    monkeypatch.setattr("sasa_theory.claims.trained.amortised._optimised", lambda law, atoms, lam, start, bias: start)
    evidence = measured(PATH)
    assert evidence.verdict == "violated"
    verdicts = {about.case: found.verdict for about, found in CLAIM.conclude([(PATH, evidence)], None)}
    assert verdicts["with bias, fall at pi/4"] == "violated"


def test_each_scan_and_descent_is_judged_in_full(scan):
    said = CLAIM.conclude([(PATH, scan)], np.random.default_rng(0))
    assert [about.case for about, _ in said] == [
        "with bias, above optimal codes",
        "with bias, no slope",
        "with bias, fall at pi/4",
    ]
    assert {found.verdict for _, found in said} == {"holds"}


def test_fast_settings_are_a_part_of_what_quick_covers():
    fast, quick = ({setting.case for setting in CLAIM.grid(effort)} for effort in ("fast", "quick"))
    assert fast <= quick
    assert {s.case for s in CLAIM.falsifiers("fast")} == {s.case for s in CLAIM.falsifiers("quick")}
