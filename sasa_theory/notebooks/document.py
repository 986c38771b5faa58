"""A notebook as a file: found by name, its title, whether its outputs are those of its cells, written whole or not."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import nbformat
from nbformat import NotebookNode

from sasa_theory.bounds.validate import choice
from sasa_theory.whole_files import write_text

FOLDER = Path("notebooks")
"""Where they are, from the root of the project."""

State = Literal["up to date", "edited since", "not executed"]
_NOTE = "sasa_theory"  # key of what is noted in a notebook's metadata


def chosen(names: Sequence[str], folder: Path = FOLDER) -> list[Path]:
    """Notebooks by name, in the order given; all of the folder, in order of their numbers, if none is named.

    Parameters
    ----------
    names : sequence of str
        Paths that end with ``.ipynb``, or the beginning of names in the folder: ``06`` or ``06_judge_your_own_sae``.
    folder : Path
        Where to look.

    Raises
    ------
    ValueError
        If there is no such notebook, with the nearest, or several begin so; or the folder holds none.
    """
    there = sorted(folder.glob("*.ipynb"))
    if not there and not all(name.endswith(".ipynb") for name in names or [""]):
        raise ValueError(f"there are no notebooks in {folder}/: go to the folder of the project, or give paths")
    return [_one(name, there) for name in names] or there


def read(path: Path) -> NotebookNode:
    """The notebook in a file.

    Raises
    ------
    ValueError
        If there is no such file, or it is no notebook.
    """
    try:
        return nbformat.read(path, as_version=4)
    except FileNotFoundError:
        raise ValueError(f"there is no notebook {path}") from None
    except (nbformat.reader.NotJSONError, nbformat.ValidationError, AttributeError, TypeError, ValueError):
        raise ValueError(f"{path} is no notebook") from None


def write(notebook: NotebookNode, path: Path) -> None:
    """Replace a file by a notebook; at every moment it is the old one or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, nbformat.writes(notebook) + "\n")


def title(notebook: NotebookNode) -> str:
    """The first heading; empty if there is none."""
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    return next((line.lstrip("# ") for line in text.splitlines() if line.startswith("# ")), "")


def sources(notebook: NotebookNode) -> str:
    """Digest of what outputs come from: the code cells, in order."""
    digest = hashlib.sha256()
    for cell in notebook.cells:
        if cell.cell_type == "code":
            digest.update(cell.source.encode() + b"\0")
    return digest.hexdigest()[:16]


def sign(notebook: NotebookNode, effort: str) -> None:
    """Note in a notebook that its outputs are those of its cells, and of which effort."""
    notebook.metadata[_NOTE] = {"effort": effort, "sources": sources(notebook)}


def effort(notebook: NotebookNode) -> str:
    """Of the last execution; empty if there was none."""
    return str(notebook.metadata.get(_NOTE, {}).get("effort", ""))


def state(notebook: NotebookNode) -> State:
    """Whether the outputs are those of the cells as they stand; changes of the package are not looked at."""
    noted = notebook.metadata.get(_NOTE, {}).get("sources")
    if noted is None:
        return "not executed"
    return "up to date" if noted == sources(notebook) else "edited since"


def _one(name: str, there: list[Path]) -> Path:
    if name.endswith(".ipynb"):
        return Path(name)
    found = [path for path in there if path.stem.startswith(name)]
    if len(found) > 1:
        raise ValueError(f"several notebooks begin with {name!r}: {', '.join(path.stem for path in found)}")
    stems = {path.stem: path for path in there}
    return found[0] if found else stems[choice("notebook", name, stems)]
