"""How far a trained SASA is from the global optimum of its own objective, without training another one.

With one active group a row and one bias for all groups, no partition of the rows among any number of groups of any rank
has a lower objective than ``sum_j phi(s_j)``, s_j being the eigenvalues of the rows' covariance. That holds for every
finite set of rows as it is, so that the gap between the two is a certificate and no estimate.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from sasa_theory.bounds import partition_floor
from sasa_theory.bounds.validate import real
from sasa_theory.designs.groups.nuclear import singular_values
from sasa_theory.designs.groups.sasa import Sasa
from sasa_theory.designs.groups.top_groups import TopGroups


@dataclass(frozen=True, kw_only=True)
class Certificate:
    """Objective of a trained SASA on some rows, and what no SASA of any size can go below on them.

    Attributes
    ----------
    objective : float
        ``J = mean ||x - x_hat||^2 + lam sum_g ||E_g' D_g||_*``.
    floor : float
        ``sum_j phi(s_j)`` with the eigenvalues s_j of the rows' covariance (C2).
    lam : float
        Weight of the sum of the nuclear norms, > 0.
    standard_error : float
        Of J, as an estimate for the distribution that the rows were drawn from.
    """

    objective: float
    floor: float
    lam: float
    standard_error: float

    @property
    def gap(self) -> float:
        """``(J - floor) / floor``: share by which any other SASA can improve on this one at most."""
        return (self.objective - self.floor) / self.floor


@torch.no_grad()
def certify(design: TopGroups, rows: Tensor, *, lam: float | None = None) -> Certificate:
    """Bound from above how far a SASA with one active group is from the global minimum of its objective.

    An auxiliary loss is left out of the objective: it is not what is minimised in the end.

    >>> certify(trained.design, rows).gap

    Parameters
    ----------
    design : TopGroups
        With ``active=1`` and no encoder bias.
    rows : Tensor, shape (n, width)
        Activations, best ones that the design was not trained on: n >= 2, and many more than the width.
    lam : float, optional
        Weight of ``sum_g ||E_g' D_g||_*``, > 0. If omitted, the design's own, which it has if its penalty is ``map`` or
        ``factors``.

    Raises
    ------
    ValueError
        If several groups are active, there is an encoder bias, the rows do not fit, all are equal, or no ``lam`` is
        known.
    """
    if design.config.active != 1:
        raise ValueError(f"the floor holds for active=1, got a design with active={design.config.active}")
    if design.encoder_bias is not None:
        raise ValueError("the floor holds without an encoder bias, got a design with encoder_bias=True")
    if rows.ndim != 2 or rows.shape[1] != design.width or len(rows) < 2:
        raise ValueError(f"rows must have shape (n, {design.width}) with n >= 2, got {tuple(rows.shape)}")
    if lam is None:
        if not (isinstance(design, Sasa) and design.config.penalty in ("map", "factors")):
            raise ValueError("lam must be given where the design's own penalty is not 'map' or 'factors'")
        lam = float(design.penalty_weight(rows)) / design.config.penalty_every
    lam = float(real("lam", lam, 0.0, open_low=True))
    risk, spread = objective(design, rows, lam)
    energies = torch.linalg.eigvalsh(torch.cov(rows.double().T, correction=0).reshape(design.width, design.width))
    floor = float(partition_floor(energies.clamp_min(0.0).cpu().numpy(), lam))
    if floor == 0.0:
        raise ValueError(f"rows must differ from each other, got {len(rows)} equal ones")
    return Certificate(
        objective=risk,
        floor=floor,
        lam=lam,
        standard_error=spread,
    )


@torch.no_grad()
def objective(design: TopGroups, rows: Tensor, lam: float) -> tuple[float, float]:
    """``mean ||x - x_hat||^2 + lam sum_g ||E_g' D_g||_*`` and its standard error, however many groups are active.

    Reconstructions are in the precision of the design, everything after them is float64.
    """
    errors = (rows.double() - design(rows).double()).square().sum(dim=-1)
    decoder, encoder = (w.double().unflatten(-2, (-1, design.rank)) for w in (design.decoder, design.encoder))
    risk = errors.mean() + lam * singular_values(decoder, encoder).sum()
    return float(risk), float(errors.std() / len(rows) ** 0.5)
