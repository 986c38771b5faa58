"""Sparse probes find planted classes at their price, favour no basis nor size, and learn nothing from tests."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.sparse import csr_array

from real_models import probing
from real_models.logistic import balanced_accuracy, f1, fit_logistic
from real_models.parts import Parts
from real_models.probing import Budget, affordable, ranked, sparse_probing
from sasa_theory.designs.contract import Design

WIDTH, RANK, GROUPS, NUMBER = 24, 3, 8, 240


class Blocks(Design):
    """Groups of coordinates, each turned by a rotation of its own."""

    def __init__(self, turn: int | None = None, rank: int = RANK) -> None:
        super().__init__(WIDTH, WIDTH)
        self.rank, groups = rank, WIDTH // rank
        turns = torch.eye(rank).repeat(groups, 1, 1)
        if turn is not None:
            turns = torch.linalg.qr(torch.randn(groups, rank, rank, generator=torch.Generator().manual_seed(turn))).Q
        self.matrix = torch.block_diag(*turns)

    def encode(self, x):
        return x @ self.matrix

    def decode(self, codes):
        return codes @ self.matrix.T

    def units(self):
        return torch.arange(WIDTH) // self.rank


def rows(signal=4.0, seed=0):
    """Four classes; classes 0 and 1 lie in one group each, class 2 in two, class 3 nowhere."""
    x = torch.randn(NUMBER, WIDTH, generator=torch.Generator().manual_seed(seed))
    labels = torch.arange(NUMBER) % 4
    x[labels == 0, 0] += signal
    x[labels == 1, 4] += signal
    x[labels == 2, 7] += signal / 2
    x[labels == 2, 10] += signal / 2
    return x, labels


def probed(design=None, data=None, **settings):
    x, labels = data or rows()
    told = {"columns": (3, 6), "permutations": 0} | settings
    return sparse_probing(design or Blocks(), x, labels, **told)


def test_a_class_in_one_group_is_told_by_one_unit_that_costs_its_columns():
    x, labels = rows(8.0)
    found = probed(data=(x[labels < 2], labels[labels < 2]))
    assert found.classes == 2
    assert found.accuracy("units", 1) > 0.97
    assert found.accuracy("columns", 3) == found.accuracy("units", 1)
    assert found.raw > 0.97
    assert [each.columns for each in found.budgets] == [3, 6, 15, 3, 6]
    with pytest.raises(ValueError, match="no probe with 3 units was measured, only with 1 units, 2 units"):
        found.accuracy("units", 3)


def test_a_class_in_two_groups_gains_from_the_second_unit():
    x, labels = rows(5.0)
    found = probed(data=(x, torch.where(labels == 2, 1, 0)))
    assert found.accuracy("units", 2) > found.accuracy("units", 1) + 0.02


def test_the_basis_of_a_unit_does_not_matter():
    straight, turned = probed(units=(1, 2), columns=()), probed(Blocks(turn=0), units=(1, 2), columns=())
    for one, other in zip(straight.budgets, turned.budgets, strict=True):
        assert one[:1] == other[:1]
        assert one.accuracy == pytest.approx(other.accuracy, abs=1e-9)
    signs = probed(Blocks(rank=1), units=(2,), columns=()), probed(Blocks(turn=0, rank=1), units=(2,), columns=())
    assert signs[0].budgets[0].accuracy == pytest.approx(signs[1].budgets[0].accuracy, abs=1e-9)


def test_atoms_are_given_as_many_columns():
    found = probed(Blocks(rank=1), units=(1,), columns=(1, 3))
    assert [each.columns for each in found.budgets] == [1, 1, 3]
    assert [each.budget for each in probed(units=(1,), columns=(1, 2, 3)).budgets] == [("units", 1), ("columns", 3)]


def test_large_units_of_noise_do_not_come_before_small_ones_with_a_signal():
    first = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        member, train = np.arange(80) % 2 == 0, np.ones(80, dtype=bool)
        codes = rng.standard_normal((80, 1 + 4 * 20))
        codes[member, 0] += 1.2
        owner = np.concatenate(([4], np.arange(80) // 20))
        parts = Parts(csr_array(codes), np.eye(len(owner)), owner)
        first.append(int(ranked(parts, member, train)[0]))
    assert np.mean(np.array(first) == 4) >= 0.9


def test_the_ranking_knows_nothing_of_rows_held_out():
    rng = np.random.default_rng(0)
    codes = rng.standard_normal((60, 6))
    member, train = np.arange(60) % 2 == 0, np.arange(60) < 40
    codes[train & member, 3] += 2
    codes[~train & member, 1] += 50
    parts = Parts(csr_array(codes), np.eye(6), np.arange(6))
    assert ranked(parts, member, train)[0] == 3


def test_noise_is_not_told_however_many_units_there_are_to_choose_from():
    generator = torch.Generator().manual_seed(3)
    accuracies = []
    for _ in range(4):
        x = torch.randn(90, WIDTH, generator=generator)
        labels = torch.randint(2, (90,), generator=generator)
        accuracies.append(probed(Blocks(rank=1), (x, labels), units=(1, 5), columns=()).accuracy("units", 5))
    assert np.mean(accuracies) == pytest.approx(0.5, abs=0.1)


def test_permuted_labels_give_the_null():
    found = probed(units=(1,), columns=(), permutations=2)
    (one,) = found.budgets
    assert one.null == pytest.approx(0.5, abs=0.08)
    assert one.null <= one.null_high < one.accuracy
    assert math.isnan(probed(units=(1,), columns=()).budgets[0].null)
    assert probed(units=(1,), columns=(), permutations=2) == found


@pytest.mark.parametrize(
    ("budget", "expected"),
    [
        (Budget("units", 2), [3, 0]),
        (Budget("columns", 7), [3, 1]),
        (Budget("columns", 6), [3, 1]),
        (Budget("columns", 1), [1]),
    ],
)
def test_units_are_bought_in_order_of_their_rank_as_long_as_they_can_be_paid(budget, expected):
    assert affordable(np.array([3, 0, 1, 2]), np.array([4, 1, 3, 5]), budget) == expected


def test_the_penalty_is_chosen_without_the_rows_held_out(monkeypatch):
    seen, own = [], probing._accuracy

    def spy(z, member, train, judged, penalty):
        seen.append((train, judged, penalty))
        return own(z, member, train, judged, penalty)

    monkeypatch.setattr(probing, "_accuracy", spy)
    probed(units=(1,), columns=(), data=(rows()[0], (rows()[1] == 0).long()))
    *inner, (train, test, _) = seen[:10]
    assert test.sum() == 48  # a fifth of 240
    assert (train == ~test).all()
    assert [penalty for *_, penalty in inner] == list(probing.PENALTIES) * 3
    for train, judged, _ in inner:
        assert not ((train | judged) & test).any()
        assert not (train & judged).any()
    assert sum(judged for _, judged, _ in inner[::3]).tolist() == (~test).tolist()  # each row once


def test_probes_are_at_their_optimum_and_turn_with_the_data():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((200, 5)) * 3 + 1
    targets = np.column_stack((x[:, 0] + rng.standard_normal(200) > 2, x[:, 1] > 4))
    probe = fit_logistic(x, targets, 1e-2)
    z = (x - x.mean(0)) / np.sqrt(((x - x.mean(0)) ** 2).sum() / 200)
    scale = np.sqrt(((x - x.mean(0)) ** 2).sum() / 200)

    def value(weight, shift, t):
        logits = z @ weight + shift
        each = np.logaddexp(0, np.where(t, -logits, logits))
        return (each[t].mean() + each[~t].mean()) / 2 + 0.005 * (weight**2).sum()

    for i, t in enumerate(targets.T):
        weight, shift = probe.weight[i] * scale, probe.bias[i] + probe.weight[i] @ x.mean(0)
        best = value(weight, shift, t)
        for k in range(6):
            for step in (-1e-2, 1e-2):
                moved = weight + step * np.eye(6)[k, :5]
                assert value(moved, shift + step * (k == 5), t) > best
    q = np.linalg.qr(rng.standard_normal((5, 5))).Q
    turned = fit_logistic(7 * x @ q, targets, 1e-2)
    np.testing.assert_allclose(7 * turned.weight @ q.T, probe.weight, atol=1e-4)
    truth = np.array([True, True, False, False, False])
    says = np.array([True, False, True, False, False])
    assert f1(says, truth) == pytest.approx(0.5)
    assert balanced_accuracy(says, truth) == pytest.approx((1 / 2 + 2 / 3) / 2)
    with pytest.raises(ValueError, match="true in some rows and false in others"):
        fit_logistic(x, np.ones((200, 1), dtype=bool))


def test_impossible_requests_are_refused():
    x, labels = rows()
    with pytest.raises(ValueError, match=r"labels of shape \(n,\), got \(240, 24\) and \(239,\)"):
        sparse_probing(Blocks(), x, labels[1:])
    with pytest.raises(ValueError, match="no class has rows inside"):
        sparse_probing(Blocks(), x, torch.zeros(NUMBER, dtype=torch.int64))
    with pytest.raises(ValueError, match="units must be"):
        probed(units=(0,))
