"""One notebook, executed from its first cell to its last by the interpreter that runs this."""

from __future__ import annotations

import asyncio
import os
import re
import tempfile
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any, NoReturn

from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, DeadKernelError
from nbformat import NotebookNode

from sasa_theory.claims import Effort

from .document import sign
from .normalising import normalise

_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


class CellError(Exception):
    """A cell of a notebook raised, or ended its kernel.

    Attributes
    ----------
    cell : int
        Which, counted from 1 over all cells.
    error : str
        Type and message.
    traceback : str
        As the notebook would show it, without colours.
    """

    def __init__(self, cell: int, error: str, traceback: str = "") -> None:
        super().__init__(f"cell {cell}: {error}")
        self.cell, self.error, self.traceback = cell, error, traceback


def execute(
    notebook: NotebookNode,
    effort: Effort,
    evidence: Path,
    on_cell: Callable[[int, int], None] = lambda cell, cells: None,
) -> NotebookNode:
    """A copy of a notebook with the outputs of its cells.

    The kernel runs in an empty folder of its own that is deleted afterwards, with one BLAS thread, and finds effort and
    evidence in its environment, where :func:`sasa_theory.verification.results` looks for them.

    Parameters
    ----------
    notebook : NotebookNode
        What to execute; it is left as it is.
    effort : {"fast", "quick", "full"}
        Of the claims that it measures.
    evidence : Path
        Folder with the records of earlier runs, and for those of this one.
    on_cell : callable
        Called before each cell with its number and the number of cells.

    Raises
    ------
    CellError
        At the first cell that raises.
    KeyboardInterrupt
        Upon Ctrl-C; the kernel is ended before.
    """
    done = deepcopy(notebook)
    at = 0

    def note(cell: NotebookNode, cell_index: int) -> None:
        nonlocal at
        at = cell_index + 1
        on_cell(at, len(done.cells))

    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as profile:
        environment = {
            **os.environ,
            "SASA_THEORY_EFFORT": effort,
            "SASA_THEORY_EVIDENCE": str(evidence.resolve()),
            "OMP_NUM_THREADS": "1",
            "IPYTHONDIR": profile,  # or IPython leaves a history and a profile in the user's home
            "PYDEVD_DISABLE_FILE_VALIDATION": "1",  # or its complaint about frozen modules is taken for an output
        }
        manager = AsyncKernelManager(kernel_spec_manager=KernelSpecManager(kernel_dirs=[]))  # this interpreter's alone
        settings = {"timeout": None, "record_timing": False, "extra_arguments": ["--log-level=ERROR"]}
        client = NotebookClient(done, km=manager, on_cell_start=note, **settings)
        try:
            with asyncio.Runner(loop_factory=_Loop) as runner:
                runner.run(_interruptible(client, cwd=folder, env=environment))
        except CellExecutionError as error:
            raise CellError(at, f"{error.ename}: {error.evalue}", _COLOURS.sub("", error.traceback)) from None
        except DeadKernelError:
            raise CellError(at, "its kernel died, perhaps for lack of memory") from None
        normalise(done, Path(folder).resolve())
    sign(done, effort)
    return done


class _Loop(asyncio.SelectorEventLoop):
    """Leaves Ctrl-C to asyncio's runner: nbclient would take it for a kernel that died."""

    def add_signal_handler(self, *args: Any, **kwargs: Any) -> NoReturn:  # type: ignore[override]
        """Refuse, in the way that nbclient expects outside the main thread."""
        raise RuntimeError("signals are left to the runner")


async def _interruptible(client: NotebookClient, **start: Any) -> None:
    """Execute all cells; a cancelled task stays one, where nbclient would say that the kernel died."""
    try:
        await client.async_execute(cleanup_kc=True, **start)
    except DeadKernelError:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise asyncio.CancelledError from None
        raise
