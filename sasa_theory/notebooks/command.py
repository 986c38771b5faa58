"""What ``sasa-theory notebooks`` does: list them, or execute them one after another."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from sasa_theory.claims import Effort

from .document import effort, read, state, title, write
from .execution import CellError, execute


def notebook_table(paths: Sequence[Path]) -> Table:
    """Each notebook's name, title, and whether its outputs are those of its cells."""
    table = Table("notebook", "title", "outputs", "effort")
    for path in paths:
        notebook = read(path)
        table.add_row(*map(escape, (path.stem, title(notebook), state(notebook), effort(notebook))))
    return table


def execute_all(paths: Sequence[Path], effort: Effort, evidence: Path, out: Path | None, console: Console) -> bool:
    """Execute notebooks in order and write those that ran to their end; return whether all did.

    Parameters
    ----------
    paths : sequence of Path
        The files.
    effort : {"fast", "quick", "full"}
        Of the claims that they measure.
    evidence : Path
        Folder of records, shared by all.
    out : Path or None
        Folder for the executed notebooks; None writes each in its own place.
    console : rich.console.Console
        On a terminal a bar that counts cells, else a line for each notebook.

    Raises
    ------
    ValueError
        If a file is no notebook; none is executed then.
    OSError
        If ``out`` cannot be made, or a notebook cannot be written.
    KeyboardInterrupt
        Upon Ctrl-C: notebooks that are done stay, the one under way is left as it was.
    """
    notebooks = [read(path) for path in paths]
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)  # before the first is executed, which takes minutes
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    whole = True
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        for path, notebook in zip(paths, notebooks, strict=True):
            bar = progress.add_task(path.stem, total=len(notebook.cells))
            began = time.monotonic()
            try:
                done = execute(notebook, effort, evidence, partial(_advance, progress, bar))
            except CellError as failure:
                whole = False
                console.print(escape(failure.traceback))
                console.print(escape(f"{path}, cell {failure.cell}: {failure.error}; the file is left as it was."))
            else:
                write(done, path if out is None else out / path.name)
                console.print(f"{path.stem}: {time.monotonic() - began:.0f} s", markup=False)
            progress.remove_task(bar)
    return whole


def _advance(progress: Progress, bar: TaskID, cell: int, cells: int) -> None:
    """Show that a cell begins: those before it are done."""
    progress.update(bar, completed=cell - 1, total=cells)
