r"""Nuclear norms of the blocks of a design, as penalties: fast, smooth, and safe where ranks collapse.

Block k has decoder rows ``D_k`` and encoder rows ``E_k``, both (r, d); its end-to-end map is ``W_k = E_k' D_k``.
Neither map nor singular vectors are ever formed: with Grams ``G_E = E E'`` and ``G_D = D D'``, both (r, r),

    ||D||_* = tr G_D^{1/2},             slope along D:  G_D^{-1/2} D,
    ||W||_* = tr (L' G_E L)^{1/2},      slopes along E: B E,   B = L (L' G_E L)^{-1/2} L',
                                        along D:        A D,   A = G_E L (L' G_E L)^{-1/2} L^{-1},      G_D = L L'.

The slopes are ``P D'`` and ``E P`` with the polar factor P of W. A ridge ``rho tr(G) / r`` on each Gram makes this a
smooth function that scales like the norm: ``f(c E, D) = |c| f(E, D)``; the slopes given are exactly its own. It exceeds
the nuclear norm by at most ``sqrt(rho r) ||D||_F`` (decoder) or ``(2 sqrt(rho) + rho) ||E||_F ||D||_F`` (map). Along a
direction that a block has lost altogether the slope is 0: only the reconstruction can bring it back.

Grams are summed in the precision of the weights, everything (r, r) is float64. Squaring halves the precision: in
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


class _DecoderNorm(torch.autograd.Function):
    """Value of each block, and the matrix that turns its rows into its slope."""

    @staticmethod
    def forward(decoder: Tensor, ridge: float) -> tuple[Tensor, Tensor]:
        values, slopes = _robust(lambda gram: _of_gram(gram, ridge), decoder)
        return values, slopes

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, float], output: tuple[Tensor, Tensor]) -> None:
        ctx.save_for_backward(inputs[0], output[1])
        ctx.mark_non_differentiable(output[1])

    @staticmethod
    def backward(ctx: Any, grad: Tensor, *_: Any) -> tuple[Tensor, None]:
        decoder, slopes = ctx.saved_tensors
        with _full_precision(decoder.device.type):
            return (grad[..., None, None] * slopes) @ decoder, None

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, None], decoder: Tensor, ridge: float) -> tuple[Any, tuple[int, int]]:
        return _DecoderNorm.apply(_members(decoder, in_dims[0], info.batch_size), ridge), (0, 0)


class _MapNorm(torch.autograd.Function):
    """Value of each block, and the matrices A and B that turn its decoder and encoder rows into slopes."""

    @staticmethod
    def forward(encoder: Tensor, decoder: Tensor, ridge: float) -> tuple[Tensor, Tensor, Tensor]:
        values, along_decoder, along_encoder = _robust(
            lambda left, right: _of_grams(left, right, ridge), encoder, decoder
        )
        return values, along_decoder, along_encoder

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, float], output: tuple[Tensor, Tensor, Tensor]) -> None:
        ctx.save_for_backward(*inputs[:2], *output[1:])
        ctx.mark_non_differentiable(*output[1:])

    @staticmethod
    def backward(ctx: Any, grad: Tensor, *_: Any) -> tuple[Tensor | None, Tensor | None, None]:
        encoder, decoder, along_decoder, along_encoder = ctx.saved_tensors
        grad = grad[..., None, None]
        with _full_precision(decoder.device.type):
            to_encoder = (grad * along_encoder) @ encoder if ctx.needs_input_grad[0] else None
            to_decoder = (grad * along_decoder) @ decoder if ctx.needs_input_grad[1] else None
        return to_encoder, to_decoder, None

    @staticmethod
    def vmap(
        info: Any, in_dims: tuple[int | None, int | None, None], encoder: Tensor, decoder: Tensor, ridge: float
    ) -> tuple[Any, tuple[int, int, int]]:
        encoder = _members(encoder, in_dims[0], info.batch_size)
        decoder = _members(decoder, in_dims[1], info.batch_size)
        return _MapNorm.apply(encoder, decoder, ridge), (0, 0, 0)


def _members(blocks: Tensor, dim: int | None, size: int) -> Tensor:
    return blocks.expand(size, *blocks.shape) if dim is None else blocks.movedim(dim, 0)


def _of_gram(gram: Tensor, ridge: float) -> tuple[Tensor, Tensor]:
    """``tr (G + delta)^{1/2}`` and twice its slope along G, ``delta = rho tr(G) / r`` included."""
    gram, scale = _normalised(gram)
    r = gram.shape[-1]
    values, vectors = torch.linalg.eigh(gram)
    roots = (values.clamp_min(0.0) + ridge / r).sqrt()
    inverse = (vectors / roots.unsqueeze(-2)) @ vectors.mT
    return scale.sqrt() * roots.sum(dim=-1), _over(_with_ridge(inverse, ridge), scale.sqrt())


def _of_grams(left: Tensor, right: Tensor, ridge: float) -> tuple[Tensor, Tensor, Tensor]:
    """``tr (L' G_E L)^{1/2}`` of Grams with their ridges, and A and B of the module."""
    (left, left_scale), (right, right_scale) = _normalised(left), _normalised(right)
    r = left.shape[-1]
    eye = torch.eye(r, dtype=left.dtype, device=left.device)
    left, right = left + ridge / r * eye, right + ridge / r * eye
    lower, failed = torch.linalg.cholesky_ex(right)
    values, vectors = torch.linalg.eigh(lower.mT @ left @ lower)
    roots = values.clamp_min((ridge / r) ** 2).sqrt()  # the smallest that the ridges allow
    turned = lower @ vectors
    along_encoder = (turned / roots.unsqueeze(-2)) @ turned.mT
    inverse = torch.linalg.solve_triangular(lower, eye, upper=False)
    along_decoder = left @ (turned / roots.unsqueeze(-2)) @ (vectors.mT @ inverse)
    norm = (left_scale * right_scale).sqrt() * roots.sum(dim=-1)
    ratio = _over(left_scale.sqrt(), right_scale.sqrt())
    return (
        norm.masked_fill(failed != 0, torch.nan),
        _with_ridge(along_decoder, ridge) * ratio[..., None, None],
        _over(_with_ridge(along_encoder, ridge), ratio),
    )


def _normalised(gram: Tensor) -> tuple[Tensor, Tensor]:
    """A Gram over its trace, and the trace; the identity for a block of zeros, whose norm and slope are 0."""
    trace = gram.diagonal(dim1=-2, dim2=-1).sum(dim=-1)
    eye = torch.eye(gram.shape[-1], dtype=gram.dtype, device=gram.device)
    empty = (trace == 0)[..., None, None]
    return torch.where(empty, eye, gram / trace[..., None, None]), trace


def _with_ridge(slope: Tensor, ridge: float) -> Tensor:
    """Slope along a Gram G of a function of ``G + rho tr(G) / r``, from that function's slope."""
    trace = slope.diagonal(dim1=-2, dim2=-1).sum(dim=-1)[..., None, None]
    return slope + ridge / slope.shape[-1] * trace * torch.eye(slope.shape[-1], dtype=slope.dtype, device=slope.device)


def _over(value: Tensor, scale: Tensor) -> Tensor:
    """``value / scale``, and 0 where the scale is 0."""
    scale = scale if value.dim() == scale.dim() else scale[..., None, None]
    return torch.where(scale == 0, 0.0, value / scale)


def _robust(formula: Callable[..., tuple[Tensor, ...]], *blocks: Tensor) -> list[Tensor]:
    """A formula of Grams, summed in the precision of the blocks, then in float64 if that fails, else NaN and slope 0.

    What the formula returns first is the value; a value that is not finite is a failure.
    """
    own = torch.promote_types(blocks[0].dtype, torch.float32)
    with _full_precision(blocks[0].device.type):
        for precision in dict.fromkeys((own, torch.float64)):
            grams = [(block.to(precision) @ block.to(precision).mT).to(torch.float64) for block in blocks]
            finite = torch.stack([gram.isfinite().flatten(-2).all(dim=-1) for gram in grams]).all(dim=0)
            eye = torch.eye(grams[0].shape[-1], dtype=torch.float64, device=grams[0].device)
            safe = [torch.where(finite[..., None, None], gram, eye) for gram in grams]  # eigh refuses infinities
            try:
                value, *slopes = formula(*safe)
            except torch.linalg.LinAlgError:  # type: ignore[attr-defined]
                value = torch.full_like(finite, torch.nan, dtype=torch.float64)
                slopes = [torch.zeros_like(gram) for gram in grams]
            computed = finite & value.isfinite()
            if computed.all():
                break
    if not computed.all():
        warnings.warn(
            f"the nuclear norm of {int((~computed).sum())} of {computed.numel()} blocks could not be computed: their "
            "penalty is skipped in this step",
            RuntimeWarning,
            stacklevel=2,
        )
        value = value.masked_fill(~computed, torch.nan)
        slopes = [torch.where(computed[..., None, None], slope, 0.0) for slope in slopes]
    return [result.to(blocks[0].dtype) for result in (value, *slopes)]


@contextmanager
def _full_precision(device: str) -> Iterator[None]:
    """No autocast, no TF32: inverse roots of Grams would magnify their rounding a thousandfold."""
    before = torch.get_float32_matmul_precision()
    with torch.autocast(device, enabled=False):
        if before != "highest":
            torch.set_float32_matmul_precision("highest")
        try:
            yield
        finally:
            if before != "highest":
                torch.set_float32_matmul_precision(before)
