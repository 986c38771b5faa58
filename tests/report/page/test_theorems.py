"""Tiles: every statement is well-formed MathML, and says what the evidence says."""

from __future__ import annotations

from dataclasses import replace
from xml.etree import ElementTree

from sasa_theory.claims import Result, find, select
from sasa_theory.report.page import read_inputs
from sasa_theory.report.page.histogram import histogram
from sasa_theory.report.page.inputs import Evidence
from sasa_theory.report.page.theorems import mathml, results, tiles


def test_every_statement_becomes_well_formed_mathml_without_a_rest_of_latex():
    for claim in (*select(), *select(trained=True)):
        root = ElementTree.fromstring(str(mathml(claim)))
        assert root.tag.endswith("math")
        assert "\\" not in "".join(root.itertext()), claim.id


def test_a_tile_says_what_the_result_says(evidence_file):
    judged, notes = results(read_inputs([evidence_file]).evidence)
    assert [result.claim.id for result, _ in judged] == ["C4", "C5"]
    assert notes == []
    for (result, _), tile in zip(judged, tiles(judged), strict=True):
        assert (tile.id, tile.outcome, tile.margin) == (result.claim.id, "verified", result.closest.evidence.margin)
        assert result.closest.setting["case"] in tile.worst
        assert result.weakest_falsifier.setting["case"] in tile.falsifier
        assert tile.falsifier.endswith("violated")
        outside = sum(record.task.kind == "falsify" for record in result.records)
        assert tile.counts == f"{len(result.records) - outside} measurements, {outside} falsifiers"
        assert str(tile.margins).count('class="falsified"') >= 1


def test_an_unfinished_run_is_called_so_and_unknown_claims_are_noted(evidence_file):
    (file,) = read_inputs([evidence_file]).evidence
    inside = tuple(record for record in file.records if record.task.kind == "measure" and record.task.claim == "C5")
    stranger = replace(inside[0], task=replace(inside[0].task, claim="Z9"))
    judged, notes = results([Evidence(file.header, (*inside, stranger))])
    (tile,) = tiles(judged)
    assert (tile.outcome, tile.falsifier) == ("unfinished", "no falsifier is measured")
    assert "Z9" in notes[0]
    outside = tuple(record for record in file.records if record.task.kind == "falsify")
    assert {tile.outcome for tile in tiles(results([Evidence(file.header, outside)])[0])} == {"unfinished"}


def test_of_several_runs_the_one_of_most_effort_counts(evidence_file):
    (file,) = read_inputs([evidence_file]).evidence
    full = tuple(replace(record, task=replace(record.task, effort="full", seed=7)) for record in file.records)
    judged, _ = results([file, Evidence(file.header, full), file])
    assert {run for _, run in judged} == {"full, seed 7"}
    assert all(isinstance(result, Result) and result.claim is find(result.claim.id) for result, _ in judged)


def test_a_histogram_puts_margins_on_their_side_of_the_bound():
    root = ElementTree.fromstring(str(histogram([0.5, 0.5, 0.52, 0.0], [-2.0])))
    bars = {bar.get("class"): [] for bar in root.iter("rect")}
    for bar in root.iter("rect"):
        bars[bar.get("class")].append((float(bar.get("x")), float(bar.get("height"))))
    assert [x for x, _ in bars["falsified"]] == [0.5]  # beyond -100 % counts at the end
    assert sorted(x for x, _ in bars["measured"]) == [120.5, 180.5]  # exactly at the bound stands on the allowed side
    heights = dict(bars["measured"])
    assert heights[180.5] > heights[120.5]
    assert "4 measurements, +0% to +52% of the bound" in root.get("aria-label")
