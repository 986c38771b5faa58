"""Sizes agree in what they are matched in, for units of any rank."""

from __future__ import annotations

from math import comb, log2

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sasa_theory.benchmark import Size, matched
from sasa_theory.benchmark.budgets import reference

from . import micro

targets = st.builds(Size, st.integers(8, 200), st.integers(1, 6), st.integers(1, 8))


@given(targets)
def test_atoms_have_the_columns_of_groups(target):
    size = matched(target, 1)
    assert (size.columns, size.active_columns) == (target.columns, target.active_columns)


@given(targets, st.integers(1, 6))
def test_columns_agree_to_half_a_unit(target, rank):
    size = matched(target, rank)
    assert abs(size.columns - target.columns) <= rank / 2
    assert abs(size.active_columns - target.active_columns) <= rank / 2 or size.active == 1


@given(targets, st.integers(1, 6))
def test_units_agree_whatever_their_rank(target, rank):
    size = matched(target, rank, "units")
    assert (size.units, size.active, size.rank) == (target.units, target.active, rank)


@given(targets, st.integers(1, 6))
def test_no_other_number_of_active_units_is_nearer_in_bits(target, rank):
    size = matched(target, rank, "bits")
    assert abs(size.columns - target.columns) <= rank / 2
    gap = abs(size.bits - target.bits)
    assert all(abs(Size(size.units, rank, k).bits - target.bits) >= gap - 1e-9 for k in range(1, size.units // 2 + 1))


@given(targets, st.sampled_from(["columns", "units", "bits"]))
def test_the_target_matches_itself(target, match):
    assert matched(target, target.rank, match) == target


def test_bits_are_the_logarithm_of_the_choices():
    assert Size(24, 4, 2).bits == pytest.approx(log2(comb(24, 2)))


def test_the_reference_has_room_for_every_feature():
    size = reference(micro.CONFIG, 1)
    assert size.units >= micro.CONFIG.size
    assert size.rank == max(micro.CONFIG.dims)


def test_an_unknown_currency_is_refused():
    with pytest.raises(ValueError, match="did you mean 'bits'"):
        matched(Size(4, 2, 1), 1, "bit")  # type: ignore[arg-type]
