"""The fast kernels against the slow reference: values, selections and gradients."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from sasa_theory.designs.kernels import Active, TopUnits, codes, decode_active, encode, encode_active, reference, sparse

RULES = [
    TopUnits(3, 1, "norm", "row"),
    TopUnits(3, 1, "value", "row"),
    TopUnits(2, 4, "norm", "row"),
    TopUnits(3, 1, "value", "batch"),
    TopUnits(2, 3, "norm", "batch"),
]
TOLERANCE = {torch.float32: 1e-4, torch.float64: 1e-11}


def problem(seed: int, rows: int, width: int, units: int, rank: int, dtype: torch.dtype) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=dtype)

    return {
        "x": normal(rows, width),
        "centre": normal(width),
        "encoder": normal(units * rank, width),
        "bias": normal(units * rank),
        "decoder": normal(units * rank, width),
        "gain": torch.rand(units, generator=generator, dtype=dtype) + 0.5,
        "allowed": torch.rand(units, generator=generator) > 0.4,
        "target": normal(rows, width),
    }


def results(kernels: Any, p: dict[str, Tensor], rule: TopUnits, bias: bool, gain: bool, allowed: bool) -> list[Tensor]:
    """Dense codes, reconstruction, and the gradients of a loss that weighs codes and reconstruction."""
    names = ["x", "centre", "encoder", "decoder"] + ["bias"] * bias
    leaves = {name: p[name].detach().requires_grad_() for name in names}  # a clone would be contiguous
    active: Active = kernels.encode_active(
        leaves["x"],
        leaves["centre"],
        leaves["encoder"],
        leaves["bias"] if bias else None,
        rule,
        p["gain"] if gain else None,
        p["allowed"] if allowed else None,
    )
    x_hat = kernels.decode_active(active, leaves["decoder"])
    loss = (x_hat - p["target"]).square().sum() + active.values.pow(3).sum()
    dense = active.dense(len(p["gain"]))
    return [dense.detach(), x_hat.detach(), *torch.autograd.grad(loss, list(leaves.values()))]


FAST = type("Fast", (), {"encode_active": staticmethod(encode_active), "decode_active": staticmethod(decode_active)})


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("rule", RULES, ids=str)
@given(
    seed=st.integers(0, 10_000),
    rows=st.integers(1, 12),
    options=st.tuples(*[st.booleans()] * 3),
    screen=st.booleans(),
    large=st.booleans(),
)
def test_values_and_gradients_are_those_of_the_reference(rule, dtype, seed, rows, options, screen, large):
    p = problem(seed, rows, 7, 17, rule.rank, dtype)
    p["allowed"][:3] = True  # enough of them for the rules here
    slow = results(reference, p, rule, *options)
    with pytest.MonkeyPatch.context() as patch:  # as for large problems, or for small ones
        patch.setattr(codes, "_FEW_ROWS", 0 if large else 64)
        patch.setattr(sparse, "DENSE_SHARE", 1.0 if large else 0.0)
        fast = results(FAST, p, TopUnits(rule.count, rule.rank, rule.by, rule.over, screen), *options)
    for one, other in zip(slow, fast, strict=True):
        scale = 1 + float(one.abs().max())
        assert torch.allclose(one, other, rtol=0, atol=TOLERANCE[dtype] * scale)


@pytest.mark.parametrize(
    "rule", [TopUnits(40, 1, "value"), TopUnits(20, 2), TopUnits(40, 1, "value", "batch")], ids=str
)
def test_many_columns_and_several_chunks_agree_with_the_reference(rule):
    p = problem(1, 1400, 4, 4096, rule.rank, torch.float32)
    slow = reference.encode_active(p["x"], p["centre"], p["encoder"], p["bias"], rule).dense(4096)
    fast = encode_active(p["x"], p["centre"], p["encoder"], p["bias"], rule).dense(4096)
    differ = (slow != 0) != (fast != 0)
    assert differ.sum() <= 4  # the two products round differently: units may swap that are equal up to rounding
    assert torch.allclose(slow.masked_fill(differ, 0), fast.masked_fill(differ, 0), atol=1e-4)


@pytest.mark.parametrize("dense_share", [0.0, 1.0])
@pytest.mark.parametrize("rule", [TopUnits(2), TopUnits(2, 2), TopUnits(2, over="batch")], ids=str)
def test_gradients_are_derivatives(rule, dense_share, monkeypatch):
    monkeypatch.setattr(sparse, "DENSE_SHARE", dense_share)
    p = problem(5, 3, 3, 5, rule.rank, torch.float64)

    def f(x: Tensor, centre: Tensor, encoder: Tensor, bias: Tensor, decoder: Tensor) -> tuple[Tensor, Tensor]:
        active = encode_active(x, centre, encoder, bias, rule)
        return active.values, decode_active(active, decoder)

    leaves = [p[name].requires_grad_() for name in ("x", "centre", "encoder", "bias", "decoder")]
    assert torch.autograd.gradcheck(f, leaves)
    assert torch.autograd.gradgradcheck(f, leaves)


@given(seed=st.integers(0, 10_000), count=st.integers(1, 9), over=st.sampled_from(["row", "batch"]))
def test_equal_scores_do_not_change_the_number_of_units(seed, count, over):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randint(-1, 2, (11, 2), generator=generator).double()
    encoder = torch.randint(-1, 2, (9, 2), generator=generator).double()
    active = encode_active(x, x.new_zeros(2), encoder, None, TopUnits(count, over=over))
    again = encode_active(x, x.new_zeros(2), encoder, None, TopUnits(count, over=over))
    places = active.rows() * 9 + active.units
    assert len(places.unique()) == len(active.units) == 11 * count
    assert all(torch.equal(a, b) for a, b in zip(active, again, strict=True))
    scores = (x @ encoder.mT).abs()
    bound = scores.sort(dim=1).values[:, -count] if over == "row" else scores.flatten().sort().values[-11 * count]
    rows = active.values.squeeze(1).abs()
    assert bool((rows >= (bound[active.rows()] if over == "row" else bound)).all())


@pytest.mark.parametrize("screen", [False, True])
@pytest.mark.parametrize("over", ["row", "batch"])
@pytest.mark.parametrize("rows", [0, 1, 6])
def test_any_memory_layout_and_number_of_rows_will_do(rows, over, screen):
    p = problem(6, rows, 8, 20, 2, torch.float32)
    p = {name: value.repeat_interleave(2, dim=0)[::2] for name, value in p.items()}
    p |= {name: p[name].mT.contiguous().mT for name in ("x", "encoder", "decoder")}
    slow = results(reference, p, TopUnits(3, 2, "norm", over), True, True, False)
    fast = results(FAST, p, TopUnits(3, 2, "norm", over, screen), True, True, False)
    assert all(torch.allclose(one, other, rtol=1e-4, atol=1e-2) for one, other in zip(slow, fast, strict=True))


def test_other_units_fill_up_where_too_few_are_allowed():
    p = problem(2, 6, 5, 10, 2, torch.float64)
    allowed = torch.zeros(10, dtype=torch.bool)
    allowed[[4, 7]] = True
    active = encode_active(p["x"], p["centre"], p["encoder"], p["bias"], TopUnits(3, 2), allowed=allowed)
    units = active.units.view(6, 3)
    assert bool(((units == 4) | (units == 7)).sum(dim=1).eq(2).all())
    assert bool((active.starts == torch.arange(7) * 3).all())


def test_a_count_beyond_the_number_of_units_keeps_them_all():
    p = problem(3, 4, 5, 6, 1, torch.float64)
    active = encode_active(p["x"], p["centre"], p["encoder"], p["bias"], TopUnits(9))
    assert torch.allclose(active.dense(6), (p["x"] - p["centre"]) @ p["encoder"].mT + p["bias"])


def test_numbers_that_are_none_pass_through():
    p = problem(3, 4, 5, 6, 1, torch.float32)
    p["x"][1] = torch.nan
    active = encode_active(p["x"], p["centre"], p["encoder"], p["bias"], TopUnits(2))
    assert bool(active.values.view(4, 2).isnan().all(dim=1).equal(torch.tensor([False, True, False, False])))


@pytest.mark.parametrize("over", ["row", "batch"])
def test_autocast_multiplies_in_its_type_and_keeps_the_values_in_float32(over):
    p = problem(4, 16, 32, 40, 1, torch.float32)
    rule = TopUnits(5, over=over, screen=True)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        active = encode_active(p["x"], p["centre"], p["encoder"], p["bias"], rule)
    assert active.values.dtype == torch.float32
    exact = ((p["x"] - p["centre"]) @ p["encoder"].mT + p["bias"])[active.rows(), active.units]
    error = (active.values.squeeze(1) - exact).abs().max() / exact.abs().max()
    assert 1e-5 < error < 1e-1


def test_half_precision_activations_of_a_float32_encoder_give_float32_values():
    p = problem(4, 16, 32, 40, 1, torch.float32)
    active = encode_active(p["x"].bfloat16(), p["centre"], p["encoder"], p["bias"], TopUnits(5))
    assert active.values.dtype == torch.float32


@pytest.mark.parametrize("rule", [TopUnits(3, 2), TopUnits(3, 2, over="batch"), TopUnits(3, 2, screen=True)], ids=str)
@pytest.mark.parametrize(("own_rows", "dense_share"), [(False, 1.0), (True, 1.0), (True, 0.0)])
def test_an_ensemble_is_its_members(rule, own_rows, dense_share, monkeypatch):
    monkeypatch.setattr(sparse, "DENSE_SHARE", dense_share)
    members = [problem(seed, 9, 7, 10, 2, torch.float64) for seed in range(3)]
    names = ("centre", "encoder", "bias", "decoder")
    stacked = [torch.stack([m[name] for m in members]) for name in names]
    x = torch.stack([m["x"] for m in members]) if own_rows else members[0]["x"]

    def loss(centre: Tensor, encoder: Tensor, bias: Tensor, decoder: Tensor, x: Tensor) -> Tensor:
        active = encode_active(x, centre, encoder, bias, rule)
        dense = active.dense(10)
        return (decode_active(active, decoder) - x).square().sum() + dense.pow(4).sum()

    def each(*args: Tensor) -> Tensor:
        return torch.func.vmap(loss, (0, 0, 0, 0, 0 if own_rows else None))(*args)

    inner = torch.func.vmap(torch.func.grad(loss, (0, 1, 2, 3, 4)), (0, 0, 0, 0, 0 if own_rows else None))(*stacked, x)
    leaves = [s.requires_grad_() for s in stacked]
    outer = torch.autograd.grad(each(*leaves, x).sum(), leaves)
    for i, member in enumerate(members):
        own = [member[name].requires_grad_() for name in names]
        rows = (x[i] if own_rows else x).clone().requires_grad_()
        expected = torch.autograd.grad(loss(*own, rows), [*own, rows])
        for kind in (inner, outer):
            for got, wanted in zip(kind, expected, strict=kind is inner):
                assert torch.allclose(got[i], wanted, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("joint", [0, 1 << 22])
@pytest.mark.parametrize("rank", [1, 2])
@pytest.mark.parametrize("options", [(False, False), (True, False), (False, True), (True, True)])
def test_members_on_the_same_rows_have_their_own_bias_gain_and_allowed_units(options, rank, joint, monkeypatch):
    monkeypatch.setattr(encode, "_JOINT", joint)
    members = [problem(seed, 150, 7, 10, rank, torch.float64) for seed in range(3)]
    optional = [
        name for name, wanted in zip(("bias", "gain", "allowed"), (options[0], *options), strict=True) if wanted
    ]
    stacked = {name: torch.stack([m[name] for m in members]) for name in ["centre", "encoder", *optional]}
    x, rule = members[0]["x"], TopUnits(2, rank)

    def call(p: dict[str, Tensor]) -> Active:
        return encode_active(x, p["centre"], p["encoder"], p.get("bias"), rule, p.get("gain"), p.get("allowed"))

    together = torch.vmap(call)(stacked)
    for i, member in enumerate(members):
        alone = call({name: member[name] for name in stacked})
        mine = Active(*(field[i] for field in together))
        assert torch.allclose(mine.dense(10), alone.dense(10))
        assert torch.equal(mine.starts, alone.starts)
    only = torch.vmap(call)({name: field[:1] for name, field in stacked.items()})
    assert torch.allclose(only.values, together.values[:1])


@pytest.mark.parametrize("layout", ["each row repeated", "members last"])
def test_rows_of_a_members_own_are_not_taken_for_shared_ones(layout):
    members, rule = [problem(seed, 9, 7, 10, 2, torch.float64) for seed in range(3)], TopUnits(3, 2)
    names = ("centre", "encoder", "bias")
    rows = [m["x"][:1].expand(9, -1) if layout == "each row repeated" else m["x"] for m in members]

    def call(p: dict[str, Tensor], x: Tensor) -> Active:
        return encode_active(x, p["centre"], p["encoder"], p["bias"], rule)

    stacked = {name: torch.stack([m[name] for m in members]) for name in names}
    if layout == "each row repeated":
        together = torch.vmap(call)(stacked, torch.stack([x[:1] for x in rows]).expand(-1, 9, -1))
    else:
        together = torch.vmap(call, in_dims=(0, 2))(stacked, torch.stack(rows, dim=2))
    for i, (member, x) in enumerate(zip(members, rows, strict=True)):
        mine = Active(*(field[i] for field in together))
        assert torch.allclose(mine.dense(10), call(member, x).dense(10))


@pytest.mark.parametrize("ensembles", [1, 2])
def test_an_ensemble_of_ensembles_is_its_members(ensembles):
    members = [problem(seed, 9, 7, 10, 2, torch.float64) for seed in range(2 * ensembles)]
    names, x, rule = ("centre", "encoder", "bias"), members[0]["x"], TopUnits(3, 2)

    def call(p: dict[str, Tensor]) -> Active:
        return encode_active(x, p["centre"], p["encoder"], p["bias"], rule)

    stacked = {name: torch.stack([m[name] for m in members]).unflatten(0, (ensembles, 2)) for name in names}
    together = torch.vmap(torch.vmap(call))(stacked)
    for i, member in enumerate(members):
        mine = Active(*(field[divmod(i, 2)] for field in together))
        assert torch.allclose(mine.dense(10), call(member).dense(10))


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"count": 0}, "count"),
        ({"count": 1, "rank": 0}, "rank"),
        ({"count": 1, "by": "size"}, "by must be"),
        ({"count": 1, "over": "rows"}, "over must be"),
        ({"count": 1, "rank": 2, "by": "value"}, "by='value' needs rank 1"),
    ],
)
def test_impossible_rules_are_refused_each_time(settings, match):
    for _ in range(2):
        with pytest.raises(ValueError, match=match):
            TopUnits(**settings)


def test_a_rule_of_a_count_alone_keeps_single_columns_by_their_size_in_each_row_without_a_look():
    assert TopUnits(3) == TopUnits(count=3, rank=1, by="norm", over="row", screen=False)


def test_a_truth_value_is_no_count_though_it_equals_one_that_was_checked():
    TopUnits(1)
    with pytest.raises(ValueError, match="count must be a real number"):
        TopUnits(True)
