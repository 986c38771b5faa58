"""Principal components against the singular values of the data, in one piece and in many."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from sasa_theory.designs.references.pca import PcaConfig, fit_pca
from sasa_theory.designs.saving.storage import load, save
from sasa_theory.testing.strategies import SEEDS


def data(seed: int, n: int, width: int) -> Tensor:
    """Correlated float64 rows around a mean that is large beside their spread."""
    generator = torch.Generator().manual_seed(seed)
    mix = torch.randn(width, width, generator=generator, dtype=torch.float64)
    return torch.randn(n, width, generator=generator, dtype=torch.float64) @ mix + 100.0


@given(SEEDS, st.integers(2, 40), st.integers(1, 8), st.data())
def test_the_error_is_the_energy_of_the_components_left_out(seed, n, width, draw):
    q = draw.draw(st.integers(1, width))
    x = data(seed, n, width)
    design = fit_pca(x, q)
    left_out = torch.linalg.svdvals(x - x.mean(dim=0))[q:].square().sum()
    torch.testing.assert_close((design(x) - x).square().sum(), left_out, rtol=1e-8, atol=1e-8)
    torch.testing.assert_close(design.decoder @ design.decoder.mT, torch.eye(q, dtype=x.dtype))


@given(SEEDS, st.integers(1, 5))
def test_variances_descend_and_signs_are_fixed(seed, q):
    x = data(seed, 60, 5)
    design = fit_pca(x, q)
    variances = design.encode(x).var(dim=0)
    assert (variances.diff() <= 1e-9 * variances[0]).all()
    assert (design.decoder.amax(dim=1) >= -design.decoder.amin(dim=1)).all()
    torch.testing.assert_close(design.encode(x).mean(dim=0), torch.zeros(q, dtype=x.dtype), atol=1e-9, rtol=0)


@given(SEEDS, st.integers(1, 30))
def test_batches_add_up_to_the_whole(seed, size):
    x = data(seed, 60, 4)
    whole, streamed = fit_pca(x, 2), fit_pca(iter(x.split(size)), 2)
    torch.testing.assert_close(streamed.decoder, whole.decoder, rtol=1e-6, atol=1e-8)
    torch.testing.assert_close(streamed.decoder_bias, whole.decoder_bias)


def test_every_component_is_a_unit_and_fires(tmp_path):
    x = data(0, 50, 6).float()
    design = fit_pca(x, 3)
    assert design.units().tolist() == [0, 1, 2]
    assert design.loss(x).fired.tolist() == [50, 50, 50]
    assert design.loss(x).active == 3
    assert not list(design.parameters())
    assert design.decoder.dtype == torch.float32
    save(design, tmp_path / "pca")
    assert load(tmp_path / "pca")(x).equal(design(x))


@pytest.mark.parametrize(
    ("rows", "q", "message"),
    [
        (torch.zeros(5, 3), 4, "components must be at most width = 3, got 4"),
        (torch.zeros(5, 3), 0, "components must be in"),
        (torch.zeros(1, 3), 1, "at least 2 rows, got 1"),
        ([], 1, "at least 2 rows, got 0"),
        ([torch.zeros(2, 3), torch.zeros(2, 4)], 1, "first one's width 3, got 4"),
        (torch.zeros(5), 1, r"shape \(n, width\)"),
        (torch.zeros(5, 3, dtype=torch.int64), 1, "floating point"),
        (torch.tensor([[1.0], [float("nan")], [float("inf")]]), 1, "row 1 is the first of 2 rows"),
    ],
)
def test_refused(rows, q, message):
    with pytest.raises(ValueError, match=message):
        fit_pca(rows, q)


def test_built_without_data_it_projects_on_random_directions():
    design = PcaConfig(width=7, components=3).build(torch.Generator().manual_seed(0))
    torch.testing.assert_close(design.decoder @ design.decoder.mT, torch.eye(3))
    assert not design.decoder_bias.any()
