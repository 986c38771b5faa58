"""What a language model loses when a design's reconstructions take the place of its activations."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sasa_theory.bounds.validate import count
from sasa_theory.designs.contract import Design
from sasa_theory.metrics.evaluating import check_finite, encoded, evaluating
from sasa_theory.metrics.reconstruction import Reconstruction, reconstruction
from sasa_theory.metrics.units import like_parameters

from .activations import Activations
from .corpora import Place, Sequences
from .sites import read, replaced

_LEVEL = 0.95
_NUMBERS = 1 << 24
"""Numbers of dense codes held at a time."""


class Estimate(NamedTuple):
    """A value and its 95 % bootstrap interval over sequences; NaN where it is not defined."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Ablation:
    """What the model loses when one constant takes the place of its activations, and how much of it a design saves.

    Attributes
    ----------
    ce : float
        Cross-entropy of the next token, nats a token.
    kl : float
        ``KL(clean || ablated)``, nats a token.
    ce_score : Estimate
        ``(CE_ablated - CE_design) / (CE_ablated - CE_clean)``: 1 if nothing is lost, 0 if as much as by the ablation.
        It says nothing where the ablation does no harm, ``CE_ablated <= CE_clean``.
    kl_score : Estimate
        ``(KL_ablated - KL_design) / KL_ablated``.
    """

    ce: float
    kl: float
    ce_score: Estimate
    kl_score: Estimate


@dataclass(frozen=True, kw_only=True)
class Fidelity:
    """What remains of a model that sees a design's reconstructions at a site.

    Attributes
    ----------
    site : str
        Where.
    sequences, predictions : int
        Sequences read, and next tokens predicted in them: all but the first of each sequence.
    every_position : bool
        Whether all positions were replaced, or only those that training sees.
    ce_clean, ce_design : Estimate
        Cross-entropy of the next token, nats a token.
    kl_design : Estimate
        ``KL(clean || with reconstructions)``, nats a token.
    zero, mean : Ablation
        Against activations of 0, and against their mean over the same positions of the same sequences.
    reconstruction : Reconstruction
        Of the activations that were replaced: explained variance, cosine, L0 in columns, units and bits, dead units.
    """

    site: str
    sequences: int
    predictions: int
    every_position: bool
    ce_clean: Estimate
    ce_design: Estimate
    kl_design: Estimate
    zero: Ablation
    mean: Ablation
    reconstruction: Reconstruction


@torch.no_grad()
def fidelity(
    design: Design,
    source: Activations,
    *,
    sequences: int = 64,
    place: Place | None = None,
    every_position: bool = False,
    resamples: int = 1000,
    seed: int = 0,
) -> Fidelity:
    """Measure what a model loses by a design's reconstructions, beside zero and mean ablation of the same positions.

    Parameters
    ----------
    design : Design
        Of the site's width.
    source : Activations
        The model, the site, the text, and which positions count.
    sequences : int
        How many are read.
    place : Place, optional
        Where in the corpus they begin.
    every_position : bool
        Whether to replace also the positions that ``source.harvest`` leaves out of training (BOS and attention sinks).
    resamples : int
        Bootstrap samples of whole sequences: tokens of one sequence are not independent.
    seed : int
        Of the bootstrap.

    Raises
    ------
    ValueError
        If widths differ, a number is out of range, or activations or reconstructions are not finite.
    """
    if design.width != source.width:
        raise ValueError(f"the design is of width {design.width}, {source.site} of {source.width}; they must agree")
    number, size = int(count("sequences", sequences, 2)), source.harvest.sequences
    count("resamples", resamples)
    start = (source.language, source.corpus, source.harvest.length, (0, 1))
    tokens = torch.stack(list(islice(Sequences(*start, place), number))).to(source.language.device)
    used = torch.ones_like(tokens, dtype=torch.bool) if every_position else source.used(tokens)
    running = _Mean(source.width)
    restored = reconstruction(design, running.over(_rows(source, tokens, used, _block(design))))
    mean = running.value
    losses: dict[str, list[tuple[float, float]]] = {name: [] for name in ("clean", "design", "zero", "mean")}
    with evaluating(design):
        changes: dict[str, Callable[[Tensor], Tensor]] = {
            "design": lambda x: _restored(design, x),
            "zero": torch.zeros_like,
            "mean": lambda x: mean.to(x).expand_as(x),
        }
        for some, where in zip(tokens.split(size), used.split(size), strict=True):
            clean = _logits(source, some)
            losses["clean"] += _losses(some, clean, clean)
            for name, change in changes.items():
                losses[name] += _losses(some, clean, _logits(source, some, where, change))
    sums = {name: np.array(pairs) / (tokens.shape[1] - 1) for name, pairs in losses.items()}
    weights = np.random.default_rng(seed).multinomial(number, np.full(number, 1 / number), size=resamples) / number
    everything = np.vstack([np.full(number, 1 / number), weights])
    # first the value, then its resamples; shape (1 + resamples, cross-entropy and divergence)
    told = {name: everything @ each for name, each in sums.items()}
    return Fidelity(
        site=str(source.site),
        sequences=number,
        predictions=number * (tokens.shape[1] - 1),
        every_position=every_position,
        ce_clean=_estimate(told["clean"][:, 0]),
        ce_design=_estimate(told["design"][:, 0]),
        kl_design=_estimate(told["design"][:, 1]),
        zero=_ablation(told, "zero"),
        mean=_ablation(told, "mean"),
        reconstruction=restored,
    )


