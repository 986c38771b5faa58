"""Products of sparse codes against dense ones, for rows with any number of units, none included."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sasa_theory.designs.kernels import Active, decode_active, sparse


def code(seed: int, rows: int, units: int, rank: int, share: float) -> tuple[torch.Tensor, Active]:
    generator = torch.Generator().manual_seed(seed)
    dense = torch.randn(rows, units, rank, generator=generator, dtype=torch.float64)
    dense *= torch.rand(rows, units, 1, generator=generator) < share
    return dense.flatten(1), Active.of(dense.flatten(1), rank)


@pytest.mark.parametrize(("cached", "dense_share"), [(0, 1.0), (1 << 20, 1.0), (0, 0.0)])
@given(
    seed=st.integers(0, 10_000),
    rows=st.integers(1, 9),
    units=st.integers(1, 9),
    rank=st.integers(1, 4),
    share=st.sampled_from([0.0, 0.2, 0.5, 1.0]),
)
def test_products_are_those_of_the_dense_code(cached, dense_share, seed, rows, units, rank, share):
    dense, active = code(seed, rows, units, rank, share)
    generator = torch.Generator().manual_seed(seed + 1)
    decoder = torch.randn(units * rank, 5, generator=generator, dtype=torch.float64)
    x = torch.randn(rows, 5, generator=generator, dtype=torch.float64)
    assert torch.equal(active.dense(units), dense)
    values, found, starts = active
    wanted = (x @ decoder.mT).unflatten(1, (units, rank))[active.rows(), found]
    with pytest.MonkeyPatch.context() as patch:  # all ways in which the products may be taken
        patch.setattr(sparse, "_CACHED", cached)
        patch.setattr(sparse, "DENSE_SHARE", dense_share)
        assert torch.allclose(decode_active(active, decoder), dense @ decoder)
        assert torch.allclose(sparse.unit_sums(values, found, starts, x, units), dense.mT @ x)
        assert torch.allclose(sparse.sampled(x, found, starts, decoder, rank), wanted)
    assert torch.allclose(sparse._gathered_dots(x, found, starts, decoder, rank), wanted)


@pytest.mark.parametrize(("cached", "dense_share"), [(0, 1.0), (1 << 20, 1.0), (0, 0.0)])
@pytest.mark.parametrize("rank", [1, 3])
def test_an_ensemble_is_its_members(rank, cached, dense_share, monkeypatch):
    """Members whose rows have different numbers of units, and an ensemble of ensembles."""
    monkeypatch.setattr(sparse, "_CACHED", cached)
    monkeypatch.setattr(sparse, "DENSE_SHARE", dense_share)
    generator = torch.Generator().manual_seed(rank)
    units = torch.stack([torch.randperm(6, generator=generator) for _ in range(4)]).view(2, 2, 6)
    starts = torch.tensor([[[0, 2, 2, 6], [0, 1, 5, 6]], [[0, 0, 3, 6], [0, 6, 6, 6]]])
    values, decoder, x = (
        torch.randn(2, 2, n, m, generator=generator, dtype=torch.float64) for n, m in ((6, rank), (6 * rank, 5), (3, 5))
    )
    calls = {
        "rows": (lambda v, u, s, d: sparse.weighted_rows(v, u, s, d), (values, units, starts, decoder)),
        "units": (lambda v, u, s, y: sparse.unit_sums(v, u, s, y, 6), (values, units, starts, x)),
        "dots": (lambda y, u, s, d: sparse.sampled(y, u, s, d, rank), (x, units, starts, decoder)),
    }
    for call, args in calls.values():
        together = torch.vmap(torch.vmap(call))(*args)
        assert torch.allclose(torch.vmap(torch.vmap(call))(*(a[:1] for a in args)), together[:1])
        for i in range(2):
            assert torch.allclose(torch.vmap(call)(*(a[i] for a in args)), together[i])
            for j in range(2):
                assert torch.allclose(call(*(a[i, j] for a in args)), together[i, j])


def test_a_unit_is_active_though_some_of_its_columns_are_zero():
    dense = torch.tensor([[1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 2.0]])
    active = Active.of(dense, 2)
    assert (active.units.tolist(), active.starts.tolist()) == ([0, 1], [0, 1, 2])
    assert torch.equal(active.dense(2), dense)


def test_another_code_with_the_same_tensors_is_sorted_anew(monkeypatch):
    monkeypatch.setattr(sparse, "DENSE_SHARE", 1.0)
    dense, (values, units, starts) = code(2, 6, 5, 1, 0.5)
    x = torch.randn(6, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    assert torch.allclose(sparse.unit_sums(values, units, starts, x, 5), dense.mT @ x)
    units.sub_(4).neg_()
    assert torch.allclose(sparse.unit_sums(values, units, starts, x, 5), dense.flip(1).mT @ x)
    assert torch.allclose(sparse.unit_sums(values, units, starts, x, 7)[:5], dense.flip(1).mT @ x)
    reverse = starts[-1] - starts.flip(0)  # rows of other lengths
    wanted = Active(values, units, reverse).dense(5)
    assert torch.allclose(sparse.unit_sums(values, units, reverse, x, 7)[:5], wanted.mT @ x)


@pytest.mark.parametrize("rank", [1, 3])
def test_the_three_products_are_each_others_gradients(rank):
    _, active = code(3, 5, 6, rank, 0.4)
    values, units, starts = active
    values = values.requires_grad_()
    decoder = torch.randn(6 * rank, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1)).requires_grad_()
    x = torch.randn(5, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(2)).requires_grad_()
    check = torch.autograd.gradcheck
    assert check(lambda v, d: sparse.weighted_rows(v, units, starts, d), (values, decoder))
    assert check(lambda v, y: sparse.unit_sums(v, units, starts, y, 6), (values, x))
    assert check(lambda y, d: sparse.sampled(y, units, starts, d, rank), (x, decoder))


def test_more_units_than_16_bits_count():
    units = torch.tensor([70_000, 3, 65_539, 3, 3])
    active = Active(torch.ones(5, 1), units, torch.tensor([0, 2, 3, 4, 5]))
    sums = sparse.unit_sums(*active, torch.arange(4.0).unsqueeze(1), 70_001)
    assert sums.flatten()[[70_000, 3, 65_539]].tolist() == [0.0, 5.0, 1.0]
    assert int((sums != 0).sum()) == 2
