"""Which unit stands for which feature, where subspace and support agree and where they do not."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sasa_theory.metrics import METRICS, observe
from sasa_theory.metrics.matching import Matching, assign

from . import dictionaries
from .dictionaries import DIMS, WIDTH, Fixed
from .reading import ROWS, known, value

seeds = st.integers(0, 2**32 - 1)


@pytest.mark.parametrize(("degrees", "recovered"), [(18, 1), (19, 0)])
def test_a_subspace_is_recovered_up_to_eighteen_degrees(degrees: int, recovered: int) -> None:
    angle = math.radians(degrees)
    bases = dictionaries.truth(known())
    outside = torch.linalg.svd(torch.cat(bases)).Vh[sum(DIMS) :]
    turned = [math.cos(angle) * basis + math.sin(angle) * outside[: len(basis)] for basis in bases]
    observation = observe(Fixed(turned, 2, gates=bases), known(), ROWS)
    assert value("recovery", observation) == pytest.approx(math.cos(angle) ** 2, rel=1e-5)
    assert value("recovered", observation) == recovered


@pytest.mark.parametrize(("recovery", "f1", "recovered"), [(0.9, 0.8, 1), (0.9 - 1e-9, 0.8, 0), (0.9, 0.8 - 1e-9, 0)])
def test_both_thresholds_count_as_reached(recovery: float, f1: float, recovered: int) -> None:
    unit, scores = torch.tensor([0]), (torch.tensor([[score]], dtype=torch.float64) for score in (recovery, f1))
    matching = Matching(*scores, subspace=unit, support=unit, occurs=torch.tensor([True]))
    assert METRICS["recovered"].measure(SimpleNamespace(matching=matching)).value == recovered


def test_one_wrong_unit_in_two_assignments_is_no_recovery() -> None:
    """Units that span one feature and fire for another win a subspace each and a support each, and recover nothing."""
    bases = dictionaries.truth(known())
    pairs = [1, 0, 3, 2, 5, 4]  # each unit fires for the other feature of its dimension
    crossed = Fixed(bases, 2, encoders=[bases[i] for i in pairs], gates=[bases[i] for i in pairs])
    observation = observe(crossed, known(), ROWS)
    assert value("recovery", observation) == pytest.approx(1)
    assert value("support_f1", observation) == pytest.approx(1)
    assert observation.matching.subspace.tolist() == [0, 1, 2, 3, 4, 5]
    assert observation.matching.support.tolist() == pairs
    assert value("recovered", observation) == 0


def test_ties_in_one_assignment_are_settled_by_the_other() -> None:
    bases = dictionaries.truth(known())
    blind = torch.zeros(1, WIDTH)
    spare = [torch.cat((basis, blind)) for basis in bases]
    lazy = Lazy([*spare, *bases], 12)  # two units with each subspace; the first six fire in half of the rows
    observation = observe(lazy, known(), ROWS)
    assert observation.matching.subspace.tolist() == [6, 7, 8, 9, 10, 11]
    assert value("recovered", observation) == 1


def test_of_units_that_fire_alike_the_one_that_spans_the_feature_has_its_support() -> None:
    bases = dictionaries.truth(known())
    elsewhere = [basis.roll(3, dims=1) for basis in bases]
    observation = observe(Fixed([*elsewhere, *bases], 4, gates=[*bases, *bases]), known(), ROWS)
    assert observation.matching.support.tolist() == [6, 7, 8, 9, 10, 11]
    assert value("recovered", observation) == 1


class Lazy(Fixed):
    """The first half of the units fire only where the first coordinate is positive."""

    def encode(self, x: torch.Tensor) -> torch.Tensor:
        first = self.of < self.n_units // 2
        return super().encode(x) * ~(first & (x[:, :1] < 0))


@given(seed=seeds, features=st.integers(1, 6), units=st.integers(1, 6))
def test_no_other_assignment_has_a_larger_total(seed: int, features: int, units: int) -> None:
    scores = torch.rand(features, units, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    chosen = assign(scores)
    found = chosen[chosen >= 0]
    assert len(found) == len(found.unique()) == min(features, units)
    total = sum(scores[i, k] for i, k in enumerate(chosen.tolist()) if k >= 0)
    assert total >= largest(scores.tolist()) - 1e-12


def largest(scores: list[list[float]], taken: frozenset[int] = frozenset()) -> float:
    """The largest total of one-for-one assignments, by trying them all."""
    if not scores or len(taken) == len(scores[0]):
        return 0.0
    first, *rest = scores
    with_first = [first[k] + largest(rest, taken | {k}) for k in range(len(first)) if k not in taken]
    return max(*with_first, largest(rest, taken)) if len(rest) + len(taken) >= len(first) else max(with_first)
