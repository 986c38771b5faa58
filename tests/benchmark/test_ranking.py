from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sasa_theory.benchmark.paired import Paired
from sasa_theory.benchmark.ranking import rank, rank_all

SEEDS = np.array([0.30, -0.20, 0.05, 0.40, -0.10, 0.15])  # what a seed does to every design


def paired(values, direction="higher", oracle=None):
    return Paired(metric="m", direction=direction, values=values, oracle=oracle)


def drawn(seed: int, designs: int, seeds: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    levels, spreads = rng.normal(size=designs), 10 ** rng.uniform(-2, 1, size=designs)
    return {f"d{k}": levels[k] + spreads[k] * rng.standard_normal(seeds) for k in range(designs)}


def test_pairing_removes_what_the_seeds_have_in_common():
    noise = 0.01 * np.array([1, -1, 0, 1, 0, -1])
    found = rank(paired({"a": 1.0 + SEEDS, "b": 0.9 + SEEDS + noise, "c": 0.4 + SEEDS - noise}))
    assert found.tiers == (("a",), ("b",), ("c",))
    assert found.values["a"].low < found.values["b"].mean  # unpaired, they could not be told apart
    ab = found.between("b", "a")
    assert (ab.better, ab.worse, ab.apart) == ("a", "b", True)
    assert ab.difference.mean == pytest.approx(0.1)
    assert ab.difference.low > 0


def test_designs_that_cannot_be_told_apart_share_a_tier():
    wobble = 0.1 * np.array([1, -1, 1, -1, 1, -1])
    found = rank(paired({"low": SEEDS, "a": 1 + SEEDS, "b": 1.01 + SEEDS + wobble}))
    assert found.tiers == (("b", "a"), ("low",))
    assert [found.tier(name) for name in ("a", "b", "low")] == [1, 1, 2]
    assert not found.between("a", "b").apart


def test_a_design_that_differs_from_neither_of_two_keeps_them_in_one_tier():
    wide = np.array([3, -3, 3, -3, 3, -3]) * 1.0
    values = {"a": 1 + SEEDS, "b": 0.5 + SEEDS, "wide": 0.75 + SEEDS + wide}
    assert rank(paired(values)).tiers == (("a", "wide", "b"),)
    assert rank(paired(values)).between("a", "b").apart
    worst = rank(paired(values | {"wide": 0.4 + SEEDS + wide}))  # below both, yet told apart from neither
    assert worst.tiers == (("a", "b", "wide"),)


@given(st.integers(0, 10**6), st.integers(1, 6), st.integers(2, 8), st.sampled_from((0.8, 0.95)))
def test_tiers_are_told_apart_throughout_and_cannot_be_cut_further(seed, designs, seeds, level):
    found = rank(paired(drawn(seed, designs, seeds)), level)
    assert sorted(found.order) == sorted(f"d{k}" for k in range(designs))
    means = [found.values[name].mean for name in found.order]
    assert means == sorted(means, reverse=True)
    for upper, lower in combinations(found.order, 2):
        if found.tier(upper) < found.tier(lower):
            assert found.between(upper, lower).apart
    for tier in found.tiers:
        for cut in range(1, len(tier)):
            at = found.order.index(tier[cut])
            across = [found.between(a, b).apart for a in found.order[:at] for b in found.order[at:]]
            assert not all(across)


@given(st.integers(0, 10**6), st.integers(2, 5), st.integers(2, 8), st.floats(-5, 5), st.floats(0.1, 10))
def test_order_of_designs_scale_and_sign_of_the_metric_change_no_tier(seed, designs, seeds, shift, scale):
    values = drawn(seed, designs, seeds)
    tiers = rank(paired(values)).tiers
    assert rank(paired(dict(reversed(values.items())))).tiers == tiers
    assert rank(paired({name: shift + scale * v for name, v in values.items()})).tiers == tiers
    assert rank(paired({name: -v for name, v in values.items()}, "lower")).tiers == tiers
    far = max(np.abs(v).max() for v in values.values())
    assert rank(paired(values, "nearest", oracle=far)).tiers == tiers


def test_nearest_ranks_by_the_distance_to_each_seeds_oracle():
    oracle = np.array([2.0, 4.0, 3.0])
    values = {"over": [2.5, 4.6, 3.4], "near": [1.9, 3.89, 2.91], "under": [0.0, 1.9, 1.1]}
    found = rank(paired(values, "nearest", oracle))
    assert found.order == ("near", "over", "under")
    assert found.between("near", "over").difference.mean == pytest.approx(0.4)
    assert found.values["over"].mean == pytest.approx(3.5)  # the metric itself, not the distance


def test_false_alarms_stay_below_one_less_the_level():
    rng, runs = np.random.default_rng(1), 300
    drawn = [rank(paired({f"d{k}": rng.normal(size=4) for k in range(4)}), 0.9) for _ in range(runs)]
    alarms = sum(any(pair.apart for pair in found.comparisons) for found in drawn)
    assert alarms <= 0.1 * runs + 3 * np.sqrt(0.09 * runs)


def test_values_on_a_coarse_grid_give_no_more_false_alarms():
    rng, runs = np.random.default_rng(1), 100
    drawn = [rank(paired({f"d{k}": rng.binomial(16, 0.6, 3) / 16 for k in range(6)})) for _ in range(runs)]
    alarms = sum(any(pair.apart for pair in found.comparisons) for found in drawn)
    assert alarms <= 0.05 * runs + 3 * np.sqrt(0.05 * 0.95 * runs)


def test_undefined_designs_stand_in_no_tier():
    found = rank(paired({"a": 1 + SEEDS, "b": SEEDS, "diverged": np.where(SEEDS > 0.35, np.nan, 9.0)}))
    assert found.tiers == (("a",), ("b",))
    assert found.undefined == ("diverged",)
    with pytest.raises(ValueError, match="design must be one of 'a', 'b', got 'diverged'"):
        found.tier("diverged")
    nobody = rank(paired({"a": [np.nan]}))
    assert (nobody.tiers, nobody.undefined, nobody.comparisons) == ((), ("a",), ())
    assert np.isnan(nobody.detectable)


def test_one_seed_tells_nothing_apart():
    found = rank(paired({"a": [1.0], "b": [0.0]}))
    assert found.tiers == (("a", "b"),)
    assert found.detectable == np.inf


def test_detectable_difference_and_intervals_grow_with_the_number_of_pairs():
    values = drawn(3, 2, 5)
    two = rank(paired(values))
    four = rank(paired(values | {"x": 100 + SEEDS[:5], "y": 200 + SEEDS[:5]}))
    assert four.between("d0", "d1").detectable > two.between("d0", "d1").detectable
    assert four.between("d0", "d1").difference.low < two.between("d0", "d1").difference.low
    assert four.between("d0", "d1").p >= two.between("d0", "d1").p
    assert two.detectable == two.comparisons[0].detectable


def test_pairs_that_never_vary_say_nothing_of_what_is_detectable():
    level = np.full(5, 1.5)
    found = rank(paired({"a": 0 * level, "b": level, "c": level, "d": level + 0.1 * SEEDS[:5]}))
    assert found.between("a", "b").detectable == 0
    assert found.detectable == found.between("b", "d").detectable > 0
    assert np.isnan(rank(paired({"a": 0 * level, "b": level})).detectable)
    rounded = np.array([0.3, 0.1 + 0.2, 0.3])  # differ by rounding alone
    assert np.isnan(rank(paired({"a": rounded, "b": rounded + 1 / 3, "c": [0.0, 0.0, 0.0]})).detectable)


def test_every_metric_has_a_ranking_of_its_own():
    up = Paired(metric="ev", direction="higher", values={"a": 1 + SEEDS, "b": SEEDS})
    down = Paired(metric="dead", direction="lower", values={"a": 1 + SEEDS, "b": SEEDS})
    found = rank_all([up, down])
    assert found["ev"].order == ("a", "b")
    assert found["dead"].order == ("b", "a")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"values": {}}, "at least 1"),
        ({"values": {"a": []}}, "at least 1"),
        ({"values": {"a": [1.0], "b": [1.0, 2.0]}}, "same number of seeds"),
        ({"values": {"a": [1.0]}, "direction": "hihger"}, "did you mean 'higher'"),
        ({"values": {"a": [1.0]}, "direction": "nearest"}, "give oracle"),
        ({"values": {"a": [1.0]}, "direction": "nearest", "oracle": [1.0, 2.0]}, "each of 1 seeds"),
    ],
)
def test_what_cannot_be_paired_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        Paired(**({"metric": "m", "direction": "higher"} | arguments))
