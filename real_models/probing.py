"""Sparse probing: how well a few units of a code tell a class (arXiv 2305.01610), blocks and atoms at equal prices.

k units are k places where a feature may be found, but a unit of r columns gives its probe r numbers. So budgets are
counted twice: in units, and in columns, where a unit costs its r columns.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from sasa_theory.bounds.validate import Floats, count, real
from sasa_theory.designs.contract import Design

from .logistic import balanced_accuracy, fit_logistic
from .parts import Parts, parts_of

PENALTIES = (1e-4, 1e-2, 1.0)
"""Weights of the squared norm among which each probe chooses, on data of mean square 1 a row."""

_FOLDS = 3


class Budget(NamedTuple):
    """What a probe may look at.

    Attributes
    ----------
    unit : str
        ``units`` or ``columns``.
    number : int
        How many of them.
    """

    unit: Literal["units", "columns"]
    number: int


class Probed(NamedTuple):
    """What probes reach with a budget, mean over classes.

    Attributes
    ----------
    budget : Budget
        What they may look at.
    accuracy : float
        On rows held out, both answers weighing the same: 1/2 by chance.
    columns : float
        Columns that they really look at.
    null : float
        Mean accuracy for labels that were permuted; NaN without permutations.
    null_high : float
        Highest accuracy over the permutations.
    """

    budget: Budget
    accuracy: float
    columns: float
    null: float
    null_high: float


@dataclass(frozen=True)
class Probing:
    """Sparse probing of a design.

    Attributes
    ----------
    classes : int
        Classes probed.
    budgets : tuple of Probed
        With the units of the design.
    raw : float
        Accuracy of probes on the activations themselves, all dimensions.
    """

    classes: int
    budgets: tuple[Probed, ...]
    raw: float

    def accuracy(self, unit: Literal["units", "columns"], number: int) -> float:
        """Accuracy with a budget.

        Raises
        ------
        ValueError
            If it was not measured.
        """
        for each in self.budgets:
            if each.budget == (unit, number):
                return each.accuracy
        measured = ", ".join(f"{each.budget.number} {each.budget.unit}" for each in self.budgets)
        raise ValueError(f"no probe with {number} {unit} was measured, only with {measured}")


def sparse_probing(
    design: Design,
    x: Tensor,
    labels: Tensor,
    *,
    units: Sequence[int] = (1, 2, 5),
    columns: Sequence[int] = (6, 12, 24, 48),
    held_out: float = 0.2,
    permutations: int = 5,
    seed: int = 0,
) -> Probing:
    """Probe a design's units for each class against all others.

    Nothing is chosen on the rows held out. On training rows, units are ranked by the squared distance between their
    mean contributions on members and on others, less what it would be by chance, ``tr Cov / n`` of either: without
    that, large units would come first. The first that the budget allows are taken (a unit that costs more columns than
    are left is passed over). A logistic probe sees their contributions, each in an orthonormal basis of its unit, so
    that no basis is favoured; its penalty is chosen by three-fold cross-validation within the training rows, ranking
    included.

    Parameters
    ----------
    design : Design
        Of the width of the rows.
    x : Tensor, shape (n, width)
        Activations.
    labels : Tensor of int, shape (n,)
        Class of each row.
    units, columns : sequence of int
        Budgets. A budget in columns for which no unit is small enough is left out.
    held_out : float
        Share of the rows that probes are tested on.
    permutations : int
        Times that everything is repeated with permuted labels.
    seed : int
        Of split, folds and permutations.

    Raises
    ------
    ValueError
        If sizes do not agree, an argument is out of range, or no class has enough rows for split and folds.
    """
    if x.ndim != 2 or x.shape[1] != design.width or labels.shape != (len(x),):
        raise ValueError(
            f"x must be of shape (n, {design.width}) and labels of shape (n,), got {tuple(x.shape)} and "
            f"{tuple(labels.shape)}"
        )
    real("held_out", held_out, 0.0, 1.0, open_low=True, open_high=True)
    count("permutations", permutations, 0)
    rng = np.random.default_rng(seed)
    parts, rows, classes = parts_of(design, x), x.double().cpu().numpy(), labels.cpu().numpy()
    smallest = int(parts.sizes[parts.sizes > 0].min())
    budgets = [Budget("units", int(count("units", k))) for k in units]
    budgets += [Budget("columns", int(count("columns", b))) for b in columns if b >= smallest]
    split = _stratified(classes, max(2, round(1 / held_out)), rng)
    test, folds = split == 0, _stratified(classes, _FOLDS, rng)
    present = [k for k in np.unique(classes) if _enough(classes == k, test, folds)]
    if not present:
        raise ValueError("no class has rows inside and outside of every part of the data; give more rows")
    members = [classes == k for k in present]
    found = [_probed(parts, budgets, member, test, folds) for member in members]
    nulls = []
    for _ in range(permutations):
        order = np.arange(len(classes))
        for inside in _pieces(test, folds):  # so that every class keeps its number in each of them
            order[inside] = rng.permutation(order[inside])
        again = [_probed(parts, budgets, member[order], test, folds) for member in members]
        nulls.append(np.mean([[each.accuracy for each in one] for one in again], axis=0))
    told = []
    for i, budget in enumerate(budgets):
        chance = [float(null[i]) for null in nulls]
        told.append(
            Probed(
                budget,
                float(np.mean([each[i].accuracy for each in found])),
                float(np.mean([each[i].columns for each in found])),
                float(np.mean(chance)) if chance else np.nan,
                max(chance, default=np.nan),
            )
        )
    raw = [_nested(lambda _: rows, member, test, folds) for member in members]
    return Probing(len(present), tuple(told), float(np.mean(raw)))


class _Found(NamedTuple):
    accuracy: float
    columns: int


def _probed(
    parts: Parts,
    budgets: Sequence[Budget],
    member: NDArray[np.bool_],
    test: NDArray[np.bool_],
    folds: NDArray[np.int64],
) -> list[_Found]:
    """Accuracy with each budget for one class."""
    rankings: dict[bytes, NDArray[np.int64]] = {}
    coordinates: dict[int, Floats] = {}

    def values(budget: Budget, train: NDArray[np.bool_]) -> Floats:
        key = train.tobytes()
        if key not in rankings:
            rankings[key] = ranked(parts, member, train)
        chosen = affordable(rankings[key], parts.sizes, budget)
        for k in chosen:
            if k not in coordinates:
                coordinates[k] = parts.coordinates(k)
        return np.hstack([coordinates[k] for k in chosen])

    found = []
    for budget in budgets:
        accuracy = _nested(lambda train, budget=budget: values(budget, train), member, test, folds)  # type: ignore[misc]
        found.append(_Found(accuracy, values(budget, ~test).shape[1]))
    return found


def ranked(parts: Parts, member: NDArray[np.bool_], train: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Parts by the squared distance of their mean contributions, unbiased, largest first; ties by their number."""
    difference, chance = np.zeros(len(parts.owner)), np.zeros(parts.number)
    for sign, some in ((1.0, train & member), (-1.0, train & ~member)):
        chosen = np.flatnonzero(some)
        mean = parts.codes[chosen].mean(axis=0)
        spread = parts.squares[chosen].mean(axis=0) - _squared(parts, mean)
        difference += sign * mean
        chance += spread / max(1, len(chosen) - 1)
    return np.argsort(-(_squared(parts, difference) - chance), kind="stable")


