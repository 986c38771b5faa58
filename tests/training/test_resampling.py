"""Resampling: dead units come back where the error is, living ones are left alone."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from sasa_theory import designs
from sasa_theory.designs.layer_norm import LayerNormed
from sasa_theory.designs.linear import LinearDesign
from sasa_theory.training import Budget, Memory, Recipe, train
from sasa_theory.training.optimisers import build_optimiser
from sasa_theory.training.resampling import ENCODER_SHARE, resample

WIDTH, ATOMS = 6, 12


def with_dead(dead: Tensor, name: str = "topk", **settings: Any) -> LinearDesign:
    """A design in which the dead atoms can never fire."""
    design = designs.get(name, width=WIDTH, **(settings or {"atoms": ATOMS, "k": 2, "dead_after": 10**9}))
    assert isinstance(design, LinearDesign)
    assert design.encoder_bias is not None
    with torch.no_grad():
        design.encoder_bias[dead.repeat_interleave(design.rank)] = -1e6
    return design


def rows(n: int = 64, seed: int = 0) -> Tensor:
    return torch.randn(n, WIDTH, generator=torch.Generator().manual_seed(seed))


def moments(design: LinearDesign, x: Tensor) -> torch.optim.Adam:
    optimiser = build_optimiser(dict(design.named_parameters()), Recipe())
    design.loss(x).total.backward()
    optimiser.step()
    for slots in optimiser.state.values():
        for name in ("exp_avg", "exp_avg_sq"):
            slots[name] += 1.0  # as if the unit had died only lately
    return optimiser


def test_a_dead_unit_becomes_the_direction_of_a_badly_reconstructed_input() -> None:
    dead = torch.arange(ATOMS) >= ATOMS - 3
    design, x = with_dead(dead), rows()
    x[7] *= 1000.0  # all the loss is here: its square leaves the others no chance
    with torch.no_grad():
        design.decoder_bias.fill_(0.5)
    optimiser = moments(design, x)
    design.idle.fill_(5)
    before = {name: p.detach().clone() for name, p in design.named_parameters()}
    assert resample(design, optimiser, dead, x, torch.Generator().manual_seed(0)) == 3
    directions = torch.nn.functional.normalize(x - before["decoder_bias"], dim=1)
    nearest = (design.decoder.detach()[dead] @ directions.T).max(dim=1)
    assert 7 in nearest.indices.tolist()
    torch.testing.assert_close(nearest.values, torch.ones(3))
    assert nearest.indices.unique().numel() == 3  # each input at most once
    alive = before["encoder"][~dead].norm(dim=1).mean()
    torch.testing.assert_close(design.encoder.detach()[dead], ENCODER_SHARE * alive * design.decoder.detach()[dead])
    assert design.encoder_bias is not None
    assert torch.equal(design.encoder_bias.detach()[dead], torch.zeros(3))
    for name, parameter in design.named_parameters():
        if name != "decoder_bias":
            assert torch.equal(parameter.detach()[~dead], before[name][~dead])
            for slot in ("exp_avg", "exp_avg_sq"):
                moment = optimiser.state[parameter][slot]
                assert not moment[dead].any()
                assert moment[~dead].any()
    assert design.idle.tolist() == [5] * (ATOMS - 3) + [0] * 3


def test_inputs_are_drawn_in_proportion_to_their_squared_loss() -> None:
    """Two inputs, one with three times the loss: it must be drawn in 9 of 10 cases."""
    dead = torch.arange(ATOMS) == 0
    counts = 0
    for seed in range(150):
        design = with_dead(dead)
        with torch.no_grad():
            design.decoder[1:] = torch.eye(WIDTH)[0]  # reconstructs nothing of the inputs below
            design.encoder[1:] = torch.eye(WIDTH)[0]
        x = torch.zeros(2, WIDTH)
        x[0, 1], x[1, 2] = 1.0, 3.0**0.5
        optimiser = build_optimiser(dict(design.named_parameters()), Recipe())
        resample(design, optimiser, dead, x, torch.Generator().manual_seed(seed))
        counts += int(design.decoder[0, 2] > 0.5)
    assert abs(counts / 150 - 0.9) < 0.1  # four standard deviations


def test_nothing_happens_when_none_is_dead_all_are_or_nothing_is_wrong() -> None:
    for dead, x in (
        (torch.zeros(ATOMS, dtype=torch.bool), rows()),
        (torch.ones(ATOMS, dtype=torch.bool), rows()),
        (torch.arange(ATOMS) == 0, torch.zeros(4, WIDTH)),
    ):
        design = with_dead(torch.zeros(ATOMS, dtype=torch.bool))
        optimiser = build_optimiser(dict(design.named_parameters()), Recipe())
        before = design.decoder.detach().clone()
        assert resample(design, optimiser, dead, x, torch.Generator()) == 0
        assert torch.equal(design.decoder, before)


def test_groups_come_back_whole_and_no_more_than_there_are_inputs() -> None:
    design = designs.get("sasa/release", width=WIDTH, groups=5, rank=2, active=1)
    assert isinstance(design, LinearDesign)
    dead = torch.arange(5) >= 2
    optimiser = build_optimiser(dict(design.named_parameters()), Recipe())
    before = design.decoder.detach().clone()
    assert resample(design, optimiser, dead, rows(5), torch.Generator()) == 2
    changed = (design.decoder.detach() != before).any(dim=1)
    assert changed.tolist() == [False] * 4 + [True] * 4 + [False] * 2


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("gated", {"atoms": 6, "sparsity": 0.1}),
        ("jumprelu", {"atoms": 6, "sparsity": 0.1}),
        ("batch-topk", {"atoms": 6, "k": 2}),
        ("bsf/group_lasso", {"groups": 6, "rank": 2, "active": 2}),
        ("d-gating/3", {"groups": 6, "rank": 2, "active": 2}),
        ("d-gating/spectra/3", {"groups": 6, "rank": 2, "active": 2}),
    ],
)
def test_whatever_else_a_unit_has_starts_afresh(name: str, settings: dict[str, Any]) -> None:
    design, fresh = (designs.get(name, width=WIDTH, **settings) for _ in range(2))
    assert isinstance(design, LinearDesign)
    dead = torch.arange(6) >= 4
    optimiser = moments(design, rows())
    with torch.no_grad():
        for parameter in design.parameters():
            parameter += 3.0
    before = {key: p.detach().clone() for key, p in design.named_parameters()}
    assert resample(design, optimiser, dead, rows(), torch.Generator().manual_seed(0)) == 2
    for key, start in fresh.named_parameters():
        parameter = design.get_parameter(key).detach()
        if key == "decoder_bias":
            assert torch.equal(parameter, before[key])
            continue
        own = dead.repeat_interleave(len(parameter) // 6)
        assert torch.equal(parameter[~own], before[key][~own])
        if key not in ("encoder", "decoder"):
            assert torch.equal(parameter[own], start.detach()[own])
        moment = optimiser.state[design.get_parameter(key)]["exp_avg"]
        assert not moment[own].any()
        assert moment[~own].any()


def test_an_encoder_that_is_the_decoder_is_not_shortened() -> None:
    design = designs.get("sasa/ideal", width=WIDTH, groups=4, rank=1, active=1)
    assert isinstance(design, LinearDesign)
    dead = torch.arange(4) == 3
    optimiser = build_optimiser(dict(design.named_parameters()), Recipe())
    assert resample(design, optimiser, dead, rows(), torch.Generator().manual_seed(0)) == 1
    torch.testing.assert_close(design.decoder.detach().norm(dim=1), torch.ones(4))


@pytest.mark.parametrize("normalise", ["none", "layer_norm"])
def test_training_revives_planted_dead_units(normalise: Any) -> None:
    dead = torch.arange(ATOMS) >= 6
    source, budget = Memory(rows(512)), Budget(tokens=120 * 32, batch_size=32)

    def share_of_dead(every: int) -> float:
        recipe = Recipe(lr=1e-3, resample_every=every, normalise=normalise)
        trained = train(with_dead(dead), source, budget, recipe, log_every=40)
        columns = ATOMS + 2 * isinstance(trained.design, LayerNormed)
        return trained.log[-1].dead * columns / ATOMS

    assert share_of_dead(0) == pytest.approx(0.5)
    assert share_of_dead(20) < 0.2


def test_behind_layer_norm_units_restart_at_normalised_rows() -> None:
    """Far from the origin all rows point the same way, (1, ..., 1); normalised, they are orthogonal to it."""
    dead = torch.arange(ATOMS) >= 6
    recipe = Recipe(lr=1e-9, resample_every=4, normalise="layer_norm")
    design = train(with_dead(dead), Memory(rows(512) + 1000.0), Budget(tokens=4 * 32, batch_size=32), recipe).design
    assert isinstance(design, LayerNormed)
    restarted = design.inner.decoder.detach()[dead]
    torch.testing.assert_close(restarted.norm(dim=1), torch.ones(6))
    torch.testing.assert_close(restarted.sum(dim=1), torch.zeros(6), atol=1e-3, rtol=0)


def test_designs_without_rows_to_restart_are_refused() -> None:
    class Other(designs.Design):
        def __init__(self) -> None:
            super().__init__(WIDTH, WIDTH)
            self.weight = torch.nn.Parameter(torch.eye(WIDTH))

        def encode(self, x: Tensor) -> Tensor:
            return x @ self.weight

        def decode(self, codes: Tensor) -> Tensor:
            return codes

    with pytest.raises(ValueError, match="resample_every must be 0 for Other"):
        train(Other(), Memory(rows()), Budget(tokens=64, batch_size=8), Recipe(resample_every=3))
