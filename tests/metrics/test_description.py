"""Bits of a row: against one pass in NumPy, and in cases that can be counted by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from sasa_theory.metrics import METRICS, Observation, observe
from sasa_theory.metrics.description import description_length
from sasa_theory.metrics.rows import Labelled

from . import dictionaries

WORLD = dictionaries.world(noise=0.1)
QUIET = dictionaries.world()
ROWS = 700


def rate(covariance: np.ndarray, delta: float) -> float:
    values = np.linalg.eigvalsh(np.atleast_2d(covariance))
    return sum(0.5 * math.log2(value / delta) for value in values if value > delta)


def by_hand(observation: Observation, share: float) -> tuple[float, float]:
    """Amplitudes and residual from all rows at once, contributions as they stand in the space of activations."""
    design = observation.design
    x = torch.cat([block.x for block in observation.rows])
    codes = design.encode(x)
    delta = share * float(x.double().var(dim=0, correction=0).sum()) / design.width
    amplitudes = 0.0
    for k in range(design.n_units):
        own = design.units() == k
        fired = (codes[:, own] != 0).any(dim=1)
        if fired.any():
            added = design.decode(codes * own)[fired].double().numpy()
            amplitudes += float(fired.double().mean()) * rate(np.cov(added.T, bias=True), delta)
    residual = (x - design.decode(codes)).double().numpy()
    return amplitudes, rate(np.cov(residual.T, bias=True), delta)


@pytest.mark.parametrize("form", ["perfect", "split", "merged", "duplicated", "junk"])
@pytest.mark.parametrize(("share", "block"), [(0.002, 90), (0.05, 2048)])
def test_amplitudes_and_residual_are_those_of_one_pass(form: str, share: float, block: int) -> None:
    observation = observe(getattr(dictionaries, form)(WORLD), WORLD, ROWS)
    observation = replace(observation, rows=replace(observation.rows, block=block))
    found = description_length(observation, share)
    amplitudes, residual = by_hand(observation, share)
    assert found.amplitudes == pytest.approx(amplitudes, rel=1e-5, abs=1e-6)
    assert found.residual == pytest.approx(residual, rel=1e-5, abs=1e-6)
    assert found.total == found.support + found.amplitudes + found.residual + found.dictionary


def test_the_truth_is_counted_by_hand() -> None:
    found = description_length(observe(dictionaries.perfect(QUIET), QUIET, ROWS))
    assert found.support == pytest.approx(math.log2(15))  # two of six
    assert found.residual == 0
    free = 2 * (1 * 15 + 2 * 14 + 3 * 13)
    assert found.dictionary == pytest.approx(free / 2 * math.log2(ROWS) / ROWS)


def test_a_design_that_says_nothing_pays_for_the_rows_themselves() -> None:
    silent = dictionaries.Fixed([torch.zeros(2, 16), torch.zeros(1, 16)], 1)
    observation = observe(silent, WORLD, ROWS)
    found = description_length(observation)
    x = torch.cat([block.x for block in observation.rows]).double().numpy()
    assert (found.support, found.amplitudes) == (0.0, 0.0)
    assert found.residual == pytest.approx(rate(np.cov(x.T, bias=True), 0.05 * x.var(axis=0).mean()), rel=1e-5)


def test_a_constant_amount_takes_no_bits() -> None:
    class Constant(dictionaries.Fixed):
        def encode(self, x: Tensor) -> Tensor:
            return (super().encode(x) != 0).to(x) * torch.tensor([2.0, 5.0])

    design = Constant(dictionaries.truth(QUIET)[:2], 1)
    assert description_length(observe(design, QUIET, ROWS)).amplitudes == pytest.approx(0, abs=1e-6)


def test_a_unit_of_more_columns_than_dimensions_has_no_subspace_to_write() -> None:
    wide = dictionaries.Fixed([torch.randn(20, 16, generator=torch.Generator().manual_seed(0))], 1)
    assert description_length(observe(wide, QUIET, 50)).dictionary == 0


def test_worse_dictionaries_take_more_bits() -> None:
    bits = {
        form: METRICS["description_bits"].measure(observe(getattr(dictionaries, form)(QUIET), QUIET, ROWS)).value
        for form in ("perfect", "split", "merged", "junk")
    }
    assert bits["perfect"] < min(bits["split"], bits["merged"])
    assert max(bits["split"], bits["merged"]) < bits["junk"]


@pytest.mark.parametrize("share", [0.0, 1.5, math.nan])
def test_the_distortion_is_a_share(share: float) -> None:
    with pytest.raises(ValueError, match="delta_share must be in"):
        description_length(SEEN, share)


def test_rows_that_do_not_vary_have_no_scale() -> None:
    with pytest.raises(ValueError, match="1 rows that do not vary"):
        description_length(observe(dictionaries.perfect(WORLD), WORLD, 1))


SEEN = observe(dictionaries.merged(WORLD), WORLD, ROWS)


@given(first=st.floats(1e-4, 1), second=st.floats(1e-4, 1))
def test_more_distortion_takes_fewer_bits(first: float, second: float) -> None:
    fine, coarse = sorted((first, second))
    low, high = description_length(SEEN, coarse), description_length(SEEN, fine)
    assert low.amplitudes <= high.amplitudes
    assert low.residual <= high.residual
    assert (low.support, low.dictionary) == (high.support, high.dictionary)


class Offset(dictionaries.Fixed):
    """The truth around a constant."""

    constant = 30.0

    def encode(self, x: Tensor) -> Tensor:
        return super().encode(x - self.constant)

    def decode(self, codes: Tensor) -> Tensor:
        return super().decode(codes) + self.constant


class Shifted:
    """The world with a constant added to its rows."""

    width = WORLD.width
    bias = WORLD.bias + Offset.constant
    basis = staticmethod(WORLD.basis)

    def sample(self, n: int, generator: torch.Generator, truth: str = "support") -> Labelled:
        drawn = WORLD.sample(n, generator, truth)
        return replace(drawn, x=drawn.x + Offset.constant)


def test_a_constant_takes_no_bits() -> None:
    found = description_length(observe(Offset(dictionaries.truth(WORLD), 2), Shifted(), ROWS))
    plain = description_length(observe(dictionaries.perfect(WORLD), WORLD, ROWS))
    assert found.amplitudes == pytest.approx(plain.amplitudes, rel=1e-4)
    assert found.residual == pytest.approx(plain.residual, rel=1e-3, abs=1e-6)
