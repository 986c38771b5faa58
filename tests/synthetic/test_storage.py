"""A saved world gives the same bits; a spoilt file gives one error that names file, field and mend."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from synthetic import (
    Copula,
    Dictionary,
    Feature,
    Features,
    Independent,
    Listed,
    Magnitude,
    PerFeature,
    World,
    WorldConfig,
    Zipf,
    preset,
    presets,
)


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


def test_a_saved_world_is_as_readable_as_the_umask_lets_it_be(tmp_path):
    previous = os.umask(0o027)
    try:
        directory = saved(tmp_path)
    finally:
        os.umask(previous)
    assert directory.stat().st_mode & 0o777 == 0o750
    assert {path.stat().st_mode & 0o777 for path in directory.iterdir()} == {0o640}


@pytest.mark.parametrize("below", ["world", "deep/world"])
def test_saving_below_a_plain_file_is_refused(tmp_path, below):
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError, match="lies below a plain file; save the world elsewhere"):
        World.build(preset("manifolds"), 0).save(tmp_path / "file" / below)


def test_numbers_of_numpy_and_torch_are_stored_as_plain_ones(tmp_path):
    config = WorldConfig(
        np.int64(8),
        (Features(Feature("subspace", np.int32(2), energy=np.float32(0.5)), np.int64(3)),),
        Independent(Listed(torch.tensor([0.5, 0.25, 0.125])), Copula(np.int64(2), torch.tensor(0.25))),
        dictionary=Dictionary("coherent", mu=torch.tensor(0.75)),
        magnitude=Magnitude(mean=PerFeature("uniform", np.float32(1), np.array(2.0))),
        noise=np.float32(0.5),
        bias=torch.tensor(2.0),
        power=np.float64(3.0),
    )
    World.build(config, 0).save(tmp_path / "world")
    assert World.load(tmp_path / "world").config == config
    zipf = Zipf(np.float32(0.5), np.float32(0.25), torch.tensor(0.125))
    plain = WorldConfig(8, config.features, Independent(zipf)).to_dict()["firing"]["rates"]
    assert json.loads(json.dumps(plain)) == {"type": "Zipf", "exponent": 0.5, "most": 0.25, "least": 0.125}


def test_a_failed_save_leaves_nothing(tmp_path, monkeypatch):
    def fail(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("sasa_theory.saved_files.save_file", fail)
    with pytest.raises(OSError, match="disk full"):
        saved(tmp_path)
    assert list(tmp_path.iterdir()) == []


def rewrite_json(path: Path, **changes: object) -> None:
    header = json.loads((path / "world.json").read_text())
    (path / "world.json").write_text(json.dumps(header | changes))


def rewrite_config(path: Path, **changes: object) -> None:
    config = json.loads((path / "world.json").read_text())["config"]
    rewrite_json(path, config=config | changes)


def rewrite_part(path: Path, part: str, **changes: object) -> None:
    config = json.loads((path / "world.json").read_text())["config"]
    rewrite_config(path, **{part: config[part] | changes})


def rewrite_forest(path: Path, **changes: object) -> None:
    config = json.loads((path / "world.json").read_text())["config"]
    rewrite_part(path, "firing", forest=config["firing"]["forest"] | changes)


def nested(depth: int) -> list[object]:
    return [nested(depth - 1)] if depth else []


def point_to_lfs(path: Path, name: str) -> None:
    (path / name).write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 3\n")


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
    "a list": (lambda p: (p / "world.json").write_text("[1]"), r"world\.json: holds no fields"),
    "foreign": (lambda p: rewrite_json(p, format="sae"), r"world\.json: field format is not 'sasa-theory world'"),
    "newer": (lambda p: rewrite_json(p, version=2), r"world\.json: field version is 2, .* update sasa-theory"),
    "odd version": (lambda p: rewrite_json(p, version="1"), r"world\.json: field version is '1', not a whole number"),
    "no config": (lambda p: rewrite_json(p, config=None), r"world\.json: field config: config must be a WorldConfig"),
    "unknown field": (lambda p: rewrite_config(p, noize=1), r"world\.json: field config: .*did you mean 'noise'"),
    "bad value": (lambda p: rewrite_config(p, noise=-1), r"world\.json: field config: noise must be in"),
    "bad type": (lambda p: rewrite_config(p, firing=3), r"world\.json: field config: firing must be a Firing"),
    "number for rates": (lambda p: rewrite_part(p, "firing", rates=0.1), "config: rates must be a Rates, got 0.1"),
    "number for copula": (lambda p: rewrite_part(p, "firing", copula=3), "config: copula must be a Copula, got 3"),
    "list for forest": (lambda p: rewrite_part(p, "firing", forest=[1]), "config: forest must be a Forest"),
    "number for mean": (lambda p: rewrite_part(p, "magnitude", mean=2.0), "config: mean must be a PerFeature, got 2.0"),
    "text for a truth value": (
        lambda p: rewrite_part(p, "magnitude", one_sided="no"),
        "config: one_sided must be a bool, got 'no'",
    ),
    "text for exclusive": (lambda p: rewrite_forest(p, exclusive="no"), "config: exclusive must be a bool, got 'no'"),
    "endless forest": (lambda p: rewrite_forest(p, depth=1e300), "config: the trees must fit into the 128 features"),
    "wide forest": (lambda p: rewrite_forest(p, branching=1e300), "config: the trees must fit into the 128 features"),
    "deep brackets": (
        lambda p: (p / "world.json").write_text("[" * 100_000),
        r"world\.json: not valid JSON .*recursion",
    ),
    "deep config": (lambda p: rewrite_config(p, firing=nested(490)), r"field config: .*recursion"),
    "endless number": (
        lambda p: rewrite_config(p, width=10**400),
        r"field config: width must be a real number",
    ),
    "pointer for json": (lambda p: point_to_lfs(p, "world.json"), r"world\.json: this is a Git LFS pointer"),
    "pointer for tensors": (lambda p: point_to_lfs(p, "world.safetensors"), r"tensors: this is a Git LFS pointer"),
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
    "NaN": (lambda p: spoil_entry(p, "loadings", float("nan")), r"tensor loadings holds NaN"),
    "infinite": (lambda p: spoil_entry(p, "means", float("inf")), r"tensor means holds infinite values"),
    "negative magnitude": (lambda p: spoil_entry(p, "means", -1.0), r"tensor means holds negative values"),
    "zero magnitude": (lambda p: spoil_entry(p, "means", 0.0), "tensor means holds zeros"),
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
    mends = ("restore the file from a copy", "update sasa-theory", "run `git lfs pull`")
    assert any(mend in str(caught.value) for mend in mends)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("name", ["world.json", "world.safetensors"])
def test_a_missing_file_is_named(tmp_path, name):
    directory = saved(tmp_path)
    (directory / name).unlink()
    with pytest.raises(FileNotFoundError, match=rf"{name} is missing; .* is incomplete"):
        World.load(directory)
