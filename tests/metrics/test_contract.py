"""Metric, observation and judge: what a metric states, what is looked at, what is refused."""

from __future__ import annotations

import math
import subprocess
import sys
from dataclasses import replace
from functools import cache
from importlib import import_module

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from sasa_theory import designs
from sasa_theory.designs.references import oracle
from sasa_theory.metrics import METRICS, Metric, Observation, Reading, judge, observe
from sasa_theory.metrics.judge import NULLS, gated_subspaces, random_like, true_subspaces
from sasa_theory.metrics.rows import Rows
from sasa_theory.metrics.units import Units
from sasa_theory.seeds import generator_for
from synthetic import World, preset

from . import dictionaries
from .dictionaries import DIMS, WIDTH, Fixed


@cache
def noisy() -> World:
    return dictionaries.world(noise=0.1)


def dearest(observation: Observation) -> Reading:
    """Largest ``||x||``
    over the rows.
    """
    return Reading(float(max(block.x.norm(dim=1).max() for block in observation.rows)))


def test_a_metric_is_defined_by_its_function() -> None:
    metric = Metric(name="dearest", title="dearest", unit="norm", direction="lower", version=1, measure=dearest)
    assert metric.definition == "Largest ``||x||``\nover the rows."
    known = dictionaries.world()
    assert metric.measure(observe(dictionaries.perfect(known), known, 50)).value > 0


def test_what_is_kept_belongs_to_one_observation_and_is_no_part_of_it() -> None:
    first = observe(dictionaries.perfect(noisy()), noisy(), 50)
    value = first.kept(dearest)
    assert first.kept(dearest) is value
    assert replace(first, rows=Rows(noisy(), 50, seed=9)).kept(dearest) != value
    assert replace(first) == first
    assert "kept" not in repr(first)


def test_a_floor_stands_beside_the_value(monkeypatch: pytest.MonkeyPatch) -> None:
    limited = Metric(
        name="dearest", title="x", unit="norm", direction="lower", version=1, measure=dearest, floor=lambda _: 0.5
    )
    module = import_module("sasa_theory.metrics.judge")  # the package exports the function of this name
    monkeypatch.setattr(module, "METRICS", {"dearest": limited, "ev": METRICS["ev"]})
    known = dictionaries.world()
    scores = judge(dictionaries.perfect(known), known, rows=50, calibrate=False)
    assert (scores["dearest"].floor, scores["ev"].floor) == (0.5, None)


def test_judge_measures_what_is_asked_for_beside_chance_and_truth() -> None:
    known = dictionaries.world()
    scores = judge(dictionaries.split(known), known, rows=400, only=["recovery", "ev"])
    assert list(scores) == ["recovery", "ev"]
    recovery = scores["recovery"]
    assert recovery.metric is METRICS["recovery"]
    assert recovery.oracle == pytest.approx(1)
    assert recovery.value == pytest.approx(float(recovery.each.mean()))
    low, high = recovery.null
    assert 0 < low < high < recovery.value < recovery.oracle


def test_without_calibration_there_is_neither_null_nor_oracle() -> None:
    known = dictionaries.world()
    score = judge(dictionaries.split(known), known, rows=100, only=["ev"], calibrate=False)["ev"]
    assert (score.null, score.oracle) == (None, None)


def test_the_same_seed_gives_the_same_scores() -> None:
    known = dictionaries.world(noise=0.1)
    design = dictionaries.merged(known)
    first, again, other = (judge(design, known, rows=200, seed=s, only=["ev", "recovery"]) for s in (4, 4, 5))
    assert [(s.value, s.null, s.oracle) for s in first.values()] == [
        (s.value, s.null, s.oracle) for s in again.values()
    ]
    assert first["ev"].value != other["ev"].value
    assert first["ev"].null != other["ev"].null


def test_a_misspelt_metric_is_answered_with_the_nearest() -> None:
    known = dictionaries.world()
    with pytest.raises(ValueError, match="did you mean 'recovery'"):
        judge(dictionaries.perfect(known), known, only=["recovry"])


def test_widths_must_agree() -> None:
    known = dictionaries.world()
    with pytest.raises(ValueError, match="one width, got 7 and 16"):
        observe(designs.get("topk", width=7, atoms=8, k=2, seed=0), known)


