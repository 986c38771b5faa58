"""How much of the activations comes back, at which price: needs no truth, and streams over any source."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from scipy.special import gammaln
from torch import Tensor

from sasa_theory.designs.contract import Design

from .contract import Metric, Reading
from .evaluating import check_finite, encoded, evaluating
from .units import like_parameters

if TYPE_CHECKING:
    from .observation import Observation

_LN2 = 0.6931471805599453
_CONSTANT = 1e-24
"""Variance relative to the mean square that rounding in float64 makes of rows that are all the same."""


@dataclass(frozen=True, kw_only=True)
class Reconstruction:
    """What a design's reconstructions of some rows come to; float64 sums over blocks, so that blocking changes nothing.

    Attributes
    ----------
    rows : int
        Rows seen.
    ev : float
        Explained variance ``1 - sum ||x - x_hat||^2 / sum ||x - mean(x)||^2``.
    fvu : float
        Fraction of variance unexplained, ``1 - ev``.
    cosine : float
        Mean cosine of a row and its reconstruction over the rows that are not 0; a reconstruction of 0 counts as 0.
    relative_norm : float
        ``sum ||x_hat|| / sum ||x||``: below 1 where reconstructions are too short.
    columns, units : float
        Mean number of active columns, and of active units, a row (L0).
    bits : float
        Mean over rows of ``log2 C(K, s)``, s of K units active: what it takes to say which.
    dead : float
        Share of the units that never fired.
    signed : bool
        Whether any code was negative.
    """

    rows: int
    ev: float
    fvu: float
    cosine: float
    relative_norm: float
    columns: float
    units: float
    bits: float
    dead: float
    signed: bool


@torch.no_grad()
def reconstruction(design: Design, blocks: Iterable[Tensor]) -> Reconstruction:
    """Measure reconstructions of rows that come block by block, each of shape (some rows, width).

    Raises
    ------
    ValueError
        If there are no rows, or none that vary; if activations, codes or reconstructions are NaN or infinite.
    """
    like = like_parameters(design)
    rows, error, cosine, columns, units, bits, signed = 0, 0.0, 0.0, 0.0, 0.0, 0.0, False
    filled, length, restored = 0, 0.0, 0.0
    fired = torch.zeros(design.n_units, dtype=torch.bool, device=like.device)
    mean = torch.zeros(design.width, dtype=torch.float64, device=like.device)
    spread = 0.0
    with evaluating(design):
        for block in blocks:
            if not len(block):
                continue
            x = block.to(like)
            codes = encoded(design, x)
            x_hat, on = design.decode(codes), design.presence(codes) > 0
            check_finite(f"reconstructions of {type(design).__name__}", x_hat)
            x, x_hat = x.double(), x_hat.double()
            error += float((x - x_hat).square().sum())
            cosine += float(torch.nn.functional.cosine_similarity(x, x_hat, dim=1).sum())
            filled += int((x != 0).any(dim=1).sum())  # a row of zeros has no direction that could be restored
            length += float(x.norm(dim=1).sum())
            restored += float(x_hat.norm(dim=1).sum())
            columns += float((codes != 0).sum())
            units += float(on.sum())
            bits += float(_log2_choose(design.n_units, on.sum(dim=1)).sum())
            fired |= on.any(dim=0)
            signed = signed or bool((codes < 0).any())
            mean, spread, rows = _merged(mean, spread, rows, x)
    if spread <= _CONSTANT * rows * float(mean.square().sum()):
        raise ValueError(f"explained variance needs rows that vary, got {rows} rows with spread {spread:g}")
    return Reconstruction(
        rows=rows,
        ev=1 - error / spread,
        fvu=error / spread,
        cosine=cosine / filled,
        relative_norm=restored / length,
        columns=columns / rows,
        units=units / rows,
        bits=bits / rows,
        dead=float((~fired).double().mean()),
        signed=signed,
    )


def _merged(mean: Tensor, spread: float, rows: int, x: Tensor) -> tuple[Tensor, float, int]:
    """Mean and sum of squared deviations of all rows so far and these; exact for any offset (Chan et al., 1983)."""
    total = rows + len(x)
    shift = x.mean(dim=0) - mean
    own = float((x - x.mean(dim=0)).square().sum())
    spread += own + float(shift.square().sum()) * rows * len(x) / total
    return mean + shift * (len(x) / total), spread, total


def _log2_choose(n: int, k: Tensor) -> Tensor:
    chosen = k.double().cpu().numpy()
    return torch.from_numpy((gammaln(n + 1) - gammaln(chosen + 1) - gammaln(n - chosen + 1)) / _LN2)


def _ev(observation: Observation) -> Reading:
    """``1 - sum ||x - x_hat||^2 / sum ||x - mean(x)||^2`` over the rows."""
    return Reading(observation.reconstruction.ev)


def _cosine(observation: Observation) -> Reading:
    """Mean of ``cos(x, x_hat)`` over the rows with ``x != 0``; 0 where only ``x_hat`` is 0."""
    return Reading(observation.reconstruction.cosine)


def _relative_norm(observation: Observation) -> Reading:
    """``sum ||x_hat|| / sum ||x||`` over the rows: a ratio of sums, or rows of nearly no length would decide it."""
    return Reading(observation.reconstruction.relative_norm)


def _columns(observation: Observation) -> Reading:
    """Mean number of columns of the code that are not 0, a row."""
    return Reading(observation.reconstruction.columns)


def _units(observation: Observation) -> Reading:
    """Mean number of units that fire in a row."""
    return Reading(observation.reconstruction.units)


def _bits(observation: Observation) -> Reading:
    """Mean over rows of ``log2 C(K, s)``, s of K units active; 0 if none fires, or all do."""
    return Reading(observation.reconstruction.bits)


def _dead(observation: Observation) -> Reading:
    """Share of the units that fire in no row."""
    return Reading(observation.reconstruction.dead)


METRICS = (
    Metric(name="ev", title="explained variance", unit="share", direction="higher", version=1, measure=_ev, best=1.0),
    Metric(name="cosine", title="cosine", unit="cosine", direction="higher", version=2, measure=_cosine, best=1.0),
    Metric(
        name="relative_norm",
        title="relative norm",
        unit="ratio",
        direction="nearest",
        version=1,
        measure=_relative_norm,
        best=1.0,
    ),
    Metric(name="l0_columns", title="active columns", unit="columns", direction="nearest", version=1, measure=_columns),
    Metric(name="l0_units", title="active units", unit="units", direction="nearest", version=1, measure=_units),
    Metric(name="l0_bits", title="bits of the support", unit="bits", direction="nearest", version=1, measure=_bits),
    Metric(name="dead", title="dead units", unit="share", direction="lower", version=1, measure=_dead, best=0.0),
)
