"""The first-letter task (arXiv 2409.14507): activations at words whose spelling the model is about to be asked for."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from sasa_theory.bounds.validate import count

from .language_model import LanguageModel
from .sites import Site, read

LETTERS = tuple("abcdefghijklmnopqrstuvwxyz")
EXAMPLES = 10
"""Words that are spelt out before the one in question."""

_SPELT = re.compile(r"[Ġ▁]([A-Za-z]{2,})")  # how byte-level and sentence-piece tokens write a leading space
_ASKED, _END = " has the first letter:", "\n"


class Words(NamedTuple):
    """Words that are single tokens with a leading space.

    Attributes
    ----------
    tokens : Tensor of int64, shape (words,)
    letters : Tensor of int64, shape (words,)
        Number of the first letter in :data:`LETTERS`, capital or not.
    spelt : tuple of str
        As the tokens write them.
    """

    tokens: Tensor
    letters: Tensor
    spelt: tuple[str, ...]


def words(language: LanguageModel) -> Words:
    """All words of two letters and more in a model's vocabulary, in the order of their tokens.

    Raises
    ------
    ValueError
        If there is no tokenizer, or none of its tokens is a word after a space.
    """
    tokenizer = _tokenizer(language)
    spelt = tokenizer.convert_ids_to_tokens(list(range(min(len(tokenizer), language.vocabulary))))
    found = [(token, match[1]) for token, text in enumerate(spelt) if (match := _SPELT.fullmatch(text or ""))]
    if not found:
        raise ValueError(f"no token of {language.name} is a word after a space; the first-letter task needs such")
    letters = [LETTERS.index(word[0].lower()) for _, word in found]
    return Words(torch.tensor([token for token, _ in found]), torch.tensor(letters), tuple(word for _, word in found))


def some_words(language: LanguageModel, number: int, seed: int = 0) -> Words:
    """So many of :func:`words`, drawn at random.

    Raises
    ------
    ValueError
        If the vocabulary has fewer, or no words at all.
    """
    every = words(language)
    count("number of words", number, EXAMPLES + 1, len(every.tokens))
    chosen = np.random.default_rng(seed).permutation(len(every.tokens))[:number]
    return Words(every.tokens[chosen], every.letters[chosen], tuple(every.spelt[k] for k in chosen))


@torch.no_grad()
def first_letter_rows(language: LanguageModel, site: Site, chosen: Words, *, batch: int = 32, seed: int = 0) -> Tensor:
    """Activations at the words, each after ten other words that are spelt out, shape (words, width), float32, CPU.

    A prompt reads `` tree has the first letter: T`` and so on, a line each, and ends with the word in question: what
    comes after it cannot change the activation of a causal model there.

    Parameters
    ----------
    language : LanguageModel
        With a tokenizer.
    site : Site
        Where activations are read.
    chosen : Words
        Some of :func:`words`, more than ten.
    batch : int
        Prompts in one pass.
    seed : int
        Of the examples, drawn anew for each word.

    Raises
    ------
    ValueError
        If there are too few words, no tokenizer, or a prompt is longer than the model can read.
    """
    number = int(count("number of words", len(chosen.tokens), EXAMPLES + 1))
    rng, prompts = np.random.default_rng(seed), []
    spelling = _Spelling(language, chosen)
    for k in range(number):
        others = rng.choice(number - 1, EXAMPLES, replace=False)
        prompts.append(spelling.prompt([int(other + (other >= k)) for other in others], k))
    longest = max(map(len, prompts))
    if longest > language.context:
        raise ValueError(f"a prompt has {longest} tokens, {language.name} reads {language.context}")
    found = []
    for start in range(0, number, int(count("batch", batch))):
        some = prompts[start : start + batch]
        ends = torch.tensor([len(prompt) - 1 for prompt in some])
        # filled up on the right, where nothing is read
        tokens = torch.tensor([prompt + [prompt[-1]] * (longest - len(prompt)) for prompt in some])
        x = read(language.model, site, input_ids=tokens.to(language.device))
        found.append(x[torch.arange(len(some)), ends].float().cpu())
    return torch.cat(found)


class _Spelling:
    """Prompts as token ids: words are their own tokens, whatever the tokenizer would make of the whole text."""

    def __init__(self, language: LanguageModel, chosen: Words) -> None:
        tokenizer = _tokenizer(language)

        def ids(text: str) -> list[int]:
            return list(tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"])

        self._chosen = chosen
        self._first = [] if tokenizer.bos_token_id is None else [tokenizer.bos_token_id]
        self._asked, self._end = ids(_ASKED), ids(_END)
        self._answers = [ids(f" {letter.upper()}") for letter in LETTERS]

    def prompt(self, examples: list[int], word: int) -> list[int]:
        found = list(self._first)
        for k in examples:
            found += [
                int(self._chosen.tokens[k]),
                *self._asked,
                *self._answers[int(self._chosen.letters[k])],
                *self._end,
            ]
        return [*found, int(self._chosen.tokens[word])]


def _tokenizer(language: LanguageModel) -> Any:
    if language.tokenizer is None:
        raise ValueError(f"{language.name} has no tokenizer; the first-letter task needs words")
    return language.tokenizer
