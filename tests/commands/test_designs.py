"""`sasa-theory designs` as a user meets it: the list, one design in full, a wrong name."""

from __future__ import annotations

from dataclasses import fields

import pytest
from typer.testing import CliRunner

from sasa_theory.cli import app
from sasa_theory.designs import presets
from sasa_theory.report.design_list import field_docs


def shown(*arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(app, ["designs", *arguments])
    assert result.exit_code == code, result.output
    return " ".join(result.output.replace("│", " ").replace("┃", " ").split())


def test_the_list_has_every_design_with_summary_and_source():
    output = CliRunner().invoke(app, ["designs"]).output
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in output.splitlines() if line.startswith("│")]
    assert [row[0] for row in rows if row[0]] == sorted(presets())
    joined: dict[str, list[str]] = {}
    last = ""
    for name, summary, source in rows:
        last = name or last  # a long cell goes on in the next line
        before = joined.setdefault(last, ["", ""])
        joined[last] = [f"{before[0]} {summary}".strip(), f"{before[1]} {source}".strip()]
    for name, preset in presets().items():
        assert joined[name] == [" ".join(preset.summary.split()), " ".join(preset.source.split())]


def test_one_design_shows_its_fields_values_and_meanings():
    output = shown("topk/signed")
    for part in (
        presets()["topk/signed"].summary,
        "Source: arXiv 2606.06333",
        "Make it: sasa_theory.designs.get('topk/signed', width=..., atoms=..., k=...)",
        "width to be given Dimension of the activations.",
        "signed True",
        "anneal 0.0",
        "bold: set by the preset; else a default",
    ):
        assert part in output
    assert output.index("k to be given") < output.index("aux_coefficient")
    assert "``" not in output


@pytest.mark.parametrize("name", sorted(presets()))
def test_every_field_of_every_design_is_documented(name):
    docs = field_docs(presets()[name].config)
    for entry in fields(presets()[name].config):
        assert len(docs[entry.name]) > 5, entry.name


def test_a_wrong_name_is_exit_status_2_and_names_the_nearest():
    assert "did you mean 'topk/signed'?" in shown("topk/singed", code=2)
