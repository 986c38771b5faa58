"""Prompts of a lexicon, and units that are known to hold a concept."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from real_models.concepts.circle import circle
from real_models.concepts.finding import best_unit, class_means, firings, gather_labelled, strongest
from real_models.concepts.lexicon import CONCEPTS, concept, label_tokens
from real_models.concepts.pieces import Piece, random_subspaces
from real_models.concepts.prompts import echoes, fillings, lists, sentences
from real_models.concepts.study import study
from real_models.sites import Site
from sasa_theory.designs import get

from . import tiny, worded

SITE = Site(0, "resid_post")


@pytest.fixture(scope="module")
def language():
    return worded.language()


@pytest.fixture(scope="module")
def seen(language):
    background = 0.3 * torch.randn(200, worded.WIDTH, generator=torch.Generator().manual_seed(0))
    return gather_labelled(language, SITE, concept("weekdays"), background)


def words(language, row) -> list[str]:
    back = {token: word for word, token in language.tokenizer.known.items()}
    return [back.get(int(token), "-") for token in row]


@pytest.mark.parametrize("name", CONCEPTS)
def test_every_sentence_is_written_once_and_the_halves_are_as_long(name: str) -> None:
    what = concept(name)
    assert len(set(what.sentences)) == len(what.sentences) == 16
    assert len(set(what.labels)) == len(what.labels)
    assert not any(label in text.split() for label in what.labels for text in what.sentences)


def test_sentences_end_with_their_label_and_lists_go_on_in_order(language) -> None:
    what = concept("weekdays")
    prompts = sentences(language, what, 1)
    assert len(prompts) == 8 * 7
    sentence = "- The letter was written on Wednesday"
    assert " ".join(words(language, prompts.tokens[9][: prompts.last[9] + 1])) == sentence
    assert prompts.where.sum(dim=1).eq(1).all()
    assert prompts.where[torch.arange(56), prompts.last].all()
    assert prompts.answers[:7].tolist() == list(range(7))
    asked = lists(language, what)
    assert words(language, asked.tokens[5])[1:4] == ["Saturday", "Sunday", "Monday"]
    assert asked.answers[5] == 1
    assert asked.where[5].nonzero()[:, 0].tolist() == [1, 2, 3]
    again = echoes(language, what, 0, 2)
    assert len(again) == 14
    echo = "- We met again on Thursday . We met again on"
    assert " ".join(words(language, again.tokens[3][: again.last[3] + 1])) == echo
    assert again.where[3].nonzero()[:, 0].tolist() == [5]


def test_lists_of_a_line_do_not_go_round(language) -> None:
    asked = lists(language, concept("numbers"))
    assert asked.answers.max() == 11
    assert len(asked) == 3 * 9


def test_words_in_the_place_of_labels_are_none(language) -> None:
    other = fillings(language, concept("seasons"), 0)
    assert "winter" not in {word for row in other.tokens for word in words(language, row)}
    assert other.answers.eq(-1).all()


def test_labels_must_be_single_tokens(language) -> None:
    with pytest.raises(ValueError, match="0 of 45 years are single tokens to worded, at least 4"):
        label_tokens(language, concept("years"))
    with pytest.raises(ValueError, match="has no tokenizer"):
        label_tokens(tiny.language(text=False), concept("weekdays"))
    with pytest.raises(ValueError, match="0 of 7 weekdays"):
        label_tokens(tiny.language(), concept("weekdays"))
    with pytest.raises(ValueError, match="did you mean 'weekdays'"):
        concept("weekday")


def test_the_unit_that_holds_weekdays_is_found_in_every_basis(seen) -> None:
    for turn in (0.0, 0.7):
        firing, piece = best_unit(worded.planes(turn), seen)
        assert piece.units == (1,)
        assert firing.recall == 1
        assert firing.precision > 0.9  # some rows of the background reach into the plane
        assert firing.auc > 0.99
        assert firing.auc_words == 1
        assert firing.energy == pytest.approx(1)
        means = class_means(piece.added(seen.x[1]), seen.labels[1])
        assert np.allclose(means, class_means(seen.x[1], seen.labels[1]), atol=1e-6)
        assert circle(means).score.value == 1


def test_auc_and_precision_by_hand(seen) -> None:
    design = worded.atoms()
    found = firings(design, seen, 0)
    for unit in (0, 6):
        codes = design.encode(seen.x[0])[:, unit].abs()
        elsewhere = design.encode(seen.negatives(0))[:, unit].abs()
        above = (codes[:, None] > elsewhere).double() + 0.5 * (codes[:, None] == elsewhere)
        assert found[unit].auc == pytest.approx(float(above.mean()), abs=1e-6)
        recall, false = float((codes > 0).double().mean()), float((elsewhere > 0).double().mean())
        assert found[unit].recall == pytest.approx(recall)
        if recall + false:
            assert found[unit].precision == pytest.approx(recall / (recall + false))


def test_atoms_are_taken_until_they_carry_the_energy(seen) -> None:
    design = worded.atoms()
    assert set(strongest(design, seen, number=2).units) == {0, 1}
    assert len(strongest(design, seen, energy=0.3).units) == 1
    assert set(strongest(design, seen, energy=0.8).units) == {0, 1}


def test_atoms_that_fire_everywhere_are_not_taken(seen) -> None:
    always = 3 * worded.axes()[8]
    shifted = replace(
        seen,
        x=tuple(x + always for x in seen.x),
        others=tuple(x + always for x in seen.others),
        background=seen.background + always,
    )
    assert set(strongest(worded.atoms(), shifted, number=2).units) == {0, 1}


@pytest.mark.parametrize("name", ["sasa/paper", "sasa/release"])
def test_a_piece_adds_what_its_units_add_whatever_the_bias(name: str) -> None:
    design = get(name, seed=0, width=12, groups=6, rank=3, active=2)
    with torch.no_grad():  # fresh biases are 0
        for parameter in design.parameters():
            if parameter.ndim == 1:
                parameter.add_(0.5)
    x = 5 * torch.randn(20, 12, generator=torch.Generator().manual_seed(1)) + 3
    everything = tuple(range(design.n_units))
    with torch.no_grad():
        codes = design.encode(x)
        nothing = design.decode(torch.zeros_like(codes[:1]))
        assert torch.allclose(Piece(design, everything).added(x), design.decode(codes) - nothing, atol=1e-4)
        each = sum(Piece(design, (unit,)).added(x) for unit in everything)
    assert torch.allclose(Piece(design, everything).added(x), each, atol=1e-4)
    piece = Piece(design, (2,))
    assert piece.basis.shape == (3, 12)
    added = piece.added(x).double()
    assert torch.allclose(added @ piece.basis.mT @ piece.basis, added, atol=1e-4)


def test_random_subspaces_are_orthonormal_and_differ() -> None:
    one, other = random_subspaces(4, 10, 2, torch.Generator().manual_seed(0))
    assert torch.allclose(one @ one.mT, torch.eye(4, dtype=torch.float64))
    assert not torch.allclose(one, other)


def test_a_study_holds_unit_rivals_and_effects(language, seen) -> None:
    designs = {"planes": worded.planes(), "atoms": worded.atoms()}
    months = Piece(designs["planes"], (0,))
    found = study(language, SITE, concept("weekdays"), seen, designs, others={"months": months}, draws=2, repeated=1)
    assert found.activations.score.value == 1
    own, single, columns, energy = found.held
    assert (own.units, own.rank, own.circle.score.value) == ((1,), 2, 1)
    assert single.circle is None  # the means of one column lie on a line
    assert single.rank == 1
    assert set(columns.units) == set(energy.units) == {0, 1}
    assert found.lists.effect("turn", "unit").right.value == 1
    assert found.lists.effect("turn", "unit of months").right.value < 0.2
    plain = found.to_dict()
    assert plain["held"][0]["circle"]["score"]["value"] == 1
    assert len(plain["lists"]["effects"]) == len(found.lists.effects)
    again = {"atoms": worded.atoms(), "others": worded.atoms()}
    alike = study(language, SITE, concept("weekdays"), seen, again, interventions=False)
    assert [len(each.units) for each in alike.held[1:3]] == [1, 1]  # as many columns as one atom has
    assert alike.lists is None
    with pytest.raises(ValueError, match="at least one design"):
        study(language, SITE, concept("weekdays"), seen, {})
