"""What a design holds of words' first letters: absorption and sparse probing, on one set of activations."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from sasa_theory.designs.contract import Design

from .absorbed import Absorbed, Absorption
from .absorption import absorption as measured_absorption
from .first_letter import LETTERS, first_letter_rows, some_words
from .language_model import LanguageModel
from .probing import Probing, sparse_probing
from .sites import Site

WORDS = 2000
"""Words looked at unless told otherwise."""


@dataclass(frozen=True, kw_only=True)
class Spelling:
    """What was asked of first letters.

    Attributes
    ----------
    words : int
        Words whose activations were looked at.
    absorption : Absorption or None
        By unit, by column, and by column in other bases of the units.
    absorption_chance : Absorbed or None
        By unit, of a random dictionary.
    probing : Probing or None
        How well a few units or columns tell a letter.
    """

    words: int
    absorption: Absorption | None
    absorption_chance: Absorbed | None
    probing: Probing | None

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "words": self.words,
            "absorption": None if self.absorption is None else self.absorption.to_dict(),
            "absorption_chance": None if self.absorption_chance is None else self.absorption_chance.to_dict(),
            "probing": None if self.probing is None else asdict(self.probing),
        }


def spelling(
    design: Design,
    random: Design,
    language: LanguageModel,
    site: Site,
    *,
    words: int = WORDS,
    absorption: bool = True,
    probing: bool = True,
    seed: int = 0,
) -> Spelling:
    """Measure absorption and sparse probing of first letters.

    Parameters
    ----------
    design : Design
        Of the site's width.
    random : Design
        A random dictionary of its sizes.
    language : LanguageModel
        With a tokenizer.
    site : Site
        Where activations are read.
    words : int
        Words drawn from the vocabulary, each after ten others that are spelt out; see :mod:`.first_letter`.
    absorption, probing : bool
        Which of both.
    seed : int
        Of the words, the examples, the splits and the turns.

    Raises
    ------
    ValueError
        If the model has no tokenizer or too few words, or, for probing, no letter has enough of them.
    """
    chosen = some_words(language, words, seed)
    x = first_letter_rows(language, site, chosen, seed=seed)
    letters = chosen.letters
    absorbed = chance = None
    if absorption:
        absorbed = measured_absorption(design, x, letters, names=LETTERS, seed=seed)
        chance = measured_absorption(random, x, letters, names=LETTERS, draws=0, seed=seed).units
    return Spelling(
        words=len(x),
        absorption=absorbed,
        absorption_chance=chance,
        probing=sparse_probing(design, x, letters, seed=seed) if probing else None,
    )
