"""What a page is made from: records of ``bench``, evidence of ``verify`` and results of ``real``, told by content."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from sasa_theory.benchmark.records import Record as BenchRecord
from sasa_theory.benchmark.store import Store
from sasa_theory.claims.runner import Record as Measurement

LanguageKind = Literal["evaluation", "curves", "demo", "concepts"]

_NAMES = ("records.jsonl", "evidence*.jsonl", "evaluation.json", "curves.json", "demo.json", "concepts.json")
"""What is looked for in a folder and below."""

_MARKS: dict[LanguageKind, frozenset[str]] = {
    "evaluation": frozenset({"reconstruction", "chance", "rows"}),
    "curves": frozenset({"curves", "unseen"}),
    "demo": frozenset({"accuracy", "clocks", "values", "plan"}),
}
"""Names that tell one kind of result from another; results of concepts are a list."""

_PARTS = frozenset({"design", "world", "size", "budget", "recipe", "factor", "rows", "metrics"})
_SIZES = frozenset({"units", "rank", "active"})


@dataclass(frozen=True)
class Evidence:
    """One file of ``verify``: on what its numbers depend, and the measurements."""

    header: dict[str, Any]
    records: tuple[Measurement, ...]


@dataclass(frozen=True)
class LanguageResult:
    """One file of ``real``: what it holds, the folder that it lay in, and its plain values."""

    kind: LanguageKind
    name: str
    values: Any


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """Everything that was read.

    Attributes
    ----------
    records : tuple of sasa_theory.benchmark.Record
        Each key once.
    evidence : tuple of Evidence
        One for each file of ``verify``.
    language : tuple of LanguageResult
        One for each file of ``real``.
    notes : tuple of str
        What was passed over, and why.
    """

    records: tuple[BenchRecord, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    language: tuple[LanguageResult, ...] = ()
    notes: tuple[str, ...] = ()


def read_inputs(paths: Iterable[Path]) -> Inputs:
    """Read files and folders, in any mix.

    Lines that were left half written by a run that was killed are passed over, and noted.

    Raises
    ------
    ValueError
        If there is no such path, a folder holds nothing of the kind, or a file is empty, damaged or something else.
    """
    files = list(dict.fromkeys(file for path in paths for file in _files(path)))
    records: dict[str, BenchRecord] = {}
    evidence, language, notes = [], [], []
    for file in files:
        found, note = _read(file)
        notes += [f"{file}: {note}"] if note else []
        if isinstance(found, Evidence):
            evidence.append(found)
        elif isinstance(found, LanguageResult):
            language.append(found)
        else:
            records = {**found, **records}
    return Inputs(
        records=tuple(records.values()), evidence=tuple(evidence), language=tuple(language), notes=tuple(notes)
    )


def files_below(folder: Path) -> list[Path]:
    """Files in a folder and below that have the names that bench, verify and real give theirs."""
    return sorted({file for name in _NAMES for file in folder.rglob(name) if file.is_file()})


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise ValueError(f"there is no {path}; give files or folders that bench, verify or real have written")
    found = files_below(path)
    if not found:
        raise ValueError(f"{path} holds nothing to report; looked there and below for {', '.join(_NAMES)}")
    return found


def _read(file: Path) -> tuple[dict[str, BenchRecord] | Evidence | LanguageResult, str]:
    """What a file holds, and what in it was passed over."""
    try:
        if not file.stat().st_size:
            raise ValueError(f"{file} is empty; leave it out, or run again what was to write it")
        if file.suffix == ".json":
            return _language(file), ""
        with file.open(encoding="utf-8") as lines:
            header = _json(lines.readline())
            if isinstance(header, dict) and {"effort", "source", "seed"} <= header.keys():
                return _evidence(file, header, lines)
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{file} cannot be read: {error}") from None
    contents = Store(file).read()
    if not contents.records:
        raise ValueError(f"{file} holds no whole record of bench and no evidence of verify")
    fitting = {key: record for key, record in contents.records.items() if _complete(record)}
    whole = contents.damaged[:-1] if contents.half else contents.damaged
    parts = [f"lines {', '.join(map(str, whole))} hold no record"] if whole else []
    parts += ["its last line is half written"] if contents.half else []
    foreign = len(contents.records) - len(fitting)
    parts += [f"records of another version: {foreign}"] if foreign else []
    return fitting, " and ".join(parts)


def _complete(record: BenchRecord) -> bool:
    """Whether its identity has everything that a ranking needs."""
    identity = record.identity
    return identity.keys() >= _PARTS and isinstance(identity["size"], dict) and identity["size"].keys() == _SIZES


def _evidence(file: Path, header: dict[str, Any], lines: Iterable[str]) -> tuple[Evidence, str]:
    records, damaged = [], []
    for number, line in enumerate(lines, 2):
        if not line.strip():
            continue
        try:
            records.append(Measurement.from_json(json.loads(line)))
        except (ValueError, KeyError, TypeError, AttributeError):
            damaged.append(str(number))
    if not records:
        raise ValueError(f"{file} holds no measurement; run sasa-theory verify again")
    return Evidence(header, tuple(records)), f"lines {', '.join(damaged)} hold no measurement" if damaged else ""


def _language(file: Path) -> LanguageResult:
    values = _json(file.read_text(encoding="utf-8"))
    name = file.parent.name
    if (
        isinstance(values, list)
        and values
        and all(isinstance(v, dict) and {"concept", "held"} <= v.keys() for v in values)
    ):
        return LanguageResult("concepts", name, values)
    if isinstance(values, dict):
        for kind, marks in _MARKS.items():
            if marks <= values.keys():
                return LanguageResult(kind, name, values)
    raise ValueError(f"{file} is no evaluation, curves, demo or concepts that sasa-theory real has written")


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None
