"""Sentences that end with a label, lists of labels and echoes, as tokens with the places of the labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from ..language_model import LanguageModel
from .lexicon import FILLERS, Concept, label_tokens, plain_ids, single

LISTED = 3
"""Labels in a list before the one that is asked for."""


@dataclass(frozen=True, eq=False)
class Prompts:
    """Texts of several lengths, padded at their end, where a causal model takes no notice of it.

    Attributes
    ----------
    tokens : Tensor of int64, shape (prompts, length)
    last : Tensor of int64, shape (prompts,)
        Last position that is no padding.
    where : Tensor of bool, shape (prompts, length)
        Positions that hold a label (or the word in its place).
    answers : Tensor of int64, shape (prompts,)
        Number of the label that each prompt is about: the one that it ends with, or that should come next; -1 if none.
    """

    tokens: Tensor
    last: Tensor
    where: Tensor
    answers: Tensor

    @classmethod
    def of(cls, texts: Sequence[tuple[Sequence[int], Sequence[int], int]]) -> Prompts:
        """Prompts from triples: tokens, positions of labels, answer.

        Raises
        ------
        ValueError
            If there is none.
        """
        if not texts:
            raise ValueError("there must be at least one prompt, got none")
        tokens = pad_sequence([torch.tensor(list(ids)) for ids, _, _ in texts], batch_first=True)
        where = torch.zeros_like(tokens, dtype=torch.bool)
        for row, (_, places, _) in enumerate(texts):
            where[row, list(places)] = True
        last = torch.tensor([len(ids) - 1 for ids, _, _ in texts])
        return cls(tokens, last, where, torch.tensor([answer for _, _, answer in texts]))

    def __len__(self) -> int:
        return len(self.tokens)

    def split(self, size: int) -> list[Prompts]:
        """The same, a few at a time."""
        each = (self.tokens, self.last, self.where, self.answers)
        return [Prompts(*some) for some in zip(*(one.split(size) for one in each), strict=True)]


def sentences(language: LanguageModel, what: Concept, half: int) -> Prompts:
    """Every sentence of one half with every label at its end, label by label within a sentence."""
    _, tokens = label_tokens(language, what)
    return _ending(language, what.sentences[half::2], tokens, range(len(tokens)))


def fillings(language: LanguageModel, what: Concept, half: int) -> Prompts:
    """The same sentences with words in place of the label that are none."""
    known = [single(language, word) for word in FILLERS if word not in what.labels]
    words = [token for token in known if token is not None]
    return _ending(language, what.sentences[half::2], words, [-1] * len(words))


def lists(language: LanguageModel, what: Concept) -> Prompts:
    """Three labels in their order, from every start, after several beginnings; the answer is the next label."""
    _, tokens = label_tokens(language, what)
    number, found = len(tokens), []
    for beginning in what.lists:
        first = [*_start(language), *plain_ids(language, beginning)]
        for start in range(number if what.cyclic else number - LISTED):
            named = [tokens[(start + i) % number] for i in range(LISTED)]
            places = range(len(first), len(first) + LISTED)
            found.append(([*first, *named], places, (start + LISTED) % number))
    return Prompts.of(found)


def echoes(language: LanguageModel, what: Concept, half: int, number: int) -> Prompts:
    """``We met again on Friday. We met again on``, of some sentences of a half: the answer is the same label."""
    _, tokens = label_tokens(language, what)
    stop, found = plain_ids(language, "."), []
    for sentence in what.sentences[half::2][:number]:
        first, again = plain_ids(language, sentence), plain_ids(language, " " + sentence)
        for label, token in enumerate(tokens):
            before = [*_start(language), *first]
            found.append(([*before, token, *stop, *again], [len(before)], label))
    return Prompts.of(found)


def _ending(
    language: LanguageModel, beginnings: Sequence[str], tokens: Sequence[int], answers: Sequence[int]
) -> Prompts:
    found = []
    for beginning in beginnings:
        first = [*_start(language), *plain_ids(language, beginning)]
        found += [([*first, token], [len(first)], answer) for token, answer in zip(tokens, answers, strict=True)]
    return Prompts.of(found)


def _start(language: LanguageModel) -> list[int]:
    """The token that sequences begin with in training, if there is one: the model's attention rests on it."""
    first = language.tokenizer.bos_token_id
    return [] if first is None else [first]
