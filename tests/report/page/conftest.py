"""Records, evidence and results for pages, made once: shipped ones, and some whose texts try to be markup."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from sasa_theory.benchmark import Record
from sasa_theory.benchmark.shipped import shipped
from sasa_theory.claims import plan, select, verify
from sasa_theory.claims.evidence_log import EvidenceLog
from sasa_theory.report.page import Options, build, read_inputs

IMAGE = "<img src=x onerror=window.hacked=1>"
SCRIPT = "</script><script>window.hacked=1</script>"
TEMPLATE = '{{ 7 * 191 }} " onfocus=window.hacked=1 autofocus x="<!--'
LINK = "<b>bold</b><a href='javascript:window.hacked=1'>link</a>"  # plotly takes these tags
HOSTILE = (IMAGE, SCRIPT, TEMPLATE, LINK)


def renamed(record: Record, name: str, **changes: object) -> Record:
    """A run of somebody's own design with the numbers of another's."""
    identity = {**record.identity, "design": {"name": name, "source": "0" * 64}}
    return replace(record, identity=identity, design=name, trials=(), **changes)


def write_records(records: Sequence[Record], path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(record.to_line() for record in records))
    return path


@pytest.fixture(scope="session")
def runs() -> list[Record]:
    """Ranked runs of the tier smoke: eight designs, two worlds, five seeds."""
    return [record for record in shipped("smoke").values() if record.purpose == "run"]


@pytest.fixture(scope="session")
def evidence_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Evidence of two quick claims."""
    path = tmp_path_factory.mktemp("verify") / "evidence.jsonl"
    log = EvidenceLog(path, "quick", 0)
    for result in verify(plan(select(["C4", "C5"]), "quick", 0)):
        for record in result.records:
            log.append(record)
    return path


@pytest.fixture(scope="session")
def language_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of results of ``real`` whose names try to be markup."""
    folder = tmp_path_factory.mktemp("real")
    for name, values in language_results(IMAGE).items():
        (folder / name).write_text(json.dumps(values))
    return folder


def language_results(design: str) -> dict[str, object]:
    """One result of each kind, as ``real`` writes it, of a design of this name."""
    point = {"tokens": 100, "ev": 0.5, "columns": 4.0, "units": 4.0, "bits": 9.0, "dead": 0.0, "recovered": None}
    here = {"ev": 0.75, "cosine": 0.9, "relative_norm": 0.9, "columns": 8.0, "units": 4.0, "bits": 20.0, "dead": 0.1}
    score = {"ce_score": {"value": 0.9, "low": 0.8, "high": 0.95}}
    circle = {"plane": [[0, 1], [1, 0], [0, -1]], "score": {"value": 1.0, "null": 0.3}}
    held = {"design": design, "how": "unit", "rank": 3, "energy": 2.0, "firing": {"auc": 0.99}, "circle": circle}
    single = {**held, "how": "equal columns", "firing": None, "circle": None}
    labels = ["Monday", SCRIPT, "Friday"]
    concept = {"concept": design, "labels": labels, "cyclic": True, "activations": circle, "held": [held, single]}
    values = {"recovery": [[0.9, 0.5], [0.7, None]], "units_90": [[1.0, 2.0], [1.0, 2.0]]}
    return {
        "evaluation.json": {
            "rows": 1000, "unseen": True, "reconstruction": here, "chance": here, "shapes": None,
            "fidelity": {"zero": score, "mean": score}, "dimensions": {"mean": 1.7, "counts": [1, 2], "most": 4},
        },
        "curves.json": {"curves": {design: [point, {**point, "tokens": 200, "ev": 0.625}]}, "unseen": True},
        "concepts.json": [concept],
        "demo.json": {
            "accuracy": 0.99, "clocks": [9, 24],
            "plan": {"lesson": {"clocks": {"hours": [5, 9, 24]}, "architecture": "gpt2", "learned": False}},
            "values": {design: values},
            "moved": {design: [[0.5, 1.0]]},
            "null": {design: {"recovery": [0.1, 0.1], "units_90": [None, None]}},
            "oracle": {"recovery": [1.0, 1.0], "units_90": [1.0, 1.0]},
        },
    }  # fmt: skip


@pytest.fixture(scope="session")
def hostile_records(runs: list[Record]) -> list[Record]:
    """Shipped runs, and four designs whose names, failures and world try to be markup."""
    pattern = [run for run in runs if run.design == "topk"]
    own = [renamed(run, name) for name in HOSTILE for run in pattern]
    diverged = {"metrics": {}, "failed": f"training diverged: {SCRIPT}"}
    failed = [renamed(run, f"failed {IMAGE}", **diverged) for run in pattern]
    elsewhere = [replace(run, world=IMAGE) for run in [*runs, *own, *failed] if run.world == "manifolds"]
    here = [run for run in [*runs, *own, *failed] if run.world != "manifolds"]
    return here + elsewhere


@pytest.fixture(scope="session")
def page(
    hostile_records: list[Record], evidence_file: Path, language_files: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Folder of a page with everything on it."""
    folder = tmp_path_factory.mktemp("page")
    records = write_records(hostile_records, folder / "bench" / "records.jsonl")
    inputs = read_inputs([records, evidence_file, language_files])
    build(inputs, folder / "report", Options(title=f"Title {IMAGE}"))
    return folder / "report"
