"""Argument checks: what passes unchanged, and what the errors say (bad numbers: test_public.py)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from sasa_theory.bounds.validate import at_most, choice, count, known_fields, real


@dataclass(frozen=True)
class Example:
    width: int = 1
    depth: int = 2


def test_good_values_become_float64_of_the_same_shape() -> None:
    for value in (3, np.int8(3), np.float32(3), [3, 4], np.ones((2, 0))):
        for check in (real, count):
            checked = check("x", value)
            assert checked.dtype == np.float64
            np.testing.assert_array_equal(checked, np.asarray(value))


def test_ends_belong_to_the_range_unless_open() -> None:
    np.testing.assert_array_equal(real("x", [0.0, 1.0], 0.0, 1.0), [0.0, 1.0])
    with pytest.raises(ValueError, match=r"^x must be in \(0, 1\], got 0$"):
        real("x", [1.0, 0.0], 0.0, 1.0, open_low=True)
    with pytest.raises(ValueError, match=r"^x must be in \[0, 1\), got 1$"):
        real("x", [1.0, 0.0], 0.0, 1.0, open_high=True)


def test_infinite_ends_are_never_in_the_range() -> None:
    with pytest.raises(ValueError, match=r"^x must be in \(-inf, inf\), got inf$"):
        real("x", np.inf)
    with pytest.raises(ValueError, match=r"^x must be in \(-inf, 0\], got -inf$"):
        real("x", -np.inf, high=0.0)


def test_counts_beyond_64_bits_are_counts() -> None:
    assert count("n", 10**20) == 1e20
    with pytest.raises(ValueError, match=r"^n must be a real number"):
        count("n", [10**20, None])


def test_counts_are_whole_and_in_range() -> None:
    with pytest.raises(ValueError, match=r"^n must be a whole number in \[1, inf\), got 1.5$"):
        count("n", [2, 1.5])
    with pytest.raises(ValueError, match=r"^n must be in \[2, 5\], got 6$"):
        count("n", 6, 2, 5)


def test_order_is_checked_after_broadcasting() -> None:
    at_most("k", np.array([1.0, 2.0]), "d", np.array(2.0))
    with pytest.raises(ValueError, match=r"^k must be at most d = 2, got 3$"):
        at_most("k", np.array([[1.0], [3.0]]), "d", np.array([4.0, 2.0]))


def test_a_wrong_choice_is_told_the_nearest() -> None:
    assert choice("kind", "linear", ["linear", "uniform"]) == "linear"
    with pytest.raises(
        ValueError, match=r"^kind must be one of 'linear', 'uniform', got 'linaer'; did you mean 'linear'\?$"
    ):
        choice("kind", "linaer", ["linear", "uniform"])
    with pytest.raises(ValueError, match=r"got 'zzz'$"):
        choice("kind", "zzz", ["linear", "uniform"])


def test_unknown_fields_are_named() -> None:
    known_fields(Example, {"depth": 3})
    with pytest.raises(ValueError, match=r"^field of Example must be one of .*, got 'widht'; did you mean 'width'\?$"):
        known_fields(Example, {"widht": 3})
