"""A saved world gives the same bits; a spoilt file gives one error that names file, field and mend."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from synthetic import World, preset, presets


def saved(directory: Path, name: str = "synthsae16k") -> Path:
    World.build(preset(name, "small"), 0).save(directory / "world")
    return directory / "world"


@pytest.mark.parametrize("name", sorted(presets()))
def test_a_loaded_world_gives_the_same_bits(tmp_path, name):
    built = World.build(preset(name, "small", noise=0.1), 5)
    built.save(tmp_path / "deep" / "world")
    loaded = World.load(str(tmp_path / "deep" / "world"))
    assert loaded.config == built.config
    x, y = (world.sample(1500, torch.Generator().manual_seed(2)).x for world in (built, loaded))
    assert torch.equal(x, y)
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["world"]
    assert sorted(path.name for path in (tmp_path / "deep" / "world").iterdir()) == ["world.json", "world.safetensors"]


def test_saving_never_overwrites(tmp_path):
    directory = saved(tmp_path)
    before = (directory / "world.json").read_bytes()
    with pytest.raises(FileExistsError, match="exists; remove it or save the world under another name"):
        World.build(preset("manifolds"), 0).save(directory)
    assert (directory / "world.json").read_bytes() == before


def test_a_failed_save_leaves_nothing(tmp_path, monkeypatch):
    def fail(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("synthetic.storage.save_file", fail)
    with pytest.raises(OSError, match="disk full"):
        saved(tmp_path)
    assert list(tmp_path.iterdir()) == []


def rewrite_json(path: Path, **changes: object) -> None:
    header = json.loads((path / "world.json").read_text())
    (path / "world.json").write_text(json.dumps(header | changes))


def rewrite_config(path: Path, **changes: object) -> None:
    config = json.loads((path / "world.json").read_text())["config"]
    rewrite_json(path, config=config | changes)


def rewrite_tensors(path: Path, **changes: torch.Tensor | None) -> None:
    tensors = load_file(path / "world.safetensors") | changes
    save_file({name: tensor for name, tensor in tensors.items() if tensor is not None}, path / "world.safetensors")


def spoil_entry(path: Path, name: str, value: float) -> None:
    tensor = load_file(path / "world.safetensors")[name]
    tensor.view(-1)[0] = value
    rewrite_tensors(path, **{name: tensor})


def truncate(path: Path, name: str) -> None:
    data = (path / name).read_bytes()
    (path / name).write_bytes(data[: len(data) // 2])


SPOILT = {
    "truncated json": (lambda p: truncate(p, "world.json"), r"world\.json: not valid JSON"),
    "binary json": (lambda p: (p / "world.json").write_bytes(b"\xff\xfe\x00"), r"world\.json: not valid JSON"),
    "a list": (lambda p: (p / "world.json").write_text("[1]"), r"world\.json: field format is not"),
    "foreign": (lambda p: rewrite_json(p, format="sae"), r"world\.json: field format is not 'sasa-theory world'"),
    "newer": (lambda p: rewrite_json(p, version=2), r"world\.json: field version is 2, .* update sasa-theory"),
    "odd version": (lambda p: rewrite_json(p, version="1"), r"world\.json: field version is '1', not a whole number"),
    "no config": (lambda p: rewrite_json(p, config=None), r"world\.json: field config: config must be a WorldConfig"),
    "unknown field": (lambda p: rewrite_config(p, noize=1), r"world\.json: field config: .*did you mean 'noise'"),
    "bad value": (lambda p: rewrite_config(p, noise=-1), r"world\.json: field config: noise must be in"),
    "bad type": (lambda p: rewrite_config(p, firing=3), r"world\.json: field config: firing must be a Firing"),
    "truncated tensors": (lambda p: truncate(p, "world.safetensors"), r"world\.safetensors: not a complete"),
    "text tensors": (lambda p: (p / "world.safetensors").write_text("hello"), r"world\.safetensors: not a complete"),
    "missing tensor": (lambda p: rewrite_tensors(p, bias=None), r"world\.safetensors: tensor bias is missing"),
    "unknown tensor": (lambda p: rewrite_tensors(p, W=torch.ones(1)), r"world\.safetensors: tensor W is unknown"),
    "wrong shape": (
        lambda p: rewrite_tensors(p, bias=torch.ones(3)),
        r"tensor bias has shape \(3,\), world\.json",
    ),
    "wrong dtype": (
        lambda p: rewrite_tensors(p, bias=torch.zeros(32, dtype=torch.float64)),
        r"tensor bias is torch\.float64, not torch\.float32",
    ),
    "NaN": (lambda p: spoil_entry(p, "loadings", float("nan")), r"tensor loadings holds NaN or infinite values"),
    "infinite": (lambda p: spoil_entry(p, "means", float("inf")), r"tensor means holds NaN or infinite values"),
    "negative magnitude": (lambda p: spoil_entry(p, "means", -1.0), r"tensor means holds negative values"),
    "damaged bases": (lambda p: spoil_entry(p, "bases", 0.9), r"tensor bases is not orthonormal feature by feature"),
    "long loadings": (lambda p: spoil_entry(p, "loadings", 1.5), r"tensor loadings has rows of length 1 or more"),
}


@pytest.mark.parametrize("case", SPOILT)
def test_a_spoilt_file_gives_one_clear_error(tmp_path, case):
    directory = saved(tmp_path)
    spoil, message = SPOILT[case]
    spoil(directory)
    with pytest.raises(ValueError, match=message) as caught:
        World.load(directory)
    assert "restore the file from a copy" in str(caught.value) or "update sasa-theory" in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("name", ["world.json", "world.safetensors"])
def test_a_missing_file_is_named(tmp_path, name):
    directory = saved(tmp_path)
    (directory / name).unlink()
    with pytest.raises(FileNotFoundError, match=rf"{name} is missing; .* is incomplete"):
        World.load(directory)
