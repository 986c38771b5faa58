"""l1 training that starts at the true basis with spare copies, watched on its way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np
import torch
from scipy.sparse.csgraph import connected_components
from torch import Tensor
from torch.optim.lr_scheduler import LambdaLR

from sasa_theory import designs
from sasa_theory.bounds.validate import Floats
from sasa_theory.claims.measuring.exact_lasso import lasso_value
from sasa_theory.claims.measuring.gauges import mean_gauge
from sasa_theory.claims.measuring.geometry import unit
from sasa_theory.claims.measuring.true_basis import signed_basis
from sasa_theory.designs.atoms.relu import ReLU
from sasa_theory.designs.linear import normalise_rows
from sasa_theory.metrics.splitting import units_needed

from .slice_laws import Law

Coder = Literal["optimal codes", "with bias", "bias-free"]
"""Who finds the codes: convex optimisation for each input, or a ReLU encoder that is trained along."""

_NOISE = 1e-3  # length of the random move that tells the copies apart: angles of 0.06 degrees
_INNER = 20  # proximal steps on the codes, which are kept, between two steps of the dictionary
_SETTLED = 500  # proximal steps where codes are to be exact
_LOOKS = 12
_PARALLEL = np.cos(np.radians(10))  # cosine above which atoms count as one: copies that only noise tells apart


class Descent(NamedTuple):
    """Curves along training, one entry a look.

    Attributes
    ----------
    taken : tuple of float
        Steps taken.
    risk : tuple of float
        ``E 1/2 ||x - c A||^2 + lam 1'c`` at the codes that training uses.
    optimal : tuple of float
        The same at the best codes of the dictionary.
    gauge : tuple of float
        Mean gauge of the dictionary on the unit sphere: the l1 cost in the limit of small penalties.
    spare_angle : tuple of float
        Mean angle of the spare copies to the nearest signed basis vector, degrees.
    directions : tuple of float
        Directions that carry 90 % of what the best codes add, counted like the metric ``units_90``.
    dictionary : ndarray, shape (N, d)
        The atoms at the end.
    """

    taken: tuple[float, ...]
    risk: tuple[float, ...]
    optimal: tuple[float, ...]
    gauge: tuple[float, ...]
    spare_angle: tuple[float, ...]
    directions: tuple[float, ...]
    dictionary: Floats


def descend(
    law: Law, n_atoms: int, lam: float, coder: Coder, rng: np.random.Generator, *, steps: int, lr: float
) -> Descent:
    """Train full-batch from the signed true basis, every atom with its copies, all moved by a tiny random vector.

    Adam with a learning rate that falls linearly to 0. A ReLU encoder starts as the best one for the true basis, copies
    sharing a code evenly; it belongs to the package's ``relu`` design, whose decoder bias stays 0.
    """
    d = law.points.shape[1]
    owner = np.arange(n_atoms) % (2 * d)
    start = unit(signed_basis(d)[owner] + _NOISE * unit(rng.standard_normal((n_atoms, d))))
    points, weights = torch.from_numpy(law.points), torch.from_numpy(law.weights)
    design = designs.get("relu", width=d, atoms=n_atoms, sparsity=2 * lam, warmup=0.0, seed=0).double()
    assert isinstance(design, ReLU)
    design.decoder_bias.requires_grad_(False)
    with torch.no_grad():
        design.decoder.copy_(torch.from_numpy(start))
    if coder == "optimal codes":
        kept = points.new_zeros(len(points), n_atoms)

        def codes_of_step() -> Tensor:
            kept.copy_(best_codes(points, design.decoder.detach(), lam, _INNER, kept))
            return kept

        trained = [design.decoder]
    else:
        _place_encoder(design, law, owner, lam, bias=coder == "with bias")

        def codes_of_step() -> Tensor:
            return design.encode(points)

        trained = [p for p in design.parameters() if p.requires_grad]

    def risk() -> Tensor:
        codes = codes_of_step()
        return weights @ (0.5 * (design.decode(codes) - points).square().sum(dim=1) + lam * codes.sum(dim=1))

    return _watched(design, law, lam, risk, trained, steps, lr)


def best_codes(points: Tensor, atoms: Tensor, lam: float, steps: int, start: Tensor) -> Tensor:
    """Codes of the non-negative lasso by accelerated proximal gradient (FISTA) from ``start``, shape (n, N)."""
    gram, pull = atoms @ atoms.mT, points @ atoms.mT - lam
    rate = 1 / torch.linalg.matrix_norm(gram, 2)
    codes, ahead, speed = start, start, 1.0
    for _ in range(steps):
        following = (ahead - rate * (ahead @ gram - pull)).relu()
        faster = 0.5 + (0.25 + speed**2) ** 0.5
        ahead = following + (speed - 1) / faster * (following - codes)
        codes, speed = following, faster
    return codes


def directions_in_use(law: Law, atoms: Floats, lam: float) -> float:
    """Fewest directions, found greedily, that explain 90 % of what the best codes of the law add.

    Atoms less than 10 degrees apart make one direction.
    """
    points, rows = torch.from_numpy(law.points), torch.from_numpy(atoms)
    codes = best_codes(points, rows, lam, _SETTLED, points.new_zeros(len(points), len(rows)))
    # all codes act inside the slice, so that <c_k a_k, c_l a_l> = c_k c_l <a_k, a_l>
    joint = (codes * torch.from_numpy(law.weights)[:, None]).mT @ codes * (rows @ rows.mT)
    _, bundle = connected_components(atoms @ atoms.T > _PARALLEL)
    member = torch.from_numpy(np.eye(bundle.max() + 1)[bundle])
    joint = member.mT @ joint @ member
    return float(units_needed(joint[None], joint.sum(dim=1)[None], joint.sum()[None]))


def _place_encoder(design: ReLU, law: Law, owner: np.ndarray, lam: float, *, bias: bool) -> None:
    """The best encoder for the true basis, with the law's own shrinkage where there is no bias."""
    first = law.points[:, 0]
    scale = 1.0 if bias else max(0.0, 1 - lam * law.mean(np.abs(first)) / law.mean(first**2))
    share = 1 / np.bincount(owner)[owner]
    assert design.encoder_bias is not None
    design.encoder_bias.requires_grad_(bias)
    with torch.no_grad():
        basis = signed_basis(law.points.shape[1])[owner]
        design.encoder.copy_(torch.from_numpy(scale * share[:, None] * basis))
        if bias:
            design.encoder_bias.copy_(torch.from_numpy(-lam * share))


