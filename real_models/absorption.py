"""Feature absorption: a class's own unit falls silent on some of its members, and another carries the class for it.

The task of arXiv 2409.14507 and SAEBench (arXiv 2503.09532) is the first letter of a word (:mod:`.first_letter`), but
any rows with classes will do. Everything is measured along a probe's direction u of a class: part k of the code adds
``<c_k, u>``, ``c_k = z_k D_k``, to the row's ``A = <x, u>``. Parts are units, which no change of basis inside a unit
can touch, or single columns as in the literature, which then also are measured after random turns inside the units:
the design is the same function, its columns are others.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from sasa_theory.bounds.validate import Floats, choice, count, real
from sasa_theory.designs.contract import Design

from .absorbed import Absorbed, Absorption, ClassScore
from .logistic import f1, fit_logistic
from .parts import Parts, parts_of

Probe = Literal["logistic", "mean_difference"]

_COSINE, _ABSORBERS, _SHARE, _FULL_COSINE = 0.1, 3, 0.4, 0.025  # SAEBench's
_MAIN, _JUMP = 10, 0.03  # most parts that may be a class's own, and by how much each has to raise F1


class Probed(NamedTuple):
    """A class that a probe can tell: the unit vector u, its members, and those held out that the probe recognises."""

    name: str
    direction: Floats
    member: NDArray[np.bool_]
    scored: NDArray[np.int64]


def absorption(
    design: Design,
    x: Tensor,
    labels: Tensor,
    *,
    names: Sequence[str] | None = None,
    probe: Probe = "logistic",
    held_out: float = 0.3,
    draws: int = 10,
    least_f1: float = 0.6,
    least_rows: int = 20,
    seed: int = 0,
) -> Absorption:
    """Measure how much of some classes other parts than their own carry.

    Probes and the parts that are a class's own come from training rows, scores from the others. A class's own parts:
    those that add anything along u on members are ranked by how much more they add there than on other rows; of the
    first ten, the last that raises the F1 of a logistic probe by more than .03, and those before it. The source ranks
    by an L1 probe on activations; no such ranking is the same in every basis of a unit.

    A scored row's own parts add ``m`` along u; its absorbers are the three others that add most, of those with
    ``cos(c_k, u) >= .1``; they add a. The fraction is 0 if ``m >= A`` or ``a < .4 A``, 1 if ``m <= 0``, else
    ``a' / (a' + m)`` with ``a' = min(a, A - m)``. It is fully absorbed if its own parts are silent, ``A >= 0``, and the
    part that adds most adds at least ``.4 A`` with a cosine of at least .025. For columns the cosine is that of the
    decoder row, as in the source: a negative code on a row that points away from u is no absorber there. For units it
    is that of the contribution, which for an active atom comes to the same; ``||D_k u||`` would favour large units, of
    which more points along u by chance.

    Parameters
    ----------
    design : Design
        Of the width of the rows.
    x : Tensor, shape (n, width)
        Activations at the site.
    labels : Tensor of int, shape (n,)
        Class of each row.
    names : sequence of str, optional
        Of classes 0, 1, ...; their numbers if omitted.
    probe : str
        ``logistic``, or ``mean_difference``: u from the mean of members to that of the others.
    held_out : float
        Share of the rows that are scored.
    draws : int
        Random turns.
    least_f1 : float
        Classes whose probe has a lower F1 on the rows held out are left out.
    least_rows : int
        So are those with fewer rows to be scored.
    seed : int
        Of the split and of the turns.

    Raises
    ------
    ValueError
        If sizes do not agree, or an argument is out of range.
    """
    if x.ndim != 2 or x.shape[1] != design.width or labels.shape != (len(x),):
        raise ValueError(
            f"x must be of shape (n, {design.width}) and labels of shape (n,), got {tuple(x.shape)} and "
            f"{tuple(labels.shape)}"
        )
    choice("probe", probe, get_args(Probe))
    real("held_out", held_out, 0.0, 1.0, open_low=True, open_high=True)
    count("draws", draws, 0)
    rng = np.random.default_rng(seed)
    rows, classes = x.double().cpu().numpy(), labels.cpu().numpy()
    train = rng.permutation(len(rows)) >= round(held_out * len(rows))
    told = tuple(names or map(str, range(int(classes.max()) + 1)))
    found = [each for each in _probed(rows, classes, train, told, probe, least_f1) if len(each.scored) >= least_rows]
    units = parts_of(design, x)
    several = range(draws if units.sizes.max() > 1 else 0)
    return Absorption(
        _absorbed(units, contribution_cosines, rows, train, found),
        _absorbed(units.by_column(), decoder_cosines, rows, train, found),
        tuple(_absorbed(units.turned(rng).by_column(), decoder_cosines, rows, train, found) for _ in several),
    )


def fractions(added: Floats, cosines: Floats, along: Floats, main: NDArray[np.int64]) -> Floats:
    """Absorption fraction of each row; see :func:`absorption`.

    Parameters
    ----------
    added, cosines : ndarray, shape (rows, parts)
        ``<c_k, u>`` and ``cos(c_k, u)``.
    along : ndarray, shape (rows,)
        ``A = <x, u>``.
    main : ndarray of int
        The class's own parts.
    """
    own = added[:, main].sum(axis=1)
    others = np.where((cosines >= _COSINE) & (added > 0), added, 0.0)
    others[:, main] = 0.0
    absorbers = np.sort(others, axis=1)[:, -_ABSORBERS:].sum(axis=1)
    taken = np.minimum(absorbers, along - own)
    none = (own >= along) | (absorbers < _SHARE * along) | (along <= 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        shared = taken / (taken + own)
    return np.where(none, 0.0, np.where(own <= 0, 1.0, shared))


def fully(
    added: Floats, cosines: Floats, fires: NDArray[np.bool_], along: Floats, main: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Whether each row is fully absorbed; see :func:`absorption`. ``fires`` is of shape (rows, parts)."""
    silent = ~fires[:, main].any(axis=1)
    top, every = added.argmax(axis=1), np.arange(len(added))
    strong = (cosines[every, top] >= _FULL_COSINE) & (added[every, top] >= _SHARE * along) & (added[every, top] > 0)
    return silent & (along >= 0) & strong


