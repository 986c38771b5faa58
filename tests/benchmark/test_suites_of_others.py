"""Experiments of other authors as suites: small ones from end to end, the arms, theory's curve, and the table."""

from __future__ import annotations

from dataclasses import replace
from io import StringIO

import numpy as np
import pytest
from rich.console import Console
from typer.testing import CliRunner

from sasa_theory.benchmark import Store, suite_command
from sasa_theory.benchmark.cost import Costs
from sasa_theory.benchmark.suite_command import SUITES, prepared_suite, run_suite, suite
from sasa_theory.benchmark.suite_parts import PUBLISHED_RATE, Suite
from sasa_theory.benchmark.suite_rank import COEFFICIENTS, critical_coefficients, predicted_bias
from sasa_theory.benchmark.suite_results import Results
from sasa_theory.bounds import critical_lambda
from sasa_theory.cli import app
from sasa_theory.designs.config import GroupConfig
from sasa_theory.report.suite_table import markdown
from sasa_theory.training import Budget
from synthetic import Exactly, Feature, Features, World

from . import micro


def tiny(name: str, seeds: int, arms: tuple[str, ...] = ()) -> Suite:
    """A suite in worlds of four features, for a few steps, with only these arms of the first part."""
    whole = suite(name, "reduced")
    shapes = tuple(Features(Feature("subspace", d), 2) for d in (1, 2))

    def small(part):
        arenas = tuple(
            replace(
                arena,
                config=replace(
                    arena.config,
                    width=12,
                    firing=Exactly(1),
                    features=tuple(
                        replace(each, law=replace(each.law, radius=arena.config.features[0].law.radius))
                        for each in shapes
                    ),
                ),
                active=1,
            )
            for arena in part.tier.arenas
        )
        tier = replace(
            part.tier,
            arenas=arenas,
            budget=Budget(tokens=3 * 32, batch_size=32),
            rows=128,
            rates=part.tier.rates[:2],
            seeds=seeds,
        )
        kept = {arm: spec for arm, spec in part.arms.items() if not arms or arm in arms}
        return replace(part, tier=tier, arms=kept)

    return replace(whole, parts=tuple(map(small, whole.parts)))


