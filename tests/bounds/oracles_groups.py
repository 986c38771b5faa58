"""Slow, obvious values of the bounds on groups, samples, coherence and nulls (C to F), by definition."""

from __future__ import annotations

import itertools
from typing import Any

from mpmath import matrix, mp, mpf

from .oracles_geometry import one_subset
from .quadrature import TINY, integral, least, moment, switch

# The nuclear norm: C1 to C4 -------------------------------------------------------------------------------------------


def shrunk(s: mpf, lam: mpf) -> mpf:
    """Scalar map m that is least in ``s (1 - m)^2 + lam |m|``."""
    return least(lambda m: s * (1 - m) ** 2 + lam * abs(m), mpf(-1), mpf(2), digits=20)


def phi(s: float, lam: float) -> mpf:
    candidates = (mpf(0), mpf(1), shrunk(mpf(s), mpf(lam)))  # the kink and the end, where the search is not exact
    return min(mpf(s) * (1 - m) ** 2 + lam * abs(m) for m in candidates)


def single_group_optimum(
    eigenvalues: list[float], lam: float, *, rank: int | None = None
) -> tuple[mpf, list[mpf], int]:
    """Try every set of ``rank`` directions; risk, shrinkage and number of directions kept."""
    n = len(eigenvalues)
    alone = [(phi(s, lam), shrunk(mpf(s), mpf(lam))) for s in eigenvalues]

    def risk(kept: tuple[int, ...]) -> mpf:
        return mp.fsum(alone[j][0] if j in kept else eigenvalues[j] for j in range(n))

    kept = min(itertools.combinations(range(n), min(n, n if rank is None else rank)), key=risk)
    shrinkage = [alone[j][1] if j in kept and alone[j][1] > mpf(10) ** -12 else mpf(0) for j in range(n)]
    return risk(kept), shrinkage, sum(m > 0 for m in shrinkage)


def partition_floor(eigenvalues: list[float], lam: float) -> mpf:
    return mp.fsum(phi(s, lam) for s in eigenvalues)


def critical_lambda(energy: float, d: int, usage: float = 1.0) -> mpf:
    """Penalty at which the first step away from the zero map stops paying."""
    s = mpf(usage) * mpf(energy) / d

    def pays(lam: mpf) -> bool:
        return s * (1 - TINY) ** 2 + lam * TINY < s

    return switch(pays, mpf(0), 4 * s + 1)


def second_group_pressure(sigma: Any, cell: Any, lam: float) -> mpf:
    values, vectors = mp.eigsy(matrix(sigma))
    unexplained = mp.diag([1 - shrunk(s, mpf(lam)) for s in values])
    return 2 / mpf(lam) * max(mp.svd_r(vectors * unexplained * vectors.T * matrix(cell), compute_uv=False))


def decoder_penalty_range(rank: int) -> tuple[mpf, mpf]:
    """Nuclear norms of r equal and of r orthonormal unit rows."""
    equal = mp.zeros(rank, 2)
    for i in range(rank):
        equal[i, 0] = 1
    return tuple(mp.fsum(mp.svd_r(rows, compute_uv=False)) for rows in (equal, mp.eye(rank)))


# Samples, coherence, nulls: C5, D1, D2, E1, F -------------------------------------------------------------------------


def spiked_cosine(signal: float, ambient: int, samples: int) -> mpf:
    """``alpha psi'(alpha) / psi(alpha)``: psi takes a population eigenvalue to the sample's (Bai & Silverstein)."""
    gamma, spike = mpf(ambient) / samples, 1 + mpf(signal)
    slope = mp.diff(lambda a: a * (1 + gamma / (a - 1)), spike)
    return max(mpf(0), spike * slope / (spike * (1 + gamma / (spike - 1))))


def spiked_samples(cosine: float, signal: float, ambient: int) -> mpf:
    def cosine_at(m: mpf) -> mpf:
        return spiked_cosine(signal, ambient, m)

    threshold = ambient / mpf(signal) ** 2
    if cosine == 0:
        return threshold
    return threshold * mp.exp(switch(lambda x: cosine_at(threshold * mp.exp(x)) < cosine, mpf(0), mpf(60)))


def subspace_error(
    samples: int, d: int, ambient: int, signal: float, *, noise: float = 1.0, usage: float = 1.0, gated: bool = True
) -> mpf:
    """First-order perturbation: each signal-noise pair adds the variance of a covariance entry over its squared gap."""
    pi, noise, signal = mpf(usage), mpf(noise), mpf(signal)
    drawn = samples * pi if gated else mpf(samples)
    gap = signal if gated else pi * signal
    pair = (gap + noise) * noise / (drawn * gap**2)
    return mp.fsum(pair for _ in range(d) for _ in range(ambient - d))


