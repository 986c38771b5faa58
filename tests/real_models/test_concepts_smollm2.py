"""Weekdays and months in a trained language model: slow, run by `make test-real`, which fetches the model first."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from real_models.concepts.causal import Arm, causal
from real_models.concepts.circle import circle
from real_models.concepts.finding import best_unit, class_means, gather_labelled
from real_models.concepts.lexicon import concept, label_tokens
from real_models.concepts.pieces import random_subspaces
from real_models.concepts.prompts import echoes
from real_models.experiment import Cache, open_corpus
from real_models.fetch import model_path
from real_models.harvested import gather
from real_models.language_model import load
from real_models.presets import real_presets
from real_models.sites import Site
from real_models.stored import place_behind, stored
from real_models.training import prepare
from sasa_theory.training import Budget, train

pytestmark = pytest.mark.slow

SITE = Site(9, "resid_post")


@pytest.fixture(scope="module")
def language():
    return load(model_path("smollm2"), dtype="bfloat16")


@pytest.fixture(scope="module")
def seen(language):
    nothing = torch.zeros(0, language.width(SITE))
    return {name: gather_labelled(language, SITE, concept(name), nothing) for name in ("weekdays", "months")}


@pytest.mark.parametrize(("name", "labels"), [("weekdays", 7), ("months", 12)])
def test_labels_lie_in_their_order_in_the_first_two_components(seen, name: str, labels: int) -> None:
    means = class_means(torch.cat(seen[name].x), torch.cat(seen[name].labels))
    found = circle(means)
    assert found.order in (tuple(range(labels)), (0, *range(labels - 1, 0, -1)))
    assert found.score.p < 0.003
    assert found.predicted.value > 0.4
    assert found.predicted.p < 0.003
    assert found.fit == pytest.approx(1)  # of so many coordinates, which says nothing
    assert found.fit_null == pytest.approx(1)


def test_turning_the_weekdays_in_their_plane_moves_the_day_that_a_sentence_repeats(language, seen) -> None:
    what, labelled = concept("weekdays"), seen["weekdays"]
    means = class_means(torch.cat(labelled.x), torch.cat(labelled.labels))
    plane = torch.linalg.svd(torch.from_numpy(means - means.mean(axis=0)), full_matrices=False).Vh[:2]
    random = tuple(random_subspaces(2, language.width(SITE), 3, torch.Generator().manual_seed(0)))
    found = causal(
        language,
        SITE,
        echoes(language, what, 1, 4),
        label_tokens(language, what)[1],
        {"plane": Arm((plane,)), "random": Arm(random)},
        means=means,
        neutral=torch.cat(labelled.others).mean(dim=0),
    )
    turned, by_chance = found.effect("turn", "plane"), found.effect("turn", "random")
    assert turned.right.low > 0.15
    assert by_chance.right.value < 0.05
    assert by_chance.lead.high < 0
    assert found.effect("project out", "random").lead.low > 0  # the plane's loss is greater


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("activations")


@pytest.mark.parametrize("preset", ["smollm2/sasa", "smollm2/topk"])
def test_a_small_run_on_speeches_has_a_unit_for_dates(language, folder, preset: str) -> None:
    experiment = replace(real_presets()[preset].experiment, site=SITE, budget=Budget(tokens=300_000, batch_size=512))
    sizes = {"groups": 256} if "sasa" in preset else {"atoms": 1024}
    experiment = replace(
        experiment,
        settings={**experiment.settings, **sizes},
        recipe=replace(experiment.recipe, lr=3e-3),
        harvest=replace(experiment.harvest, buffer=128),
        cache=Cache(folder=str(folder), rows=300_000),
    )
    prepared = prepare(experiment, language, open_corpus("sotu"))
    rows = stored(experiment.cache, prepared.source)
    design = train(prepared.design, rows, experiment.budget, experiment.recipe, progress=False).design.eval()
    text = gather(prepared.source, 2000, place_behind(rows.index, prepared.source))
    firing, _ = best_unit(design, gather_labelled(language, SITE, concept("months"), text))
    assert firing.auc > 0.95
    assert firing.recall > 0.9
