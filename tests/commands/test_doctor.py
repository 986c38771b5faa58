"""`sasa-theory doctor` as a user meets it: nothing broken here, and what it says where something is."""

from __future__ import annotations

import json
from importlib.metadata import version

import pytest
import torch
from typer.testing import CliRunner

from sasa_theory import __version__
from sasa_theory.cli import app
from sasa_theory.doctor import examination, machine, packages


def invoke(*arguments):
    return CliRunner().invoke(app, ["doctor", *arguments])


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SASA_THEORY_CACHE", str(tmp_path / "cache"))
    return tmp_path


def test_it_is_exit_status_0_and_nothing_is_written(place):
    result = invoke()
    assert result.exit_code == 0, result.output
    words = " ".join(result.output.split())
    for part in (
        __version__,
        version("torch"),
        "Nothing is broken.",
        "may be used of",
        "OMP_NUM_THREADS=",
        "not there yet",
    ):
        assert part in words
    for extra in ("plot", "notebooks", "real", "dask", "slurm"):
        assert extra in words
    assert not list(place.iterdir())


def test_json_has_the_same_in_numbers(place):
    (place / "mine").mkdir()
    (place / "mine" / "records.jsonl").write_text("x" * 100)
    result = invoke("--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.output)
    assert found["version"] == __version__
    assert {package["name"] for package in found["packages"]} >= {"numpy", "torch", "typer"}
    assert all(package["ok"] for package in found["packages"])
    assert found["machine"]["threads"] == torch.get_num_threads()
    assert 0 < found["machine"]["cores"] <= found["machine"]["cores_present"]
    assert found["caches"][0]["path"] == str(place / "cache")
    assert found["results"] == [{"path": str(place / "mine"), "holds": "of `bench`", "size": 100, "writable": True}]
    assert found["broken"] == []


def test_a_cache_that_cannot_be_written_is_exit_status_1(place):
    (place / "cache").write_text("a file")
    result = invoke()
    assert result.exit_code == 1
    assert "export SASA_THEORY_CACHE=FOLDER" in " ".join(result.output.split())


@pytest.mark.parametrize(("installed", "said"), [(None, "it is missing"), ("1.0", "1.0 is installed")])
def test_a_package_that_is_missing_or_too_old_is_exit_status_1_with_its_remedy(monkeypatch, installed, said):
    real = packages._installed
    monkeypatch.setattr(packages, "_installed", lambda name: installed if name == "scipy" else real(name))
    result = invoke()
    assert result.exit_code == 1
    words = " ".join(result.output.split())
    assert f"is needed, {said}: pip install 'scipy>=" in words
    assert "Nothing is broken" not in words


def test_torch_that_cannot_be_imported_is_told_and_the_rest_is_shown(monkeypatch):
    def broken():
        raise OSError("libtorch_cpu.so: cannot open shared object file")

    monkeypatch.setattr(machine, "this_machine", broken)
    result = invoke()
    assert result.exit_code == 1
    words = " ".join(result.output.split())
    assert "libtorch_cpu.so" in words
    assert "slurm" in words


def test_more_threads_than_cores_is_a_hint_and_not_broken(monkeypatch, place):
    monkeypatch.setattr(machine, "cores", lambda: 1.5)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 16)
    found = examination.examine(place)
    assert found.hints == ["PyTorch uses 16 threads, but only 1.5 cores may be used: export OMP_NUM_THREADS=1"]
    assert not found.broken


def test_gpus_are_shown_with_their_memory(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (70 * 10**9, 80 * 10**9))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: f"Accelerator {device.index}")
    words = " ".join(invoke().output.split())
    assert "cuda:1 Accelerator 1, 80.0 GB, free 70.0 GB" in words
