"""How T4 reads a transition, against spectra made up for the purpose."""

from __future__ import annotations

import numpy as np
import pytest

from sasa_theory.bounds import single_group_optimum
from sasa_theory.bounds.validate import Floats
from sasa_theory.claims.trained import t4_rank_transition as module
from sasa_theory.claims.trained.spectra import bracket
from sasa_theory.claims.trained.t4_rank_transition import RankTransition, Setting

_SETTING = Setting("isotropic", 3, 0.5, 2.0, 1)
_RATIOS = np.array([0.5, 0.9, 1.1, 1.5])


@pytest.mark.parametrize(
    ("kept", "ends"),
    [([3, 3, 0, 0], (0.9, 1.1)), ([3, 2, 1, 0], (0.5, 1.5)), ([2, 0, 0, 0], (0.0, 0.9)), ([3, 3, 3, 1], (1.1, np.inf)),
     ([3, 3, 3, 3], (1.5, np.inf)), ([0, 0, 0, 0], (0.0, 0.5)), ([3, 0, 3, 0], (0.5, 1.5))],
)  # fmt: skip
def test_the_bracket_runs_from_the_last_full_to_the_first_empty(kept: list[int], ends: tuple[float, float]) -> None:
    assert bracket(_RATIOS, np.array(kept, dtype=float), 3.0) == ends


def _evidence(monkeypatch: pytest.MonkeyPatch, setting: Setting, power: float = 1.0, usage: float = 0.5) -> list[str]:
    """Verdicts on spectra of theory, to a power, as if trained: of the drop, of ranks, of singular values."""
    lams = 2 * 0.5 * 2.0 / 3 * np.array(module._RATIOS)
    spectrum = np.full(3, usage * 2.0 / 3)
    values = np.stack([single_group_optimum(spectrum, lam).shrinkage ** power for lam in lams])

    def trained(*_: object, **__: object) -> Floats:
        return values[:, None, :]

    monkeypatch.setattr(module, "trained_spectra", trained)
    claim, rng = RankTransition(), np.random.default_rng(0)
    evidence = claim.measure(setting, rng)
    return [evidence.verdict, *(found.verdict for _, found in claim.conclude([(setting, evidence)], rng))]


def test_what_theory_says_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _evidence(monkeypatch, _SETTING) == ["holds", "holds", "holds"]


def test_another_threshold_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _evidence(monkeypatch, _SETTING, usage=0.4) == ["violated"] * 3


def test_another_curve_with_the_same_threshold_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _evidence(monkeypatch, _SETTING, power=1.1) == ["holds", "holds", "violated"]


def test_assigned_groups_lie_in_their_own_subspaces() -> None:
    rng = np.random.default_rng(0)
    bases = tuple(np.split(np.linalg.qr(rng.standard_normal((8, 4)))[0].T, 2))
    member = module._member(Setting("mean over groups", 2, 0.5, 1.0, 1, unit="mean"), 0.1, 2, rng)
    module._assign([member], bases)
    for block, basis in zip(member.encoder.detach().double().unflatten(0, (2, 2)), bases, strict=True):
        rows = block.numpy()
        assert np.abs(rows - rows @ basis.T @ basis).max() < 1e-6
        assert np.linalg.norm(rows, axis=1) == pytest.approx(1.0, abs=1e-5)
