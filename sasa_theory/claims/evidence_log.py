"""Evidence on disk: one JSON line per record, appended as records arrive, so that kill -9 loses at most one."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import platform
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any

from sasa_theory.whole_files import write_text

from .contract import Effort
from .runner import Record


class EvidenceLog:
    """The file of one run: a header that says what the numbers depend on, then one line per record.

    Parameters
    ----------
    path : Path
        The file; its folder is made if missing.
    effort, seed
        Of the run; with a digest of the source code they make up the header.
    resume : bool
        Keep the records that the file holds. Without it the file starts anew.

    Raises
    ------
    ValueError
        If ``resume`` is set and the file was written under another header, or holds something else.
    """

    def __init__(self, path: Path, effort: Effort, seed: int, *, resume: bool = False) -> None:
        self.path, self.effort, self.seed = path, effort, seed
        self._header = {"format": 1, "effort": effort, "seed": seed, "source": source_digest(), **_versions()}
        path.parent.mkdir(parents=True, exist_ok=True)
        self.kept: list[Record] = self._read() if resume and path.exists() else []
        self.rewrite(self.kept)

    def append(self, record: Record) -> None:
        """Add one record and hand it to the operating system."""
        with self.path.open("a") as file:
            file.write(json.dumps(record.to_json()) + "\n")

    def rewrite(self, records: Iterable[Record]) -> None:
        """Replace the file by the header and these records, in this order; it is whole at every moment."""
        lines = [self._header, *(record.to_json() for record in records)]
        write_text(self.path, "".join(json.dumps(line) + "\n" for line in lines))

    def _read(self) -> list[Record]:
        text = self.path.read_text()
        lines = text[: text.rfind("\n") + 1].splitlines()  # a killed run may leave half a line
        try:
            header, *rest = (json.loads(line) for line in lines)
            differing = [key for key, value in self._header.items() if header.get(key) != value]
            records = [Record.from_json(line) for line in rest]
        except (ValueError, KeyError, TypeError, AttributeError):
            raise ValueError(
                f"{self.path} is no evidence of this program; run without --resume to replace it"
            ) from None
        if differing:
            raise ValueError(f"{self.path} comes from another {differing[0]}; run without --resume to replace it")
        return records


def source_digest() -> str:
    """Digest of all source files of the packages whose code the numbers depend on."""
    digest = hashlib.sha256()
    for package in ("sasa_theory", "synthetic"):
        found = importlib.util.find_spec(package)  # without importing it: synthetic would bring torch
        if found is None or found.origin is None:
            raise ModuleNotFoundError(f"the package {package} is not installed; install sasa-theory again")
        folder = Path(found.origin).parent
        for path in sorted(folder.rglob("*.py")):
            digest.update(str(path.relative_to(folder)).encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def _versions() -> dict[str, str]:
    """Versions of what the last digits depend on besides our own code."""
    return {"python": platform.python_version(), **{name: version(name) for name in ("numpy", "scipy")}}


def read_records(path: Path) -> list[dict[str, Any]]:
    """Every record of an evidence file as a plain mapping, for notebooks and reports."""
    return [json.loads(line) for line in path.read_text().splitlines()[1:]]
