"""`sasa-theory new` and `sasa-theory bench` as a user meets them."""

from __future__ import annotations

from dataclasses import replace
from io import StringIO
from types import MappingProxyType

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rich.console import Console
from typer.testing import CliRunner

from sasa_theory.benchmark import Measured, Plan, Store, carry_out, command, shipped, standings, suites
from sasa_theory.benchmark.comparison import HEADLINES, Standings
from sasa_theory.benchmark.cost import Costs
from sasa_theory.benchmark.template import TEMPLATE
from sasa_theory.cli import app
from sasa_theory.metrics import METRICS
from sasa_theory.report.leaderboard import leaderboard

from . import micro


def invoke(*arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(app, list(arguments))
    assert result.exit_code == code, result.output
    return " ".join(result.output.replace("│", " ").split())


@pytest.fixture
def tiny(monkeypatch, tmp_path):
    """The smoke tier at a size for tests, run in this process; baselines shipped in a folder of their own."""
    monkeypatch.setattr(suites, "TIERS", MappingProxyType({"smoke": replace(micro.TIER, name="smoke", seeds=3)}))
    monkeypatch.setattr(shipped, "FOLDER", tmp_path / "shipped")
    monkeypatch.setattr(command, "pool", lambda spec, folder: micro.at_once())
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def ranked(tmp_path_factory):
    """A plan of one design, and its records."""
    plan = Plan(tier=replace(micro.TIER, seeds=3), specs=("topk",))
    store = Store(tmp_path_factory.mktemp("ranked") / "r.jsonl")
    return plan, carry_out(plan, store, micro.at_once(), Console(file=StringIO()))


def board(found: Standings, width: int = 200) -> str:
    shown = StringIO()
    Console(file=shown, width=width).print(leaderboard(found, width))
    return shown.getvalue()


def changed(plan, done, design, **fields):
    """All records, those of a design's runs with other fields."""
    return done | {r.key: replace(r, **fields) for r in plan.records(done) if r.design == design}


@pytest.mark.usefixtures("tiny")
def test_a_new_design_is_written_and_ranked(tmp_path):
    told = invoke("new", "my_design.py")
    assert (tmp_path / "my_design.py").read_text() == TEMPLATE
    assert "bench my_design.py:MySAE" in told
    output = invoke("bench", "my_design.py:MySAE", "--against", "topk", "--out", "mine")
    plan, ranking = output.split("Records: mine/records.jsonl")
    assert "matched in columns" in plan
    assert "About" in plan
    assert "16/16" in ranking  # two trials of two designs; three runs of these, of truth and of chance
    for word in ("shapes: mean", "my_design.py:MySAE", "topk", "oracle", "random", "truth", "chance", "detectable"):
        assert word in ranking
    assert METRICS["recovery"].title in ranking
    again = invoke("bench", "my_design.py:MySAE", "--against", "topk", "--out", "mine")
    assert "recorded already" in again
    assert again.split("shapes: mean")[1] == ranking.split("shapes: mean")[1]


@pytest.mark.usefixtures("tiny")
def test_shipped_baselines_are_not_run_again(tmp_path):
    plan = Plan(tier=suites.tier("smoke"), specs=("topk",))
    carry_out(plan, Store(tmp_path / "shipped" / "smoke.jsonl"), micro.at_once(), Console(file=StringIO()))
    output = invoke("bench", "topk/signed", "--seeds", "3", "--out", "mine")
    assert "5/5" in output  # two trials and three runs of the new design
    assert len(Store(tmp_path / "mine" / "records.jsonl").read().records) == 5


@pytest.mark.usefixtures("tiny")
def test_a_half_line_is_reported(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "records.jsonl").write_text('{"key": "ab')
    assert "half a line" in invoke("bench", "topk", "--against", "topk", "--seeds", "3", "--out", "mine")


def test_a_file_that_exists_is_never_overwritten(tmp_path):
    path = tmp_path / "my_design.py"
    path.write_text("precious")
    assert "exists" in invoke("new", str(path), code=2)
    assert path.read_text() == "precious"


@pytest.mark.parametrize("name", ["design.txt", "my-design.py", "class.py", "no_folder/design.py"])
def test_names_that_cannot_be_used_are_refused(name, tmp_path):
    invoke("new", str(tmp_path / name), code=2)
    assert not (tmp_path / name).exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["topk", "--tier", "smok"], "did you mean 'smoke'"),
        (["tpk"], "did you mean 'topk'"),
        (["topk", "--match", "bit"], "did you mean 'bits'"),
        (["topk", "--executor", "proceses"], "did you mean 'processes'"),
        (["nowhere.py:MySAE"], "there is no file"),
        (["topk", "--seeds", "2"], "--seeds"),
        (["mine.py"], "must be given as mine.py:Class"),
    ],
)
def test_wrong_arguments_are_exit_status_2(arguments, message, tmp_path):
    output = invoke("bench", *arguments, "--out", str(tmp_path), code=2)
    assert message in output
    assert "ValueError" not in output
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize("error", ["ValueError", "RuntimeError"])
@pytest.mark.parametrize("ending", [".py", ""])
def test_an_error_in_a_users_class_is_shown_with_its_line(error, ending, tmp_path):
    name = f"wrong_{error}"  # of its own: what is imported stays
    code = f"class Wrong:\n    def __init__(self, width):\n        raise {error}('no')\n"
    (tmp_path / f"{name}.py").write_text(code)
    output = invoke("bench", f"{name}{ending}:Wrong", code=2).replace(" ", "")  # wherever lines are broken
    assert f"{name}.py,line3(raise{error}('no')):{error}:no" in output


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize(("error", "code", "word"), [(KeyboardInterrupt, 130, "goes on"), (RuntimeError, 3, "failed")])
def test_a_sweep_that_ends_early_says_how_to_go_on(error, code, word, monkeypatch):
    def stop(*args):
        raise error

    monkeypatch.setattr(command, "carry_out", stop)
    output = invoke("bench", "topk", code=code)
    assert word in output
    assert "bench/records.jsonl" in output


