r"""Nuclear norms of the blocks of a design, as penalties: fast, smooth, and safe where ranks collapse.

Block k has decoder rows ``D_k`` and encoder rows ``E_k``, both (r, d); its end-to-end map is ``W_k = E_k' D_k``.
Neither map nor singular vectors are ever formed: with Grams ``G_E = E E'`` and ``G_D = D D'``, both (r, r),

    ||D||_* = tr G_D^{1/2},             slope along D:  G_D^{-1/2} D,
    ||W||_* = tr (L' G_E L)^{1/2},      slopes along E: B E,   B = L (L' G_E L)^{-1/2} L',
                                        along D:        A D,   A = L'^{-1} (L' G_E L)^{1/2} L^{-1},     G_D = L L'.

The slopes are ``P D'`` and ``E P`` with the polar factor P of W. A ridge ``rho tr(G) / r`` on each Gram makes this a
smooth function that scales like the norm: ``f(c E, D) = |c| f(E, D)``; the slopes given are exactly its own. It exceeds
the nuclear norm by at most ``sqrt(rho r) ||D||_F`` (decoder) or ``(2 sqrt(rho) + rho) ||E||_F ||D||_F`` (map). Along a
direction that a block has lost altogether the slope is 0: only the reconstruction can bring it back.

Grams are summed in the precision of the weights, everything (r, r) is float64, for all blocks in few operators: small
designs spend their time on calls. Squaring halves the precision: in
float32 singular values below about 3e-4 of the largest are rounding, which the ridge exceeds.

Source of the penalties: arXiv 2606.06333; of the variational form, Srebro, Rennie and Jaakkola (2004).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from ..kernels.function import Function

RIDGE = 1e-6
"""Ridge rho on a Gram, relative to its mean eigenvalue: above the rounding of a float32 Gram."""


def decoder_norm(decoder: Tensor, ridge: float = RIDGE) -> Tensor:
    """``||D_k||_*`` of each block.

    Parameters
    ----------
    decoder : Tensor, shape (..., K, r, d)
        Blocks. More leading dimensions are members of an ensemble.
    ridge : float
        Ridge rho; see the module.

    Returns
    -------
    Tensor, shape (..., K)
        NaN, with slope 0 and a warning, where the norm cannot be computed. Differentiable once.
    """
    values: Tensor = _DecoderNorm.apply(decoder, ridge)[0]
    return values


def map_norm(encoder: Tensor, decoder: Tensor, ridge: float = RIDGE) -> Tensor:
    """``||E_k' D_k||_*`` of the end-to-end map of each block; see :func:`decoder_norm` for arguments and failures."""
    values: Tensor = _MapNorm.apply(encoder, decoder, ridge)[0]
    return values


def factor_norm(encoder: Tensor, decoder: Tensor) -> Tensor:
    """``(||E_k||_F^2 + ||D_k||_F^2) / 2``: at least the norm of the map, and equal to it for balanced factors.

    Minimising it over all factors of a map gives the map's nuclear norm: the penalty as symmetric weight decay.
    """
    return 0.5 * (encoder.square().sum(dim=(-2, -1)) + decoder.square().sum(dim=(-2, -1)))


def singular_values(decoder: Tensor, encoder: Tensor | None = None) -> Tensor:
    """Singular values of the blocks D_k, or of the maps E_k' D_k, descending, shape (..., K, r).

    The slow reference: no Gram, no ridge, exact to the precision of the weights; autograd may differentiate it where
    they are distinct and not 0. Maps go through two QR factorisations, ``sigma(E' D) = sigma(R_E R_D')``.
    """
    if encoder is None:
        return torch.linalg.svdvals(decoder)
    right, left = torch.linalg.qr(decoder.mT).R, torch.linalg.qr(encoder.mT).R
    return torch.linalg.svdvals(left @ right.mT)


class _DecoderNorm(Function):
    """Value of each block, and the matrix that turns its rows into its slope."""

    @staticmethod
    def forward(decoder: Tensor, ridge: float) -> tuple[Tensor, Tensor]:
        return _robust(lambda grams: _of_gram(grams, ridge), decoder)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, float], output: tuple[Tensor, Tensor]) -> None:
        ctx.save_for_backward(inputs[0], output[1])
        ctx.mark_non_differentiable(output[1])

    @staticmethod
    def backward(ctx: Any, grad: Tensor, *_: Any) -> tuple[Tensor, None]:
        decoder, slopes = ctx.saved_tensors
        with _full_precision(decoder.device.type):
            return (grad[..., None, None] * slopes.select(-4, 0)) @ decoder, None

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, None], decoder: Tensor, ridge: float) -> tuple[Any, tuple[int, int]]:
        return _DecoderNorm.apply(_members(decoder, in_dims[0], info.batch_size), ridge), (0, 0)


class _MapNorm(Function):
    """Value of each block, and the matrices B and A that turn its encoder and decoder rows into slopes."""

    @staticmethod
    def forward(encoder: Tensor, decoder: Tensor, ridge: float) -> tuple[Tensor, Tensor]:
        return _robust(lambda grams: _of_grams(grams, ridge), encoder, decoder)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, float], output: tuple[Tensor, Tensor]) -> None:
        ctx.save_for_backward(*inputs[:2], output[1])
        ctx.mark_non_differentiable(output[1])

    @staticmethod
    def backward(ctx: Any, grad: Tensor, *_: Any) -> tuple[Tensor | None, Tensor | None, None]:
        encoder, decoder, slopes = ctx.saved_tensors
        along_encoder, along_decoder = (grad[..., None, :, None, None] * slopes).unbind(-4)
        with _full_precision(decoder.device.type):
            to_encoder = along_encoder @ encoder if ctx.needs_input_grad[0] else None
            to_decoder = along_decoder @ decoder if ctx.needs_input_grad[1] else None
        return to_encoder, to_decoder, None

    @staticmethod
    def vmap(
        info: Any, in_dims: tuple[int | None, int | None, None], encoder: Tensor, decoder: Tensor, ridge: float
    ) -> tuple[Any, tuple[int, int]]:
        encoder = _members(encoder, in_dims[0], info.batch_size)
        decoder = _members(decoder, in_dims[1], info.batch_size)
        return _MapNorm.apply(encoder, decoder, ridge), (0, 0)


