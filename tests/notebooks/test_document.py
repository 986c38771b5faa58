"""Notebooks as files: found by name, read, signed, written whole."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest

from sasa_theory.notebooks.document import chosen, effort, read, sign, state, title, write
from sasa_theory.notebooks.normalising import normalise


@pytest.fixture
def notebook():
    heading = nbformat.v4.new_markdown_cell("Before.\n# Spheres\n## Atoms", id="heading")
    return nbformat.v4.new_notebook(cells=[heading, nbformat.v4.new_code_cell("1 + 1", id="sum")])


@pytest.fixture
def folder(tmp_path, notebook):
    for name in ("02_path", "01_sphere", "01_spheres_again"):
        write(notebook, tmp_path / f"{name}.ipynb")
    return tmp_path


@pytest.mark.parametrize(
    ("names", "found"),
    [
        ([], ["01_sphere", "01_spheres_again", "02_path"]),
        (["02", "01_spheres"], ["02_path", "01_spheres_again"]),
        (["/elsewhere/x.ipynb"], ["x"]),
    ],
)
def test_notebooks_are_chosen_by_how_their_names_begin(folder, names, found):
    assert [path.stem for path in chosen(names, folder)] == found


@pytest.mark.parametrize(("name", "match"), [("01", "several.*01_sphere, 01"), ("02_pth", "did you mean '02_p")])
def test_names_that_say_not_which_are_refused(folder, name, match):
    with pytest.raises(ValueError, match=match):
        chosen([name], folder)


@pytest.mark.parametrize("content", ["", "{}", "[1]", "no JSON", '{"cells": 1, "nbformat": 4}'])
def test_what_is_no_notebook_is_refused(tmp_path, content):
    path = tmp_path / "x.ipynb"
    path.write_text(content)
    with pytest.raises(ValueError, match=r"x\.ipynb is no notebook"):
        read(path)
    with pytest.raises(ValueError, match=r"there is no notebook .*y\.ipynb"):
        read(tmp_path / "y.ipynb")


def test_the_title_is_the_first_heading(notebook):
    assert title(notebook) == "Spheres"
    assert title(nbformat.v4.new_notebook()) == ""


def test_outputs_are_up_to_date_until_a_code_cell_changes(notebook):
    assert (state(notebook), effort(notebook)) == ("not executed", "")
    sign(notebook, "fast")
    notebook.cells[0].source += "\nMore prose."
    assert (state(notebook), effort(notebook)) == ("up to date", "fast")
    notebook.cells[1].source = "1 + 2"
    assert state(notebook) == "edited since"


def test_a_file_is_replaced_whole(folder, notebook, monkeypatch):
    path = folder / "02_path.ipynb"
    before = path.read_bytes()
    monkeypatch.setattr("os.replace", lambda one, other: (_ for _ in ()).throw(KeyboardInterrupt))
    notebook.cells = []
    with pytest.raises(KeyboardInterrupt):
        write(notebook, path)
    assert path.read_bytes() == before


def test_outputs_do_not_tell_whose_machine_it_was(notebook, tmp_path):
    html = f"<object at 0x7f5fb0bf1010> {tmp_path}/x.py {Path.home()}/y {nbformat.__file__}"
    result = nbformat.v4.new_output("execute_result", {"text/html": html, "image/png": "0x7f5fb0bf"})
    notebook.cells[1].outputs = [result, nbformat.v4.new_output("stream", text=f"{tmp_path} 0xff")]
    notebook.cells[1].metadata = {"execution": {"shell.execute_reply": "2026"}, "alt": "kept"}
    normalise(notebook, tmp_path)
    (first, second), metadata = notebook.cells[1].outputs, notebook.cells[1].metadata
    assert first.data["text/html"] == "<object at 0x0> ./x.py ~/y site-packages/nbformat/__init__.py"
    assert (first.data["image/png"], second.text, metadata) == ("0x7f5fb0bf", ". 0xff", {"alt": "kept"})
    assert notebook.metadata["kernelspec"]["name"] == "python3"
    assert notebook.metadata["language_info"] == {"name": "python"}


@pytest.mark.parametrize("names", [[], ["06"]])
def test_a_folder_without_notebooks_is_refused(tmp_path, names):
    with pytest.raises(ValueError, match="go to the folder of the project"):
        chosen(names, tmp_path)
    assert chosen([str(tmp_path / "own.ipynb")], tmp_path) == [tmp_path / "own.ipynb"]