def _ablation(told: dict[str, NDArray[np.float64]], name: str) -> Ablation:
    ce, kl = told[name].T
    with np.errstate(divide="ignore", invalid="ignore"):
        ce_score = (ce - told["design"][:, 0]) / (ce - told["clean"][:, 0])
        kl_score = (kl - told["design"][:, 1]) / kl
    return Ablation(ce=float(ce[0]), kl=float(kl[0]), ce_score=_estimate(ce_score), kl_score=_estimate(kl_score))


def _estimate(values: NDArray[np.float64]) -> Estimate:
    if not np.isfinite(values).all():
        return Estimate(float(values[0]) if np.isfinite(values[0]) else np.nan, np.nan, np.nan)
    low, high = np.quantile(values[1:], [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2])
    return Estimate(float(values[0]), float(low), float(high))


class _Mean:
    """Mean of rows that pass by."""

    def __init__(self, width: int) -> None:
        self._sum, self._rows = torch.zeros(width, dtype=torch.float64), 0

    def over(self, blocks: Iterator[Tensor]) -> Iterator[Tensor]:
        for rows in blocks:
            self._sum += rows.double().sum(dim=0).cpu()
            self._rows += len(rows)
            yield rows

    @property
    def value(self) -> Tensor:
        return self._sum / self._rows


def _rows(source: Activations, tokens: Tensor, used: Tensor, block: int) -> Iterator[Tensor]:
    size = source.harvest.sequences
    for some, where in zip(tokens.split(size), used.split(size), strict=True):
        yield from read(source.language.model, source.site, input_ids=some)[where].float().split(block)


def _block(design: Design) -> int:
    return max(1, _NUMBERS // design.columns)


def _restored(design: Design, x: Tensor) -> Tensor:
    """Reconstructions of rows, in their dtype, shape (n, width)."""
    found = [design.decode(encoded(design, rows)) for rows in x.to(like_parameters(design)).split(_block(design))]
    restored = torch.cat(found).to(x)
    check_finite(f"reconstructions of {type(design).__name__}", restored)
    return restored


def _logits(
    source: Activations, tokens: Tensor, where: Tensor | None = None, change: Callable[[Tensor], Tensor] | None = None
) -> Tensor:
    """Logits of the model, activations at some positions changed, shape (sequences, length, vocabulary)."""
    model = source.language.model
    logits: Tensor
    if where is None or change is None:
        logits = model(input_ids=tokens, use_cache=False).logits
        return logits

    def changed(x: Tensor) -> Tensor:
        x = x.clone()
        x[where] = change(x[where])
        return x

    with replaced(model, source.site, changed):
        logits = model(input_ids=tokens, use_cache=False).logits
        return logits


def _losses(tokens: Tensor, clean: Tensor, logits: Tensor) -> list[tuple[float, float]]:
    """Sums over each sequence of cross-entropy and of the divergence from the clean model."""
    found = []
    for ids, ours, theirs in zip(tokens, logits, clean, strict=True):  # one at a time: vocabularies are large
        log_q, log_p = ours[:-1].float().log_softmax(dim=-1), theirs[:-1].float().log_softmax(dim=-1)
        ce = -log_q.gather(1, ids[1:, None]).double().sum()
        kl = (log_p.exp() * (log_p - log_q)).sum(dim=-1).double().sum()
        found.append((float(ce), float(kl)))
    return found
