"""Words of a vocabulary, and activations exactly where each prompt has its word."""

from __future__ import annotations

import pytest
import torch

from real_models.first_letter import EXAMPLES, LETTERS, first_letter_rows, words
from real_models.language_model import LanguageModel
from real_models.sites import Site, read

from . import tiny

SITE = Site(1, "resid_pre")
SPELT = ["Ġtree", "Ġapple", "▁Tall", "Ġit", "Ġbee", "Ġcat", "Ġdog", "Ġeel", "Ġfox", "Ġgnu", "Ġhen", "Ġibis", "Ġjay"]
OTHERS = ["tree", "Ġa", "Ġté", "Ġx1", "ĠĠtwo", "!", None]


class Spelling:
    """Words are tokens from 20 on; of all other texts the first letters are tokens from 1 on; capitals take two."""

    bos_token_id = 0

    def convert_ids_to_tokens(self, ids):
        every = ["<s>"] * 20 + SPELT + OTHERS
        return [every[i] for i in ids]

    def __call__(self, text, add_special_tokens, verbose):
        assert not add_special_tokens
        if text in {f" {letter.upper()}" for letter in LETTERS}:
            return {"input_ids": [10 + ord(text[1]) % 5] * (2 if text == " A" else 1)}
        return {"input_ids": {" has the first letter:": [1, 2, 3], "\n": [4]}[text]}

    def __len__(self):
        return 20 + len(SPELT) + len(OTHERS)


def language(**changes) -> LanguageModel:
    return LanguageModel(tiny.language().model, changes.get("tokenizer", Spelling()), "tiny")


def test_words_are_single_tokens_after_a_space():
    found = words(language())
    assert found.spelt == tuple(each[1:] for each in SPELT)
    assert found.tokens.tolist() == list(range(20, 20 + len(SPELT)))
    assert "".join(LETTERS[k] for k in found.letters) == "tatibcdefghij"


@pytest.fixture
def passes(monkeypatch):
    seen = []

    def spy(model, site, input_ids):
        seen.append(input_ids)
        return read(model, site, input_ids=input_ids)

    monkeypatch.setattr("real_models.first_letter.read", spy)
    monkeypatch.setattr("real_models.first_letter.EXAMPLES", 8)  # tiny models read 64 tokens
    return seen


def test_activations_are_those_of_the_last_word_whatever_else_is_in_the_batch(passes):
    a, chosen = language(), words(language())
    together = first_letter_rows(a, SITE, chosen, batch=13)
    (prompts,) = passes
    assert together.shape == (13, tiny.WIDTH)
    torch.testing.assert_close(first_letter_rows(a, SITE, chosen, batch=1), together, rtol=1e-4, atol=1e-5)
    for k, prompt in enumerate(prompts):
        word = int(chosen.tokens[k])
        end = prompt.tolist().index(word)
        alone = read(a.model, SITE, input_ids=prompt[None, : end + 1])[0, -1]
        torch.testing.assert_close(together[k], alone, rtol=1e-4, atol=1e-5)
        used = prompt[: end + 1].tolist()
        examples = [token for token in used[1:-1] if token >= 20]
        assert used[0] == 0
        assert len(set(examples)) == 8
        assert word not in examples
        place = 1
        for token in examples:  # each is spelt out
            answer = Spelling()(f" {SPELT[token - 20][1].upper()}", False, False)["input_ids"]
            assert used[place : place + 5 + len(answer)] == [token, 1, 2, 3, *answer, 4]
            place += 5 + len(answer)


def test_examples_come_from_the_seed(passes):
    a, chosen = language(), words(language())
    one, again, other = (first_letter_rows(a, SITE, chosen, seed=seed) for seed in (0, 0, 1))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


def test_models_without_words_are_refused(monkeypatch):
    with pytest.raises(ValueError, match="has no tokenizer"):
        words(language(tokenizer=None))

    class Wordless(Spelling):
        def convert_ids_to_tokens(self, ids):
            return ["x"] * len(ids)

    with pytest.raises(ValueError, match="no token of tiny is a word after a space"):
        words(language(tokenizer=Wordless()))
    few = words(language())
    few = few._replace(tokens=few.tokens[:EXAMPLES])
    with pytest.raises(ValueError, match=r"number of words must be in \[11, inf\)"):
        first_letter_rows(language(), SITE, few)
    monkeypatch.setattr("real_models.first_letter.EXAMPLES", 12)
    with pytest.raises(ValueError, match=r"a prompt has \d+ tokens, tiny reads 64"):
        first_letter_rows(language(), SITE, words(language()))
