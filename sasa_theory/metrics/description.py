"""Bits that it takes to write down a row with a design: who fires, how strongly, what is missed, and the dictionary."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from sasa_theory.bounds.validate import real

from .contract import Metric, Reading
from .dimension import used_spectrum
from .evaluating import encoded, evaluating

if TYPE_CHECKING:
    from .observation import Observation

DELTA_SHARE = 0.05
"""Distortion allowed in each direction, as a share of the mean variance of the activations per dimension."""


@dataclass(frozen=True)
class DescriptionLength:
    """Bits a row, in four parts.

    Attributes
    ----------
    support : float
        Which units fire: mean of ``log2 C(K, s)``, s of K units active.
    amplitudes : float
        What they add: ``sum_k p_k sum_j 1/2 [log2(s_kj / delta)]_+``, p_k how often unit k fires, s_kj the eigenvalues
        of the covariance of its contribution ``z_k D_k`` given that it does.
    residual : float
        What is missed: ``sum_j 1/2 [log2(r_j / delta)]_+``, r_j the eigenvalues of the residual's covariance.
    dictionary : float
        The subspaces, written once for all N rows: ``sum_k 1/2 b_k (d - b_k) log2(N) / N`` for b_k columns in d
        dimensions, the numbers that a subspace has.
    """

    support: float
    amplitudes: float
    residual: float
    dictionary: float

    @property
    def total(self) -> float:
        """The four together."""
        return self.support + self.amplitudes + self.residual + self.dictionary


def description_length(observation: Observation, delta_share: float = DELTA_SHARE) -> DescriptionLength:
    """Bits a row at a distortion delta in every direction, as if all amplitudes and residuals were Gaussian.

    ``delta = delta_share sum_j Var(x_j) / d``. Means are free: they are written once. The dictionary is shared by the
    observation's rows, so that lengths are compared at equal numbers of rows only.

    Parameters
    ----------
    observation : Observation
        Of any design.
    delta_share : float
        In (0, 1].

    Raises
    ------
    ValueError
        If ``delta_share`` is outside its range or the rows do not vary.

    References
    ----------
    arXiv 2606.25234.
    """
    share = float(real("delta_share", delta_share, 0.0, 1.0, open_low=True))
    units, crowd, width = observation.units, observation.crowd, observation.design.width
    moments = _moments(observation)
    if not moments.variance > 0:
        raise ValueError(f"delta is a share of the rows' variance, got {crowd.rows} rows that do not vary")
    delta = share * moments.variance / width
    often = crowd.fired.counts() / crowd.rows
    each = often.clamp_min(1 / crowd.rows)[:, None]  # units that never fire have moments of 0
    mean = moments.codes / each
    covariance = crowd.second / each[:, :, None] - mean[:, :, None] * mean[:, None, :]
    amplitudes = _bits(used_spectrum(units.decoder, covariance), delta)
    columns = units.sizes.double()
    free = columns * (width - columns).clamp_min(0)
    return DescriptionLength(
        support=observation.reconstruction.bits,
        amplitudes=float((often * amplitudes).sum()),
        residual=float(_bits(torch.linalg.eigvalsh(moments.residual), delta)),
        dictionary=float(free.sum() / 2) * math.log2(crowd.rows) / crowd.rows,
    )


@dataclass(frozen=True)
class _Moments:
    """Means over all rows: codes by unit, covariance of the residual, variance of the activations over all dims."""

    codes: Tensor
    residual: Tensor
    variance: float


@torch.no_grad()
def _moments(observation: Observation) -> _Moments:
    design, units = observation.design, observation.units
    start = torch.zeros(design.width, dtype=torch.float64, device=units.decoder.device)
    fired = start.new_zeros(units.count, units.rank)
    missed, products, rows, spread, mean = start, start.new_zeros(design.width, design.width), 0, 0.0, start
    with evaluating(design):
        for block in observation.rows:
            x = block.x.to(units.decoder)
            codes = encoded(design, x)
            residual, x = (x - design.decode(codes)).double(), x.double()
            n = len(x)
            # deviations from the running mean: exact for any offset
            by, off = residual.mean(dim=0) - missed, x.mean(dim=0) - mean
            within = residual - residual.mean(dim=0)
            products = products + within.mT @ within + torch.outer(by, by) * (rows * n / (rows + n))
            spread += float((x - x.mean(dim=0)).square().sum() + off.square().sum() * rows * n / (rows + n))
            missed, mean = missed + by * n / (rows + n), mean + off * n / (rows + n)
            fired += units.blocks(codes).double().sum(dim=0)
            rows += n
    return _Moments(fired / rows, products / rows, spread / rows)


def _bits(spectrum: Tensor, delta: float) -> Tensor:
    """Rate of Gaussians of these variances at distortion delta, summed over the last dimension."""
    return (spectrum / delta).clamp_min(1).log2().sum(dim=-1) / 2


def _description(observation: Observation) -> Reading:
    """Bits a row: support + amplitudes + residual + dictionary, at ``delta = 0.05 sum_j Var(x_j) / d`` a direction.

    Support: mean of ``log2 C(K, s)``. Amplitudes: ``sum_k p_k sum_j 1/2 [log2(s_kj / delta)]_+``, s_kj the eigenvalues
    of ``D_k' Cov(z_k | fires) D_k``, p_k how often unit k fires. Residual: ``sum_j 1/2 [log2(r_j / delta)]_+``, r_j the
    eigenvalues of its covariance. Dictionary: ``sum_k 1/2 b_k (d - b_k) log2(N) / N`` over N rows.
    """
    return Reading(description_length(observation).total)


METRICS = (
    Metric(
        name="description_bits",
        title="description length",
        unit="bits",
        direction="lower",
        version=2,
        measure=_description,
        source="arXiv 2606.25234",
    ),
)
