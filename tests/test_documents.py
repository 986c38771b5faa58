"""What README, CONTRIBUTING and CHANGELOG say: code runs and prints what stands there, links lead somewhere."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path

import pytest

from sasa_theory.benchmark.comparison import standings
from sasa_theory.benchmark.plan import Plan
from sasa_theory.benchmark.shipped import shipped
from sasa_theory.benchmark.suites import tier
from sasa_theory.metrics import METRICS
from sasa_theory.metrics.as_published import AS_PUBLISHED, CORRECTIONS

ROOT = Path(__file__).parent.parent
SHOWN = ("recovery", "dimension_error", "units_90", "support_f1", "ev")
DOCUMENTS = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "tests/README.md", "benchmarks/README.md")


def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


@pytest.mark.parametrize(("name", "blocks"), [("README.md", 4), ("CONTRIBUTING.md", 4)])
def test_code_prints_what_is_shown(name, blocks, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = re.findall(r"```python\n(.*?)```\n\n```\n(.*?)```", text(name), flags=re.DOTALL)
    assert len(found) == blocks == text(name).count("```python")
    names: dict[str, object] = {"__name__": "__main__"}
    for code, shown in found:
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(code, name, "exec", dont_inherit=True), names)
        assert printed.getvalue() == shown


def test_the_table_of_baselines_holds_their_records():
    plan = Plan(tier=tier("smoke"), specs=tier("smoke").baselines)
    for standing in standings(plan, shipped("smoke")):
        for design in standing.rankings["recovery"].order:
            found = (standing.rankings[metric].values.get(design) for metric in SHOWN)  # None where it is undefined
            cells = ("–" if value is None else f"{value.mean:.2f}" for value in found)
            row = f"| {standing.arena.name} | {design} | {' | '.join(cells)} |"
            assert row in text("README.md"), row


def test_the_changelog_has_the_version_of_every_metric():
    rows = re.findall(r"^\| (`.*?`) \| (\d+) \|", text("CHANGELOG.md"), flags=re.MULTILINE)
    told = [(name, int(version)) for names, version in rows for name in re.findall(r"`(\w+)`", names)]
    known = {**METRICS, **AS_PUBLISHED, **CORRECTIONS}
    assert sorted(told) == sorted((name, metric.version) for name, metric in known.items())


@pytest.mark.parametrize("name", DOCUMENTS)
def test_links_and_folders_are_there(name):
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", text(name)):
        assert ((ROOT / name).parent / target).exists(), target


def test_files_that_contributing_names_are_there():
    named = re.findall(r"`((?:sasa_theory|synthetic|tests)/[\w/.]+)`", text("CONTRIBUTING.md"))
    assert len(named) > 10
    for path in named:
        assert (ROOT / path).exists(), path