class Curved(Fixed):
    """A decoder that is not affine."""

    def decode(self, codes: Tensor) -> Tensor:
        return super().decode(codes.sinh())


def test_a_decoder_that_is_not_affine_is_refused() -> None:
    known = dictionaries.world()
    with pytest.raises(ValueError, match="decode of Curved must be affine"):
        judge(Curved(dictionaries.truth(known), 2), known)


def test_judging_leaves_no_trace_in_the_design() -> None:
    known = dictionaries.world()
    design = designs.get("batch-topk", width=WIDTH, atoms=12, k=3, seed=0)
    design.train()
    before = {name: tensor.clone() for name, tensor in design.state_dict().items()}
    judge(design, known, rows=200)
    assert design.training
    assert all(torch.equal(before[name], tensor) for name, tensor in design.state_dict().items())
    assert all(p.grad is None for p in design.parameters())


@given(seed=st.integers(0, 2**16), n=st.integers(1, 40), block=st.integers(4, 25))
def test_every_pass_sees_the_same_rows_with_whatever_truth(seed: int, n: int, block: int) -> None:
    rows = Rows(noisy(), n, seed, block)
    first, second = (torch.cat([b.x for b in rows]) for _ in range(2))
    with_slices = torch.cat([b.x for b in rows.blocks("contributions")])
    assert len(first) == n
    assert torch.equal(first, second)
    assert torch.equal(first, with_slices)
    assert max(len(b.x) for b in rows) <= block


def test_rows_are_drawn_two_thousand_at_a_time_from_seed_zero() -> None:
    """Values in records are of these very rows: another block would draw others."""
    generator = generator_for("judged rows", 0)
    drawn = torch.cat([noisy().sample(n, generator, "support").x for n in (2048, 3)])
    assert torch.equal(torch.cat([block.x for block in Rows(noisy(), 2051)]), drawn)


@pytest.mark.parametrize("wrong", [{"count": 0}, {"count": 2.5}, {"count": 5, "block": 0}])
def test_rows_come_in_whole_numbers(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"must be (a whole number )?in \[1, "):
        Rows(dictionaries.world(), **wrong)