def _watched(
    design: ReLU,
    law: Law,
    lam: float,
    risk: Callable[[], Tensor],
    trained: list[torch.nn.Parameter],
    steps: int,
    lr: float,
) -> Descent:
    """Take the steps and look at the dictionary, more often at first, when most happens."""
    optimiser = torch.optim.Adam(trained, lr)
    falling = LambdaLR(optimiser, lambda step: 1 - step / (steps + 1))
    looks = set(np.unique(np.round(steps * np.linspace(0, 1, _LOOKS) ** 2)).astype(int).tolist())
    seen: list[tuple[float, ...]] = []
    for step in range(steps + 1):
        loss = risk()
        if step in looks:
            seen.append((float(step), float(loss.detach()), *_looked(law, design.decoder.detach().numpy(), lam)))
        if step == steps:  # the last look is at the dictionary that is handed back
            break
        optimiser.zero_grad()
        loss.backward()
        with torch.no_grad():
            design.project_gradients()
        optimiser.step()
        falling.step()
        normalise_rows(design.decoder.detach())
    taken, used, optimal, gauge, angle, directions = zip(*seen, strict=True)
    return Descent(taken, used, optimal, gauge, angle, directions, design.decoder.detach().numpy().copy())


def _looked(law: Law, atoms: Floats, lam: float) -> tuple[float, float, float, float]:
    """Optimal-code risk, mean gauge, mean angle of the spares and directions in use."""
    d = atoms.shape[1]
    cosine = np.clip((atoms[2 * d :] @ signed_basis(d).T).max(axis=1, initial=-1.0), -1.0, 1.0)
    angle = float(np.degrees(np.arccos(cosine)).mean()) if len(cosine) else 0.0
    return law.mean(lasso_value(law.points, atoms, lam)), mean_gauge(atoms), angle, directions_in_use(law, atoms, lam)
