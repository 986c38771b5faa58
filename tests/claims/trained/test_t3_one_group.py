"""What T3 trains on, starts from and counts; and that it notices a trainer that does not train."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import numpy as np
import pytest
import torch

from sasa_theory import designs
from sasa_theory.claims.trained import t3_one_group as module
from sasa_theory.claims.trained.group_starts import Start, place
from sasa_theory.claims.trained.planted_slices import Slices, decaying, orthogonal
from sasa_theory.claims.trained.t3_one_group import OneGroupTrained, Setting


def _slices() -> Slices:
    return orthogonal([decaying(3, 1.0), decaying(2, 0.0)], [0.5, 0.25], 8, np.random.default_rng(0))


def test_rows_have_exactly_the_second_moment_that_is_said() -> None:
    slices = _slices()
    rows, labels = slices.rows(400, np.random.default_rng(1))
    x = rows.double().numpy()
    assert np.linalg.eigvalsh(x.T @ x / len(x))[::-1] == pytest.approx(slices.energies(), abs=1e-6)
    assert np.abs(x.mean(axis=0)).max() < 1e-6
    assert torch.bincount(labels + 1).tolist() == [100, 200, 100]
    assert rows[labels == -1].abs().max() == 0


def test_energies_of_features_at_an_angle_are_those_of_their_sum() -> None:
    slices = Slices((np.array([[1.0, 0.0]]), np.array([[0.6, 0.8]])), (np.ones(1), np.ones(1)), (0.5, 0.5))
    assert slices.energies() == pytest.approx([0.8, 0.2])


@pytest.mark.parametrize("start", [start for start in get_args(Start) if start != "random"])
def test_every_start_is_what_it_is_called(start: Start) -> None:
    slices = _slices()
    design = designs.get("sasa/paper", width=8, groups=4, rank=3, active=1)
    place(design, start, slices.bases, np.random.default_rng(2))
    rows, labels = slices.rows(800, np.random.default_rng(3))
    with torch.no_grad():
        norms = design.presence(design.preactivations(rows))
    winners = [norms[labels == feature].argmax(dim=1) for feature in (0, 1)]
    if start == "split":
        assert set(winners[0].tolist()) == {0, 1}
        assert set(winners[1].tolist()) == {2, 3}
    elif start == "hoarding":
        assert (torch.cat(winners) == 0).all()
    elif start == "merged":
        assert (winners[0] == 0).all()
    elif start == "wrong subspace":
        assert norms.max() < 0.2
    else:
        blocks = design.encoder.detach().unflatten(0, (4, 3))
        assert (blocks - blocks[0]).norm() < 0.1 * blocks.norm()


def test_services_count_groups_and_features() -> None:
    slices = _slices()
    rows, labels = slices.rows(400, np.random.default_rng(4))
    design = designs.get("sasa/paper", width=8, groups=3, rank=5, active=1)
    both = torch.from_numpy(np.concatenate(slices.bases)).float()
    with torch.no_grad():
        for weights in (design.encoder, design.decoder):
            weights.zero_()
            weights[:5] = both
    assert module._services(design, rows, labels).tolist() == [[True, False, False], [True, False, False]]


def test_training_that_does_nothing_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LR", 1e-9)
    setting = replace(OneGroupTrained().grid("fast")[0], each=1, steps=2)
    claim, rng = OneGroupTrained(), np.random.default_rng(0)
    evidence = claim.measure(setting, rng)
    assert evidence.verdict == "violated"
    verdicts = {about.case: found.verdict for about, found in claim.conclude([(setting, evidence)], rng)}
    assert verdicts == {"share of starts within 1 %": "violated", "least J over its floor": "holds"}


def test_a_model_below_the_floor_would_be_noticed() -> None:
    setting = Setting("made up", 1, 2, 2, 2, 0.1, 0.0, 1, 1)
    claim, rng = OneGroupTrained(), np.random.default_rng(0)
    monkey = claim.measure(setting, rng)
    below = replace(monkey, also={"gaps": (-0.01,) + (0.0,) * 99})
    assert [found.verdict for _, found in claim.conclude([(setting, below)], rng)] == ["holds", "violated"]
