"""The demonstration on clocks: against a model that adds exactly, and end to end on a tiny lesson."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from torch import nn
from typer.testing import CliRunner

from real_models.clocks import demo as demo_module
from real_models.clocks import separation as separation_module
from real_models.clocks.demo import ENTRANTS, FALSIFIED, Plan, demonstrate
from real_models.clocks.judging import Entrant, judged, large, rotations, trained
from real_models.clocks.rotation import Circle, fitted, moved, of_subspace, of_units, ranked
from real_models.clocks.separation import Separated, Separation, frequencies, separation
from real_models.clocks.task import Clocks
from real_models.clocks.transformer import Lesson, Taught, teach
from real_models.clocks.verdicts import Interval, alone, metric_frame, over_seeds, verdict_frame, verdicts
from real_models.clocks.world import clock_world
from real_models.language_model import LanguageModel
from sasa_theory import designs
from sasa_theory.designs.references import oracle

TAUGHT = Lesson(clocks=Clocks(hours=(9, 11), width=16), steps=1)
TINY = Lesson(clocks=Clocks(hours=(5, 9, 11), width=16), steps=5)
SINGLE = Lesson(clocks=Clocks(hours=(9,), width=16), learned=True, steps=5)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


class Block(nn.Module):
    """At the last position, where the sum of the first two tokens lies on its circle, and a little noise."""

    def __init__(self, clocks):
        super().__init__()
        self.mlp = nn.Identity()
        self.table = torch.zeros(clocks.vocabulary, clocks.vocabulary, clocks.width)
        noise = 0.05 * torch.randn(len(clocks.pairs), clocks.width, generator=torch.Generator().manual_seed(0))
        self.table[clocks.tokens[:, 0], clocks.tokens[:, 1]] = clocks.embedding[clocks.answers] + noise

    def forward(self, tokens):
        return self.table[tokens[:, 0], tokens[:, 1]].unsqueeze(1).expand(-1, 3, -1)


class Adder(nn.Module):
    """A model of one block whose answers are right by construction, read out by the embedding."""

    def __init__(self, clocks):
        super().__init__()
        self.config = SimpleNamespace(get_text_config=lambda: SimpleNamespace(num_hidden_layers=1))
        self.blocks = nn.ModuleList([Block(clocks)])
        self.embedding = nn.Parameter(clocks.embedding.clone(), requires_grad=False)

    def forward(self, input_ids, use_cache):
        return SimpleNamespace(logits=self.blocks[0](input_ids) @ self.embedding.mT)


@pytest.fixture(scope="module")
def world():
    return clock_world(Taught(LanguageModel(Adder(TAUGHT.clocks), None, "adder"), TAUGHT, 1.0))


@pytest.fixture(scope="module")
def truth(world):
    return oracle(torch.cat(world.bases), [2, 2], 1, bias=world.bias)


def test_answers_turn_with_the_circle_and_with_no_other(world):
    for i in range(2):
        assert moved(world, i, fitted(world, i, of_subspace(world.basis(i), world.bias))) > 0.9
        other = of_subspace(world.basis(1 - i), world.bias)
        assert moved(world, i, fitted(world, i, other)) < 0.3


def test_turning_goes_the_right_way_and_by_the_right_angle(world):
    circle = fitted(world, 1, of_subspace(world.basis(1), world.bias))
    clocks = world.taught.lesson.clocks
    means = world.means(1)
    angle = torch.full((11,), 2 * torch.pi / 11)
    turned = circle.turned(means, angle)
    later = means.roll(-1, dims=0)
    plane = world.basis(1)
    assert ((turned - later) @ plane.mT).norm() < 0.3 * ((means - later) @ plane.mT).norm()
    outside = torch.eye(clocks.width) - plane.mT @ plane
    torch.testing.assert_close(turned @ outside, means @ outside, atol=1e-5, rtol=1e-5)


def test_a_full_turn_and_no_plane_change_nothing(world):
    x, full = world.x[:7], torch.full((7,), 2 * torch.pi)
    circle = fitted(world, 0, of_subspace(world.basis(0), world.bias))
    torch.testing.assert_close(circle.turned(x, full), x, atol=1e-4, rtol=1e-4)
    nothing = Circle(lambda x: x, world.bias, x.new_zeros(2, world.width))
    torch.testing.assert_close(nothing.turned(x, full / 3), x)
    assert moved(world, 0, nothing) < 0.1


def test_frequencies_turn_as_often_as_they_go_round(world):
    rows = torch.eye(world.width)[:4]
    circle = Circle(lambda x: x, torch.zeros(world.width), rows, (1, 3))
    x = torch.zeros(1, world.width)
    x[0, 0] = x[0, 2] = 1.0
    turned = circle.turned(x, torch.tensor([0.3]))
    expected = torch.tensor([0.3, 0.3, 0.9, 0.9])
    expected[::2], expected[1::2] = expected[::2].cos(), expected[1::2].sin()
    torch.testing.assert_close(turned[0, :4], expected)


def test_what_units_add_is_what_is_decoded_of_their_columns(world):
    design = designs.get("sasa/paper", width=16, groups=4, rank=3, active=2).eval()
    codes = design.encode(world.x[:5])
    codes[:, (design.units() != 1) & (design.units() != 3)] = 0
    expected = design.decode(codes) - design.decode(torch.zeros(1, 12))
    torch.testing.assert_close(of_units(design, (1, 3))(world.x[:5]), expected)


def test_units_are_ranked_by_what_they_add_about_their_mean(world, truth):
    for i in range(2):
        x = world.x[world.taught.lesson.clocks.clock == i]
        found = ranked(truth, x)
        assert found.order[0] == i
        added = of_units(truth, (i,))(x).double()
        energy = float((added - added.mean(dim=0)).square().sum(dim=1).mean())
        assert float(found.energies[0]) == pytest.approx(energy)
        assert found.number(energy) == 1


def test_the_truth_is_judged_as_truth(world, truth):
    values = judged(truth, world)
    assert large(world) == [0, 1]
    assert values["units_90"] == [1.0, 1.0]
    assert min(values["capture"]) > 0.999
    turned = rotations(world, truth, {"atoms": designs.get("random", width=16, atoms=24, k=3, seed=0)}, 0)["moved"]
    assert min(turned["SASA: its group"]) > 0.85
    assert max(turned["no edit"]) < 0.1
    assert max(turned["random subspace"]) < 0.5


def test_small_clocks_are_judged_only_where_there_are_no_others(folder):
    assert large(clock_world(teach(TINY, folder=folder, progress=False))) == [1, 2]
    small = Lesson(clocks=Clocks(hours=(5, 7), width=16), steps=1)
    assert large(clock_world(teach(small, folder=folder, progress=False))) == [0, 1]


def test_separation_tells_true_planes_from_turned_ones(world, truth):
    planes = list(world.bases)
    along = separation(truth, world, planes)
    assert along.score == pytest.approx(1.0)
    assert Separated.of([along] * 2).p == pytest.approx(1 / 201)
    both = torch.linalg.qr(torch.cat(planes).mT).Q.mT
    turn = torch.linalg.qr(torch.randn(4, 4, generator=torch.Generator().manual_seed(3))).Q
    mixed = oracle(turn @ both, [2, 2], 2, bias=world.bias)
    across = separation(mixed, world, planes)
    assert Separated.of([across]).p > 0.01
    with pytest.raises(ValueError, match="two or more, got 1"):
        separation(truth, world, planes[:1])


def test_the_null_knows_nothing_of_the_planes(world, truth):
    null = separation(truth, world, list(world.bases), turns=400).null
    # a random plane in four dimensions has half of another one in itself on average, and the better pairing a bit more
    assert 0.5 < float(null.mean()) < 0.75


def test_p_counts_the_score_itself():
    assert Separated.of([Separation(0.5, torch.linspace(0, 1, 99))]).p == pytest.approx(0.51, abs=0.02)
    assert Separated.of([Separation(2.0, torch.linspace(0, 1, 99))]).p == pytest.approx(0.01)


def test_frequencies_of_a_clock_on_its_circle(world):
    found = frequencies(world, 1)
    assert list(found) == [1]
    assert float((found[1].float() @ world.basis(1).mT).square().sum()) > 1.9


def test_of_restarts_the_one_of_least_loss_is_kept(world):
    entrant = Entrant(design="topk", settings={"atoms": 12, "k": 2}, steps=40, restarts=1)
    singly = trained(entrant, world, range(6))
    errors = torch.stack([(one(world.x) - world.x).square().mean().detach() for one in singly])
    assert float(errors.max() / errors.min()) > 1.01
    kept = trained(replace(entrant, restarts=3), world, range(2))
    for one, group in zip(kept, errors.split(3), strict=True):
        assert float((one(world.x) - world.x).square().mean().detach()) == pytest.approx(float(group.min()), rel=0.01)


def test_members_of_a_training_differ_by_seed(world):
    entrant = Entrant(design="topk", settings={"atoms": 12, "k": 2}, steps=3)
    first, second = trained(entrant, world, range(2))
    assert not torch.equal(first.state_dict()["inner.decoder"], second.state_dict()["inner.decoder"])
    assert not first.training


def _plan(**fields):
    quick = {name: replace(one, steps=3) for name, one in ENTRANTS.items()}
    failing = {name: replace(one, steps=3) for name, one in FALSIFIED.items()}
    return Plan(lesson=TINY, seeds=2, falsifier=SINGLE, entrants=quick, falsified=failing, **fields)


@pytest.fixture(scope="module")
def found(folder):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(separation_module, "WEAKEST", 0.0)  # after five steps but one frequency is strong
        return demonstrate(_plan(), jobs=0, folder=folder, progress=False)


def test_the_demonstration_has_every_number(found):
    assert found.clocks == [9, 11]
    assert set(found.values) == {"SASA", "TopK", "signed TopK"}
    shapes = {(len(each), len(each[0])) for each in found.moved.values()}
    assert shapes == {(2, 2)}
    plain = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert plain["plan"]["lesson"]["clocks"]["hours"] == [5, 9, 11]
    assert plain["falsified"].keys() == {"SASA", "TopK"}


def test_an_untrained_transformer_fails_its_verdicts(found):
    told = verdicts(found)
    assert not told[0].holds
    assert len(verdict_frame(found)) == len(told) == 10
    assert "truth" in metric_frame(found)


def test_verdicts_follow_the_numbers(found):
    good = replace(
        found,
        accuracy=1.0,
        values={
            name: {
                **one,
                "units_90": [[1.0 if name == "SASA" else 4.0] * 2] * 2,
                "capture": [[0.99, 1.0]] * 2,
                "exact_dimension": [[1.0, 1.0]] * 2,
            }
            for name, one in found.values.items()
        },
        moved={arm: [[0.99 if arm.startswith("SASA") else 0.2] * 2] * 2 for arm in found.moved},
        separated={name: Separated(0.9, (0.3, 0.4), 0.005) for name in found.separated},
        falsified={name: Separated(0.5, (0.5, 0.6), 0.4) for name in found.falsified},
    )
    assert all(one.holds for one in verdicts(good))
    assert alone(good, "SASA") == 1.0
    claimed = replace(good, falsified={"SASA": Separated(0.9, (0.5, 0.6), 0.005)})
    assert [one.holds for one in verdicts(claimed)] == [True] * 8 + [False]
    equal = replace(good, moved=good.moved | {"TopK: 3 atoms": [[0.99, 0.99]] * 2})
    assert [one.holds for one in verdicts(equal)].count(False) == 1
    split = replace(good, values=good.values | {"TopK": good.values["TopK"] | {"units_90": [[1.0, 1.0], [4.0, 4.0]]}})
    assert [one.holds for one in verdicts(split)].count(False) == 1


def test_of_learned_embeddings_less_is_expected(found):
    learned = replace(found.plan, lesson=replace(TINY, learned=True))
    assert learned.entrants.keys() == found.plan.entrants.keys()
    good = replace(
        found,
        plan=learned,
        accuracy=0.85,
        dims=[2, 4],
        values={
            name: one | {"units_90": [[2.0 if name == "SASA" else 4.0] * 2] * 2, "capture": [[rank / 10] * 2] * 2}
            for rank, (name, one) in zip((9, 3, 3), found.values.items(), strict=True)
        },
        moved=found.moved | {"SASA: its group": [[0.4, 0.5]] * 2, "random subspace": [[0.1, 0.0]] * 2},
        falsified={},
    )
    assert [one.holds for one in verdicts(good)] == [True] * 5
    split = replace(good, values=good.values | {"TopK": good.values["TopK"] | {"units_90": [[2.0] * 2, [4.0] * 2]}})
    assert [one.holds for one in verdicts(split)] == [True, True, False, True, True]
    assert Plan(lesson=Lesson(learned=True)).entrants["SASA"].settings["rank"] == 6
    assert Plan().entrants == ENTRANTS


def test_intervals_over_seeds():
    found = over_seeds([[1.0, 3.0], [2.0, 4.0], [float("nan"), 4.0]])
    assert found.mean == pytest.approx(3.0)
    assert found.high - found.mean == pytest.approx(4.303 * 1.0 / 3**0.5, rel=1e-3)
    assert str(Interval(float("nan"), 0, 0)) == "-"
    assert str(Interval(0.5, -0.001, 1.0)) == "0.50 [0.00, 1.00]"
    assert over_seeds([[1.0], [0.9], [0.95]], share=True).high == 1.0


def test_pictures_are_drawn(found, tmp_path):
    from real_models.clocks.pictures import save_pictures

    for path in save_pictures(found, found.world, tmp_path):
        assert path.stat().st_size > 10_000


def test_the_command_says_where_things_are_and_whether_all_holds(monkeypatch, found, tmp_path):
    from real_models.command import app

    monkeypatch.setattr(demo_module, "demonstrate", lambda plan, *, jobs: found)
    run = CliRunner().invoke(app, ["demo", "--out", str(tmp_path / "here")])
    assert run.exit_code == 1  # it has not learnt to add
    assert (tmp_path / "here" / "demo.json").is_file()
    assert "demo.json" in run.output
    refused = CliRunner().invoke(app, ["demo", "--architecture", "gpt3"])
    assert refused.exit_code == 2
    assert "gpt2" in refused.output
