"""The first look in 8 bits decides nothing that full precision would decide otherwise."""

from __future__ import annotations

import pytest
import torch

from sasa_theory import designs
from sasa_theory.designs.kernels import SCREEN_TOLERANCE, TopUnits, encode_active, screen
from sasa_theory.designs.kernels.codes import Encoder

RULES = [
    TopUnits(8, 1, "value"),
    TopUnits(8, 1, "norm"),
    TopUnits(4, 4),
    TopUnits(8, 1, "value", "batch"),
    TopUnits(4, 4, over="batch"),
]


def normal(seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def chosen(
    x: torch.Tensor, encoder: torch.Tensor, bias: torch.Tensor | None, rule: TopUnits, look: bool, **more: torch.Tensor
) -> torch.Tensor:
    rule = TopUnits(rule.count, rule.rank, rule.by, rule.over, look)
    return encode_active(x, x.new_zeros(x.shape[1]), encoder, bias, rule, **more).dense(len(encoder) // rule.rank)


@pytest.mark.parametrize("rule", RULES, ids=str)
@pytest.mark.parametrize("rows", ["normal", "outlier", "constant", "zero", "huge"])
@pytest.mark.parametrize("with_gain", [False, True])
def test_the_selection_is_the_exact_one(rule, rows, with_gain):
    x, encoder, bias = normal(1, 96, 512), normal(2, 1024, 512), 10 * normal(3, 1024)
    if rows == "outlier":
        x[:, 3] += 60.0  # one large entry leaves few steps to the others
    elif rows == "constant":
        x[::2] = x[0]
    elif rows == "zero":
        x[::3] = 0.0
    elif rows == "huge":
        x[::3] *= 1e6
        encoder[7] *= 1e3
    more = {"gain": torch.linspace(0.5, 1.5, 1024 // rule.rank)} if with_gain else {}
    exact, looked = (chosen(x, encoder, bias, rule, look, **more) for look in (False, True))
    assert torch.equal(exact != 0, looked != 0)
    assert torch.allclose(exact, looked, rtol=1e-4, atol=1e-4 * float(exact.abs().max()))


@pytest.mark.parametrize("over", ["row", "batch"])
def test_rows_with_many_nearly_equal_units_are_searched_again(over):
    """Scores that differ by far less than a step: rounding alone would choose among them at random."""
    x = normal(1, 24, 256)
    direction = normal(2, 256)
    encoder = direction + 1e-3 * normal(3, 512, 256)
    x += 3 * direction
    rule = TopUnits(6, over=over)
    exact, looked = (chosen(x.double(), encoder.double(), None, rule, look) for look in (False, True))
    assert torch.equal(exact != 0, looked != 0)


def test_the_error_of_the_look_is_within_the_tolerance():
    x, weight = normal(1, 256, 512), normal(2, 2048, 512)
    look = screen._Look(x, Encoder(weight, None, None, TopUnits(4, 2)))
    scores = torch.cat(list(look.chunks())) * look.rows.step
    true = (x @ weight.mT).unflatten(1, (-1, 2)).norm(dim=2)
    error = (
        (scores - true).abs() / (x.norm(dim=1, keepdim=True) * weight.unflatten(0, (-1, 2)).flatten(1).norm(dim=1))
    ).max()
    assert SCREEN_TOLERANCE / 10 < error < SCREEN_TOLERANCE / 1.5
    assert bool(look.trusted.all())
    assert bool(((scores - true).abs() <= look.margin.unsqueeze(1)).all())


def test_where_the_look_is_clear_nothing_is_searched_again(monkeypatch):
    encoder = normal(1, 1024, 512)
    codes = torch.zeros(64, 1024)
    codes.scatter_(1, torch.rand(64, 1024, generator=torch.Generator().manual_seed(2)).topk(4).indices, 3.0)
    x = codes @ encoder + 0.1 * normal(3, 64, 512)
    wanted = [chosen(x, encoder, None, TopUnits(4, over=over), False) for over in ("row", "batch")]

    def refuse(*_: object) -> None:
        raise AssertionError("searched again")

    monkeypatch.setattr(screen, "best_of_rows", refuse)
    monkeypatch.setattr(screen, "search", refuse)
    looked = [chosen(x, encoder, None, TopUnits(4, over=over), True) for over in ("row", "batch")]
    assert all(
        torch.allclose(a, b, atol=1e-2) and torch.equal(a != 0, b != 0) for a, b in zip(wanted, looked, strict=True)
    )


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("topk", {"atoms": 1024, "k": 8}),
        ("topk/signed", {"atoms": 1024, "k": 8}),
        ("sasa/no_nuclear", {"groups": 256, "rank": 4, "active": 2}),
    ],
)
def test_designs_fire_alike_with_and_without_it(name, settings, monkeypatch):
    x = normal(1, 48, 512)
    codes = designs.get(name, width=512, **settings).encode(x)
    looks = []
    monkeypatch.setattr(screen._Look, "__init__", _noted(screen._Look.__init__, looks))
    looked = designs.get(name, width=512, **settings, screen=True).encode(x)
    assert len(looks) == 1
    assert torch.equal(codes != 0, looked != 0)
    assert torch.allclose(codes, looked, atol=1e-5)


def _noted(method, calls):
    def noting(*args):
        calls.append(args)
        method(*args)

    return noting
