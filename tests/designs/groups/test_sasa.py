from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from sasa_theory import designs
from sasa_theory.bounds import decoder_penalty_range, single_group_optimum
from sasa_theory.designs.contract import Loss
from sasa_theory.designs.groups.nuclear import singular_values
from sasa_theory.designs.groups.sasa import Sasa
from sasa_theory.training import Ensemble

NAMES = ("sasa/paper", "sasa/release", "sasa/release_map", "sasa/no_nuclear")
SIZES = {"width": 8, "groups": 6, "rank": 3, "active": 2}
every_preset = pytest.mark.parametrize("name", NAMES)
seeds = st.integers(0, 2**31)


def built(name: str, seed: int = 0, **settings: Any) -> Sasa:
    design = designs.get(name, seed=seed, **{**SIZES, **settings}).double()
    assert isinstance(design, Sasa)
    return design


def perturbed(name: str, seed: int, **settings: Any) -> Sasa:
    """A design in which encoder, decoder and biases are unrelated."""
    design, generator = built(name, seed, **settings), torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weights in design.parameters():
            weights += 0.3 * torch.randn(weights.shape, generator=generator, dtype=torch.float64)
    return design


def rows(seed: int, n: int = 12, width: int = 8) -> Tensor:
    return torch.randn(n, width, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def blocks(design: Sasa) -> tuple[Tensor, Tensor]:
    return design.encoder.unflatten(0, (-1, design.rank)), design.decoder.unflatten(0, (-1, design.rank))


def step(design: Sasa, x: Tensor, lr: float, at: int = 0, steps: int = 100) -> Loss:
    """One step of plain gradient descent, with every hook."""
    design.begin_step(at, steps)
    design.zero_grad()
    loss = design.loss(x)
    loss.total.backward()
    design.project_gradients()
    with torch.no_grad():
        for weights in design.parameters():
            if weights.grad is not None:
                weights -= lr * weights.grad
    design.end_step(loss, len(x))
    return loss


@every_preset
@given(seed=seeds)
def test_codes_are_the_groups_of_largest_norm_with_their_signs(name: str, seed: int) -> None:
    design, x = perturbed(name, seed), rows(seed)
    p = (x - design.decoder_bias) @ design.encoder.T
    p = p if design.encoder_bias is None else p + design.encoder_bias
    expected = torch.zeros(12, 6, 3, dtype=torch.float64)
    for i, groups in enumerate(p.unflatten(1, (6, 3)).detach()):
        best = sorted(range(6), key=lambda k: -float(groups[k].norm()))[:2]
        expected[i, best] = groups[best]
    torch.testing.assert_close(design.encode(x), expected.flatten(1))
    torch.testing.assert_close(design(x), expected.flatten(1) @ design.decoder + design.decoder_bias)
    assert (design.encoder_bias is not None) == name.startswith("sasa/release")


@given(seed=seeds, weighted=st.booleans())
def test_the_paper_loss_is_error_plus_map_norms_in_units_of_the_energy_of_a_column(seed: int, weighted: bool) -> None:
    design, x = perturbed("sasa/paper", seed, penalty_coefficient=0.7), rows(seed)
    weight = rows(seed + 1)[:, 0].square() if weighted else None
    loss = design.loss(x, weight)
    w = torch.ones(12, dtype=torch.float64) if weight is None else weight
    error = (w * (design(x) - x).square().sum(1)).mean()
    energy = (w * (x - x.mean(0)).square().sum(1)).mean()
    encoder, decoder = blocks(design)
    norms = torch.linalg.svdvals(encoder.mT @ decoder).sum()
    torch.testing.assert_close(loss.terms["reconstruction"], error.detach())
    torch.testing.assert_close(loss.terms["nuclear"], (0.7 * 2 * energy / 18 * norms).detach(), rtol=2e-3, atol=0.0)
    torch.testing.assert_close(loss.total, sum(loss.terms.values()))


@given(seed=seeds)
def test_penalties_of_the_other_targets_and_units(seed: int) -> None:
    x = rows(seed)
    design = perturbed("sasa/release", seed)
    norms = singular_values(blocks(design)[1]).sum()
    torch.testing.assert_close(design.loss(x).terms["nuclear"], (100 * norms / 6).detach(), rtol=2e-3, atol=0.0)
    design = perturbed("sasa/paper", seed, penalty="factors", penalty_unit="sum", penalty_coefficient=0.3)
    squares = design.encoder.square().sum() + design.decoder.square().sum()
    torch.testing.assert_close(design.loss(x).terms["nuclear"], (0.3 * squares / 2).detach())
    assert "nuclear" not in built("sasa/no_nuclear").loss(x).terms


@pytest.mark.parametrize("penalty", ["map", "factors", "decoder"])
@given(seed=seeds)
def test_rotating_the_columns_of_a_group_changes_neither_loss_nor_reconstruction(penalty: str, seed: int) -> None:
    design, x = perturbed("sasa/paper", seed, penalty=penalty, encoder_bias=True, dead_after=1), rows(seed)
    design.idle += torch.tensor([5, 0, 5, 0, 0, 5])
    design.begin_step(0, 10)
    before, reconstruction = design.loss(x), design(x).detach()
    q = torch.linalg.qr(rows(seed, 18, 3).unflatten(0, (6, 3))).Q
    with torch.no_grad():
        for weights in (design.encoder, design.decoder):
            weights.copy_((q @ weights.unflatten(0, (6, 3))).flatten(0, 1))
        assert design.encoder_bias is not None
        design.encoder_bias.copy_((q @ design.encoder_bias.view(6, 3, 1)).flatten())
    after = design.loss(x)
    torch.testing.assert_close(design(x).detach(), reconstruction)
    assert set(after.terms) == {"reconstruction", "nuclear", "auxiliary"}
    torch.testing.assert_close(after.terms, before.terms)
    assert (after.fired == before.fired).all()


@given(seed=seeds, scale=st.floats(0.01, 100.0))
def test_in_units_of_energy_lambda_means_the_same_at_any_scale(seed: int, scale: float) -> None:
    design, x = perturbed("sasa/paper", seed), rows(seed)
    before = design.loss(x)
    with torch.no_grad():
        design.decoder_bias *= scale
    after = design.loss(scale * x)
    for name, value in before.terms.items():
        torch.testing.assert_close(after.terms[name], scale**2 * value)


@pytest.mark.parametrize("penalty", ["map", "factors"])
def test_one_group_learns_the_soft_threshold_of_the_closed_form(penalty: str) -> None:
    deviations, lam = torch.tensor([1.5, 1.0, 0.7, 0.3], dtype=torch.float64), 0.4
    x = torch.cat((torch.diag(deviations), -torch.diag(deviations))) * 2  # second moment diag(deviations^2)
    settings = {"width": 4, "groups": 1, "rank": 4, "active": 1, "penalty_unit": "sum", "auxiliary": "none"}
    design = built("sasa/paper", penalty=penalty, penalty_coefficient=lam, **settings)
    for at in range(400):
        loss = step(design, x, 0.1, at)
    optimum = single_group_optimum(deviations.square().numpy(), lam)
    learned = design.encoder.detach().T @ design.decoder.detach()
    expected = torch.diag(torch.tensor(optimum.shrinkage))
    assert optimum.effective_rank == 3
    torch.testing.assert_close(learned, expected, rtol=0.0, atol=5e-3)
    assert float(loss.total.detach()) == pytest.approx(optimum.risk, abs=2e-3)


def test_the_decoder_penalty_moves_in_its_narrow_range_only() -> None:
    design, x = built("sasa/release"), rows(0, 64)
    low, high = decoder_penalty_range(3)
    for at in range(30):
        step(design, x, 0.02, at)
        norms = design.norms().detach()
        assert (norms >= low - 1e-6).all()
        assert (norms <= high + 1e-5).all()


@pytest.mark.parametrize(("name", "both"), [("sasa/release", True), ("sasa/release_map", False)])
def test_rows_have_norm_one_at_the_start_and_after_each_step(name: str, both: bool) -> None:
    design, x = built(name), rows(0, 32)
    for at in range(4):
        torch.testing.assert_close(design.decoder.norm(dim=-1), torch.ones(18, dtype=torch.float64))
        assert torch.allclose(design.encoder.norm(dim=-1), torch.ones(18, dtype=torch.float64)) == (both or at == 0)
        step(design, x, 0.01, at)


@given(seed=seeds, every=st.integers(1, 5))
def test_a_penalty_of_every_few_steps_weighs_as_much_over_time(seed: int, every: int) -> None:
    design, x = perturbed("sasa/paper", seed, penalty_every=every), rows(seed)
    always = perturbed("sasa/paper", seed).loss(x).terms["nuclear"]
    total = torch.zeros((), dtype=torch.float64)
    for at in range(2 * every):
        design.begin_step(at, 100)
        total += design.loss(x).terms.get("nuclear", 0.0)
    torch.testing.assert_close(total / (2 * every), always)


@given(seed=seeds)
def test_auxiliary_losses_are_those_of_the_equations(seed: int) -> None:
    x, dead = rows(seed), torch.tensor([0, 9, 9, 0, 9, 0])
    whole = perturbed("sasa/paper", seed, dead_after=5, aux_count=2, aux_coefficient=0.5)
    latents = perturbed("sasa/release", seed, dead_after=5, aux_count=2)
    weight = rows(seed + 1)[:, 0].square()
    for design in (whole, latents):
        design.idle += dead
        design.begin_step(1, 10)
    e = (x - whole(x)).detach()
    encoder, decoder = blocks(whole)
    q = torch.einsum("nd,krd->nkr", e, encoder).detach()
    explained = torch.zeros_like(x)
    for i in range(12):
        for k in sorted((1, 2, 4), key=lambda k: -float(q[i, k].norm()))[:2]:
            explained[i] += q[i, k] @ decoder[k].detach()
    expected = 0.5 * (weight * (e - explained).square().sum(1)).mean()
    torch.testing.assert_close(whole.loss(x, weight).terms["auxiliary"], expected)

    e, p = (x - latents(x)).detach(), latents.preactivations(x).detach()
    explained = torch.zeros_like(x)
    for i in range(12):
        columns = [j for k in (1, 2, 4) for j in range(3 * k, 3 * k + 3)]
        for j in sorted(columns, key=lambda j: -float(p[i, j]))[:2]:
            explained[i] += p[i, j] * latents.decoder[j].detach()
    expected = (e - explained).square().sum(1).mean()
    torch.testing.assert_close(latents.loss(x).terms["auxiliary"], expected)


@pytest.mark.parametrize("auxiliary", ["groups", "latents"])
def test_auxiliary_losses_move_dead_groups_only(auxiliary: str) -> None:
    slopes = []
    for coefficient in (0.0, 1.0):
        design = perturbed(
            "sasa/paper", 4, auxiliary=auxiliary, aux_coefficient=coefficient, penalty="none", dead_after=5
        )
        design.idle += torch.tensor([0, 9, 9, 0, 9, 0])
        design.begin_step(1, 10)
        design.loss(rows(4)).total.backward()
        slopes.append(torch.stack([block.grad.unflatten(0, (6, 3)) for block in (design.encoder, design.decoder)]))
    moved = (slopes[0] - slopes[1]).abs().amax((0, 2, 3))
    assert (moved > 1e-9).tolist() == [False, True, True, False, True, False]


@pytest.mark.parametrize("auxiliary", ["groups", "latents", "none"])
def test_a_planted_dead_group_finds_a_feature_that_nobody_explains(auxiliary: str) -> None:
    """Two features, one group on the first; the other group sees neither until the auxiliary loss turns it."""
    settings = {"width": 4, "groups": 2, "rank": 2, "active": 1, "penalty": "none", "dead_after": 50, "balance": 0.0}
    design = built("sasa/paper", auxiliary=auxiliary, aux_count=2, **settings)
    eye = torch.eye(4, dtype=torch.float64)
    with torch.no_grad():
        design.encoder.copy_(torch.cat((eye[:2] + 0.3 * eye[2:], 0 * eye[2:])))  # the first group wins everywhere
        design.decoder.copy_(torch.cat((eye[:2], eye[2:].flip(0) + 0.5 * eye[2:])))
        design.decoder_bias.requires_grad_(False)
    x = torch.cat((rows(1, 60, 2) @ eye[:2], rows(2, 30, 2) @ eye[2:]))
    x = x / x.norm(dim=-1, keepdim=True)
    assert design.loss(x).fired.tolist() == [90, 0]
    for at in range(200):
        loss = step(design, x, 0.1, at, 200)
    assert loss.fired.tolist() == ([90, 0] if auxiliary == "none" else [60, 30])
    if auxiliary != "none":
        assert float(loss.error) < 0.02


def test_groups_that_seldom_fire_are_helped_at_the_start_of_training_only() -> None:
    design, x = perturbed("sasa/paper", 3, balance=0.5), rows(3, 500)
    plain = design.loss(x).fired
    for _ in range(300):
        design.begin_step(0, 10)
        design.end_step(design.loss(x), len(x))
    balanced = design.loss(x).fired
    assert balanced.double().std() < 0.5 * plain.double().std()
    design.eval()
    assert (design.loss(x).fired == plain).all()  # inference is not concerned
    design.train()
    design.begin_step(5, 10)
    assert (design.loss(x).fired == plain).all()


def test_steps_whose_penalty_could_not_be_computed_are_counted() -> None:
    design, x = perturbed("sasa/paper", 0), rows(0)
    healthy = design.loss(x)
    design.end_step(healthy, 12)
    assert design.log_extra() == {"nuclear_skipped": 0}
    with torch.no_grad():
        design.decoder[0] = 1e200  # its square overflows
        design.encoder[:3] = 0.0  # the group never fires, so that only its penalty suffers
    with pytest.warns(RuntimeWarning, match="1 of 6 blocks"):
        loss = design.loss(x)
    assert bool(loss.terms["nuclear"].isnan())
    assert math.isfinite(float(loss.total.detach()) - float(loss.error))
    design.end_step(loss, 12)
    assert design.log_extra() == {"nuclear_skipped": 1}


@every_preset
@given(seed=seeds)
def test_members_of_an_ensemble_lose_what_each_loses_alone(name: str, seed: int) -> None:
    members = [perturbed(name, seed + i, dead_after=5, balance=0.5) for i in range(3)]
    x = rows(seed)
    members[0].idle += torch.tensor([0, 9, 0, 0, 0, 0])  # fewer than may explain
    members[2].idle += 9
    for member in members:
        member.usage.copy_(rows(seed + 2, 1, 6)[0].abs())
        member.begin_step(1, 10)
    alone = [member.loss(x) for member in members]
    ensemble = Ensemble(members)
    ensemble.begin_step(1, 10)
    together = ensemble.loss(x)
    for name_, values in together.terms.items():
        expected = [float(loss.terms.get(name_, 0.0)) for loss in alone]
        assert values.tolist() == pytest.approx(expected, rel=1e-9, abs=1e-9)
    assert float(together.terms["auxiliary"][1]) == 0  # this member has no dead groups
    together.total.sum().backward()
    for i, (member, loss) in enumerate(zip(members, alone, strict=True)):
        member.zero_grad()
        loss.total.backward()
        for name_, stacked in ensemble.stacked.named_parameters():
            assert stacked.grad is not None
            torch.testing.assert_close(stacked.grad[i], member.get_parameter(name_).grad)


@given(seed=seeds, scale=st.floats(0.1, 10.0))
def test_a_design_trained_on_scaled_activations_absorbs_the_scale(seed: int, scale: float) -> None:
    design, absorbed, x = perturbed("sasa/release", seed), perturbed("sasa/release", seed), rows(seed)
    absorbed.absorb_scale(scale)
    torch.testing.assert_close(design(scale * x), scale * absorbed(x))


def test_budgets_in_columns_buy_whole_groups() -> None:
    config = designs.config("sasa/paper", width=768, groups=2048, rank=6, l0=60)
    assert (config.active, config.columns) == (10, 12288)
    with pytest.raises(ValueError, match=r"multiple of rank = 6, got 64; the nearest possible is 66"):
        designs.config("sasa/paper", width=768, groups=2048, rank=6, l0=64)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"active": 7}, "active must be at most groups = 6, got 7; the nearest possible is 6"),
        ({"rank": 9}, "rank must be at most width = 8, got 9"),
        ({"penalty": "maps"}, "did you mean 'map'"),
        ({"penalty_unit": "means"}, "did you mean 'mean'"),
        ({"auxiliary": "group"}, "did you mean 'groups'"),
        ({"unit_rows": "decoders"}, "did you mean 'decoder'"),
        ({"penalty_coefficient": -1.0}, "penalty_coefficient must be in"),
        ({"penalty_every": 0}, "penalty_every must be in"),
        ({"aux_count": 0}, "aux_count must be in"),
        ({"balance": 1.5}, "balance must be in"),
        ({"penalties": "map"}, "did you mean 'penalty'"),
    ],
)
def test_impossible_settings_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        designs.config("sasa/paper", **{**SIZES, **settings})