@given(seed=st.integers(0, 2**32 - 1))
def test_units_decode_to_what_the_design_decodes_to(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    of = torch.cat((torch.arange(3), torch.randint(0, 3, (4,), generator=generator)))
    design = Scattered(of[torch.randperm(7, generator=generator)], torch.randn(8, 5, generator=generator))
    units = Units.of(design)
    codes = torch.randn(6, 7, generator=generator)
    contributions = torch.einsum("nkr,krw->nkw", units.blocks(codes), units.decoder)
    assert torch.allclose(contributions.sum(dim=1) + units.offset, design.decode(codes), atol=1e-5)
    for k in range(3):
        mine = codes * (design.units() == k)
        assert torch.allclose(contributions[:, k] + units.offset, design.decode(mine), atol=1e-5)
    assert units.sizes.tolist() == torch.bincount(design.units()).tolist()


class Scattered(designs.Design):
    """Columns that belong to units in any order, and an offset."""

    def __init__(self, of: Tensor, rows: Tensor) -> None:
        super().__init__(rows.shape[1], len(of))
        self.of, self.rows = of, rows

    def units(self) -> Tensor:
        return self.of

    def encode(self, x: Tensor) -> Tensor:
        return x @ self.rows[:-1].mT

    def decode(self, codes: Tensor) -> Tensor:
        return codes @ self.rows[:-1] + self.rows[-1]


@pytest.mark.parametrize("ranks", [(1, 1, 1), (1, 2, 2), (1, 3, 2)])
@given(seed=st.integers(0, 2**32 - 1), block=st.integers(5, 60))
def test_moments_and_firings_of_the_crowd_are_those_of_its_rows(ranks: tuple[int, ...], seed: int, block: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    design = Fixed([torch.randn(r, WIDTH, generator=generator) for r in ranks], 2)
    observation = replace(observe(design, noisy(), 60), rows=Rows(noisy(), 60, seed, block))
    crowd, units = observation.crowd, observation.units
    codes = design.encode(torch.cat([b.x for b in observation.rows]))
    present = torch.cat([b.truth.dense() for b in observation.rows])
    blocks = units.blocks(codes)
    second = torch.einsum("nkr,nks->krs", blocks, blocks).double() / 60
    assert torch.allclose(crowd.second, second, rtol=1e-4, atol=1e-5)
    fired = design.presence(codes) > 0
    assert crowd.fired.counts().tolist() == fired.sum(dim=0).tolist()
    assert crowd.fired.sizes.tolist() == fired.sum(dim=1).tolist()
    assert crowd.together.tolist() == (present.double().T @ fired.double()).tolist()


@pytest.mark.parametrize("condition", [1.0, 1e4, 1e5])
def test_moments_are_as_good_in_a_gauge_that_is_badly_conditioned(condition: float) -> None:
    known, generator = dictionaries.world(), torch.Generator().manual_seed(6)
    bases = [basis.double() for basis in dictionaries.truth(known)]
    stretches = [torch.logspace(0, -math.log10(condition), len(basis)).double() for basis in bases]
    turns = [dictionaries.orthogonal(len(basis), generator).double() for basis in bases]
    encoders = [(turn * stretch) @ b for turn, stretch, b in zip(turns, stretches, bases, strict=True)]
    decoders = [(turn / stretch) @ b for turn, stretch, b in zip(turns, stretches, bases, strict=True)]
    design = Fixed([d.float() for d in decoders], 2, [e.float() for e in encoders], [b.float() for b in bases])
    scores = judge(design, known, rows=1000, only=["capture", "purity"], calibrate=False)
    assert scores["capture"].value == pytest.approx(1, abs=0.02)  # what is left is rounding of the design itself
    assert scores["purity"].value == pytest.approx(1, abs=0.02)


def test_very_large_codes_have_finite_moments() -> None:
    known = dictionaries.world()
    bases = dictionaries.truth(known)
    design = Fixed([1e-20 * basis for basis in bases], 2, [1e20 * basis for basis in bases], bases)
    scores = judge(design, known, rows=300, only=["capture", "ev"], calibrate=False)
    assert [score.value for score in scores.values()] == pytest.approx([1, 1], abs=1e-5)


_MEMORY = """
import resource
from dataclasses import replace
from sasa_theory import designs
from sasa_theory.metrics import METRICS, observe
from sasa_theory.metrics.rows import Rows
from synthetic import Feature, Features, World, preset

features = (Features(Feature("subspace", 2), 6),)
world = World.build(preset("theorem", "small", width=32, features=features), seed=0)
design = designs.get("relu", width=32, atoms=2048, sparsity=0.0, seed=0)
for rows in (1024, 9216):
    observation = replace(observe(design, world, rows), rows=Rows(world, rows, block=256))
    assert observation.crowd.fired.counts().mean() > rows / 4
    METRICS["exact_support"].measure(observation)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="ru_maxrss counts other things elsewhere")
def test_firings_of_dense_codes_are_not_kept() -> None:
    """The pairs of rows and units of the further 8,192 rows would take 128 MB alone, were they kept."""
    run = subprocess.run([sys.executable, "-c", _MEMORY], capture_output=True, text=True, check=True)
    few, many = map(int, run.stdout.split())
    assert many - few < 80


def test_random_dictionaries_have_the_shape_of_the_design() -> None:
    known = dictionaries.world()
    groups = random_like(observe(dictionaries.perfect(known), known, 200))
    assert len(groups) == NULLS
    assert [torch.bincount(g.units()).tolist() for g in groups] == [list(DIMS)] * NULLS
    atoms = random_like(observe(designs.get("topk", width=WIDTH, atoms=20, k=3, seed=0), known, 200))
    assert {(a.n_units, a.columns) for a in atoms} == {(20, 20)}
    assert len({float(a.decode(torch.ones(1, 20)).norm()) for a in atoms}) == NULLS
    signed = random_like(observe(dictionaries.split(known), known, 200))
    assert all((random.encode(torch.randn(50, WIDTH)) < 0).any() for random in signed)


def test_a_large_unit_does_not_make_all_of_chance_as_large() -> None:
    """With six units of 16 columns chance would capture 0.98 and more, though the design's large one is dead."""
    known = dictionaries.world()
    bases = dictionaries.truth(known)
    design = Fixed([*bases, torch.eye(WIDTH)], 2, gates=[*bases, torch.zeros(WIDTH, WIDTH)])
    design.gates[-1] = torch.zeros(1, WIDTH)
    capture = judge(design, known, rows=1000, only=["capture"])["capture"]
    assert capture.value == pytest.approx(1)
    assert max(capture.null) < 0.7


@pytest.mark.parametrize("values", [[math.nan, 2.0, 1.0], [2.0, 1.0, math.nan], [1.0, math.nan, 2.0]])
def test_chance_is_the_range_of_what_is_defined(values: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    module, found = import_module("sasa_theory.metrics.judge"), iter([0.0, *values, 0.0])

    def listed(observation: Observation) -> Reading:
        """The next number of a list."""
        return Reading(next(found))

    metric = Metric(name="listed", title="x", unit="x", direction="lower", version=1, measure=listed)
    monkeypatch.setattr(module, "METRICS", {"listed": metric})
    known = dictionaries.world()
    assert judge(dictionaries.perfect(known), known, rows=50)["listed"].null == (1, 2)


def test_chance_is_not_defined_if_no_random_dictionary_has_a_value(monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(observation: Observation) -> Reading:
        """Not a number."""
        return Reading(math.nan)

    metric = Metric(name="nothing", title="x", unit="x", direction="lower", version=1, measure=nothing)
    monkeypatch.setattr(import_module("sasa_theory.metrics.judge"), "METRICS", {"nothing": metric})
    known = dictionaries.world()
    null = judge(dictionaries.perfect(known), known, rows=50)["nothing"].null
    assert all(math.isnan(end) for end in null)


@cache
def families() -> World:
    return World.build(preset("absorption", "small"), seed=0)


def test_the_oracle_is_perfect_where_the_number_of_features_varies() -> None:
    """With always as many units as features on average, one, support F1 was 0.46 and explained variance 0.44."""
    names = ["support_f1", "exact_support", "ev", "recovered"]
    design = designs.get("topk", width=families().width, atoms=20, k=1, seed=0)
    scores = judge(design, families(), rows=2000, only=names)
    assert [score.oracle for score in scores.values()] == pytest.approx([1] * 4, abs=1e-5)


def test_where_all_rows_have_as_many_features_the_oracle_does() -> None:
    world = World.build(preset("bsf_toy", "small"), seed=0)  # its subspaces overlap: a threshold would look better
    x = world.sample(200, torch.Generator().manual_seed(1)).x
    truth = gated_subspaces(Rows(world, 300))
    assert (truth.presence(truth.encode(x)) > 0).sum(dim=1).tolist() == [2] * 200


def test_the_oracle_also_fires_for_features_weaker_than_any_it_was_gated_on() -> None:
    truth = gated_subspaces(Rows(families(), 2000))
    x = 0.1 * families().sample(500, torch.Generator().manual_seed(1)).x
    assert torch.allclose(truth(x), x, atol=1e-5)


@pytest.mark.parametrize("solver", ["tied", "pursuit"])
def test_an_oracle_with_a_threshold_is_silent_below_it(solver: str) -> None:
    gated = oracle(torch.eye(4, 6), (2, 2), 2, solver=solver, threshold=1.0)
    x = torch.tensor([[3.0, 0, 0, 0.5, 0, 0], [0, 2, 0, 1.5, 0, 0], [0.9, 0, 0, 0, 9, 0]])
    assert (gated.presence(gated.encode(x)) > 0).tolist() == [[True, False], [True, True], [False, False]]


def test_noise_does_not_make_the_oracle_fire() -> None:
    config = replace(families().config, noise=0.02)
    world = World.build(config, seed=0)
    seen = observe(gated_subspaces(Rows(world, 2000)), world, 2000, seed=1)
    assert METRICS["support_precision"].measure(seen).value > 0.9
    assert METRICS["support_recall"].measure(seen).value > 0.9


def test_the_oracle_is_the_truth_around_the_worlds_bias() -> None:
    world = World.build(preset("theorem", "small", width=40, bias=2.0), seed=2)
    assert world.bias.norm() > 1
    truth = true_subspaces(observe(designs.get("topk", width=40, atoms=64, k=3, seed=0), world, 300))
    assert torch.allclose(truth.decode(torch.zeros(1, truth.columns))[0], world.bias, atol=1e-6)
    bases = [world.basis(i) for i in range(world.config.size)]
    assert torch.bincount(truth.units()).tolist() == [len(basis) for basis in bases]
