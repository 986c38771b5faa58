"""Charts say what records hold; scenes show stored designs; results of language models keep their numbers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sasa_theory import designs
from sasa_theory.benchmark import Measured
from sasa_theory.claims import Evidence, Result, find
from sasa_theory.claims.runner import Record, Task
from sasa_theory.report.page.boards import boards
from sasa_theory.report.page.inputs import LanguageResult
from sasa_theory.report.page.languages import shown
from sasa_theory.report.page.pictures import by_dimension, growth, rank_phases
from sasa_theory.report.page.scene import Stored, stored_scene, theory_scene
from synthetic import World, preset

from .conftest import IMAGE, language_results


def _measured(claim: str, kind: str, setting: dict, **evidence) -> Record:
    numbers = {"relation": "==", "bound": 0.5, "measured": 0.5, "low": 0.5, "high": 0.5, "samples": 1} | evidence
    return Record(Task(claim, kind, 0, "quick", 0), setting, Evidence(**numbers), 0.0)


def test_ranks_by_dimension_stand_beside_the_true_dimension(runs):
    theorem = [run for run in runs if run.world == "theorem" and run.design == "topk"]
    ranks = {f"published_matched_rank_d{d}": Measured(version=1, value=d + 0.5) for d in (1, 2, 4)}
    (chart,) = by_dimension(boards([replace(run, metrics={**run.metrics, **ranks}) for run in theorem]))
    curves = {trace["name"]: (trace["x"], trace["y"]) for trace in chart.figure["data"]}
    assert curves == {"topk": ([1, 2, 4], [1.5, 2.5, 4.5]), "true dimension": ([1, 2, 4], [1.0, 2.0, 4.0])}
    assert by_dimension(boards(theorem)) == []


def test_the_phase_diagram_has_a_point_for_each_penalty():
    setting = {"case": "isotropic", "d": 4}
    also = {"lam": (0.1, 0.4, 0.7), "rank": (4.0, 4.0, 0.0)}
    records = [_measured("T4", "measure", setting, also=also), _measured("T4", "falsify", setting, also=also)]
    (chart,) = rank_phases({"T4": Result(find("T4"), tuple(records))})
    measured, falsified, theory = chart.figure["data"]
    assert list(measured["x"]) == [0.5] * 3
    assert list(measured["y"]) == [0.1, 0.4, 0.7]
    assert list(measured["marker"]["color"]) == [1.0, 1.0, 0.0]
    assert (falsified["name"], theory["mode"]) == ("falsifiers", "lines")
    assert rank_phases({}) == []


def test_units_grow_with_the_dimension_as_measured():
    records = [
        _measured("T1", "measure", {"case": "TopK, k = 1", "d": d, "repeat": r}, also={"units_90": d**2 + r})
        for d in (1, 2, 3)
        for r in (0.0, 1.0)
    ]
    (chart,) = growth({"T1": Result(find("T1"), tuple(records))})
    (trace,) = chart.figure["data"]
    assert (trace["x"], trace["y"]) == ([1, 2, 3], [1.5, 4.5, 9.5])


@pytest.mark.parametrize("name", ["sasa/no_nuclear", "topk"])
def test_a_stored_design_is_drawn_on_its_worlds_manifolds(tmp_path, name):
    world = World.build(preset("manifolds", "small"), seed=0)
    sizes = {"groups": 3, "rank": 3, "active": 1} if name.startswith("sasa") else {"atoms": 12, "k": 2}
    design = designs.get(name, width=world.width, **sizes)
    designs.save(design, tmp_path / "mine")
    charts = {chart.id: chart for chart in stored_scene(Stored.parse(f"manifolds:{tmp_path / 'mine'}"), 1, "mine")}
    assert set(charts) == {"scene-1-1", "scene-1-2", "affinity-1", "ranks-1"}
    cloud = charts["scene-1-1"].figure["data"][0]  # a sphere
    lengths = np.linalg.norm([cloud[name] for name in "xyz"], axis=0)
    np.testing.assert_allclose(lengths, lengths.mean(), rtol=0.01)
    heat = charts["affinity-1"].figure["data"][0]
    assert np.shape(heat["z"]) == (3, 3 if name.startswith("sasa") else 12)
    assert 0 <= np.min(heat["z"]) <= np.max(heat["z"]) <= 1


def test_scenes_that_cannot_be_drawn_are_refused(tmp_path):
    with pytest.raises(ValueError, match="must be WORLD:FOLDER"):
        Stored.parse("manifolds")
    with pytest.raises(ValueError, match="did you mean"):
        stored_scene(Stored("manifold", tmp_path), 1, "mine")
    with pytest.raises(FileNotFoundError, match="not a saved design"):
        stored_scene(Stored("manifolds", tmp_path / "nowhere"), 1, "mine")
    designs.save(designs.get("topk", width=9, atoms=12, k=2), tmp_path / "narrow")
    with pytest.raises(ValueError, match="one width, got 9 and 16"):
        stored_scene(Stored("manifolds", tmp_path / "narrow"), 1, "mine")


def test_the_scene_of_theory_says_that_it_is_one():
    chart = theory_scene()
    assert "no trained design" in chart.caption
    assert [trace["type"] for trace in chart.figure["data"]] == ["surface", "scatter3d"] * 2


def test_results_of_language_models_keep_their_numbers():
    kinds = {"evaluation.json": "evaluation", "curves.json": "curves", "concepts.json": "concepts", "demo.json": "demo"}
    results = [LanguageResult(kinds[name], "run", values) for name, values in language_results(IMAGE).items()]
    evaluation, curves, concepts, demo = shown(results)
    rows = {row[0]: row[1:] for row in evaluation.tables[0].rows}
    assert rows["explained variance"] == ("0.75", "0.75")
    assert rows["loss recovered (mean ablation)"][0] == "0.9 (0.8 to 0.95)"
    assert rows["dimensions, mean"] == ("1.7", "")
    (chart,) = curves.charts  # the loss was not measured
    assert chart.figure["data"][0]["y"] == [0.5, 0.625]
    assert curves.tables[0].rows[0][:3] == (IMAGE, "200", "0.625")
    assert concepts.tables[0].rows[0][3] == "0.99"
    assert concepts.charts[0].figure["data"][0]["text"][1].startswith("&lt;/script")  # plotly takes tags
    assert demo.heading == "A transformer whose circles are known (gpt2)"
    assert "add on 3 clocks" in demo.sentence
    assert "Judged on the 2 clocks" in demo.sentence
    heat = demo.charts[0].figure["data"][0]
    assert heat["z"] == [[0.8, None]]
    assert dict(demo.tables[1].rows) == {IMAGE: "0.75"}
    assert demo.tables[0].rows[0][1] == "0.7"  # what is not defined is left out of the mean


@pytest.mark.parametrize("name", ["evaluation.json", "curves.json", "concepts.json", "demo.json"])
def test_damaged_results_are_refused(name):
    values = language_results("topk")[name]
    damaged = dict.fromkeys(values) if isinstance(values, dict) else [{"concept": "x", "held": [{}]}]
    with pytest.raises(ValueError, match="is damaged or of another version"):
        shown([LanguageResult(name.removesuffix(".json"), "run", damaged)])
