"""The README's code runs as printed, and prints what it shows."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path

from sasa_theory.benchmark.comparison import standings
from sasa_theory.benchmark.plan import Plan
from sasa_theory.benchmark.shipped import shipped
from sasa_theory.benchmark.suites import tier

SHOWN = ("recovery", "dimension_error", "units_90", "support_f1", "ev")
README = (Path(__file__).parent.parent / "README.md").read_text()


def test_code_prints_what_the_readme_shows(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```\n\n```\n(.*?)```", README, flags=re.DOTALL)
    assert len(blocks) == 4
    names: dict[str, object] = {}
    for code, shown in blocks:
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(code, names)
        assert printed.getvalue() == shown


def test_the_table_of_baselines_holds_their_records():
    plan = Plan(tier=tier("smoke"), specs=tier("smoke").baselines)
    for standing in standings(plan, shipped("smoke")):
        for design in standing.rankings["recovery"].order:
            found = (standing.rankings[metric].values.get(design) for metric in SHOWN)  # None where it is undefined
            cells = ("–" if value is None else f"{value.mean:.2f}" for value in found)
            row = f"| {standing.arena.name} | {design} | {' | '.join(cells)} |"
            assert row in README, row


def test_links_lead_somewhere():
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", README):
        assert (Path(__file__).parent.parent / target).exists(), target
