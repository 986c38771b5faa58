"""What a benchmark will take is estimated whatever its designs do."""

from __future__ import annotations

from sasa_theory.benchmark import cost
from sasa_theory.training import Diverged

from . import micro


def test_training_that_diverges_while_it_is_timed_does_not_end_the_benchmark(monkeypatch):
    def diverge(*args, **kwargs):
        raise Diverged("the loss is NaN at step 3")

    monkeypatch.setattr(cost, "train", diverge)
    assert cost.Costs(micro.plan(), {}).total({}) > 0  # judging takes time
