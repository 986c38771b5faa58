"""What would differ between two executions of one notebook, or betray whose machine it was, taken out of it."""

from __future__ import annotations

import re
import sysconfig
from pathlib import Path
from typing import Any

from nbformat import NotebookNode

_KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}
_ADDRESS = re.compile(r"\b0x[0-9a-f]{6,}\b")
_TEXT = ("text/plain", "text/html", "text/markdown", "text/latex")
_PACKAGE = Path(__file__).resolve().parents[2]


def normalise(notebook: NotebookNode, folder: Path) -> None:
    """Bring kernel metadata to fixed values and texts of outputs to what another machine would have printed.

    Addresses in memory become ``0x0``; folders of this machine become short names. Pictures are left alone.

    Parameters
    ----------
    notebook : NotebookNode
        Executed; changed in place.
    folder : Path
        Where its kernel ran.
    """
    notebook.metadata["kernelspec"] = dict(_KERNEL)
    notebook.metadata["language_info"] = {"name": "python"}
    replaced = {
        str(folder): ".",
        sysconfig.get_path("purelib"): "site-packages",
        str(_PACKAGE): "sasa-theory",
        str(Path.home()): "~",
    }
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        for output in cell.get("outputs", []):
            output.pop("transient", None)
            if "text" in output:
                output["text"] = _clean(output["text"], replaced)
            for kind in _TEXT:
                if kind in output.get("data", {}):
                    output["data"][kind] = _clean(output["data"][kind], replaced)


def _clean(text: Any, replaced: dict[str, str]) -> str:
    whole = _ADDRESS.sub("0x0", "".join(text))
    for long, short in replaced.items():
        if len(long) > 1:  # the home of a service may be /
            whole = whole.replace(long, short)
    return whole
