"""What users get: the names inside the wheel and the source distribution, built here without a network."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("sasa_theory", "synthetic", "real_models")
GRAFTED = ("tests", "notebooks", "docs", "benchmarks")
DATA = {".jsonl", ".typed", ".j2", ".css", ".js", ".json"}
"""Suffixes of files in packages that are no Python and yet needed."""


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Both distributions, from a copy, so that nothing is left in the checkout."""
    folder = tmp_path_factory.mktemp("packaging")
    source = folder / "source"
    for name in (*PACKAGES, *GRAFTED):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for path in ROOT.iterdir():
        if path.is_file():
            shutil.copy(path, source)
    code = "from setuptools import build_meta as b; print(b.build_sdist('../sdist'), b.build_wheel('../wheel'))"
    subprocess.run([sys.executable, "-c", code], cwd=source, check=True, capture_output=True)
    with zipfile.ZipFile(next((folder / "wheel").iterdir())) as wheel:
        inside = {name: wheel.read(name) for name in wheel.namelist()}
    with tarfile.open(next((folder / "sdist").iterdir())) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    return inside, names


def files(folder):
    return {str(path.relative_to(ROOT)) for path in (ROOT / folder).rglob("*") if path.is_file()}


def test_the_wheel_holds_every_module_and_all_data_and_nothing_else(built):
    inside, _ = built
    wanted = {name for package in PACKAGES for name in files(package) if Path(name).suffix in {".py", *DATA}}
    assert {name for name in inside if ".dist-info/" not in name} == wanted
    assert "sasa_theory/benchmark/baselines/smoke.jsonl" in wanted
    for package in PACKAGES:
        assert f"{package}/py.typed" in wanted


def test_the_wheel_has_the_command_the_licence_and_its_needs(built):
    inside, _ = built
    (about,) = {name.partition("/")[0] for name in inside if ".dist-info/" in name}
    assert b"sasa-theory = sasa_theory.cli:main" in inside[f"{about}/entry_points.txt"]
    assert f"{about}/licenses/LICENSE" in inside
    metadata = inside[f"{about}/METADATA"].decode()
    for line in ("Name: sasa-theory", "Requires-Python: >=3.11", "Requires-Dist: torch>=", "Provides-Extra: plot"):
        assert line in metadata


def test_the_source_distribution_holds_what_its_tests_need(built):
    _, names = built
    for folder in (*GRAFTED, *PACKAGES):
        there = {name for name in files(folder) if "__pycache__" not in name}
        assert there <= names, there - names
    assert {"Makefile", "constraints.txt", "pyproject.toml", "README.md", "CHANGELOG.md", "LICENSE"} <= names
    assert not [name for name in names if name.endswith(".pyc")]