@pytest.mark.usefixtures("tiny")
def test_brackets_are_no_markup():
    output = invoke("bench", "topk[aux_coefficient=0]", "--against", "topk", "--out", "my[red]runs")
    assert "Records: my[red]runs/records.jsonl" in output
    assert "topk[aux_coefficient=0] in shapes, seed 0" in output


def test_what_is_left_is_estimated_from_what_runs_took():
    plan = micro.plan("topk")
    contest = next(c for c in plan.contests if c.entered.label == "topk")
    costs = Costs(plan, {})
    believed = costs.of(contest, "run")
    assert 0 < believed < 600
    assert costs.of(contest, "run") == believed  # timed once
    for seconds in (1000.0, 3000.0, 4000.0):
        costs.learn(micro.record(design="topk", world="shapes", training=seconds))
    assert costs.of(contest, "run") == 3000.0
    before = micro.record(0, design="topk", world="shapes", training=50.0, identity={"budget": vars(micro.TIER.budget)})
    assert Costs(plan, {before.key: before}).of(contest, "run") == 50.0
    for each in plan.contests:
        for purpose in ("trial", "run"):
            costs._seconds[each.entered.label, "shapes", purpose] = 10.0 if purpose == "run" else 1.0
    assert costs.total({}) == 2 * 1.0 + 3 * 2 * 10.0  # two trials of topk; two runs of it, of truth and of chance


def test_the_template_is_short_and_explains_itself():
    assert 20 <= len(TEMPLATE.splitlines()) <= 32
    assert "#" in TEMPLATE


def test_two_designs_of_one_name_are_refused(tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "mine.py").write_text(TEMPLATE)
    with pytest.raises(ValueError, match="told apart by name"):
        micro.plan(f"{tmp_path}/a/mine.py:MySAE", f"{tmp_path}/b/mine.py:MySAE")


