from __future__ import annotations

import pytest

from sasa_theory.designs.ramp import ramp


def test_rises_linearly_and_arrives_with_the_last_step_of_its_share():
    assert [ramp(step, 10, 0.5) for step in range(6)] == [0, 0.25, 0.5, 0.75, 1, 1]
    assert ramp(99, 100, 1.0) == 1
    assert ramp(98, 100, 1.0) < 1


@pytest.mark.parametrize(("steps", "share"), [(10, 0.0), (1, 1.0), (10, 0.1), (3, 0.1)])
def test_too_short_a_share_is_none(steps, share):
    assert ramp(0, steps, share) == 1
