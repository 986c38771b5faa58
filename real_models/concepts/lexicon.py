"""Concepts with ordered labels: weekdays, months, seasons, number words, years, where each label is one token."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from sasa_theory.bounds.validate import choice

from ..language_model import LanguageModel

FEWEST = 4
"""Labels without which an order cannot be told from chance: of three on a circle there is only one order."""


@dataclass(frozen=True)
class Concept:
    """A class of words in a known order.

    Attributes
    ----------
    name : str
        Its name, a key of :data:`CONCEPTS`.
    labels : tuple of str
        In order, as they are written within a sentence.
    cyclic : bool
        Whether the first follows the last.
    sentences : tuple of str
        Beginnings after which any label may stand, and which say nothing of which; the halves at even and at odd places
        are kept apart.
    lists : tuple of str
        Beginnings of lists of labels in their order.
    """

    name: str
    labels: tuple[str, ...]
    cyclic: bool
    sentences: tuple[str, ...]
    lists: tuple[str, ...] = ("", "In order:", "The list goes on:")


_DATES = (
    "We met again on",
    "The shop is closed on",
    "She will arrive on",
    "The letter was written on",
    "It rained all day on",
    "The committee meets every",
    "He has been ill since",
    "They left the city on",
    "The report is due by",
    "Nothing happened last",
    "The train was late on",
    "I will call you next",
    "The market is held every",
    "The concert was moved to",
    "Her birthday falls on a",
    "The vote took place on",
)
_TIMES = (
    "The work was finished in",
    "They were married in",
    "It is very quiet here in",
    "The law was passed in",
    "She moved to the coast in",
    "The school opens again in",
    "We have not met since",
    "The book came out in",
    "He will retire in",
    "The river is low in",
    "Prices went up in",
    "Their daughter was born in",
    "The contract ends in",
    "I visited them last",
    "The roof was mended in",
    "The meeting was put off until",
)
_NUMBERS = (
    "The house has",
    "She bought",
    "There were only",
    "He waited for",
    "They own",
    "The table seats",
    "We need at least",
    "The box holds",
    "I have read",
    "The jury chose",
    "A team of",
    "The ship carried",
    "It took them about",
    "She wrote",
    "He counted",
    "The village had",
)

CONCEPTS: Mapping[str, Concept] = MappingProxyType(
    {
        concept.name: concept
        for concept in (
            Concept(
                "weekdays",
                ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
                True,
                _DATES,
                ("", "The days of the week:", "In order:"),
            ),
            Concept(
                "months",
                (
                    "January",
                    "February",
                    "March",
                    "April",
                    "May",
                    "June",
                    "July",
                    "August",
                    "September",
                    "October",
                    "November",
                    "December",
                ),
                True,
                _TIMES,
                ("", "The months of the year:", "In order:"),
            ),
            Concept("seasons", ("spring", "summer", "autumn", "winter"), True, _TIMES),
            Concept(
                "numbers",
                ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"),
                False,
                _NUMBERS,
                ("", "Let us count:", "In order:"),
            ),
            Concept("years", tuple(str(year) for year in range(1980, 2025)), False, _TIMES),
        )
    }
)
"""All of them, by name."""

FILLERS = (
    "water",
    "bread",
    "music",
    "London",
    "people",
    "time",
    "home",
    "school",
    "paper",
    "winter",
    "gold",
    "work",
    "today",
    "noon",
    "land",
)
"""Words put into the same sentences to see what a unit makes of a sentence without a label of the concept."""


def concept(name: str) -> Concept:
    """The concept of this name.

    Raises
    ------
    ValueError
        If there is none, with the nearest.
    """
    return CONCEPTS[choice("concept", name, CONCEPTS)]


def single(language: LanguageModel, word: str) -> int | None:
    """The token of a word after a space; None if it takes several."""
    ids = plain_ids(language, " " + word)
    return ids[0] if len(ids) == 1 else None


def label_tokens(language: LanguageModel, what: Concept) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Labels that are single tokens to a model, and these tokens.

    Of a circle all labels must be, for a circle with gaps has another order.

    Raises
    ------
    ValueError
        If too few are, or the model has no tokenizer.
    """
    found = {label: single(language, label) for label in what.labels}
    known = {label: token for label, token in found.items() if token is not None}
    need = len(what.labels) if what.cyclic else FEWEST
    if len(known) < need:
        raise ValueError(
            f"{len(known)} of {len(found)} {what.name} are single tokens to {language.name}, at least {need} are needed"
        )
    return tuple(known), tuple(known.values())


def plain_ids(language: LanguageModel, text: str) -> list[int]:
    """Tokens of a text, no special ones added.

    Raises
    ------
    ValueError
        If the model has no tokenizer.
    """
    if language.tokenizer is None:
        raise ValueError(f"{language.name} has no tokenizer; words mean nothing to it")
    return list(language.tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]) if text else []
