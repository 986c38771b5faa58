"""Designs with settings, as text: what they mean, and what is refused with a word on how to mend it."""

from __future__ import annotations

import pytest

from sasa_theory.benchmark import Size
from sasa_theory.benchmark.entrants import entrant
from sasa_theory.benchmark.specs import parsed
from synthetic import World

from . import micro


def test_settings_have_the_types_of_their_fields():
    found = parsed("sasa/release[penalty_coefficient=10, balance=0.5,penalty=map,aux_count=None,encoder_bias=False]")
    assert found.name == "sasa/release"
    assert found.settings == {
        "penalty_coefficient": 10.0,
        "balance": 0.5,
        "penalty": "map",
        "aux_count": None,
        "encoder_bias": False,
    }
    assert parsed("topk") == ("topk", {})
    assert parsed("relu[sparsity=0.5]").settings == {"sparsity": 0.5}
    assert parsed("jumprelu/target[threshold=0.1]").settings == {"threshold": 0.1}


@pytest.mark.parametrize(
    ("spec", "complaint"),
    [
        ("sasa/releas[balance=0]", "did you mean 'sasa/release'"),
        ("sasa/release[balanse=0]", "did you mean 'balance'"),
        ("sasa/release[balance]", "must be field=value, got 'balance'"),
        ("sasa/release[]", "must be field=value, got ''"),
        ("sasa/release[balance=0", "settings must be given as in"),
        ("oracle[balance=0]", "settings must be given as in"),
        ("sasa/release[balance=0,balance=1]", "balance of sasa/release is given twice"),
        ("sasa/release[balance=2]", r"balance must be in \[0, 1\], got 2"),
        ("sasa/release[balance=much]", "balance must be a number, got 'much'"),
        ("sasa/release[dead_after=2.5]", "dead_after must be a whole number, got '2.5'"),
        ("sasa/release[penalty=mapp]", "did you mean 'map'"),
        ("sasa/release[encoder_bias=yes]", "encoder_bias must be one of 'True', 'False', got 'yes'"),
        ("sasa/release[rank=4]", "rank of sasa/release is set by the benchmark, which matches sizes"),
        ("relu[sparsity=-1]", "sparsity must be in"),
    ],
)
def test_what_cannot_be_is_refused(spec, complaint):
    with pytest.raises(ValueError, match=complaint):
        entrant(spec)


def test_what_is_set_is_built_and_not_tuned():
    world, size = World.build(micro.CONFIG, 0), Size(6, 3, 1)
    entered = entrant("sasa/release[penalty_coefficient=7,balance=0.25]")
    config = entered.build(world, size, 0, None).config
    assert (config.penalty_coefficient, config.balance, config.groups, config.rank) == (7, 0.25, 6, 3)
    assert entered.coefficient is None
    assert entrant("sasa/release[balance=0.25]").coefficient == "penalty_coefficient"
    assert entrant("sasa/release[penalty=none]").coefficient is None
    assert entered.label == entered.spec


def test_settings_make_another_design_and_their_order_does_not():
    settings = "balance=0.5,dead_after=9", "dead_after=9,balance=0.5"
    one, other = (entrant(f"sasa/release[{inside}]") for inside in settings)
    assert one.identity() == other.identity()
    assert one.identity() != entrant("sasa/release").identity()
    assert one.identity()["name"] == "sasa/release"
