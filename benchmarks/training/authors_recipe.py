"""The SASA authors' recipe in plain torch, written from its equations; it stands for their code, which is on no index.

July 2026 release of arXiv 2606.06333, with SAELens' trainer around it: before each forward all rows of the decoder and
all columns of the encoder are brought to norm 1; activations are normalised token by token; the s groups of largest
norm are kept by a mask over dense codes; the loss is the squared error of the activations as they came, plus 100 times
the mean nuclear norm of the decoder's blocks, by their polar factors; gradients are clipped; Adam is not fused. SAELens
counts firings from the dense codes. No latent dies within a turn, so its revival is left out.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .settings import DEAD_AFTER, RANK, Setting
from .turn import Turn

_PENALTY = 100.0
_RIDGE = 1e-6
_LARGEST_GRADIENT = 1.0


def train(turn: Turn, setting: Setting, tuned: bool) -> None:
    """Take steps until the turn is over."""
    generator = torch.Generator().manual_seed(0)
    decoder = nn.Parameter(torch.randn(setting.columns, setting.width, generator=generator))
    encoder = nn.Parameter(decoder.detach().T.clone())
    encoder_bias, decoder_bias = nn.Parameter(torch.zeros(setting.columns)), nn.Parameter(torch.zeros(setting.width))
    parameters = [encoder, decoder, encoder_bias, decoder_bias]
    optimiser = torch.optim.Adam(parameters, lr=2e-4)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: min(1.0, (step + 1) / 1000))
    idle, firings = torch.zeros(setting.columns), torch.zeros(setting.columns)
    for x in turn:
        with torch.no_grad():
            decoder.div_(decoder.norm(dim=1, keepdim=True).clamp_min(1e-8))
            encoder.div_(encoder.norm(dim=0, keepdim=True).clamp_min(1e-8))
        if int((idle > DEAD_AFTER).sum()):
            raise RuntimeError("a latent died within a turn; reviving it is not written")
        mean = x.mean(dim=1, keepdim=True)
        deviation = (x - mean).std(dim=1, keepdim=True)
        normalised = (x - mean) / (deviation + 1e-5)
        codes = top_groups((normalised - decoder_bias) @ encoder + encoder_bias, setting.active // RANK)
        x_hat = (codes @ decoder + decoder_bias) * deviation + mean
        loss = (x_hat - x).pow(2).sum(dim=-1).mean() + _PENALTY * mean_nuclear_norm(decoder)
        with torch.no_grad():
            fires = codes.bool().float()
            idle += 1
            idle[fires.sum(dim=0).bool()] = 0
            firings += fires.sum(dim=0)
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, _LARGEST_GRADIENT)
        optimiser.step()
        optimiser.zero_grad()
        scheduler.step()


def top_groups(codes: Tensor, count: int) -> Tensor:
    """Codes, shape (n, columns), with all but the ``count`` groups of largest norm in each row set to 0."""
    blocks = codes.unflatten(1, (-1, RANK))
    norms = blocks.norm(dim=2)
    mask = torch.zeros_like(norms).scatter_(1, norms.topk(count, dim=1).indices, 1.0)
    return (blocks * mask.unsqueeze(2)).flatten(1)


def mean_nuclear_norm(decoder: Tensor) -> Tensor:
    """Mean over the groups of ``<D_k, P_k>``, where ``P_k = (D_k D_k' + ridge)^(-1/2) D_k`` is held fixed."""
    blocks = decoder.unflatten(0, (-1, RANK))
    with torch.no_grad():
        values, vectors = torch.linalg.eigh(blocks @ blocks.mT + _RIDGE * torch.eye(RANK))
        polar = (vectors * values.rsqrt().unsqueeze(1)) @ vectors.mT @ blocks
    return (blocks * polar).sum(dim=(1, 2)).mean()
