"""How many samples a subspace costs, and how many a tiling (D1, D2)."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from .caps import log_reach
from .covering import log_atom_floor
from .validate import Floats, at_most, count, real

_TINY = -36.0  # logarithm below which x, log(1 + x) and exp(x) - 1 agree in float64


def spiked_cosine(signal: ArrayLike, ambient: ArrayLike, samples: ArrayLike) -> Floats:
    r"""Mean squared cosine between the true and the PCA subspace in the spiked covariance model.

    .. math:: \frac{1 - \gamma/\ell^2}{1 + \gamma/\ell}
       \text{ for } \ell > \sqrt\gamma, \text{ else } 0, \qquad \gamma = n/m

    The limit of large n and m at fixed ratio; at n = 300 the finite-size error is about .003. Source: Johnstone & Lu
    (2009); Paul (2007).

    Parameters
    ----------
    signal : array_like
        Variance l of each signal direction over unit noise, > 0.
    ambient, samples : array_like
        Ambient dimension n and number of samples m, whole numbers >= 1.

    Raises
    ------
    ValueError
        If an argument is outside its range.
    """
    ell = real("signal", signal, 0.0, open_low=True)
    gamma = count("ambient", ambient) / count("samples", samples)
    return np.where(ell**2 > gamma, (1 - gamma / ell**2) / (1 + gamma / ell), 0.0)[()]


def spiked_samples(cosine: ArrayLike, signal: ArrayLike, ambient: ArrayLike) -> Floats:
    """Samples at which PCA reaches a mean squared cosine: the inverse of :func:`spiked_cosine`, as a real number.

    ``m = n (1 + c l) / (l^2 (1 - c))``.

    Parameters
    ----------
    cosine : array_like
        Target mean squared cosine, in [0, 1).
    signal, ambient
        As in :func:`spiked_cosine`.

    Raises
    ------
    ValueError
        If an argument is outside its range.
    """
    c = real("cosine", cosine, 0.0, 1.0, open_high=True)
    ell = real("signal", signal, 0.0, open_low=True)
    return count("ambient", ambient) * (1 + c * ell) / (ell**2 * (1 - c))


def subspace_error(
    samples: ArrayLike,
    d: ArrayLike,
    ambient: ArrayLike,
    signal: ArrayLike,
    *,
    noise: ArrayLike = 1.0,
    usage: ArrayLike = 1.0,
    gated: bool = True,
) -> Floats:
    r"""Expected squared sine distance of the PCA estimate of a d-dimensional feature subspace.

    .. math:: E\|\sin\Theta\|_F^2 \approx \frac{d\,(n-d)\,\sigma^2 (\ell + \sigma^2)}{m\, \pi\, \ell^2}

    with perfect gating (only inputs on which the feature is active enter); without gating ``l + sigma^2/pi`` replaces
    ``l + sigma^2``. First order in 1/m: polynomial in d, against the exponential cost of visiting (D2).

    Parameters
    ----------
    samples : array_like
        Number of inputs m, active or not, a whole number >= 1.
    d, ambient : array_like
        Dimensions of the feature and of the space, whole numbers, 1 <= d <= n.
    signal : array_like
        Variance l of each feature direction when active, > 0.
    noise : array_like
        Variance of the isotropic noise, >= 0.
    usage : array_like
        Probability pi that the feature is active, in (0, 1].
    gated : bool
        Whether inactive inputs are known and left out.

    Raises
    ------
    ValueError
        If an argument is outside its range or d > n.
    """
    return _error_times_samples(d, ambient, signal, noise, usage, gated) / count("samples", samples)


def samples_for_error(
    error: ArrayLike,
    d: ArrayLike,
    ambient: ArrayLike,
    signal: ArrayLike,
    *,
    noise: ArrayLike = 1.0,
    usage: ArrayLike = 1.0,
    gated: bool = True,
) -> Floats:
    """Inputs needed for a target squared sine distance, as a real number: the inverse of :func:`subspace_error`.

    ``error`` is the target ``E||sin Theta||_F^2``, > 0; the rest as there.
    """
    target = real("error", error, 0.0, open_low=True)
    return _error_times_samples(d, ambient, signal, noise, usage, gated) / target


def log_memorising_coverage(log_samples: ArrayLike, d: ArrayLike, eps: ArrayLike, *, signed: bool = True) -> Floats:
    """Log of the expected fraction of the slice covered by a dictionary that keeps its m samples: ``1 - (1 - p)^m``.

    ``p`` is the measure near one line (half of it near one ray, for non-negative codes).

    Parameters
    ----------
    log_samples : array_like
        ``log m``, m >= 1.
    d : array_like
        Dimension of the slice, a whole number >= 1.
    eps : array_like
        Chordal distance in (0, 1].
    signed : bool
        Whether codes may be negative.

    Raises
    ------
    ValueError
        If an argument is outside its range.
    """
    log_p = log_reach(d, 1, eps, signed)
    with np.errstate(divide="ignore", over="ignore"):
        # log of -log(1 - p), which is p to first order
        log_rate = np.where(log_p < _TINY, log_p, np.log(-np.log1p(-np.exp(np.maximum(log_p, _TINY)))))
        log_missed = real("log_samples", log_samples, 0.0) + log_rate  # log of -log of the uncovered fraction
        missed = np.exp(np.maximum(log_missed, _TINY))
        covered = np.where(missed < np.log(2), np.log(-np.expm1(-missed)), np.log1p(-np.exp(-missed)))
    return np.where(log_missed < _TINY, log_missed, covered)[()]


def memorising_coverage(samples: ArrayLike, d: ArrayLike, eps: ArrayLike, *, signed: bool = True) -> Floats:
    """Expected fraction of the slice that m kept samples cover; see :func:`log_memorising_coverage`."""
    return np.exp(log_memorising_coverage(np.log(count("samples", samples)), d, eps, signed=signed))


def log_visiting_floor(
    d: ArrayLike, eps: ArrayLike, *, moved: ArrayLike = 1, delta: ArrayLike = 0.0, signed: bool = True
) -> Floats:
    """Log of the fewest samples for a learner that places atoms by visiting: ``N / k``, N the floor with one active.

    Parameters
    ----------
    d, eps, delta, signed
        As in :func:`sasa_theory.bounds.log_atom_floor`.
    moved : array_like
        Most atoms k that one sample may move, a whole number >= 1.

    Raises
    ------
    ValueError
        If an argument is outside its range.

    Notes
    -----
    No bound on every learner: d samples span the subspace, which may then be tiled without further samples.
    """
    return log_atom_floor(d, 1, eps, delta=delta, signed=signed) - np.log(count("moved", moved))


def _error_times_samples(
    d: ArrayLike, ambient: ArrayLike, signal: ArrayLike, noise: ArrayLike, usage: ArrayLike, gated: bool
) -> Floats:
    d, n = count("d", d), count("ambient", ambient)
    at_most("d", d, "ambient", n)
    ell = real("signal", signal, 0.0, open_low=True)
    variance = real("noise", noise, 0.0)
    pi = real("usage", usage, 0.0, 1.0, open_low=True)
    total = ell + (variance if gated else variance / pi)
    return d * (n - d) * variance * total / (pi * ell**2)
