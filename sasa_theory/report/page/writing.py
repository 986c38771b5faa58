"""A page on disk: every file whole at every moment, nothing of an earlier page left, nothing of others touched."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

INDEX, SUBMIT = "index.html", "submit.json"
MARK = '<meta name="generator" content="sasa-theory report">'
"""By which a page is known as one of ours, that may be replaced."""

_FOLDERS = ("figures", "tables")


def check_replaceable(out: Path) -> None:
    """Refuse a folder that holds somebody else's page.

    Raises
    ------
    ValueError
        If ``out`` is a file, or its ``index.html`` was not written by this command.
    """
    if out.exists() and not out.is_dir():
        raise ValueError(f"{out} is a file; give the name of a folder")
    index = out / INDEX
    if index.exists() and MARK not in index.read_text(encoding="utf-8", errors="replace")[:2000]:
        raise ValueError(f"{index} was not written by sasa-theory report and is left as it is; choose another folder")


def write_page(files: Mapping[str, bytes], out: Path) -> None:
    """Write files under their names relative to ``out``, the index last.

    All are written in full beside their places before the first is put there. Figures and tables that an earlier page
    listed and this one does not have are removed.

    Raises
    ------
    ValueError, OSError
        As :func:`check_replaceable`; if a file cannot be written, ``out`` is then as it was before.
    """
    check_replaceable(out)
    out.mkdir(parents=True, exist_ok=True)
    earlier = _listed(out / SUBMIT)
    with TemporaryDirectory(prefix=".report-", dir=out) as kept:
        for name, content in files.items():
            path = Path(kept) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        for name in sorted(files, key=lambda name: name == INDEX):
            (out / name).parent.mkdir(parents=True, exist_ok=True)
            (Path(kept) / name).replace(out / name)
    for name in earlier - files.keys():
        (out / name).unlink(missing_ok=True)


def _listed(submit: Path) -> set[str]:
    """Figures and tables of an earlier page; none if its list cannot be read."""
    try:
        names = json.loads(submit.read_text(encoding="utf-8"))["files"]
        paths = [Path(name) for name in names]
    except (OSError, ValueError, KeyError, TypeError):
        return set()
    return {path.as_posix() for path in paths if len(path.parts) == 2 and path.parts[0] in _FOLDERS}
