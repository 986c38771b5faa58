"""Every notebook runs in its fast mode and finds what the claims find; what is committed is what it showed."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from pathlib import Path

import nbformat
import pytest

from sasa_theory.claims import trained_claims
from sasa_theory.notebooks.document import FOLDER, read, state, title
from sasa_theory.notebooks.execution import execute
from sasa_theory.verification import results

NOTEBOOKS = sorted((Path(__file__).parents[2] / FOLDER).glob("*.ipynb"))
LARGEST = 1_500_000
OF_A_MACHINE = re.compile(r"(?<![\w.:/-])/(?:home|root|tmp|work|Users|private)/|\b0x[0-9a-f]{6,}")

each = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


@pytest.fixture(scope="module")
def kept(evidence) -> Path:
    """Where all claims that train are measured already, once for these and their own tests."""
    if trained_claims():
        results(*trained_claims(), effort="fast", folder=evidence)
    return evidence


def named(notebook) -> set[str]:
    """Claims that a notebook asks for."""
    calls = re.findall(r"\bresults\(([^)]*)\)", "\n".join(c.source for c in notebook.cells if c.cell_type == "code"))
    return {name for call in calls for name in re.findall(r'"([A-Z]\d)"', call)}


def verdicts(notebook) -> dict[str, str]:
    """What is claimed, or expected, and whether it holds, from the table of the last cell."""
    tables = [output.get("data", {}).get("text/html", "") for output in notebook.cells[-1].get("outputs", [])]
    rows = re.findall(r"<tr>\s*<th>([^<]+)</th>\s*(<td>.*?)</tr>", "".join(tables), flags=re.DOTALL)
    return {claim: re.findall(r"<td>(.*?)</td>", cells)[-1] for claim, cells in rows}


def all_hold(notebook) -> bool:
    """Whether there are verdicts and each is a good one: of claims, or of the demonstration on clocks."""
    found = set(verdicts(notebook).values())
    return found == ({"verified"} if named(notebook) else {"yes"})


def outputs(notebook) -> list[dict]:
    return [output for cell in notebook.cells for output in cell.get("outputs", [])]


@each
def test_it_runs_and_all_that_it_claims_holds(path, kept):
    notebook = read(path)
    before = nbformat.writes(notebook)
    found = execute(notebook, "fast", kept)
    assert nbformat.writes(notebook) == before
    assert all_hold(found), verdicts(found)
    assert named(found) <= set(verdicts(found))
    assert not [output.text for output in outputs(found) if output.get("name") == "stderr"]
    assert not OF_A_MACHINE.findall(texts(found))


@each
def test_what_is_committed_is_what_its_cells_showed(path):
    notebook = read(path)
    assert state(notebook) == "up to date", f"run: sasa-theory notebooks {path.stem} --execute"
    assert all_hold(notebook)
    counts = [cell.execution_count for cell in notebook.cells if cell.cell_type == "code"]
    assert counts == list(range(1, len(counts) + 1))
    assert path.stat().st_size < LARGEST
    assert not OF_A_MACHINE.findall(texts(notebook))


@each
def test_it_opens_with_a_title_and_says_where_statements_come_from(path):
    notebook = read(path)
    assert notebook.cells[0].cell_type == "markdown"
    assert title(notebook)
    assert re.search(r"arXiv|derived here|\(\d{4}\)", "".join(cell.source for cell in notebook.cells))


@each
def test_every_figure_is_described(path):
    """For those who do not see it: in the cell's metadata, and in the line below the figure."""
    drawing = 0
    for cell, following in pairwise(read(path).cells):
        if any("image/png" in output.get("data", {}) for output in cell.get("outputs", [])):
            drawing += 1
            assert cell.metadata.get("alt"), cell.source
            assert following.source.startswith("*Figure"), cell.source
    assert drawing or state(read(path)) != "up to date"


def texts(notebook) -> str:
    """All that outputs say in words."""
    kinds = ("text/plain", "text/html", "text/markdown")
    data = [output.get("data", {}) for output in outputs(notebook)]
    return json.dumps([output.get("text", "") for output in outputs(notebook)]) + json.dumps(
        [entry.get(kind, "") for entry in data for kind in kinds]
    )
