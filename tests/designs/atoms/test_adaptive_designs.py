"""What every pursuing or adaptive design must do: one table of presets, one set of properties."""

from __future__ import annotations

import warnings

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.func import functional_call, stack_module_state, vmap

from sasa_theory.designs import Design, get
from sasa_theory.designs.groups.orthonormal_blocks import retract
from sasa_theory.testing.strategies import SEEDS

WIDTH, ROWS = 7, 12

GROUPS = {"groups": 10, "rank": 2, "dead_after": 100}
PRESETS = {
    "matching-pursuit": {"atoms": 20, "steps": 4, "dead_after": 100, "aux_coefficient": 0.5},
    "matching-pursuit/signed": {"atoms": 20, "steps": 4, "dead_after": 100, "aux_coefficient": 0.5},
    "matching-pursuit/group": {**GROUPS, "steps": 3, "aux_coefficient": 0.5},
    "softsae": {"atoms": 20, "k": 3, "dead_after": 100},
    "softsae/clip": {"atoms": 20, "k": 3, "dead_after": 100},
    "top-afa": {"atoms": 20, "dead_after": 100},
    "top-afa/release": {"atoms": 20, "dead_after": 100, "constraint": "free"},
    "sasa/afa": {**GROUPS, "active": 5},
    "sasa/soft": {**GROUPS, "active": 3},
}
few = settings(max_examples=settings.default.max_examples // 8)  # nine presets have their turn
every_preset = pytest.mark.parametrize("name", PRESETS)


def trained(name: str, seed: int, step: int = 5) -> Design:
    """A design in float64 whose parameters are where training might have left them; every fifth unit is dead."""
    design = get(name, seed=seed, width=WIDTH, **PRESETS[name]).double()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in design.parameters():
            parameter += 0.3 * torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
        if name.startswith("matching"):
            retract(design.decoder, design.rank)
        elif design.constraint == "unit":
            nn.functional.normalize(design.decoder, out=design.decoder)
    design.idle[::5] = 1000
    design.begin_step(step, 10)
    return design


def batch(seed: int, rows: int = ROWS) -> torch.Tensor:
    return 0.2 + torch.randn(rows, WIDTH, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@every_preset
@few
@given(seed=SEEDS)
def test_forward_is_decode_of_encode(name, seed):
    design, x = trained(name, seed), batch(seed)
    codes = design.encode(x)
    assert codes.shape == (ROWS, 20)
    torch.testing.assert_close(design(x), codes @ design.decoder + design.decoder_bias)


@every_preset
@few
@given(seed=SEEDS, scale=st.floats(0.05, 20))
def test_an_absorbed_scale_moves_into_the_weights(name, seed, scale):
    x = batch(seed)
    outer, absorbed = trained(name, seed), trained(name, seed)
    absorbed.absorb_scale(scale)
    torch.testing.assert_close(outer.encode(scale * x), scale * absorbed.encode(x))
    torch.testing.assert_close(outer(scale * x), scale * absorbed(x))


class LossOf(nn.Module):
    def __init__(self, design: Design) -> None:
        super().__init__()
        self.design = design

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        loss = self.design.loss(x)
        return loss.total, loss.error, loss.fired


@every_preset
@pytest.mark.parametrize("step", [5, 9])
def test_the_loss_of_an_ensemble_is_that_of_its_members(name, step):
    members, x = [LossOf(trained(name, seed, step)) for seed in range(3)], batch(7)
    members[1].design.idle.zero_()  # nothing dead to revive in one member
    weights, buffers = stack_module_state(members)

    def totals(weights):
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "There is a performance drop", UserWarning)
            one = lambda w, b: functional_call(members[0], (w, b), (x,))  # noqa: E731
            return vmap(one)(weights, buffers)

    total, error, fired = totals(weights)
    total.sum().backward()
    for i, member in enumerate(members):
        if i == 1:
            member.design.begin_step(step, 10)
        alone = member.design.loss(x)
        alone.total.backward()
        torch.testing.assert_close(total[i], alone.total)
        torch.testing.assert_close(error[i], alone.error)
        torch.testing.assert_close(fired[i], alone.fired)
        for key, parameter in member.named_parameters():
            single = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
            together = torch.zeros_like(weights[key]) if weights[key].grad is None else weights[key].grad
            torch.testing.assert_close(together[i], single)


@every_preset
def test_training_counts_idle_tokens_and_lowers_the_error(name):
    settings = {**PRESETS[name], "dead_after": 10_000}
    design, x = get(name, width=WIDTH, **settings), batch(3, 100).float()
    optimiser, errors = torch.optim.Adam(design.parameters(), lr=2e-2), []
    for step in range(40):
        design.begin_step(step, 40)
        loss = design.loss(x)
        optimiser.zero_grad()
        loss.total.backward()
        design.project_gradients()
        optimiser.step()
        before = design.idle.clone()
        design.end_step(loss, len(x))
        assert torch.equal(design.idle, torch.where(loss.fired > 0, 0, before + len(x)))
        errors.append(float((design(x) - x).square().sum(dim=1).mean().detach()))
    assert errors[-1] < 0.7 * errors[0]


@every_preset
@few
@given(seed=SEEDS)
def test_the_loss_reports_what_it_did(name, seed):
    design, x = trained(name, seed, 9), batch(seed)  # the last step: what is trained is what inference does
    loss, codes = design.loss(x), design.encode(x)
    torch.testing.assert_close(loss.error, (design(x) - x).square().sum(dim=1).mean().detach())
    torch.testing.assert_close(loss.row_errors.mean(), loss.error)
    torch.testing.assert_close(loss.total.detach(), sum(loss.terms.values()))
    torch.testing.assert_close(loss.fired, (design.presence(codes) > 0).sum(dim=0))
    assert float(loss.active) == pytest.approx(float((codes != 0).sum() / len(x)))


@pytest.mark.parametrize("name", [name for name in PRESETS if not name.startswith("matching")])
@pytest.mark.parametrize("step", [5, 9])
def test_a_row_that_weighs_two_counts_as_two_rows(name, step):
    design, x = trained(name, 11, step), batch(11)
    design.idle.zero_()
    design.begin_step(step, 10)  # without dead units: their error is relative to a spread around the mean
    weights = torch.ones(ROWS, dtype=torch.float64)
    weights[0], weights[1] = 2.0, 0.0
    doubled = x.clone()
    doubled[1] = x[0]
    weighted, repeated = design.loss(x, weights).terms, design.loss(doubled).terms
    assert weighted.keys() == repeated.keys()
    for term in weighted.keys() - {"budget", "nuclear"}:
        torch.testing.assert_close(weighted[term], repeated[term])
