"""A run that leads nowhere stops, and says what is likely to blame."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from sasa_theory import designs
from sasa_theory.designs import Design, Loss
from sasa_theory.designs.contract import plain_loss
from sasa_theory.training import Budget, Diverged, Memory, Recipe, checkpoints, train

WIDTH = 4
BUDGET = Budget(tokens=40 * 16, batch_size=16)


def rows() -> Tensor:
    return torch.randn(64, WIDTH, generator=torch.Generator().manual_seed(0))


class Penalised(Design):
    """A linear map with a penalty that grows with the steps, as given."""

    def __init__(self, penalty: Any = None) -> None:
        super().__init__(WIDTH, WIDTH)
        self.weight = nn.Parameter(torch.eye(WIDTH) / 2)
        self._penalty, self._step = penalty, 0

    def begin_step(self, step: int, steps: int) -> None:
        self._step = step

    def encode(self, x: Tensor) -> Tensor:
        return x @ self.weight

    def decode(self, codes: Tensor) -> Tensor:
        return codes @ self.weight.mT

    def loss(self, x: Tensor) -> Loss:
        codes = self.encode(x)
        penalties = {} if self._penalty is None else {"sparsity": self._penalty(self._step, self.weight)}
        return plain_loss(x, self.decode(codes), penalties, **self.firings(codes))


def test_a_learning_rate_that_is_too_large_is_blamed_with_remedies() -> None:
    with pytest.raises(Diverged, match=r"learning rate is the likely cause; try a tenth .* clip=1.0.*unit_mean_square"):
        train(Penalised(), Memory(rows()), BUDGET, Recipe(lr=1e20, warmup=0))


def test_an_explosion_stops_before_the_loss_is_infinite() -> None:
    with pytest.raises(Diverged, match=r"the loss exploded to .* by step 10, from .* learning rate"):
        train(Penalised(), Memory(rows()), BUDGET, Recipe(lr=10.0, warmup=0), log_every=10)


def test_remedies_already_taken_are_not_offered() -> None:
    recipe = Recipe(lr=1e20, warmup=0, clip=1.0, normalise="unit_mean_square")
    design = designs.get("relu/april", width=WIDTH, atoms=8, sparsity=0.1)
    with pytest.raises(Diverged) as caught:
        train(design, Memory(rows()), BUDGET, recipe)
    assert "clip" not in str(caught.value)
    assert "normalise" not in str(caught.value)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_data_that_are_not_finite_are_blamed_by_row(bad: float) -> None:
    x = rows()
    x[:, 2] = bad
    with pytest.raises(Diverged, match=r"step 0: the data hold NaN or infinite values in 16 of the batch's 16 rows"):
        train(Penalised(), Memory(x), BUDGET)


def test_a_penalty_that_is_not_finite_is_named() -> None:
    design = Penalised(lambda step, weight: weight.sum() * (float("inf") if step == 5 else 0.0))
    with pytest.raises(Diverged, match="step 5: the penalty 'sparsity' is inf"):
        train(design, Memory(rows()), BUDGET)


def test_a_penalty_that_explodes_is_named() -> None:
    design = Penalised(lambda step, weight: weight.square().sum() * 10.0**step)
    with pytest.raises(Diverged, match=r"the penalty 'sparsity' makes up .* of it; lower its coefficient"):
        train(design, Memory(rows()), BUDGET, Recipe(lr=1e-6), log_every=3)


def test_bfloat16_is_blamed_where_it_is_used() -> None:
    with pytest.raises(Diverged, match="bfloat16 is the likely cause"):
        train(Penalised(), Memory(rows()), BUDGET, Recipe(lr=1e20, warmup=0, autocast=True))


def test_weights_that_are_not_finite_are_never_saved(tmp_path: Path) -> None:
    """The gradient breaks at step 20 while the loss is fine: the checkpoint of step 18 must remain the last."""

    def penalty(step: int, weight: Tensor) -> Tensor:
        return (weight * 0).abs().sqrt().sum() if step == 20 else weight.sum() * 0

    with pytest.raises(Diverged, match="weights are not finite after 21 steps, nothing was saved"):
        train(Penalised(penalty), Memory(rows()), BUDGET, folder=tmp_path, checkpoint_steps=3)
    found = checkpoints.latest(tmp_path)
    assert found is not None
    assert found.step == 18
