"""How many single-direction atoms a d-dimensional feature needs: coverage inequality, floor, rate, ceiling (A1-A4).

Throughout, a unit vector of the feature's slice is covered when it lies within ``eps`` of the span of some ``k`` of the
``N`` atoms (of the ray of one atom, for non-negative codes with k = 1). Atoms outside the slice obey the same bounds.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import elementwise

from .caps import log_cap_measure, log_reach
from .special import ceil_with_slack, log_binomial
from .validate import Floats, at_most, count, real


def log_coverage_bound(
    log_atoms: ArrayLike, d: ArrayLike, k: ArrayLike, eps: ArrayLike, *, signed: bool = True
) -> Floats:
    r"""Log of the largest fraction of the slice's sphere that N atoms can cover with k active.

    .. math:: \log \min\{1, \tbinom Nk\, p\}, \qquad p = I_{\varepsilon^2}(\tfrac{d-k}2, \tfrac k2)

    with p/2 for p when codes are non-negative, k = 1 and eps < 1 (only there: for k > 1 the halved bound is false). It
    holds for every dictionary, trained or adversarial, and is attained by one atom and by disjoint lines.

    Parameters
    ----------
    log_atoms : array_like
        ``log N``, N >= k.
    d, k : array_like
        Dimension of the slice and active atoms, whole numbers, 1 <= k <= d.
    eps : array_like
        Chordal distance in (0, 1].
    signed : bool
        Whether codes may be negative.

    Raises
    ------
    ValueError
        If an argument is outside its range, k > d or N < k.
    """
    k = count("k", k)
    log_atoms = real("log_atoms", log_atoms)
    at_most("log k", np.log(k) - 1e-12, "log_atoms", log_atoms)
    return np.minimum(log_binomial(log_atoms, k)[()] + log_reach(d, k, eps, signed), 0.0)


def coverage_bound(atoms: ArrayLike, d: ArrayLike, k: ArrayLike, eps: ArrayLike, *, signed: bool = True) -> Floats:
    """Largest fraction of the slice that ``atoms`` atoms can cover; see :func:`log_coverage_bound`."""
    n = count("atoms", atoms)
    at_most("k", count("k", k), "atoms", n)
    return np.exp(log_coverage_bound(np.log(n), d, k, eps, signed=signed))


def log_atom_floor(
    d: ArrayLike, k: ArrayLike, eps: ArrayLike, *, delta: ArrayLike = 0.0, signed: bool = True
) -> Floats:
    r"""Log of the real number N at which :math:`\tbinom Nk\, p = 1 - \delta`: fewer atoms cannot cover 1 - delta.

    Parameters
    ----------
    d, k, eps, signed
        As in :func:`log_coverage_bound`.
    delta : array_like
        Fraction of the slice that may stay uncovered, in [0, 1).

    Returns
    -------
    ndarray
        ``log N``, at least ``log k``; finite where N itself overflows.

    Raises
    ------
    ValueError
        If an argument is outside its range or k > d.
    """
    d, k = count("d", d), count("k", k)
    delta = real("delta", delta, 0.0, 1.0, open_high=True)
    target = np.maximum(np.log1p(-delta) - log_reach(d, k, eps, signed), 0.0)
    k, target = np.broadcast_arrays(k, target)

    def gap(log_n: Floats, k: Floats, target: Floats) -> Floats:
        return log_binomial(log_n, k) - target

    low = np.log(k)
    high = low + target / k  # C(N, k) >= (N/k)^k
    inside = (k > 1) & (target > 0) & (gap(low, k, target) < 0) & (gap(high, k, target) > 0)  # else they agree
    root = elementwise.find_root(gap, (low, np.where(inside, high, low + 1.0)), args=(k, np.where(inside, target, 0.1)))
    return np.where(inside, np.asarray(root.x), np.where(k > 1, high, target))[()]


def atom_floor(d: ArrayLike, k: ArrayLike, eps: ArrayLike, *, delta: ArrayLike = 0.0, signed: bool = True) -> Floats:
    """Fewest atoms that the coverage inequality allows, a whole number in float64 (inf where it overflows).

    Parameters and errors as in :func:`log_atom_floor`. At k = d the answer is d (signed codes).
    """
    with np.errstate(over="ignore"):
        return np.maximum(
            ceil_with_slack(np.exp(log_atom_floor(d, k, eps, delta=delta, signed=signed))), count("k", k)
        )[()]


def rate_exponent(d: ArrayLike, k: ArrayLike) -> Floats:
    """Exponent of ``1/eps`` in the atom floor at fixed ``k``: ``(d - k) / k`` (arXiv 2606.06333).

    Raises
    ------
    ValueError
        If d or k is not a whole number >= 1, or k > d.
    """
    d, k = count("d", d), count("k", k)
    at_most("k", k, "d", d)
    return (d - k) / k


def rate_per_dimension(k: ArrayLike, eps: ArrayLike) -> Floats:
    """Growth of ``log N`` per dimension of the feature at fixed ``k`` and large d: ``log(1/eps) / k``.

    Raises
    ------
    ValueError
        If k is not a whole number >= 1 or eps is outside (0, 1].
    """
    return -np.log(real("eps", eps, 0.0, 1.0, open_low=True)) / count("k", k)


def log_atom_ceiling(d: ArrayLike, eps: ArrayLike, *, signed: bool = True) -> Floats:
    r"""Log of a number of atoms that always suffices with one active: :math:`1/(c\, \mathrm{cap}_d(\theta/2))`.

    ``theta = arcsin eps``, ``c`` = 2 for signed codes, 1 for non-negative ones: a maximal set of points more than theta
    apart covers the sphere, and the caps of half that angle around its points are disjoint.

    Raises
    ------
    ValueError
        If d is not a whole number >= 1 or eps is outside (0, 1].
    """
    theta = np.arcsin(real("eps", eps, 0.0, 1.0, open_low=True))
    return -log_cap_measure(d, theta / 2) - (np.log(2.0) if signed else 0.0)


def atom_ceiling(d: ArrayLike, eps: ArrayLike, *, signed: bool = True) -> Floats:
    """Number of atoms that always suffices with one active (inf on overflow); see :func:`log_atom_ceiling`."""
    with np.errstate(over="ignore"):
        return np.exp(log_atom_ceiling(d, eps, signed=signed))


def log_block_ceiling(d: ArrayLike, k: ArrayLike, eps: ArrayLike) -> Floats:
    """Log of atoms that suffice with ``k`` active signed atoms when the slice is cut into k blocks.

    ``k * ceiling(ceil(d/k), eps)``: linear in d when k grows in proportion to d, so the exponential wall is gone (A3).

    Raises
    ------
    ValueError
        If an argument is outside its range or k > d.
    """
    d, k = count("d", d), count("k", k)
    at_most("k", k, "d", d)
    return np.log(k) + log_atom_ceiling(np.ceil(d / k), eps)


def block_ceiling(d: ArrayLike, k: ArrayLike, eps: ArrayLike) -> Floats:
    """Atoms that suffice when the slice is cut into ``k`` blocks (inf on overflow); see :func:`log_block_ceiling`."""
    with np.errstate(over="ignore"):
        return np.exp(log_block_ceiling(d, k, eps))


def circle_count(eps: ArrayLike, *, signed: bool = True) -> Floats:
    """Exact least number of atoms that cover a 2-dimensional slice with one active.

    ``ceil(pi / (2 arcsin eps))`` lines for signed codes, ``ceil(pi / arcsin eps)`` rays for non-negative ones; one of
    either at eps = 1, which the zero code reaches.

    Raises
    ------
    ValueError
        If eps is outside (0, 1].
    """
    eps = real("eps", eps, 0.0, 1.0, open_low=True)
    turn = np.where(eps < 1, np.pi if signed else 2 * np.pi, np.pi)
    return ceil_with_slack(turn / (2 * np.arcsin(eps)))[()]
