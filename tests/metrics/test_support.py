"""Firing against presence, and MCC, on patterns that can be counted by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sasa_theory.metrics import METRICS, observe
from sasa_theory.metrics.rows import Rows

from . import dictionaries
from .dictionaries import WIDTH, Fixed
from .reading import ROWS, each, known, seen, value

seeds = st.integers(0, 2**32 - 1)


def test_split_units_fire_exactly_with_their_feature() -> None:
    assert each("support_f1", seen("split")) == pytest.approx([1.0] * 6)


def test_only_features_of_one_dimension_are_exactly_served_when_split() -> None:
    present = seen("split").crowd.present.sparse().to_dense()
    assert value("exact_support", seen("split")) == pytest.approx(
        float((present[:, 2:].sum(dim=1) == 0).double().mean())
    )


def test_a_merged_unit_fires_for_two_features_and_is_precise_for_neither() -> None:
    merged = seen("merged")
    present = seen("merged").crowd.present.counts()
    precision, recall = each("support_precision", merged), each("support_recall", merged)
    assert sorted(recall) == pytest.approx([0, 0, 1, 1, 1, 1])  # two features have no unit left
    for i in (0, 1, 2, 3):
        partner = (i + 2) % 4
        both = merged.crowd.present.sparse().to_dense()[:, [i, partner]].any(dim=1).sum()
        assert precision[i] == pytest.approx(recall[i] * float(present[i] / both))
    assert precision[4:] == pytest.approx([1, 1])


def test_each_of_two_copies_fires_for_half_of_the_feature() -> None:
    copies = seen("duplicated")
    assert each("support_precision", copies) == pytest.approx([1.0] * 6)
    assert each("support_recall", copies) == pytest.approx([0.5] * 6, abs=0.06)
    assert value("exact_support", copies) == pytest.approx(0.25, abs=0.05)  # right for both of a row's features


def test_a_unit_that_always_fires_is_as_precise_as_its_feature_is_frequent() -> None:
    junk = seen("junk")
    frequent = seen("junk").crowd.present.counts() / ROWS
    assert max(each("support_precision", junk)) == pytest.approx(float(frequent.max()))
    assert max(each("support_recall", junk)) == 1
    assert value("exact_support", junk) == 0


def test_junk_that_always_fires_beside_the_truth_makes_no_row_exact() -> None:
    bases = dictionaries.truth(known())
    nothing = 1e-3 * torch.eye(WIDTH)
    observation = observe(Always([*bases, nothing], 3), known(), ROWS)
    assert value("support_f1", observation) == 1
    assert value("exact_support", observation) == 0


class Always(Fixed):
    """The last unit fires in every row beside those of the gate."""

    def encode(self, x: torch.Tensor) -> torch.Tensor:
        last = (self.of == self.n_units - 1).to(x)
        return super().encode(x) * (1 - last) + last


@given(seed=seeds, units=st.integers(1, 9), active=st.integers(1, 3))
def test_scores_are_those_of_dense_patterns(seed: int, units: int, active: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    sizes = torch.randint(1, 4, (units,), generator=generator).tolist()
    rows = [torch.randn(r, WIDTH, generator=generator) for r in sizes]
    design = Fixed(rows, min(active, units))
    observation = replace(observe(design, known(), 60), rows=Rows(known(), 60, seed, block=17))
    fired = torch.cat([design.presence(design.encode(block.x)) > 0 for block in observation.rows])
    present = torch.cat([block.truth.dense() for block in observation.rows])
    wrong = torch.zeros(60, dtype=torch.bool)
    served: set[int] = set()
    for i, k in enumerate(observation.matching.support.tolist()):
        if not present[:, i].any():
            continue
        unit = fired[:, k] if k >= 0 else torch.zeros(60, dtype=torch.bool)
        both = float((unit & present[:, i]).sum())
        assert each("support_precision", observation)[i] == pytest.approx(both / max(int(unit.sum()), 1))
        assert each("support_recall", observation)[i] == pytest.approx(both / int(present[:, i].sum()))
        wrong |= unit != present[:, i]
        served.add(k)
    wrong |= fired[:, [k for k in range(units) if k not in served]].any(dim=1)
    assert value("exact_support", observation) == pytest.approx(1 - float(wrong.double().mean()))


def test_f1_is_the_harmonic_mean_of_precision_and_recall() -> None:
    for name in ("merged", "duplicated", "junk", "split"):
        pairs = zip(each("support_precision", seen(name)), each("support_recall", seen(name)), strict=True)
        expected = [2 * p * r / (p + r) if p + r else 0 for p, r in pairs]
        assert each("support_f1", seen(name)) == pytest.approx(expected)


def test_mcc_of_atoms_is_the_mean_absolute_cosine_of_decoder_rows_fired_or_not() -> None:
    direction = dictionaries.truth(known())[0][0]
    other = torch.linalg.svd(torch.cat(dictionaries.truth(known()))).Vh[-1]
    turned = -3 * (0.6 * direction + 0.8 * other)
    alone = Fixed([turned.unsqueeze(0)], 1, encoders=[torch.zeros(1, WIDTH)])
    reading = METRICS["mcc"].measure(observe(alone, known(), 50))
    assert reading.value == pytest.approx(0.6)  # one pair; it never fires
    assert reading.each.isnan().tolist() == [False] + [True] * 5


def test_mcc_sees_one_direction_of_a_unit_only() -> None:
    assert value("mcc", seen("split")) == pytest.approx(1)  # though no unit spans a feature
    bases = dictionaries.truth(known())
    pairs = torch.cat((2 * bases[4], bases[5]))
    two_in_one = observe(Fixed([*bases[:4], pairs], 5), known(), ROWS)
    assert each("mcc", two_in_one)[4] == pytest.approx(1, abs=1e-3)  # though the unit is half another feature's


def test_uniqueness_counts_different_nearest_features_of_units_that_fire() -> None:
    assert value("mcc_uniqueness", seen("perfect")) == 1
    assert value("mcc_uniqueness", seen("merged")) == 1
    assert value("mcc_uniqueness", seen("split")) == pytest.approx(6 / 12)
    assert value("mcc_uniqueness", seen("duplicated")) == pytest.approx(6 / 12)
    assert value("mcc_uniqueness", seen("junk")) == 1  # of seven units one fires
    bases = dictionaries.truth(known())
    silent = Fixed(bases, 2, encoders=[torch.zeros_like(basis) for basis in bases])
    assert math.isnan(value("mcc_uniqueness", observe(silent, known(), 50)))


def test_mcc_of_rows_in_a_unit_does_not_follow_the_gauge() -> None:
    known_bases = dictionaries.truth(known())
    wide = [torch.cat((known_bases[i], known_bases[i + 2])) for i in (0, 1)] + known_bases[4:]
    generator = torch.Generator().manual_seed(4)
    turned = [dictionaries.orthogonal(len(block), generator) @ block for block in wide]
    before, after = (value("mcc", observe(Fixed(blocks, 2), known(), ROWS)) for blocks in (wide, turned))
    assert before == pytest.approx(after, abs=1e-5)
