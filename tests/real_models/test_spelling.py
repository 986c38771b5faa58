"""First letters in a model that was built to know them: probes find them, and nothing is absorbed that is not."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from rich.console import Console

from real_models.absorption import absorption
from real_models.evaluation import evaluate
from real_models.evaluation_table import evaluation_table
from real_models.first_letter import LETTERS, first_letter_rows, some_words, words
from real_models.language_model import LanguageModel
from real_models.probing import sparse_probing
from real_models.sites import Site
from real_models.spelling import spelling

from . import tabled
from .worded import Planes

SITE, FIRST = Site(0), 20
SPELT = [f"Ġ{'abcd'[k % 4]}{chr(97 + k // 26)}{chr(97 + k % 26)}" for k in range(400)]


class Spelt:
    """Words are tokens from 20 on; every other text is one token."""

    bos_token_id, eos_token_id = 0, None

    def convert_ids_to_tokens(self, ids):
        every = ["<s>"] * FIRST + SPELT
        return [every[i] for i in ids]

    def __call__(self, text, add_special_tokens, verbose):
        return {"input_ids": [1 + ord(text[1]) % 7 if len(text) > 1 else 9]}

    def __len__(self):
        return FIRST + len(SPELT)


def language() -> LanguageModel:
    """Letters a, b and c lie on axes 0 to 2; d lies nowhere."""
    model = tabled.Table(0).eval()
    weight = 0.2 * torch.randn(tabled.VOCABULARY, tabled.WIDTH, generator=torch.Generator().manual_seed(1))
    for k in range(len(SPELT)):
        weight[FIRST + k, k % 4] += 3.0 if k % 4 < 3 else 0.0
    model.table.weight.data = weight
    return LanguageModel(model, Spelt(), "spelt")


def axes(*sizes: int, turn: float = 0.0) -> Planes:
    return Planes(torch.eye(tabled.WIDTH), sizes, turn)


@pytest.fixture(scope="module")
def found():
    return spelling(axes(*[1] * 6), axes(2, 2, 2), language(), SITE, words=390)


def test_letters_that_have_a_unit_are_told_by_it(found):
    assert found.words == 390
    probing = found.probing
    assert probing.classes == 4
    assert probing.raw > 0.95
    assert probing.accuracy("units", 1) > 0.85  # d, the absence of three others, takes three units
    assert probing.accuracy("units", 5) > 0.95
    assert all(0.35 < each.null < 0.65 for each in probing.budgets)


def test_nothing_is_absorbed_where_each_letter_has_its_axis(found):
    assert [each.name for each in found.absorption.units.classes][:3] == ["a", "b", "c"]
    assert all(each.fraction < 0.05 for each in found.absorption.units.classes[:3])
    assert found.absorption.turned == ()


def test_it_is_what_both_measures_give_on_the_same_words(found):
    chosen = some_words(language(), 390)
    x = first_letter_rows(language(), SITE, chosen)
    random = absorption(axes(2, 2, 2), x, chosen.letters, names=LETTERS, draws=0)
    assert found.absorption_chance == random.units
    assert found.probing == sparse_probing(axes(*[1] * 6), x, chosen.letters)


def test_units_count_and_not_their_columns():
    one, other = (
        spelling(axes(2, 2, 2, turn=turn), axes(*[1] * 6), language(), SITE, words=200) for turn in (0.0, 0.7)
    )
    assert other.absorption.units.fraction == pytest.approx(one.absorption.units.fraction, abs=1e-6)
    assert [each.accuracy for each in other.probing.budgets] == [each.accuracy for each in one.probing.budgets]
    assert len(one.absorption.turned) == 10


def test_words_are_drawn_without_repetition_and_from_the_seed():
    a, b, again = (some_words(language(), 100, seed) for seed in (0, 1, 0))
    assert len(set(a.spelt)) == 100
    assert a.spelt == again.spelt != b.spelt
    assert torch.equal(a.tokens, torch.tensor([FIRST + SPELT.index(f"Ġ{word}") for word in a.spelt]))
    assert [LETTERS[k] for k in a.letters] == [word[0] for word in a.spelt]
    with pytest.raises(ValueError, match=r"number of words must be in \[11, 400\], got 401"):
        some_words(language(), len(words(language()).tokens) + 1)


def test_only_what_was_asked_for_is_measured():
    probed = spelling(axes(*[1] * 6), axes(2, 2, 2), language(), SITE, words=100, absorption=False)
    assert (probed.absorption, probed.absorption_chance) == (None, None)
    assert probed.probing is not None
    assert spelling(axes(*[1] * 6), axes(2, 2, 2), language(), SITE, words=100, probing=False).probing is None


def test_an_evaluation_holds_and_shows_it(tmp_path: Path):
    source = tabled.source()
    source.language = language()
    found = evaluate(axes(2, 2, 2), source, rows=100, sequences=0, absorption=True, probing=True, words=390)
    found.write(tmp_path / "evaluation.json")
    values = json.loads((tmp_path / "evaluation.json").read_text())["spelling"]
    assert values["words"] == 390
    assert values["absorption"]["units"]["fraction"] == found.spelling.absorption.units.fraction
    assert values["absorption"]["columns"]["main"] == found.spelling.absorption.columns.main
    assert values["absorption"]["columns"] != values["absorption"]["units"]
    assert values["absorption"]["units"]["classes"][0]["name"] == "a"
    assert len(values["absorption"]["turned"]) == 10
    first = values["probing"]["budgets"][0]
    assert first["budget"] == {"unit": "units", "number": 1}
    assert first["accuracy"] == found.spelling.probing.accuracy("units", 1)
    console = Console(width=200, record=True, file=(tmp_path / "told").open("w"))
    console.print(evaluation_table(found, "planes"))
    told = console.export_text()
    console.file.close()
    for word in ("absorption (units)", "absorption (columns)", "probes, 1 unit ", "probes, activations", "390 words"):
        assert word in told
    nothing = evaluate(axes(2, 2, 2), source, rows=100, sequences=0)
    assert nothing.spelling is None
    assert json.loads(json.dumps(nothing.to_dict()))["spelling"] is None
    undefined = replace(
        found.spelling, absorption=absorption(axes(2, 2, 2), torch.zeros(30, 6), torch.zeros(30).long())
    )
    assert np.isnan(undefined.absorption.units.fraction)
    assert replace(found, spelling=undefined).to_dict()["spelling"]["absorption"]["units"]["fraction"] is None
