"""How much fires: the norm of the code beside that of the input, the number of units beside that of features."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from .contract import Metric, Reading
from .evaluating import encoded, evaluating
from .units import like_parameters

if TYPE_CHECKING:
    from .observation import Observation


@torch.no_grad()
def code_norms(observation: Observation) -> tuple[Tensor, Tensor, Tensor]:
    """Norms of each row's code, input and reconstruction, the design's offset b taken off the latter two.

    The code's is ``||f|| = sqrt(sum_k ||c_k||^2)`` over the units' contributions: for unit atoms the norm of the code
    itself, and for any unit the same however its columns are turned or scaled against the encoder.

    Returns
    -------
    tuple of Tensor
        ``||f||``, ``||x - b||``, ``||x_hat - b||``, each float64 of shape (rows,).
    """
    design, units = observation.design, observation.units
    like, decoder = like_parameters(design), units.decoder.double()
    gram, offset = decoder @ decoder.mT, units.offset.double()
    found: list[tuple[Tensor, ...]] = []
    with evaluating(design):
        for block in observation.rows:
            x = block.x.to(like)
            codes = encoded(design, x)
            blocks = units.blocks(codes).double()
            squares = torch.einsum("nkr,krs,nks->n", blocks, gram, blocks)
            restored = design.decode(codes).double() - offset
            found.append((squares.clamp_min(0).sqrt(), (x.double() - offset).norm(dim=1), restored.norm(dim=1)))
    code, given, restored = (torch.cat(parts) for parts in zip(*found, strict=True))
    return code, given, restored


def support_sizes(observation: Observation) -> tuple[Tensor, Tensor]:
    """Number of units that fire and of features that are present in each row, float64, shapes (rows,)."""
    crowd = observation.crowd
    present = torch.bincount(crowd.present.rows, minlength=crowd.rows)
    return crowd.fired.sizes.double(), present.double()


def _afa_ratio(observation: Observation) -> Reading:
    """Mean over rows of ``||f|| / ||x - b||``, ``||f||^2 = sum_k ||c_k||^2``: approximate feature activation.

    1 where the units restore the input and do not overlap; below 1 where part of it is missing or active units lean
    towards one another, above where they oppose one another. Rows that equal b do not count.
    """
    code, given, _ = observation.code_norms
    return Reading(_mean_ratio(code, given))


def _overlap_ratio(observation: Observation) -> Reading:
    """Mean over rows of ``||f|| / ||x_hat - b||``, ``||f||^2 = sum_k ||c_k||^2``.

    1 where the units that fire together are orthogonal, whatever they miss; within
    :func:`sasa_theory.bounds.afa_interval`. Rows that decode to b do not count.
    """
    code, _, restored = observation.code_norms
    return Reading(_mean_ratio(code, restored))


def _support_size_error(observation: Observation) -> Reading:
    """Mean over rows of ``|s - s*|``: s units fire where s* features are present."""
    fired, present = support_sizes(observation)
    return Reading(float((fired - present).abs().mean()))


def _support_size_correlation(observation: Observation) -> Reading:
    """Correlation over rows between the number of units that fire and of features present; NaN if one is constant."""
    fired, present = support_sizes(observation)
    fired, present = fired - fired.mean(), present - present.mean()
    spread = float(fired.norm() * present.norm())
    return Reading(float(fired @ present) / spread if spread else torch.nan)


def _support_size_slope(observation: Observation) -> Reading:
    """Units that fire more for each feature more: least squares over rows; NaN if as many features are always present.

    0 for a fixed number of units, 1 for a unit a feature, d where each feature takes d units.
    """
    fired, present = support_sizes(observation)
    fired, present = fired - fired.mean(), present - present.mean()
    spread = float(present @ present)
    return Reading(float(fired @ present) / spread if spread else torch.nan)


def _mean_ratio(above: Tensor, below: Tensor) -> float:
    """Mean of the ratios where there is one; NaN where there is none."""
    return float((above / below)[below > 0].mean())


METRICS = (
    Metric(
        name="afa_ratio",
        title="code norm over input norm",
        unit="ratio",
        direction="nearest",
        version=1,
        measure=_afa_ratio,
        source="arXiv 2503.24277",
    ),
    Metric(
        name="overlap_ratio",
        title="code norm over reconstruction norm",
        unit="ratio",
        direction="nearest",
        version=1,
        measure=_overlap_ratio,
        source="arXiv 2503.24277",
    ),
    Metric(
        name="support_size_error",
        title="error of the support size",
        unit="units",
        direction="lower",
        version=1,
        measure=_support_size_error,
        best=0.0,
    ),
    Metric(
        name="support_size_correlation",
        title="correlation of support sizes",
        unit="correlation",
        direction="higher",
        version=1,
        measure=_support_size_correlation,
    ),
    Metric(
        name="support_size_slope",
        title="units a feature more",
        unit="units",
        direction="nearest",
        version=1,
        measure=_support_size_slope,
    ),
)