def samples_for_error(
    error: float, d: int, ambient: int, signal: float, *, noise: float = 1.0, usage: float = 1.0, gated: bool = True
) -> mpf:
    one = subspace_error(1, d, ambient, signal, noise=noise, usage=usage, gated=gated)
    return switch(lambda m: one > m * mpf(error), mpf(0), 2 * one / mpf(error) + 1)


def memorising_coverage(samples: int, d: int, eps: float, *, signed: bool = True) -> mpf:
    p = one_subset(d, 1, eps, signed)
    with mp.workdps(60 - mp.floor(mp.log10(p))):
        return 1 - (1 - p) ** samples


def log_memorising_coverage(log_samples: float, d: int, eps: float, *, signed: bool = True) -> mpf:
    p = one_subset(d, 1, eps, signed)
    with mp.workdps(80 - mp.floor(mp.log10(p))):
        return mp.log(1 - (1 - p) ** mp.exp(mpf(log_samples)))


def log_visiting_floor(d: int, eps: float, *, moved: int = 1, delta: float = 0.0, signed: bool = True) -> mpf:
    return mp.log(max(mpf(1), (1 - mpf(delta)) / one_subset(d, 1, eps, signed)) / moved)


def coherence_limit(active: int, least_norm: float = 1.0, largest_norm: float = 1.0) -> mpf:
    """Cosine at which the worst signs let an inactive feature's score reach the weakest active one's."""

    def selects(mu: mpf) -> bool:
        others = [mu * mpf(largest_norm)] * (active - 1)
        return mpf(least_norm) - mp.fsum(others) > mp.fsum(others) + mu * mpf(least_norm)

    return switch(selects, mpf(0), mpf(2))


def welch_bound(atoms: int, width: int) -> mpf:
    """Equal squared cosines with which the trace of the squared Gram matrix is at its least, ``atoms^2 / width``."""
    if atoms <= width:
        return mpf(0)
    return mp.sqrt(switch(lambda c: atoms + atoms * (atoms - 1) * c < mpf(atoms) ** 2 / width, mpf(0), mpf(1)))


def afa_interval(norm: float, eps: float, active: int) -> tuple[mpf, mpf]:
    """Extreme eigenvalues of the Gram matrices whose cosines are all eps, or all minus eps."""
    ends = []
    for cosine, pick in ((mpf(eps), max), (-mpf(eps), min)):
        gram = mp.eye(active) * (1 - cosine) + mp.ones(active) * cosine
        stretch = pick(mp.eigsy(gram, eigvals_only=True))
        ends.append(mpf(norm) / mp.sqrt(stretch) if stretch > mpf(10) ** -30 else mp.inf)
    return ends[0], ends[1]


def random_subspace_cosine(p: int, q: int, ambient: int) -> mpf:
    """Mean squared cosine of one random direction of the smaller subspace with the larger."""
    r, n = max(p, q), ambient
    return moment(n - r - 1, r + 1, mp.pi / 2) / moment(n - r - 1, r - 1, mp.pi / 2) if r < n else mpf(1)


def circular_fit_r2(regressors: int, points: int) -> mpf:
    """Squared cosine of a random target with the regressors' span, both centred: the same mean as of subspaces."""
    return random_subspace_cosine(1, regressors, points - 1)


# Soft top-k: E2 -------------------------------------------------------------------------------------------------------


def laplace_cdf(t: float) -> mpf:
    return integral(lambda x: mp.exp(-abs(x)) / 2, [mpf(t) - 120, *sorted({min(mpf(t), mpf(0)), mpf(t)})])


def soft_gates(scores: list[mpf], kappa: mpf, alpha: mpf) -> tuple[list[mpf], mpf]:
    """Gates and threshold, by bisection on the sum of the Laplace distribution function."""

    def gates(b: mpf) -> list[mpf]:
        u = [(z - b) / alpha for z in scores]
        return [mp.exp(x) / 2 if x < 0 else 1 - mp.exp(-x) / 2 for x in u]

    reach = alpha * 100 * (1 + abs(mp.log(min(kappa, len(scores) - kappa))))
    root = switch(lambda b: mp.fsum(gates(b)) > kappa, min(scores) - reach, max(scores) + reach)
    return gates(root), root


def soft_topk(scores: list[float], kappa: float, alpha: float) -> tuple[list[mpf], mpf, Any, list[mpf]]:
    """Gates, threshold and the two Jacobians as difference quotients."""
    z, kappa, alpha = [mpf(x) for x in scores], mpf(kappa), mpf(alpha)
    gates, root = soft_gates(z, kappa, alpha)

    def quotient(moved: list[mpf], step: mpf) -> list[mpf]:
        return [(a - b) / step for a, b in zip(moved, gates, strict=True)]

    columns = []
    step = alpha * TINY
    for i in range(len(z)):
        moved = [x + (step if j == i else 0) for j, x in enumerate(z)]
        columns.append(quotient(soft_gates(moved, kappa, alpha)[0], step))
    return gates, root, matrix(columns).T, quotient(soft_gates(z, kappa + TINY, alpha)[0], TINY)
