"""Where the decoder's bias starts: the mean, or the point that a few wild rows cannot move."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from sasa_theory import designs
from sasa_theory.designs import Design
from sasa_theory.designs.layer_norm import LayerNormed
from sasa_theory.designs.linear import LinearDesign
from sasa_theory.training import Budget, Memory, Recipe, recipe, train
from sasa_theory.training.centring import geometric_median


@given(st.integers(0, 99), st.integers(3, 40), st.integers(1, 4))
def test_no_other_point_has_a_smaller_sum_of_distances(seed: int, n: int, width: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randn(n, width, generator=generator, dtype=torch.float64)
    median = geometric_median(rows)

    def cost(point: torch.Tensor) -> float:
        return float((rows - point).norm(dim=1).sum())

    for radius in (1e-2, 1e-1, 1.0):
        other = median + radius * torch.randn(width, generator=generator, dtype=torch.float64)
        assert cost(median) <= cost(other) * (1 + 1e-3)


def test_equal_rows_and_outliers() -> None:
    assert torch.equal(geometric_median(torch.full((5, 2), 3.0)), torch.full((2,), 3.0))
    rows = torch.cat((torch.ones(99, 2), torch.full((1, 2), 1e6)))
    torch.testing.assert_close(geometric_median(rows), torch.ones(2), atol=1e-2, rtol=0)


def start(design: Design, rows: torch.Tensor, how: Recipe) -> Design:
    """The design as training begins: the learning rate leaves it there."""
    return train(design, Memory(rows), Budget(tokens=8, batch_size=8), how).design


def test_training_begins_in_the_middle_of_the_activations() -> None:
    rows = torch.randn(4096, 4, generator=torch.Generator().manual_seed(0)).abs() + 10.0
    for middle, expected in (("mean", rows.mean(dim=0)), ("median", geometric_median(rows))):
        for normalise in ("none", "unit_mean_square"):
            design = designs.get("topk", width=4, atoms=8, k=2)
            how = Recipe(lr=1e-12, centre=middle, normalise=normalise)  # type: ignore[arg-type]
            begun = start(design, rows, how)
            assert isinstance(begun, LinearDesign)
            torch.testing.assert_close(begun.decoder_bias.detach(), expected, rtol=1e-4, atol=1e-4)


def test_behind_layer_norm_it_is_the_middle_of_the_normalised_rows() -> None:
    rows = torch.randn(4096, 4, generator=torch.Generator().manual_seed(0)) * 7 + torch.arange(4.0)
    begun = start(
        designs.get("topk", width=4, atoms=8, k=2), rows, Recipe(lr=1e-12, centre="mean", normalise="layer_norm")
    )
    assert isinstance(begun, LayerNormed)
    expected = begun.normalise(rows).u.mean(dim=0)
    torch.testing.assert_close(begun.inner.decoder_bias.detach(), expected, rtol=1e-4, atol=1e-4)


def test_designs_without_a_bias_say_so() -> None:
    class Bare(Design):
        def __init__(self) -> None:
            super().__init__(4, 4)
            self.weight = nn.Parameter(torch.eye(4))

        def encode(self, x: torch.Tensor) -> torch.Tensor:
            return x @ self.weight

        def decode(self, codes: torch.Tensor) -> torch.Tensor:
            return codes

    with pytest.raises(ValueError, match="centre must be 'none' for Bare"):
        start(Bare(), torch.ones(8, 4), Recipe(centre="mean"))
    assert recipe("topk").centre == "median"