def test_standings_put_truth_above_chance_and_say_what_limits_a_design(ranked):
    plan, done = ranked
    (found,) = standings(plan, done)
    assert set(found.rankings) <= set(HEADLINES)
    assert {"recovery", "support_f1", "ev", "seed_consistency"} <= set(found.rankings)
    assert found.rankings["seed_consistency"].order[0] == "oracle"
    for metric in ("recovery", "support_f1", "ev"):
        ranking = found.rankings[metric]
        assert ranking.order[0] == "oracle"
        assert ranking.tier("oracle") < ranking.tier("random")
        around = found.around[metric]
        assert around.oracle == pytest.approx(1.0, abs=1e-3)
        assert around.null is not None
        assert around.null[0] < around.null[1] < 1
    assert set(found.diagnoses) == {"topk"}
    assert not found.failed
    shown = " ".join(board(found).split())
    assert found.diagnoses["topk"].sentence in shown
    (contest,) = (c for c in plan.contests if c.entered.label == "topk")
    rate = contest.chosen(done).lr
    said = f"topk: {contest.size}, matched in columns; lr {rate:g} (at the edge of the search), chosen among 2 trials"
    assert said in shown
    assert set(found.setups) == {"topk"}


def test_cost_is_shown_and_never_ranked(ranked):
    plan, done = ranked
    (found,) = standings(plan, changed(plan, done, "topk", training=123.0))
    assert "seconds" not in found.rankings
    assert found.costs["topk"] == (123.0, 123.0, 123.0)
    (row,) = (line for line in board(found).splitlines() if line.startswith("│ topk "))
    assert row.split("│")[-2].strip() == "123.000 ±0.000"
    (found,) = standings(plan, changed(plan, done, "topk", training=123.0, metrics={}, failed="training diverged"))
    assert np.isnan(found.costs["topk"].mean)
    (row,) = (line for line in board(found).splitlines() if line.startswith("│ topk "))
    assert row.split("│")[-2].strip() == "-"


@pytest.mark.parametrize(("active", "mark"), [(1.0, False), (1.05, False), (1.2, True), (3.0, True)])
def test_who_spends_more_than_the_budget_is_marked(active, mark, ranked):
    plan, done = ranked
    spent = Measured(version=1, value=active * plan.tier.arenas[0].size.active_columns)
    metrics = next(r for r in plan.records(done) if r.design == "topk").metrics | {"l0_columns": spent}
    (found,) = standings(plan, changed(plan, done, "topk", metrics=metrics))
    assert found.spending["topk"] == pytest.approx(active)
    assert (f"{active:.2f} !" in board(found)) == mark
    assert ("not a fair comparison" in board(found)) == mark


@given(st.integers(30, 250))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_leaderboard_fits_terminals_and_shows_every_number(ranked, width):
    (found,) = standings(*ranked)
    wide, narrow = board(found, 250), board(found, max(width, 60))
    cells = [cell.strip() for line in wide.splitlines() if line.startswith("│") for cell in line.split("│")]
    shown = [cell.strip() for line in narrow.splitlines() if line.startswith("│") for cell in line.split("│")]
    assert set(cells) <= set(shown)
    assert "…" not in narrow
    tables = narrow.count("┏")
    assert tables > 1 if width < 150 else tables <= 2
    assert wide.count("┏") == 1


def test_failed_runs_are_shown_and_unranked(ranked):
    plan, done = ranked
    spoilt = next(record for record in plan.records(done) if record.design == "topk")
    (found,) = standings(plan, {**done, spoilt.key: replace(spoilt, metrics={}, failed="training diverged")})
    assert found.failed == {"topk": "training diverged"}
    assert found.rankings["recovery"].undefined == ("topk",)
    assert "topk is unranked: training diverged" in board(found)
    assert "undefined" in board(found)
    assert not found.diagnoses
    assert "Unknown" not in board(found)


def test_the_tiers_have_every_baseline_and_agree_in_columns():
    for tier in suites.TIERS.values():
        plan = Plan(tier=tier, specs=tier.baselines)
        assert {"oracle", "random", "sasa/paper", "topk/signed", "topk", "batch-topk", "matryoshka", "relu"} == set(
            plan.specs
        )
        for arena in tier.arenas:
            sizes = [c.size for c in plan.contests if c.arena is arena]
            assert {(size.columns, size.active_columns) for size in sizes} == {
                (arena.size.columns, arena.size.active_columns)
            }
