from __future__ import annotations

import math
import warnings

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.autograd import gradcheck

from sasa_theory.designs.groups import nuclear
from sasa_theory.designs.groups.nuclear import RIDGE, decoder_norm, factor_norm, map_norm, singular_values

seeds = st.integers(0, 2**31)
ranks = st.integers(1, 5)
TIGHT = 1e-13  # a ridge that leaves the norm alone in double precision


def blocks(seed: int, groups: int = 3, rank: int = 4, width: int = 9, dtype: torch.dtype = torch.float64) -> Tensor:
    gaussian = torch.randn(groups, rank, width, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return gaussian.to(dtype)


def collapsed(seed: int, kind: str, dtype: torch.dtype = torch.float64) -> Tensor:
    """Blocks on which careless code breaks."""
    full = blocks(seed)
    if kind == "rank one":
        full = full[:, :1].expand_as(full)
    elif kind == "repeated values":
        full = torch.linalg.qr(full.mT).Q.mT
    elif kind == "a row of zeros":
        full = full * torch.tensor([1.0, 1.0, 0.0, 1.0], dtype=torch.float64).unsqueeze(-1)
    elif kind == "all zero":
        full = torch.zeros_like(full)
    elif kind == "nearly dependent":
        full = full[:, :1] + 1e-5 * full
    return full.contiguous().to(dtype)


KINDS = ("rank one", "repeated values", "a row of zeros", "all zero", "nearly dependent")
every_kind = pytest.mark.parametrize("kind", KINDS)
every_dtype = pytest.mark.parametrize("dtype", [torch.float32, torch.float64])


@given(seed=seeds, rank=ranks)
def test_norms_are_the_sums_of_the_singular_values_of_the_formed_maps(seed: int, rank: int) -> None:
    encoder, decoder = blocks(seed, rank=rank), blocks(seed + 1, rank=rank)
    formed = torch.linalg.svdvals(encoder.mT @ decoder)
    torch.testing.assert_close(singular_values(decoder, encoder), formed[..., :rank])
    torch.testing.assert_close(singular_values(decoder), torch.linalg.svdvals(decoder))
    torch.testing.assert_close(map_norm(encoder, decoder, TIGHT), formed.sum(-1), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(decoder_norm(decoder, TIGHT), singular_values(decoder).sum(-1), rtol=1e-5, atol=1e-6)


@given(seed=seeds)
def test_slopes_are_those_of_the_slow_reference_where_it_has_any(seed: int) -> None:
    encoder, decoder = blocks(seed).requires_grad_(), blocks(seed + 1).requires_grad_()
    fast = torch.autograd.grad(map_norm(encoder, decoder, TIGHT).sum(), (encoder, decoder))
    slow = torch.autograd.grad(singular_values(decoder, encoder).sum(), (encoder, decoder))
    torch.testing.assert_close(fast, slow, rtol=1e-4, atol=1e-5)
    (fast_decoder,) = torch.autograd.grad(decoder_norm(decoder, TIGHT).sum(), decoder)
    (slow_decoder,) = torch.autograd.grad(singular_values(decoder).sum(), decoder)
    torch.testing.assert_close(fast_decoder, slow_decoder, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("ridge", [1e-6, 1e-2])
def test_slopes_are_exactly_those_of_the_value_ridge_included(ridge: float) -> None:
    encoder, decoder = blocks(0, 2, 3, 5).requires_grad_(), blocks(1, 2, 3, 5).requires_grad_()
    assert gradcheck(lambda e, d: map_norm(e, d, ridge), (encoder, decoder))
    assert gradcheck(lambda d: decoder_norm(d, ridge), (decoder,))
    assert gradcheck(factor_norm, (encoder, decoder))


@every_kind
@every_dtype
def test_collapsed_blocks_have_finite_bounded_slopes(kind: str, dtype: torch.dtype) -> None:
    encoder, decoder = collapsed(3, kind, dtype).requires_grad_(), collapsed(4, kind, dtype).requires_grad_()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        slopes = torch.autograd.grad(map_norm(encoder, decoder).sum(), (encoder, decoder))
        (slope,) = torch.autograd.grad(decoder_norm(decoder).sum(), decoder)
    # P D' and E P, with ||P|| <= 1, up to the ridge's own slope
    for found, other in zip(slopes, (decoder, encoder), strict=True):
        assert (torch.linalg.matrix_norm(found, 2) <= 1.01 * torch.linalg.matrix_norm(other, 2) + 1e-6).all()
    assert (torch.linalg.matrix_norm(slope, 2) <= 1.01).all()


@every_kind
@pytest.mark.parametrize(("dtype", "rounding"), [(torch.float32, 2e-3), (torch.float64, 1e-9)])
def test_the_ridge_adds_at_most_what_is_documented(kind: str, dtype: torch.dtype, rounding: float) -> None:
    encoder, decoder = collapsed(5, kind, dtype), collapsed(6, kind, dtype)
    e, d = (b.double().flatten(1).norm(dim=-1) for b in (encoder, decoder))
    excess = map_norm(encoder, decoder).double() - singular_values(decoder.double(), encoder.double()).sum(-1)
    assert (excess >= -rounding * e * d).all()
    assert (excess <= (2 * math.sqrt(RIDGE) + RIDGE + rounding) * e * d).all()
    excess = decoder_norm(decoder).double() - singular_values(decoder.double()).sum(-1)
    assert (excess >= -rounding * d).all()
    assert (excess <= (math.sqrt(RIDGE * decoder.shape[-2]) + rounding) * d).all()


@given(seed=seeds, exponent=st.integers(-12, 12))
def test_values_and_slopes_scale_like_the_norm(seed: int, exponent: int) -> None:
    scale = 10.0**exponent
    encoder, decoder = blocks(seed).requires_grad_(), blocks(seed + 1).requires_grad_()
    scaled = (scale * encoder).detach().requires_grad_()
    torch.testing.assert_close(map_norm(scaled, decoder), scale * map_norm(encoder, decoder))
    before = torch.autograd.grad(map_norm(encoder, decoder).sum(), (encoder, decoder))
    after = torch.autograd.grad(map_norm(scaled, decoder).sum(), (scaled, decoder))
    torch.testing.assert_close(after[0], before[0])
    torch.testing.assert_close(after[1], scale * before[1])
    torch.testing.assert_close(decoder_norm(scale * decoder), scale * decoder_norm(decoder))


@given(seed=seeds)
def test_a_lost_direction_feels_no_force(seed: int) -> None:
    encoder, decoder = collapsed(seed, "a row of zeros").requires_grad_(), collapsed(seed + 1, "a row of zeros")
    decoder.requires_grad_()
    for slope in torch.autograd.grad(map_norm(encoder, decoder).sum(), (encoder, decoder)):
        assert slope[:, 2].abs().max() < 1e-9


@given(seed=seeds)
def test_rotating_a_block_changes_nothing(seed: int) -> None:
    encoder, decoder = blocks(seed), blocks(seed + 1)
    q = torch.linalg.qr(blocks(seed + 2, width=4)).Q
    torch.testing.assert_close(map_norm(q @ encoder, q @ decoder), map_norm(encoder, decoder))
    torch.testing.assert_close(decoder_norm(q @ decoder), decoder_norm(decoder))


@given(seed=seeds)
def test_factors_never_cost_less_than_the_map_and_balanced_ones_as_much(seed: int) -> None:
    encoder, decoder = blocks(seed), blocks(seed + 1)
    exact = singular_values(decoder, encoder).sum(-1)
    assert (factor_norm(encoder, decoder) >= exact - 1e-9).all()
    u, s, vh = torch.linalg.svd(encoder.mT @ decoder, full_matrices=False)
    u, s, vh = u[..., :4], s[..., :4], vh[..., :4, :]
    root = s.sqrt().unsqueeze(-1)
    torch.testing.assert_close(factor_norm(root * u.mT, root * vh), exact)


@given(seed=seeds, rank=ranks)
def test_a_decoder_of_unit_rows_costs_between_the_root_of_its_rank_and_its_rank(seed: int, rank: int) -> None:
    rows = torch.nn.functional.normalize(blocks(seed, rank=rank), dim=-1)
    values = decoder_norm(rows)
    assert (values >= math.sqrt(rank) - 1e-9).all()
    assert (values <= rank * (1 + RIDGE)).all()
    parallel = decoder_norm(rows[:, :1].expand_as(rows))
    torch.testing.assert_close(parallel, torch.full_like(parallel, math.sqrt(rank)), rtol=3e-3, atol=0.0)
    orthonormal = torch.linalg.qr(blocks(seed, rank=rank).mT).Q.mT
    torch.testing.assert_close(decoder_norm(orthonormal), torch.full_like(parallel, rank), rtol=1e-5, atol=0.0)


def test_members_of_an_ensemble_get_what_each_gets_alone() -> None:
    encoder, decoder = blocks(7, groups=6).unflatten(0, (2, 3)), blocks(8)
    together = torch.vmap(lambda e: map_norm(e, decoder))(encoder)
    torch.testing.assert_close(together, torch.stack([map_norm(e, decoder) for e in encoder]))
    torch.testing.assert_close(map_norm(encoder, decoder.expand_as(encoder)), together)
    slopes = torch.vmap(torch.func.grad(lambda e: map_norm(e, decoder).sum() + decoder_norm(e).sum()))(encoder)
    for member, slope in zip(encoder, slopes, strict=True):
        alone = member.clone().requires_grad_()
        (map_norm(alone, decoder).sum() + decoder_norm(alone).sum()).backward()
        torch.testing.assert_close(slope, alone.grad)


def test_a_block_that_is_not_finite_is_skipped_with_a_warning_and_spares_the_others() -> None:
    encoder, decoder = blocks(9).requires_grad_(), blocks(10)
    clean = torch.autograd.grad(map_norm(encoder, decoder).sum(), encoder)[0]
    decoder[1, 0, 0] = torch.inf
    with pytest.warns(RuntimeWarning, match="1 of 3 blocks could not be computed"):
        values = map_norm(encoder, decoder)
    assert values.isnan().tolist() == [False, True, False]
    (slope,) = torch.autograd.grad(values.nansum(), encoder)
    torch.testing.assert_close(slope[[0, 2]], clean[[0, 2]])
    assert (slope[1] == 0).all()


def test_an_eigensolver_that_gives_up_is_asked_again_in_double_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[float] = []
    solver = torch.linalg.eigh

    def first_fails(gram: Tensor) -> tuple[Tensor, Tensor]:
        calls.append(0.0)
        if len(calls) == 1:
            raise torch.linalg.LinAlgError("did not converge")
        return solver(gram)

    decoder = blocks(11, dtype=torch.float32)
    expected = decoder_norm(decoder)
    monkeypatch.setattr(torch.linalg, "eigh", first_fails)
    torch.testing.assert_close(decoder_norm(decoder), expected)
    assert len(calls) == 2


def test_an_eigensolver_that_gives_up_for_good_skips_the_penalty(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(gram: Tensor) -> tuple[Tensor, Tensor]:
        raise torch.linalg.LinAlgError("did not converge")

    monkeypatch.setattr(nuclear.torch.linalg, "eigh", fails)
    encoder, decoder = blocks(12).requires_grad_(), blocks(13)
    with pytest.warns(RuntimeWarning, match="3 of 3 blocks"):
        values = map_norm(encoder, decoder)
    assert values.isnan().all()
    values.nansum().backward()
    assert encoder.grad is not None
    assert (encoder.grad == 0).all()


def test_a_gram_that_cannot_be_factorised_is_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    factorise = torch.linalg.cholesky_ex

    def second_fails(gram: Tensor) -> tuple[Tensor, Tensor]:
        lower, info = factorise(gram)
        second = torch.tensor([False, True, False])
        return lower.masked_fill(second.view(3, 1, 1), torch.inf), info + second.to(info.dtype)

    encoder, decoder = blocks(16).requires_grad_(), blocks(17)
    expected = map_norm(encoder, decoder).detach()
    monkeypatch.setattr(torch.linalg, "cholesky_ex", second_fails)
    eigh = torch.linalg.eigh
    monkeypatch.setattr(torch.linalg, "eigh", lambda gram: eigh(gram.nan_to_num(1.0)))
    with pytest.warns(RuntimeWarning, match="1 of 3 blocks"):
        values = map_norm(encoder, decoder)
    torch.testing.assert_close(values[[0, 2]], expected[[0, 2]])
    values.nansum().backward()
    assert encoder.grad is not None
    assert encoder.grad.isfinite().all()
    assert (encoder.grad[1] == 0).all()


def test_low_precision_products_elsewhere_do_not_reach_the_grams() -> None:
    encoder, decoder = blocks(14, width=200, dtype=torch.float32), blocks(15, width=200, dtype=torch.float32)
    expected = map_norm(encoder, decoder)
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    try:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            torch.testing.assert_close(map_norm(encoder, decoder), expected, rtol=1e-6, atol=0.0)
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision(before)
