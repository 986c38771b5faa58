"""Interventions on a model that was built so that their effects are known."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from real_models.concepts.causal import Arm, causal, read_out
from real_models.concepts.changes import kept, projected, removed, turned
from real_models.concepts.finding import class_means, gather_labelled
from real_models.concepts.lexicon import concept, label_tokens
from real_models.concepts.pieces import Piece, random_subspaces
from real_models.concepts.prompts import Prompts, lists
from real_models.sites import Site

from . import tiny, worded

SITE = Site(0, "resid_post")


@pytest.fixture(scope="module")
def setting():
    language, what = worded.language(), concept("weekdays")
    seen = gather_labelled(language, SITE, what, torch.zeros(0, worded.WIDTH))
    means = class_means(torch.cat(seen.x), torch.cat(seen.labels))
    return language, lists(language, what), label_tokens(language, what)[1], means, torch.cat(seen.others).mean(dim=0)


def test_the_model_goes_on_with_the_list(setting) -> None:
    language, prompts, tokens, _, _ = setting
    told = read_out(language, SITE, prompts, tokens)
    assert (told.labels.argmax(axis=1) == prompts.answers.numpy()).all()
    assert np.allclose(told.mass, told.labels.sum(axis=1))


@pytest.mark.parametrize("labels", [1, 3, -2])
def test_turning_the_circle_moves_the_answer_as_far(setting, labels: int) -> None:
    language, prompts, tokens, means, _ = setting
    basis = Piece(worded.planes(0.4), (1,)).basis
    told = read_out(language, SITE, prompts, tokens, turned(basis, means, labels))
    assert (told.labels.argmax(axis=1) == (prompts.answers.numpy() + labels) % 7).all()
    before = read_out(language, SITE, prompts, tokens)
    assert np.allclose(told.labels, np.roll(before.labels, labels, axis=1), atol=1e-5)


def test_an_ellipse_is_turned_within_itself() -> None:
    points = np.stack([5 * np.cos(2 * np.pi * np.arange(8) / 8), np.sin(2 * np.pi * np.arange(8) / 8)], axis=1)
    x = torch.from_numpy(np.hstack([points, np.ones((8, 1))])).float()
    basis = torch.eye(3, dtype=torch.float64)[:2]
    assert torch.allclose(turned(basis, x.double().numpy(), 3)(x), x.roll(-3, dims=0), atol=1e-5)


def test_nothing_but_labels_is_changed(setting) -> None:
    language, prompts, tokens, _, _ = setting
    seen = []

    def note(x: torch.Tensor) -> torch.Tensor:
        seen.append(x)
        return x

    read_out(language, SITE, prompts, tokens, note)
    assert sum(len(x) for x in seen) == prompts.where.sum()
    unasked = Prompts(prompts.tokens, prompts.last, torch.zeros_like(prompts.where), prompts.answers)
    told = read_out(language, SITE, unasked, tokens, lambda x: x + 100)
    assert np.allclose(told.labels, read_out(language, SITE, prompts, tokens).labels)


def test_padding_changes_nothing(setting) -> None:
    language, prompts, tokens, _, _ = setting
    short = int(prompts.last[0]) + 1
    alone = Prompts(prompts.tokens[:1, :short], prompts.last[:1], prompts.where[:1, :short], prompts.answers[:1])
    whole = read_out(language, SITE, prompts, tokens)
    assert np.allclose(read_out(language, SITE, alone, tokens).labels, whole.labels[:1])


def test_changes_by_hand() -> None:
    neutral = torch.randn(worded.WIDTH, generator=torch.Generator().manual_seed(1))
    piece = Piece(worded.planes(0.4), (1,))
    x = torch.randn(9, worded.WIDTH, generator=torch.Generator().manual_seed(0))
    basis = piece.basis.float()
    assert torch.allclose(projected(piece.basis, neutral)(x) @ basis.mT, (neutral @ basis.mT).expand(9, 2), atol=1e-5)
    away = torch.eye(worded.WIDTH) - basis.mT @ basis
    assert torch.allclose(projected(piece.basis, neutral)(x) @ away, x @ away, atol=1e-5)
    assert torch.allclose(kept(piece.basis, neutral)(x) @ basis.mT, x @ basis.mT, atol=1e-5)
    assert torch.allclose(kept(piece.basis, neutral)(x) @ away, (neutral @ away).expand(9, -1), atol=1e-5)
    assert torch.allclose(removed(piece)(x), x - piece.added(x))


def test_the_unit_does_everything_and_its_controls_nothing(setting) -> None:
    language, prompts, tokens, means, neutral = setting
    design = worded.planes(0.4)
    arms = {
        "unit": Arm((Piece(design, (1,)).basis,), Piece(design, (1,))),
        "months": Arm((Piece(design, (0,)).basis,), Piece(design, (0,))),
        "random": Arm(tuple(random_subspaces(2, worded.WIDTH, 4, torch.Generator().manual_seed(0))), random=True),
        "atom": Arm((Piece(worded.atoms(), (0,)).basis,), Piece(worded.atoms(), (0,))),
    }
    found = causal(language, SITE, prompts, tokens, arms, means=means, neutral=neutral, resamples=200)
    assert found.right.value > 0.3
    assert found.right.low <= found.right.value <= found.right.high
    for what in ("remove", "project out"):
        own, other, random = (found.effect(what, arm) for arm in ("unit", "months", "random"))
        assert own.right.value < 0.5 * found.right.value
        assert other.right.value == pytest.approx(found.right.value, abs=1e-4)
        assert own.lead is None
        assert other.lead.low > 0.1
        assert random.lead.low > 0
        assert other.lead.value == pytest.approx(other.right.value - own.right.value)
    assert found.effect("keep", "unit").right.value > 0.8 * found.right.value
    assert found.effect("keep", "months").right.value == pytest.approx(found.wiped_right, abs=0.02)
    assert found.effect("turn", "unit").right.value == 1
    assert found.effect("turn", "months").right.value == 0
    assert found.effect("turn", "random").right.value < 0.4
    with pytest.raises(ValueError, match="turn of atom was not measured"):
        found.effect("turn", "atom")  # one dimension holds no circle


def test_a_line_is_not_turned(setting) -> None:
    language, prompts, tokens, means, neutral = setting
    arms = {"unit": Arm((Piece(worded.planes(), (1,)).basis,))}
    found = causal(language, SITE, prompts, tokens, arms, means=means, neutral=neutral, cyclic=False, resamples=50)
    assert {effect.what for effect in found.effects} == {"project out", "keep"}


@pytest.mark.parametrize("kind", tiny.MODELS)
def test_every_architecture_can_be_changed(kind: str) -> None:
    language = tiny.language(kind)
    prompts = Prompts.of([([0, 5, 6], [1, 2], 0), ([0, 7, 8, 9], [3], 1)])
    before = read_out(language, Site(1, "resid_post"), prompts, (5, 6, 7))
    after = read_out(language, Site(1, "resid_post"), prompts, (5, 6, 7), lambda x: x + torch.arange(tiny.WIDTH))
    assert before.labels.shape == (2, 3)
    assert not np.allclose(before.labels, after.labels)


def test_prompts_without_answer_and_circles_on_a_line_are_refused(setting) -> None:
    language, prompts, tokens, means, neutral = setting
    blank = Prompts(prompts.tokens, prompts.last, prompts.where, torch.full_like(prompts.answers, -1))
    with pytest.raises(ValueError, match="must have a right answer"):
        causal(language, SITE, blank, tokens, {"a": Arm((torch.eye(2, worded.WIDTH),))}, means=means, neutral=neutral)
    with pytest.raises(ValueError, match="at least one prompt"):
        Prompts.of([])
    with pytest.raises(ValueError, match="no circle to be turned"):
        turned(worded.axes()[:1].double(), means, 1)
