"""Which unit of a design stands for a concept, found without knowing the labels' order or even which label is which.

Units are ranked on one half of the sentences and described on the other, so that the description is no result of the
choice. A unit's firing is the norm of what it adds, which no basis of the unit changes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import rankdata
from torch import Tensor

from sasa_theory.bounds.validate import Floats
from sasa_theory.designs.contract import Design
from sasa_theory.metrics.units import like_parameters

from ..language_model import LanguageModel
from ..parts import Parts, parts_of
from ..sites import Site, read
from .lexicon import Concept
from .pieces import Piece
from .prompts import Prompts, fillings, sentences

_BATCH = 64


@dataclass(frozen=True, eq=False)
class Labelled:
    """Activations at labels, and at other words.

    Attributes
    ----------
    x : tuple of Tensor, each of shape (rows, width)
        At the labels, for sentences of the first and of the second half.
    labels : tuple of Tensor of int64
        Label of each of these rows.
    others : tuple of Tensor
        At words in their place that are no labels, for both halves.
    background : Tensor, shape (rows, width)
        At tokens of running text that are no labels.
    """

    x: tuple[Tensor, Tensor]
    labels: tuple[Tensor, Tensor]
    others: tuple[Tensor, Tensor]
    background: Tensor

    @property
    def width(self) -> int:
        """Dimension of the activations."""
        return self.x[0].shape[1]

    @property
    def number(self) -> int:
        """How many labels there are."""
        return int(self.labels[0].max()) + 1

    def negatives(self, half: int) -> Tensor:
        """Rows without a label: words in the sentences of a half, and that half of the running text."""
        return torch.cat([self.others[half], self.background[half::2]])


class Firing(NamedTuple):
    """How a unit tells labels from everything else.

    Attributes
    ----------
    unit : int
        Its number.
    recall : float
        Share of the labels at which it fires.
    precision : float
        Share of its firings that are at labels, labels and everything else weighing the same.
    auc : float
        Probability that it fires more strongly at a label than elsewhere (Mann-Whitney; ties count half).
    auc_words : float
        The same against words in the same sentences only.
    energy : float
        Mean squared norm of what it adds at labels.
    """

    unit: int
    recall: float
    precision: float
    auc: float
    auc_words: float
    energy: float


def gather_labelled(language: LanguageModel, site: Site, what: Concept, background: Tensor) -> Labelled:
    """Activations at the labels of a concept in all its sentences.

    Parameters
    ----------
    language : LanguageModel
        With a tokenizer.
    site : Site
        Where activations are read.
    what : Concept
        Its labels must be single tokens.
    background : Tensor, shape (rows, width)
        Activations of running text; the few labels in it make all numbers a little worse.

    Raises
    ------
    ValueError
        If labels are not single tokens, or the model has no such site.
    """
    asked = [sentences(language, what, half) for half in (0, 1)]
    x = [at_labels(language, site, each) for each in asked]
    others = [at_labels(language, site, fillings(language, what, half)) for half in (0, 1)]
    return Labelled((x[0], x[1]), (asked[0].answers, asked[1].answers), (others[0], others[1]), background)


def at_labels(language: LanguageModel, site: Site, prompts: Prompts) -> Tensor:
    """Activations at the labels of prompts, one row a label, shape (rows, width), float32 on the CPU."""
    found = []
    for some in prompts.split(_BATCH):
        x = read(language.model, site, input_ids=some.tokens.to(language.device)).cpu()
        found.append(x[some.where].float())
    return torch.cat(found)


def firings(design: Design, seen: Labelled, half: int) -> list[Firing]:
    """How each unit of a design tells labels from everything else, on one half of the sentences.

    Raises
    ------
    ValueError
        If widths differ, or the decoder is not affine.
    """
    return _firings(*(_norms(design, x) for x in (seen.x[half], seen.others[half], seen.background[half::2])))


def best_unit(design: Design, seen: Labelled) -> tuple[Firing, Piece]:
    """The unit of the highest AUC on the first half, the stronger of equals; as it fires on the second half."""
    first = firings(design, seen, 0)
    chosen = max(first, key=lambda each: (round(each.auc, 3), each.energy)).unit
    return firings(design, seen, 1)[chosen], Piece(design, (chosen,))


def strongest(design: Design, seen: Labelled, *, number: int | None = None, energy: float | None = None) -> Piece:
    """The units whose energy is most above that elsewhere on the first half: so many, or as many as an energy takes.

    For designs whose units are single columns: one that fires at Mondays alone has a low AUC, yet belongs here.

    Parameters
    ----------
    design : Design
        Its widths must agree with the activations.
    seen : Labelled
        Activations.
    number : int, optional
        How many.
    energy : float, optional
        Units are added until the mean squared norm of what they add together at labels of the first half reaches it,
        or none is left that fires more at labels than elsewhere.
    """
    inside, outside = _norms(design, seen.x[0]), _norms(design, seen.negatives(0))
    excess = (inside**2).mean(axis=0) - (outside**2).mean(axis=0)
    ranked = [int(unit) for unit in np.argsort(-excess, kind="stable") if excess[unit] > 0]
    if energy is None:
        return Piece(design, tuple(ranked[:number]))
    for taken in range(1, len(ranked)):
        piece = Piece(design, tuple(ranked[:taken]))
        if float(piece.added(seen.x[0]).square().sum(dim=1).mean()) >= energy:
            return piece
    return Piece(design, tuple(ranked))


def class_means(x: Tensor, labels: Tensor) -> Floats:
    """Mean row of each label, shape (labels, width), float64."""
    rows = [x[labels == label].double().mean(dim=0) for label in range(int(labels.max()) + 1)]
    return np.asarray(torch.stack(rows).numpy())


def _norms(design: Design, x: Tensor) -> Floats:
    """Norm of what each unit adds to each row, shape (rows, units)."""
    parts: Parts = parts_of(design, x.to(like_parameters(design)))
    # rounding may leave a square of 0 below 0
    return np.asarray(np.sqrt(np.maximum(parts.squares.toarray(), 0.0)))


def _firings(labels: Floats, words: Floats, text: Floats) -> list[Firing]:
    elsewhere = np.vstack([words, text])
    recall, false = (labels > 0).mean(axis=0), (elsewhere > 0).mean(axis=0)
    with np.errstate(invalid="ignore"):
        precision = recall / (recall + false)
    columns = recall, precision, _auc(labels, elsewhere), _auc(labels, words), (labels**2).mean(axis=0)
    return [Firing(unit, *(float(each[unit]) for each in columns)) for unit in range(labels.shape[1])]


def _auc(inside: Floats, outside: Floats) -> NDArray[np.float64]:
    n = len(inside)
    ranks = rankdata(np.vstack([inside, outside]), axis=0)[:n].sum(axis=0)
    return np.asarray((ranks - n * (n + 1) / 2) / (n * len(outside)))