def _members(blocks: Tensor, dim: int | None, size: int) -> Tensor:
    return blocks.expand(size, *blocks.shape) if dim is None else blocks.movedim(dim, 0)


def _of_gram(grams: Tensor, ridge: float) -> tuple[Tensor, Tensor]:
    """``tr (G + delta)^{1/2}`` and twice its slope along G, ``delta = rho tr(G) / r`` included; ``grams`` has one."""
    grams, sizes = _normalised(grams, ridge)
    values, vectors = torch.linalg.eigh(grams)
    roots = values.clamp_min(ridge / grams.shape[-1]).sqrt()  # the smallest that the ridge allows
    slopes = _with_ridge((vectors / roots.unsqueeze(-2)) @ vectors.mT, ridge)
    return (sizes * roots.sum(dim=-1)).select(-2, 0), slopes * _inverse(sizes)[..., None, None]


def _of_grams(grams: Tensor, ridge: float) -> tuple[Tensor, Tensor]:
    """``tr (L' G_E L)^{1/2}`` of two Grams with their ridges, and B and A of the module."""
    grams, sizes = _normalised(grams, ridge)
    left, right = grams.unbind(-4)
    lower, failed = torch.linalg.cholesky_ex(right)
    values, vectors = torch.linalg.eigh(lower.mT @ left @ lower)
    roots = values.clamp_min((ridge / grams.shape[-1]) ** 2).sqrt()
    turned = lower @ vectors
    inverse = torch.linalg.solve_triangular(lower.mT, vectors, upper=True)
    scaled = roots.unsqueeze(-2)
    slopes = torch.stack((turned / scaled, inverse * scaled), dim=-4) @ torch.stack((turned.mT, inverse.mT), dim=-4)
    norm = sizes.prod(dim=-2) * roots.sum(dim=-1)
    ratios = sizes.flip(-2) * _inverse(sizes)
    return norm.masked_fill(failed != 0, torch.nan), _with_ridge(slopes, ridge) * ratios[..., None, None]


def _normalised(grams: Tensor, ridge: float) -> tuple[Tensor, Tensor]:
    """Grams over their traces, ridges added, and the roots of the traces; only the ridge where a trace is 0.

    Grams that are not finite become something finite, as eigensolvers refuse infinities; their trace does not.
    """
    traces = grams.diagonal(dim1=-2, dim2=-1).sum(dim=-1)
    grams = (grams / traces[..., None, None]).nan_to_num_(0.0, 0.0, 0.0)
    grams.diagonal(dim1=-2, dim2=-1).add_(ridge / grams.shape[-1])
    return grams, traces.sqrt()


def _with_ridge(slopes: Tensor, ridge: float) -> Tensor:
    """Slopes along Grams G of functions of ``G + rho tr(G) / r``, from those functions' slopes, in place."""
    diagonals = slopes.diagonal(dim1=-2, dim2=-1)
    diagonals.add_(diagonals.sum(dim=-1, keepdim=True), alpha=ridge / slopes.shape[-1])
    return slopes


def _inverse(sizes: Tensor) -> Tensor:
    """``1 / sizes``, and 0 where a size is 0."""
    return sizes.reciprocal().masked_fill_(sizes == 0, 0.0)


def _robust(formula: Callable[[Tensor], tuple[Tensor, Tensor]], *blocks: Tensor) -> tuple[Tensor, Tensor]:
    """A formula of Grams, summed in the precision of the blocks, then in float64 if that fails, else NaN and slope 0.

    It takes the Grams of each of ``blocks``, shape (..., len(blocks), K, r, r), to values, shape (..., K), and slopes,
    of the shape of the Grams. A value that is not finite is a failure.
    """
    own = torch.promote_types(blocks[0].dtype, torch.float32)
    with _full_precision(blocks[0].device.type):
        for precision in dict.fromkeys((own, torch.float64)):
            rows = (block.to(precision) for block in blocks)
            grams = torch.stack([block @ block.mT for block in rows], dim=-4).to(torch.float64)
            try:
                values, slopes = formula(grams)
            except torch.linalg.LinAlgError:  # type: ignore[attr-defined]
                values, slopes = grams.new_full(blocks[0].shape[:-2], torch.nan), torch.zeros_like(grams)
            computed = values.isfinite()
            if computed.all():
                break
        else:
            warnings.warn(
                f"the nuclear norm of {int((~computed).sum())} of {computed.numel()} blocks could not be computed: "
                "their penalty is skipped in this step",
                RuntimeWarning,
                stacklevel=2,
            )
            values = values.masked_fill(~computed, torch.nan)
            slopes = slopes.masked_fill(~computed[..., None, :, None, None], 0.0)
    return values.to(blocks[0].dtype), slopes.to(blocks[0].dtype)


@contextmanager
def _full_precision(device: str) -> Iterator[None]:
    """No autocast, no TF32: inverse roots of Grams would magnify their rounding a thousandfold."""
    before = torch.get_float32_matmul_precision()
    if before == "highest" and not torch.is_autocast_enabled(device):
        yield
        return
    torch.set_float32_matmul_precision("highest")
    try:
        with torch.autocast(device, enabled=False):
            yield
    finally:
        torch.set_float32_matmul_precision(before)
