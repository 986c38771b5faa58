"""What every vector design must do: one table of presets, one set of properties."""

from __future__ import annotations

import warnings

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.func import functional_call, stack_module_state, vmap

from sasa_theory.designs import get
from sasa_theory.designs.linear import LinearDesign
from sasa_theory.testing.strategies import SEEDS

WIDTH, ATOMS, ROWS = 6, 40, 12

KEEPING = {"k": 3, "dead_after": 100}
PRESETS = {
    "relu": {"sparsity": 0.3},
    "relu/april": {"sparsity": 0.3},
    "relu/saelens": {"sparsity": 0.3, "power": 1.5},
    "gated": {"sparsity": 0.3},
    "gated/saelens": {"sparsity": 0.3},
    "jumprelu": {"sparsity": 0.3, "threshold": 0.3, "bandwidth": 0.2},
    "jumprelu/target": {"target_l0": 4.0, "threshold": 0.3, "bandwidth": 0.2},
    "jumprelu/saelens": {"threshold": 0.3, "bandwidth": 0.2},
    "jumprelu/tanh": {"threshold": 0.3, "bandwidth": 0.2, "dead_coefficient": 0.1, "dead_after": 100},
    "topk": KEEPING,
    "topk/openai": KEEPING,
    "topk/multi": KEEPING,
    "topk/sparsify": KEEPING,
    "topk/saelens": KEEPING,
    "topk/signed": KEEPING,
    "batch-topk": KEEPING,
    "batch-topk/saelens": KEEPING,
    "matryoshka": KEEPING,
    "matryoshka/saelens": KEEPING,
    "matryoshka/quarters": KEEPING,
}
few = settings(max_examples=settings.default.max_examples // 12)  # twenty presets have their turn
every_preset = pytest.mark.parametrize("name", PRESETS)


def trained(name: str, seed: int) -> LinearDesign:
    """A design in float64 whose parameters are where training might have left them; every fifth latent is dead."""
    design = get(name, seed=seed, width=WIDTH, atoms=ATOMS, **PRESETS[name]).double()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in design.parameters():
            parameter += 0.3 * torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
        if design.constraint == "unit":
            nn.functional.normalize(design.decoder, out=design.decoder)
    if "threshold" in dict(design.named_buffers()):
        design.threshold.fill_(0.4)
    design.idle[::5] = 1000
    design.begin_step(9, 10)
    return design


def batch(seed: int, rows: int = ROWS) -> torch.Tensor:
    return 0.2 + torch.randn(rows, WIDTH, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@every_preset
@few
@given(seed=SEEDS, evaluating=st.booleans())
def test_forward_is_decode_of_encode(name, seed, evaluating):
    design, x = trained(name, seed).train(not evaluating), batch(seed)
    codes = design.encode(x)
    assert codes.shape == (ROWS, ATOMS)
    torch.testing.assert_close(design(x), codes @ design.decoder + design.decoder_bias)


@every_preset
@few
@given(seed=SEEDS, evaluating=st.booleans(), scale=st.floats(0.05, 20))
def test_an_absorbed_scale_moves_into_the_weights(name, seed, evaluating, scale):
    x = batch(seed)
    outer, absorbed = trained(name, seed).train(not evaluating), trained(name, seed).train(not evaluating)
    absorbed.absorb_scale(scale)
    torch.testing.assert_close(outer.encode(scale * x), scale * absorbed.encode(x))
    torch.testing.assert_close(outer(scale * x), scale * absorbed(x))


@pytest.mark.parametrize("name", [name for name in PRESETS if not name.startswith("matryoshka")])
@few
@given(seed=SEEDS)
def test_the_order_of_latents_does_not_matter(name, seed):
    design, shuffled, x = trained(name, seed), trained(name, seed), batch(seed)
    order = torch.randperm(ATOMS, generator=torch.Generator().manual_seed(seed))
    state = {key: value[order] if value.shape[:1] == (ATOMS,) else value for key, value in design.state_dict().items()}
    shuffled.load_state_dict(state)
    torch.testing.assert_close(shuffled.encode(x), design.encode(x)[:, order])
    before, after = design.loss(x), shuffled.loss(x)
    torch.testing.assert_close(after.total, before.total)
    assert torch.equal(after.fired, before.fired[order])


@every_preset
@few
@given(seed=SEEDS)
def test_the_order_of_rows_does_not_matter(name, seed):
    design, x = trained(name, seed), batch(seed)
    order = torch.randperm(ROWS, generator=torch.Generator().manual_seed(seed))
    torch.testing.assert_close(design.encode(x[order]), design.encode(x)[order])
    torch.testing.assert_close(design.loss(x[order]).total, design.loss(x).total)


@every_preset
@few
@given(seed=SEEDS)
def test_a_loss_reports_what_encode_and_forward_show_and_changes_nothing(name, seed):
    design, x = trained(name, seed), batch(seed)
    before = {key: value.clone() for key, value in design.state_dict().items()}
    loss, codes = design.loss(x), design.encode(x)
    errors = (design(x) - x).square().sum(dim=1)
    torch.testing.assert_close(loss.row_errors, errors)
    torch.testing.assert_close(loss.error, errors.mean())
    torch.testing.assert_close(sum(loss.terms.values()), loss.total)
    assert next(iter(loss.terms)) == "reconstruction"
    assert torch.equal(loss.fired, (codes != 0).sum(dim=0))
    torch.testing.assert_close(loss.active, (codes != 0).sum(dim=1).double().mean(), check_dtype=False)
    assert torch.equal(design.loss(x).total, loss.total)
    assert all(torch.equal(value, before[key]) for key, value in design.state_dict().items())


@every_preset
@few
@given(seed=SEEDS)
def test_weights_of_rows_reach_every_error(name, seed):
    design, x = trained(name, seed), batch(seed).requires_grad_()
    plain, ones = design.loss(x), design.loss(x, row_weight=torch.ones(ROWS).double())
    torch.testing.assert_close(ones.total, plain.total)
    for buffer_name, buffer in design.named_buffers():
        if buffer_name in ("sparsity", "dead_coefficient"):
            buffer.zero_()  # penalties of codes are no errors
    weight = torch.arange(ROWS).double() % 2
    loss = design.loss(x, row_weight=weight)
    assert torch.equal(loss.row_errors, plain.row_errors)
    loss.total.backward()
    assert (x.grad[::2] == 0).all()
    assert (x.grad[1::2] != 0).any()


@every_preset
@few
@given(seed=SEEDS)
def test_unit_rows_survive_a_step(name, seed):
    design, x = trained(name, seed), batch(seed)
    optimiser = torch.optim.Adam(design.parameters(), lr=0.1)
    loss = design.loss(x)
    loss.total.backward()
    design.project_gradients()
    if design.constraint == "unit":
        assert (design.decoder.grad * design.decoder).sum(dim=1).abs().max() < 1e-10 * (1 + design.decoder.grad.norm())
    optimiser.step()
    design.end_step(loss, ROWS)
    if design.constraint == "unit":
        torch.testing.assert_close(design.decoder.norm(dim=1), torch.ones(ATOMS).double())
    silent = torch.where(torch.arange(ATOMS) % 5 == 0, 1000 + ROWS, ROWS)
    assert torch.equal(design.idle, torch.where(loss.fired > 0, 0, silent))


@pytest.mark.parametrize("name", [name for name in PRESETS if "k" not in PRESETS[name]])
def test_penalties_warm_up(name):
    design, x = get(name, width=WIDTH, atoms=ATOMS, **{**PRESETS[name], "warmup": 0.5}), batch(0).float()
    full = design.loss(x).terms["sparsity"]
    design.begin_step(0, 100)
    assert design.loss(x).terms["sparsity"] == 0
    design.begin_step(49, 100)
    assert design.loss(x).terms["sparsity"] == full > 0


class Objective(nn.Module):
    def __init__(self, design):
        super().__init__()
        self.design = design

    def forward(self, x):
        return self.design.loss(x)


@every_preset
def test_losses_of_members_are_those_of_an_ensemble(name):
    members = [Objective(trained(name, seed)) for seed in (1, 2)]
    members[1].design.idle.zero_()  # one member without dead latents
    x = batch(0)
    parameters, buffers = stack_module_state(members)
    ensemble = vmap(lambda *state: functional_call(members[0], state, (x,)))(parameters, buffers)
    ensemble.total.sum().backward()
    if "k" in PRESETS[name] and "auxiliary" in ensemble.terms:
        assert ensemble.terms["auxiliary"][0] > 0 == ensemble.terms["auxiliary"][1]
    for i, member in enumerate(members):
        loss = member(x)
        loss.total.backward()
        torch.testing.assert_close(ensemble.total[i], loss.total)
        assert torch.equal(ensemble.fired[i], loss.fired)
        torch.testing.assert_close({key: values[i] for key, values in ensemble.noted.items()}, loss.noted)
        for key, parameter in member.named_parameters():
            expected = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
            torch.testing.assert_close(parameters[key].grad[i], expected)
    stacked = trained(name, 1)  # the hooks see one more dimension
    for key, value in {**parameters, **buffers}.items():
        part = dict([*stacked.named_parameters(), *stacked.named_buffers()])[key.removeprefix("design.")]
        part.data, gradient = value.data, value.grad
        part.grad = gradient
    stacked.project_gradients()
    stacked.end_step(ensemble, ROWS)
    for i, member in enumerate(members):
        member.design.project_gradients()
        member.design.end_step(member(x), ROWS)
        torch.testing.assert_close(stacked.decoder.grad[i], member.design.decoder.grad)
        for key, value in member.design.state_dict().items():
            torch.testing.assert_close(stacked.state_dict()[key][i], value)


# JumpReLU's derivatives are not those of a function; nor are those of the gate whose last term holds the decoder fixed.
SMOOTH = [name for name in PRESETS if not name.startswith("jumprelu") and name != "gated"]


@pytest.mark.parametrize("name", SMOOTH)
def test_gradients_where_the_loss_is_smooth(name):
    design, x = trained(name, 5), batch(5, rows=4)
    design.idle.zero_()  # AuxK holds the residual fixed: no gradient of a function
    design.begin_step(9, 10)
    names, values = zip(*design.named_parameters(), strict=True)
    objective = Objective(design)

    def total(*values):
        return functional_call(
            objective, {f"design.{key}": v for key, v in zip(names, values, strict=True)}, (x,)
        ).total

    assert torch.autograd.gradcheck(total, values, fast_mode=True)


@every_preset
def test_single_rows_and_constant_batches_give_finite_losses(name):
    design = trained(name, 3)
    for x in (batch(1, rows=1), torch.ones(4, WIDTH).double()):
        loss = design.loss(x)
        loss.total.backward()
        assert loss.total.isfinite()
        assert all(p.grad is None or p.grad.isfinite().all() for p in design.parameters())


@every_preset
def test_single_precision_and_configs_survive_a_round_trip(name):
    design = get(name, width=WIDTH, atoms=ATOMS, **PRESETS[name])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert design.loss(batch(0).float()).total.dtype == torch.float32
    assert type(design.config).from_dict(design.config.to_dict()) == design.config
