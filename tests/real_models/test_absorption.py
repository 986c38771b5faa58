"""Absorption that was planted is found, by unit whatever the basis, by column only in the right one."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.sparse import csr_array

from real_models.absorption import absorption, contribution_cosines, decoder_cosines, fractions, fully
from real_models.parts import Parts, parts_of
from sasa_theory import designs
from sasa_theory.designs.contract import Design
from sasa_theory.designs.layer_norm import LayerNormed

WIDTH, CLASSES, NUMBER, SIZE = 40, 3, 600, 6
ODD, CHILD, KINDS = 3, 4, 5
"""Axes: classes 0 to 2, rows of odd place, five kinds of children; 3 % of the rows of each class have each kind."""

UNITS = CLASSES + 1 + 2 * KINDS


class Absorbing(Design):
    """Units for classes and children; where class 0 and a child meet, a unit of its own takes ``share`` of the class.

    Each unit has six columns, of which the first fires as long as nothing is turned. Units 0 and 1 both are class 0's:
    the second serves rows of odd place if ``split``, else none.
    """

    def __init__(self, share: float, split: bool = False, turn: int | None = None) -> None:
        super().__init__(WIDTH, UNITS * SIZE)
        self.share, self.split = share, split
        generator = torch.Generator().manual_seed(7)
        rows = torch.nn.functional.normalize(torch.randn(UNITS, SIZE, WIDTH, generator=generator), dim=2)
        axes = torch.tensor([0, 0, 1, 2, *range(CHILD, CHILD + KINDS), *range(CHILD, CHILD + KINDS)])
        rows[:, 0] = torch.eye(WIDTH)[axes]
        rows[-KINDS:, 0, 0] = share
        turns = torch.eye(SIZE).repeat(UNITS, 1, 1)
        if turn is not None:
            turns = torch.linalg.qr(torch.randn(UNITS, SIZE, SIZE, generator=torch.Generator().manual_seed(turn))).Q
        self.turns, self.rows = turns, (turns.mT @ rows).flatten(0, 1)

    def encode(self, x):
        children = x[:, CHILD : CHILD + KINDS]
        both = (x[:, :1] + children - 1).clamp_min(0)
        zero = x[:, 0] - self.share * both.sum(dim=1)
        second = (x[:, ODD] > 0) & self.split
        first = torch.stack([zero * ~second, zero * second, x[:, 1], x[:, 2]], dim=1)
        first = torch.cat([first, children - both, both], dim=1)
        return (first[:, :, None] * self.turns[:, 0]).flatten(1)

    def decode(self, codes):
        return codes @ self.rows

    def units(self):
        return torch.arange(UNITS).repeat_interleave(SIZE)


def rows():
    """Rows of three classes, children spread alike over them."""
    place = torch.arange(NUMBER)
    labels, within = place % CLASSES, place // CLASSES
    x = torch.zeros(NUMBER, WIDTH)
    x[place, labels] = 1
    child = within % 20 < 3
    x[place[child], CHILD + within[child] // 20 % KINDS] = 1
    x[:, ODD] = within % 2
    return x, labels


def found(design, **settings):
    x, labels = rows()
    told = {"least_rows": 10, "draws": 0, "probe": "mean_difference", "held_out": 0.5} | settings
    return absorption(design, x, labels, names=["zero", "one", "two"], **told)


def children(seed=0):
    """Share of held-out rows of class 0 with the child."""
    x, labels = rows()
    held = np.random.default_rng(seed).permutation(NUMBER) < NUMBER // 2
    mine = held & (labels == 0).numpy()
    return float((x[:, CHILD : CHILD + KINDS] > 0).any(dim=1).numpy()[mine].mean()), int(mine.sum())


@pytest.mark.parametrize("probe", ["mean_difference", "logistic"])
@pytest.mark.parametrize(("share", "each"), [(0.0, 0.0), (0.3, 0.0), (0.5, 0.5), (0.7, 0.7), (1.0, 1.0)])
def test_planted_absorption_is_found(share, each, probe):
    result = found(Absorbing(share), probe=probe)
    expected, number = children()
    for by in (result.units, result.columns):
        zero, one, two = by.classes
        assert (zero.name, zero.rows, zero.main) == ("zero", number, 1)
        assert zero.fraction == pytest.approx(each * expected, abs=0.02)
        assert zero.full == pytest.approx(expected if share == 1 else 0)
        assert one.fraction == two.fraction == one.full == two.full == 0
        assert by.fraction == pytest.approx(zero.fraction / 3)


@pytest.mark.parametrize("turn", range(2))
def test_units_give_the_same_in_every_basis_and_columns_do_not(turn):
    straight, turned = found(Absorbing(0.7), draws=3), found(Absorbing(0.7, turn=turn))
    for one, other in zip(straight.units.classes, turned.units.classes, strict=True):
        assert one[:3] == other[:3]
        assert one[3:] == pytest.approx(other[3:], abs=1e-5)
    # absorption is hidden where it is; where it is not, a class's own unit, spread over columns, may look absorbed
    assert [each.fraction for each in straight.columns.classes][1:] == [0, 0]
    planted = straight.columns.classes[0].fraction
    assert any(columns.classes[0].fraction < 0.8 * planted for columns in straight.turned)
    assert any(max(each.fraction for each in columns.classes[1:]) > 0.03 for columns in straight.turned)
    assert abs(turned.columns.fraction - straight.columns.fraction) > 0.2 * straight.columns.fraction
    mean, low, high = straight.turned_fraction
    assert len(straight.turned) == 3
    assert low < mean < high
    assert straight.turned[0] != straight.turned[1]


def test_members_that_the_probe_does_not_recognise_are_not_scored():
    x, labels = rows()
    unlike = (labels == 0) & (torch.arange(NUMBER) // CLASSES % 20 == 19)
    x[unlike, :2] = torch.tensor([0.0, 1.0])
    told = {"least_rows": 10, "draws": 0, "held_out": 0.5}
    result = absorption(Absorbing(0.7), x, labels, **told)
    held = torch.tensor(np.random.default_rng(0).permutation(NUMBER) < NUMBER // 2)
    assert (held & unlike).any()
    assert result.units.classes[0].rows == int((held & (labels == 0) & ~unlike).sum())


def test_a_class_that_two_parts_share_has_both_as_its_own():
    result = found(Absorbing(0.0, split=True), probe="logistic")
    assert [each.main for each in result.units.classes] == [2, 1, 1]
    assert result.units.main == pytest.approx(4 / 3)
    assert result.units.fraction == 0


def toy(share, cosine, draws=400, width=768):
    """In each row another unit of rank 6 carries a share of the probe's direction; the class's own part, .2 of it."""
    rng, u = np.random.default_rng(1), np.eye(width)[0]
    rows = rng.standard_normal((1 + 6 * draws, width))
    first = np.concatenate(([0], 1 + 6 * np.arange(draws)))
    rows[first, 0] = 0
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    towards = np.array([0.7, *[cosine] * draws])
    rows[first] = towards[:, None] * u + np.sqrt(1 - towards**2)[:, None] * rows[first]
    codes = np.zeros((draws, len(rows)))
    codes[:, 0] = 0.2 / 0.7
    codes[np.arange(draws), first[1:]] = share / cosine
    unit = Parts(csr_array(codes), rows, np.concatenate(([0], 1 + np.arange(6 * draws) // 6)))
    found = {}
    for name, parts, cosines in (
        ("unit", unit, contribution_cosines),
        ("column", unit.by_column(), decoder_cosines),
        ("turned", unit.turned(rng).by_column(), decoder_cosines),
    ):
        each = fractions(parts.along(u).toarray(), cosines(parts, u), np.ones(draws), np.array([0]))
        found[name] = float(each.mean())
    return found


@pytest.mark.parametrize(
    ("share", "expected", "low", "high"), [(0.5, 0.714, 0.03, 0.18), (0.6, 0.75, 0.10, 0.28), (0.8, 0.80, 0.20, 0.42)]
)
def test_random_turns_of_one_unit_hide_absorption_from_columns(share, expected, low, high):
    for cosine in (0.2, 0.5):
        scores = toy(share, cosine)
        assert scores["column"] == pytest.approx(expected, abs=0.005)
        assert scores["unit"] == pytest.approx(expected, abs=0.005)
        assert low < scores["turned"] < high


def test_scores_are_those_of_a_loop_over_the_definition():
    rng = np.random.default_rng(3)
    parts = 9
    added, cosines = rng.normal(0.1, 0.3, (400, parts)), rng.uniform(-0.1, 0.4, (400, parts))
    along, main = rng.normal(0.9, 0.7, 400), np.array([2, 5])
    fires = rng.random((400, parts)) < 0.5
    for n in range(400):
        own = sum(added[n, k] for k in main)
        others = [added[n, k] for k in range(parts) if k not in main and cosines[n, k] >= 0.1 and added[n, k] > 0]
        absorbers = sum(sorted(others)[-3:])
        if own >= along[n] or along[n] <= 0 or absorbers / along[n] < 0.4:
            expected = 0.0
        elif own <= 0:
            expected = 1.0
        else:
            a = min(absorbers, along[n] - own)
            expected = a / (a + own)
        assert fractions(added[[n]], cosines[[n]], along[[n]], main)[0] == pytest.approx(expected)
        top = max(range(parts), key=lambda k: added[n, k])
        whole = not fires[n, main].any() and along[n] >= 0 and cosines[n, top] >= 0.025
        whole = whole and added[n, top] > 0 and added[n, top] >= 0.4 * along[n]
        assert fully(added[[n]], cosines[[n]], fires[[n]], along[[n]], main)[0] == whole


def test_parts_are_the_designs_units():
    design = designs.get("sasa/paper", seed=0, width=12, groups=8, rank=3, active=2)
    x = torch.randn(30, 12, generator=torch.Generator().manual_seed(1))
    inner = design.inner if isinstance(design, LayerNormed) else design
    parts, u = parts_of(design, x), np.random.default_rng(0).standard_normal(12)
    codes = design.encode(x).detach().double()[:, :24].reshape(30, 8, 3)
    with torch.no_grad():
        rows = inner.decode(torch.eye(24)) - inner.decode(torch.zeros(1, 24))
    c = torch.einsum("nkr,krw->nkw", codes, rows.double().reshape(8, 3, 12)).numpy()
    assert parts.number == 8
    np.testing.assert_allclose(parts.along(u).toarray(), c @ u, atol=1e-5)
    np.testing.assert_allclose(parts.squares.toarray(), (c**2).sum(axis=2), atol=1e-5)
    np.testing.assert_array_equal(parts.fires.toarray() > 0, (codes != 0).any(dim=2).numpy())
    turned = parts.turned(np.random.default_rng(5))
    np.testing.assert_allclose(turned.along(u).toarray(), parts.along(u).toarray(), atol=1e-6)
    assert not np.allclose(turned.codes.toarray(), parts.codes.toarray(), atol=0.1)
    own = parts.coordinates(4)
    np.testing.assert_allclose(own @ own.T, c[:, 4] @ c[:, 4].T, atol=1e-5)
    single = parts.by_column().turned(np.random.default_rng(0))
    np.testing.assert_array_equal(single.codes.toarray(), parts.codes.toarray())


def test_layer_normed_designs_lose_their_side_channel_and_atoms_have_no_turns():
    inner = designs.get("topk", seed=0, width=WIDTH, atoms=50, k=4)
    assert parts_of(LayerNormed(inner), rows()[0]).number == 50
    result = found(LayerNormed(inner), draws=2)
    assert result.turned == ()
    assert result.units == result.columns
    assert math.isnan(result.turned_fraction[0])


def test_classes_that_no_probe_can_tell_are_left_out():
    x, labels = rows()
    order = torch.randperm(NUMBER, generator=torch.Generator().manual_seed(0))
    result = absorption(Absorbing(0.5), x, labels[order], least_rows=1, draws=0)
    assert result.units.classes == ()
    assert math.isnan(result.units.fraction)
    assert found(Absorbing(0.5), least_rows=1000).units.classes == ()


def test_impossible_requests_are_refused():
    x, labels = rows()
    with pytest.raises(ValueError, match=r"x must be of shape \(n, 40\) and labels of shape \(n,\), got \(600, 39\)"):
        absorption(Absorbing(0.5), x[:, 1:], labels)
    with pytest.raises(ValueError, match="did you mean 'logistic'"):
        absorption(Absorbing(0.5), x, labels, probe="logistical")
    with pytest.raises(ValueError, match="held_out"):
        absorption(Absorbing(0.5), x, labels, held_out=1.0)
