"""Records as lines of JSON: nothing is lost, whatever the numbers, and what was changed is noticed."""

from __future__ import annotations

import json
import math
from dataclasses import asdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sasa_theory.benchmark import Measured, Record
from sasa_theory.benchmark.records import digest

from . import micro

numbers = st.floats()
maybe = st.none() | numbers
measured = st.builds(
    Measured,
    version=st.integers(1, 9),
    value=numbers,
    null=st.none() | st.tuples(numbers, numbers),
    oracle=maybe,
    floor=maybe,
)


@given(
    metrics=st.dictionaries(st.text(min_size=1), measured, max_size=4),
    trial=st.dictionaries(st.sampled_from(["lr", "factor", "ev"]), maybe),
    seconds=st.floats(0, 1e9),
    name=st.text(),
)
def test_a_line_gives_back_the_record(metrics, trial, seconds, name):
    before = micro.record(metrics=metrics, trials=(trial,), training=seconds, design=name)
    line = before.to_line()
    assert line.count(b"\n") == 1
    assert line.endswith(b"\n")
    after = Record.from_line(line)
    assert repr(asdict(after)) == repr(asdict(before))  # as text, in which NaN equals itself
    assert after.key == before.key


def test_lines_are_strict_json():
    line = micro.record(metrics={"ev": Measured(version=1, value=math.nan, oracle=math.inf)}).to_line()
    json.loads(line, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))


def test_the_key_is_what_determines_the_numbers_and_not_what_they_are():
    one, again, other = (
        micro.record(1, training=5.0),
        micro.record(1, metrics={"ev": Measured(version=1, value=0.5)}),
        micro.record(2),
    )
    assert one.key == again.key != other.key
    assert digest({"a": 1, "b": [2.5]}) == digest({"b": [2.5], "a": 1})


def test_a_changed_record_is_refused():
    line = micro.record(1).to_line().replace(b'"number": 1', b'"number": 2')
    with pytest.raises(ValueError, match="was changed"):
        Record.from_line(line)


@pytest.mark.parametrize("line", ["", "{", "[]", "1", "{}", '{"key": "x", "metrics": {}, "trials": [], "what": 1}'])
def test_what_is_no_record_is_refused(line):
    with pytest.raises(ValueError, match="no record"):
        Record.from_line(line)