def contribution_cosines(parts: Parts, u: Floats) -> Floats:
    """``cos(c_k, u)``, 0 where a part is silent, shape (rows, parts)."""
    added, norms = parts.along(u).toarray(), np.sqrt(parts.squares.toarray().clip(0))
    return np.divide(added, norms, out=np.zeros_like(added), where=norms > 0)


def decoder_cosines(parts: Parts, u: Floats) -> Floats:
    """``cos(d_j, u)`` of columns, the same in each row, shape (rows, columns)."""
    norms = np.linalg.norm(parts.decoder, axis=1)
    cosines = np.divide(parts.decoder @ u, norms, out=np.zeros_like(norms), where=norms > 0)
    return np.broadcast_to(cosines, parts.codes.shape)


def _absorbed(
    parts: Parts,
    cosines_of: Callable[[Parts, Floats], Floats],
    x: Floats,
    train: NDArray[np.bool_],
    found: Sequence[Probed],
) -> Absorbed:
    scores = []
    for name, u, member, scored in found:
        main = _own_parts(parts, u, member, train)
        some = parts.rows(scored)
        added, cosines, along = some.along(u).toarray(), cosines_of(some, u), x[scored] @ u
        full = fully(added, cosines, some.fires.toarray() > 0, along, main)
        fraction = fractions(added, cosines, along, main)
        scores.append(ClassScore(name, len(scored), len(main), float(fraction.mean()), float(full.mean())))
    return Absorbed(tuple(scores))


def _own_parts(parts: Parts, u: Floats, member: NDArray[np.bool_], train: NDArray[np.bool_]) -> NDArray[np.int64]:
    """The parts that are a class's own, from training rows."""
    added, truth = parts.along(u)[np.flatnonzero(train)], member[train]
    on, off = (added[np.flatnonzero(each)].mean(axis=0) for each in (truth, ~truth))
    # what speaks against other classes tells a class as well, but carries nothing of it
    more = np.where(on > 0, on - off, -np.inf)
    first = np.argsort(-more, kind="stable")[: max(1, min(_MAIN, int((on > 0).sum())))]
    values = added[:, first].toarray()
    reached, kept = 0.0, 1
    for k in range(1, len(first) + 1):
        says = fit_logistic(values[:, :k], truth[:, None]).says(values[:, :k])[:, 0]
        now = f1(says, truth)
        if k > 1 and now - reached > _JUMP:
            kept = k
        reached = now
    return first[:kept]


def _probed(
    x: Floats, classes: NDArray[np.int64], train: NDArray[np.bool_], names: Sequence[str], probe: Probe, least: float
) -> list[Probed]:
    """Classes whose probe is good enough on the rows held out."""
    present = [k for k in range(len(names)) if all(0 < (classes[s] == k).sum() < s.sum() for s in (train, ~train))]
    if not present:
        return []
    member = classes[:, None] == np.array(present)
    if probe == "logistic":
        weight, bias = fit_logistic(x[train], member[train])
    else:
        weight = np.stack([x[train & m].mean(axis=0) - x[train & ~m].mean(axis=0) for m in member.T])
        cuts = [fit_logistic((x[train] @ w)[:, None], m[train, None]) for w, m in zip(weight, member.T, strict=True)]
        weight = np.stack([w * float(cut.weight[0, 0]) for w, cut in zip(weight, cuts, strict=True)])
        bias = np.array([float(cut.bias[0]) for cut in cuts])
    says = x @ weight.T + bias > 0
    found = []
    for i, k in enumerate(present):
        if f1(says[~train, i], member[~train, i]) >= least:
            scored = np.flatnonzero(member[:, i] & says[:, i] & ~train)
            found.append(Probed(names[k], weight[i] / np.linalg.norm(weight[i]), member[:, i], scored))
    return found