@pytest.fixture(scope="module", autouse=True)
def untimed():
    """Timing a few steps of every arm beforehand takes longer here than the runs themselves."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Costs, "of", lambda self, contest, purpose: 1.0)
        yield


def run(chosen: Suite, out) -> str:
    screen = Console(file=StringIO(), width=250)
    run_suite(chosen, None, micro.at_once(), out, screen)
    return screen.file.getvalue()


@pytest.fixture(scope="module")
def dimension(tmp_path_factory):
    out = tmp_path_factory.mktemp("dimension")
    chosen = tiny("sasa-dimension", 2, ("SASA", "TopK", "TopK signed"))
    return chosen, out, run(chosen, out)


def test_a_suite_shows_each_quantity_as_published_and_corrected(dimension):
    _, out, said = dimension
    table = (out / "table.md").read_text()
    line = next(line for line in table.splitlines() if line.startswith("| atoms a feature | SASA"))
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    assert len(cells) == 10
    assert cells[2] == "no number published"
    assert "±" in cells[3]
    assert cells[6] == "units that explain 90 % (`units_90`)"
    assert cells[8] == "1"  # one true unit a feature
    assert "their arms and settings, their world: by dimension of the feature" in table
    assert "| recovery | truth | 1 | 1 |" in table
    for text in (table, said.replace("\n", " ")):
        assert "Counting columns as published, TopK needs" in text
    assert "capped at 32" in table
    assert "published_capture" not in said  # titles, not names
    assert "SASA" in said


def test_a_number_that_was_published_stands_in_its_place(dimension):
    chosen, out, _ = dimension
    told = replace(chosen, numbers={("ev", "SASA"): 0.875})
    table = markdown(Results(told, Store(out / "records.jsonl").read().records))
    assert "| explained variance | SASA | 0.875 |" in table
    assert "| explained variance | TopK | no number published |" in table


def test_what_is_recorded_is_not_run_again(dimension):
    chosen, out, _ = dimension
    before = (out / "records.jsonl").read_bytes()
    assert run(chosen, out).count("Every run of this benchmark is recorded already.") == len(chosen.parts)
    assert (out / "records.jsonl").read_bytes() == before


def test_the_rank_suite_puts_theory_beside_what_it_finds(tmp_path):
    said = run(tiny("sasa-rank", 1), tmp_path).replace("\n", " ")
    assert "Theory has a group give its feature up where λ / K exceeds 2πσ²" in said
    assert "| error of the rank | decoder, λ = 100 |" in (tmp_path / "table.md").read_text()


def test_the_curve_is_that_of_one_group_alone():
    config = suite("sasa-rank", "reduced").parts[0].tier.arenas[0].config
    world = World.build(config, 1)
    energies, usage = world.energies(), world.marginals()
    expected = 30 * critical_lambda(energies, np.array(config.dims), usage)
    np.testing.assert_allclose(critical_coefficients(config, 30, 1), expected, rtol=1e-6)
    assert predicted_bias(config, 30, 0.0, 2) == 0
    assert predicted_bias(config, 30, 1e9, 2) == pytest.approx(-np.mean(config.dims))


def test_published_coefficients_are_far_from_where_theory_has_dimensions_given_up():
    for scale in ("reduced", "paper"):
        arena = suite("sasa-rank", scale).parts[0].tier.arenas[0]
        assert critical_coefficients(arena.config, arena.size.units, 0).min() > 10 * max(COEFFICIENTS)


@pytest.mark.parametrize("name", sorted(SUITES))
def test_at_the_papers_scale_every_arm_has_the_authors_size(name):
    chosen = suite(name, "paper")
    expected = {"sasa-dimension": (4096, 64, 16, 8000, 2048), "sasa-rank": (2560, 80, 10, 20_000, 4096)}[name]
    columns, active, rank, steps, rows = expected
    part = chosen.parts[0]
    assert (part.tier.budget.steps, part.tier.budget.batch_size) == (steps, rows)
    for contest in chosen.plan(part).contests:
        if contest.entered.spec in part.arms.values():
            job = contest.runs({})[0]
            assert (job.size.columns, job.size.active_columns) == (columns, active)
            recipe = job.recipe
            assert (recipe.lr, recipe.clip, recipe.warmup_steps(steps)) == (PUBLISHED_RATE, 1.0, 0)
            grouped = issubclass(contest.entered._config, GroupConfig)
            assert job.size.rank == (rank if grouped else 1)


def test_a_suites_runs_are_neither_calibrated_nor_trained_twice():
    part = suite("sasa-rank", "reduced").parts[0]
    assert not any(job.calibrated for c in suite("sasa-rank", "reduced").plan(part).contests for job in c.runs({}))


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--suite", "sasa-dimensions"], "did you mean 'sasa-dimension'"),
        (["--suite", "sasa-rank", "--scale", "papers"], "did you mean 'paper'"),
        (["topk", "--suite", "sasa-rank"], "a suite has designs of its own; leave out topk, or --suite sasa-rank"),
    ],
)
def test_what_a_suite_cannot_do_is_refused(arguments, complaint, tmp_path):
    result = CliRunner().invoke(app, ["bench", *arguments, "--out", str(tmp_path)])
    assert result.exit_code == 2
    assert complaint in " ".join(result.output.replace("│", " ").split())


def test_the_command_runs_a_suite(monkeypatch, tmp_path, dimension):
    chosen, out, _ = dimension
    monkeypatch.setattr(suite_command, "SUITES", {"sasa-dimension": lambda scale: chosen})
    monkeypatch.setattr(suite_command, "pool", lambda spec, folder: micro.at_once())
    table = out / "table.md"
    table.unlink()
    result = CliRunner().invoke(app, ["bench", "--suite", "sasa-dimension", "--out", str(out)])
    assert result.exit_code == 0, result.output
    assert "Every run of this benchmark is recorded already." in result.output
    assert table.exists()
    assert prepared_suite("sasa-dimension", "reduced", [], "processes", tmp_path)[0] is chosen
