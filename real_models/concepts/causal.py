"""What a unit's subspace does to what a model says: remove it, project it out, turn it, or keep nothing but it.

Activations are changed at every position that holds a label, and what the model says at the end of the prompt is read.
Every change is also made in controls of the same rank: random subspaces, other units, atoms of another design.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from sasa_theory.bounds.validate import Floats

from ..fidelity import Estimate
from ..language_model import LanguageModel
from ..sites import Site, replaced
from .changes import Change, kept, projected, random_removed, removed, turned
from .pieces import Piece
from .prompts import Prompts

What = Literal["remove", "project out", "keep", "turn"]

TURNS = (1, 2, 3, -1, -2, -3)
"""Labels by which a circle is turned."""

_BATCH = 32
_LEVEL = 0.95


class Readout(NamedTuple):
    """What a model says at the end of prompts.

    Attributes
    ----------
    mass : ndarray, shape (prompts,)
        Probability that the next token is any label.
    labels : ndarray, shape (prompts, labels)
        Probability of each.
    """

    mass: Floats
    labels: Floats


@dataclass(frozen=True, eq=False)
class Arm:
    """Subspaces in which changes are made.

    Attributes
    ----------
    bases : tuple of Tensor, each of shape (rank, width)
        Orthonormal; several are draws of one thing, over which results are averaged.
    piece : Piece or None
        Whose contribution is removed; None where there is none.
    random : bool
        Whether a random vector in them, as long as what the first arm's piece adds, is removed instead.
    """

    bases: tuple[Tensor, ...]
    piece: Piece | None = None
    random: bool = False


@dataclass(frozen=True, kw_only=True)
class Effect:
    """What one change does, mean over prompts and draws, with 95 % bootstrap intervals over prompts.

    Attributes
    ----------
    what : str
        ``remove``: what a unit adds is taken away (of random subspaces: a vector in them as long as what the first arm
        adds there). ``project out``: coordinates in the subspace become those at other words in the same sentences.
        ``keep``: activations become those at other words but for their coordinates in the subspace. ``turn``: the
        circle of the labels in the subspace is turned by 1, 2, 3, -1, -2, -3 labels.
    arm : str
        In which subspace.
    rank : int
        Its dimension.
    mass : Estimate
        Probability of any label.
    right : Estimate
        Probability of the right label; of ``turn``, how often the likeliest label moves as far as the circle.
    lead : Estimate or None
        ``right`` less that of the first arm, prompt by prompt; None for the first arm itself.
    """

    what: What
    arm: str
    rank: int
    mass: Estimate
    right: Estimate
    lead: Estimate | None


@dataclass(frozen=True)
class Causal:
    """All effects, beside what the model says when nothing is changed and when labels are wiped out.

    Attributes
    ----------
    mass, right : Estimate
        Of any label and of the right one, nothing changed.
    wiped_mass, wiped_right : float
        The same with the mean activation at other words in the place of each label: what ``keep`` starts from.
    effects : tuple of Effect
        See there.
    """

    mass: Estimate
    right: Estimate
    wiped_mass: float
    wiped_right: float
    effects: tuple[Effect, ...]

    def effect(self, what: What, arm: str) -> Effect:
        """One of them.

        Raises
        ------
        ValueError
            If it was not measured.
        """
        for each in self.effects:
            if (each.what, each.arm) == (what, arm):
                return each
        measured = ", ".join(f"{each.what} of {each.arm}" for each in self.effects)
        raise ValueError(f"{what} of {arm} was not measured, only {measured}")


@torch.no_grad()
def read_out(
    language: LanguageModel, site: Site, prompts: Prompts, tokens: Sequence[int], change: Change | None = None
) -> Readout:
    """What a model says at the end of prompts, activations at the labels changed.

    Parameters
    ----------
    language : LanguageModel
        Any; it needs no tokenizer.
    site : Site
        Where activations are changed.
    prompts : Prompts
        Tokens and positions of labels.
    tokens : sequence of int
        Token of each label.
    change : callable, optional
        See :data:`~real_models.concepts.changes.Change`.

    Raises
    ------
    ValueError
        If the model has no such site.
    """
    found = []
    for some in prompts.split(_BATCH):

        def changed(x: Tensor, where: Tensor = some.where) -> Tensor:
            if change is None:
                return x
            x = x.clone()
            x[where] = change(x[where].float().cpu()).to(x)
            return x

        with replaced(language.model, site, changed):
            logits = language.model(input_ids=some.tokens.to(language.device), use_cache=False).logits
        last = logits[torch.arange(len(some)), some.last.to(logits.device)].double()
        found.append(last.softmax(dim=1)[:, list(tokens)].cpu())
    labels = torch.cat(found).numpy()
    return Readout(labels.sum(axis=1), labels)


def causal(
    language: LanguageModel,
    site: Site,
    prompts: Prompts,
    tokens: Sequence[int],
    arms: Mapping[str, Arm],
    *,
    means: Floats,
    neutral: Tensor,
    cyclic: bool = True,
    resamples: int = 2000,
    seed: int = 0,
) -> Causal:
    """Make every change in every arm.

    Parameters
    ----------
    language, site, prompts, tokens
        As in :func:`read_out`; every prompt must have a right answer.
    arms : mapping of str to Arm
        The first is the one to be judged, the others its controls.
    means : ndarray, shape (labels, width)
        Mean activation at each label, from other sentences: the circles that are turned lie where they say.
    neutral : Tensor, shape (width,)
        Mean activation at other words in the place of labels.
    cyclic : bool
        Whether there is a circle to be turned.
    resamples : int
        Bootstrap samples of prompts.
    seed : int
        Of these, and of random vectors.

    Raises
    ------
    ValueError
        If the model has no such site, or a prompt has no answer.
    """
    if (prompts.answers < 0).any():
        raise ValueError("every prompt must have a right answer")
    answers, rng = prompts.answers.numpy(), np.random.default_rng(seed)
    weights = rng.multinomial(len(answers), np.full(len(answers), 1 / len(answers)), size=resamples) / len(answers)

    def estimate(each: Floats) -> Estimate:
        low, high = np.quantile(weights @ each, [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2])
        return Estimate(float(each.mean()), float(low), float(high))

    def says(change: Change | None) -> tuple[Readout, Floats]:
        told = read_out(language, site, prompts, tokens, change)
        return told, told.labels[np.arange(len(answers)), answers]

    base, right = says(None)
    wiped, wiped_right = says(lambda x: neutral.to(x).expand_as(x))
    first = next(iter(arms))
    generator = torch.Generator().manual_seed(seed)
    effects: list[Effect] = []
    reference: dict[What, Floats] = {}
    for name, arm in arms.items():
        for what, changes in _changes(arm, arms[first].piece, means, neutral, cyclic, generator).items():
            told = [(turn, *says(change)) for turn, change in changes]
            if what == "turn":
                likeliest = base.labels.argmax(axis=1)
                rights = [each.labels.argmax(axis=1) == (likeliest + turn) % len(tokens) for turn, each, _ in told]
            else:
                rights = [probability for _, _, probability in told]
            mass, score = np.mean([each.mass for _, each, _ in told], axis=0), np.mean(rights, axis=0)
            lead = None if what not in reference else estimate(score - reference[what])
            reference.setdefault(what, score)
            effects.append(
                Effect(
                    what=what, arm=name, rank=len(arm.bases[0]), mass=estimate(mass), right=estimate(score), lead=lead
                )
            )
    return Causal(
        estimate(base.mass), estimate(right), float(wiped.mass.mean()), float(wiped_right.mean()), tuple(effects)
    )


def _changes(
    arm: Arm, reference: Piece | None, means: Floats, neutral: Tensor, cyclic: bool, generator: torch.Generator
) -> dict[What, list[tuple[int, Change]]]:
    """Changes by what they are, with the number of labels they should move the answer by."""
    found: dict[What, list[tuple[int, Change]]] = {}
    if arm.piece is not None:
        found["remove"] = [(0, removed(arm.piece))]
    elif arm.random and reference is not None:
        found["remove"] = [(0, random_removed(basis, reference, generator)) for basis in arm.bases]
    found["project out"] = [(0, projected(basis, neutral)) for basis in arm.bases]
    found["keep"] = [(0, kept(basis, neutral)) for basis in arm.bases]
    if cyclic and len(arm.bases[0]) > 1:
        found["turn"] = [(turn, turned(basis, means, turn)) for basis in arm.bases for turn in TURNS]
    return found