def affordable(ranking: NDArray[np.int64], sizes: NDArray[np.int64], budget: Budget) -> list[int]:
    """The first parts of a ranking that a budget allows."""
    if budget.unit == "units":
        return [int(k) for k in ranking[: budget.number]]
    left, chosen = budget.number, []
    for k in ranking:
        if sizes[k] <= left:
            chosen.append(int(k))
            left -= int(sizes[k])
        if not left:
            break
    return chosen


def _squared(parts: Parts, code: Floats) -> Floats:
    """``||z_k D_k||^2`` of one code, shape (parts,)."""
    each = np.bincount(parts.owner, weights=code * (parts.gram @ code), minlength=parts.number)
    return np.asarray(each, dtype=np.float64)


def _nested(
    values: Callable[[NDArray[np.bool_]], Floats],
    member: NDArray[np.bool_],
    test: NDArray[np.bool_],
    folds: NDArray[np.int64],
) -> float:
    """Accuracy on test rows, the penalty chosen by cross-validation within the others."""
    reached = np.zeros(len(PENALTIES))
    for fold in range(_FOLDS):
        train, judged = ~test & (folds != fold), ~test & (folds == fold)
        z = values(train)
        for i, penalty in enumerate(PENALTIES):
            reached[i] += _accuracy(z, member, train, judged, penalty)
    return _accuracy(values(~test), member, ~test, test, PENALTIES[int(reached.argmax())])


def _accuracy(
    z: Floats, member: NDArray[np.bool_], train: NDArray[np.bool_], judged: NDArray[np.bool_], penalty: float
) -> float:
    probe = fit_logistic(z[train], member[train, None], penalty)
    return balanced_accuracy(probe.says(z[judged])[:, 0], member[judged])


def _stratified(classes: NDArray[np.int64], parts: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Part of each row, so that every class has as nearly as many rows in each as it can."""
    found = np.zeros(len(classes), dtype=np.int64)
    for k in np.unique(classes):
        places = rng.permutation(np.flatnonzero(classes == k))
        found[places] = np.arange(len(places)) % parts
    return found


def _pieces(test: NDArray[np.bool_], folds: NDArray[np.int64]) -> list[NDArray[np.bool_]]:
    """The rows held out, and the folds of the others."""
    return [test, *(~test & (folds == fold) for fold in range(_FOLDS))]


def _enough(member: NDArray[np.bool_], test: NDArray[np.bool_], folds: NDArray[np.int64]) -> bool:
    return all(member[some].any() and (~member[some]).any() for some in _pieces(test, folds))
