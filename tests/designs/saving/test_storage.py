"""A saved design comes back bit for bit; SAELens' own files are read; a spoilt file gives one error with its mend."""

from __future__ import annotations

import json
import os
from dataclasses import MISSING, fields
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from sasa_theory.designs import AtomConfig, Design, config, get, presets
from sasa_theory.designs.layer_norm import LayerNormed, LayerNormedConfig
from sasa_theory.designs.references.pca import PcaConfig
from sasa_theory.designs.saving.storage import load, save
from sasa_theory.designs.wrapped import as_design

SIZES = {"width": 8, "atoms": 12, "groups": 6, "rank": 2, "k": 3, "active": 2, "steps": 3, "sparsity": 0.1}


def small(name: str, **settings):
    """The config of a preset, its fields without default filled in."""
    preset = presets()[name]
    needed = {f.name for f in fields(preset.config) if f.init and f.default is f.default_factory is MISSING}
    sizes = {key: SIZES[key] for key in needed - preset.settings.keys()}
    if preset.settings.get("penalty") == "target":
        sizes["target_l0"] = 3.0
    return config(name, **sizes | settings)


def built(made, seed: int = 0) -> Design:
    """A design whose every floating-point number differs from its initial value."""
    generator = torch.Generator().manual_seed(seed)
    design = made.build(generator)
    with torch.no_grad():
        for tensor in design.state_dict().values():
            if tensor.is_floating_point():
                tensor.add_(0.1 * torch.rand(tensor.shape, generator=generator))
            else:
                tensor.add_(3)
    return design


def assert_equal(loaded: Design, design: Design) -> None:
    """Same class, config, tensors, precision and function."""
    assert type(loaded) is type(design)
    assert loaded.config == design.config
    ours, theirs = loaded.state_dict(), design.state_dict()
    assert ours.keys() == theirs.keys()
    for name, tensor in theirs.items():
        assert ours[name].dtype == tensor.dtype
        assert torch.equal(ours[name], tensor), name
    assert [p.requires_grad for p in loaded.parameters()] == [p.requires_grad for p in design.parameters()]
    dtype = next(t.dtype for t in theirs.values() if t.is_floating_point())
    x = torch.randn(5, design.width, generator=torch.Generator().manual_seed(9)).to(dtype)
    assert torch.equal(loaded.eval()(x), design.eval()(x))


@pytest.mark.parametrize("name", sorted(presets()))
def test_every_preset_comes_back_bit_for_bit(tmp_path, name):
    design = built(small(name))
    save(design, tmp_path / "deep" / "design")
    assert_equal(load(str(tmp_path / "deep" / "design")), design)
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["design"]


@pytest.mark.parametrize("made", [PcaConfig(width=8, components=3), LayerNormedConfig(inner=small("sasa/paper"))])
def test_designs_without_a_preset_come_back_too(tmp_path, made):
    design = built(made)
    save(design, tmp_path / "design")
    assert_equal(load(tmp_path / "design"), design)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("name", ["topk", "jumprelu", "batch-topk"])
def test_precision_is_kept(tmp_path, name, dtype):
    design = built(small(name)).to(dtype)
    save(design, tmp_path / "design")
    loaded = load(tmp_path / "design")
    assert loaded.decoder.dtype == dtype
    assert all(torch.equal(a, b) for a, b in zip(loaded.parameters(), design.parameters(), strict=True))
    assert json.loads((tmp_path / "design" / "cfg.json").read_text())["dtype"] == str(dtype).removeprefix("torch.")


class MineConfig(AtomConfig):
    """A user's own design, defined outside the package."""

    kind = "mine"

    def build(self, generator):
        return Mine(self, generator)


class Mine(Design):
    def __init__(self, config, generator):
        super().__init__(config.width, config.columns)
        self.config = config
        self.decoder = torch.nn.Parameter(torch.randn(config.columns, config.width, generator=generator))
        self.tied = self.decoder

    def encode(self, x):
        return (x @ self.decoder.mT).relu()

    def decode(self, codes):
        return codes @ self.tied


def test_a_users_own_design_comes_back(tmp_path):
    """With a tensor under two names, which safetensors by itself refuses."""
    design = built(MineConfig(width=4, atoms=6))
    save(design, tmp_path / "mine")
    loaded = load(tmp_path / "mine")
    assert_equal(loaded, design)
    assert loaded.tied is loaded.decoder
    rewrite_tensors(tmp_path / "mine", tied=torch.ones(6, 4))
    with pytest.raises(ValueError, match=r"tensor W_dec must equal the one that it is tied to; restore the file"):
        load(tmp_path / "mine")


# what SAELens finds


def saved(directory: Path, name: str = "jumprelu", **settings) -> tuple[Design, Path, dict, dict]:
    design = built(small(name, **settings))
    save(design, directory / name.replace("/", "-"), {"hook_name": "blocks.3.hook_resid_pre"})
    return (design, *read(directory / name.replace("/", "-")))


def read(folder: Path) -> tuple[Path, dict, dict]:
    return folder, json.loads((folder / "cfg.json").read_text()), load_file(folder / "sae_weights.safetensors")


NATIVE = {
    "relu": ("standard", ["W_dec", "W_enc", "b_dec", "b_enc"], {}),
    "gated": ("gated", ["W_dec", "W_enc", "b_dec", "b_gate", "b_mag", "r_mag"], {}),
    "jumprelu": ("jumprelu", ["W_dec", "W_enc", "b_dec", "b_enc", "threshold"], {}),
    "topk": ("topk", ["W_dec", "W_enc", "b_dec", "b_enc"], {"k": 3, "rescale_acts_by_decoder_norm": False}),
    "topk/saelens": ("topk", ["W_dec", "W_enc", "b_dec", "b_enc"], {"k": 3, "rescale_acts_by_decoder_norm": True}),
    "topk/signed": ("abstopk", ["W_dec", "W_enc", "b_dec", "b_enc"], {"k": 3}),
    "batch-topk": ("jumprelu", ["W_dec", "W_enc", "b_dec", "b_enc", "threshold"], {}),
    "batch-topk/saelens": ("jumprelu", ["W_dec", "W_enc", "b_dec", "b_enc", "threshold"], {}),
    "matryoshka": ("jumprelu", ["W_dec", "W_enc", "b_dec", "b_enc", "threshold"], {}),
    "matching-pursuit": (
        "matching_pursuit",
        ["W_dec", "b_dec"],
        {"max_iterations": 3, "residual_threshold": 0, "stop_on_duplicate_support": False},
    ),
}


@pytest.mark.parametrize("name", NATIVE)
def test_the_file_is_what_saelens_reads(tmp_path, name):
    design, _, cfg, tensors = saved(tmp_path, name)
    architecture, names, extra = NATIVE[name]
    common = {
        "architecture": architecture,
        "d_in": 8,
        "d_sae": 12,
        "dtype": "float32",
        "device": "cpu",
        "apply_b_dec_to_input": True,
        "normalize_activations": "none",
        "reshape_activations": "none",
        "metadata": {"hook_name": "blocks.3.hook_resid_pre", "sae_lens_version": "6.54.12"},
    }
    assert cfg | common | extra == cfg
    assert sorted(tensors) == names
    assert torch.equal(tensors["W_dec"], design.decoder)
    assert all(tensors[n].shape == (12,) for n in names if n not in ("W_dec", "W_enc", "b_dec"))
    if "W_enc" in tensors:
        assert torch.equal(tensors["W_enc"], design.encoder.mT)


@pytest.mark.parametrize("name", ["jumprelu", "batch-topk", "batch-topk/saelens", "matryoshka"])
def test_thresholds_select_as_the_design_does_in_evaluation(tmp_path, name):
    design, _, _, tensors = saved(tmp_path, name)
    x = torch.randn(200, 8, generator=torch.Generator().manual_seed(1))
    u = (x - tensors["b_dec"]) @ tensors["W_enc"] + tensors["b_enc"]
    codes = design.eval().encode(x)
    assert 0 < (codes != 0).float().mean() < 1
    torch.testing.assert_close(u * (u > tensors["threshold"]), codes)


def test_gated_weights_mean_what_saelens_means_by_them(tmp_path):
    design, _, _, t = saved(tmp_path, "gated")
    x = torch.randn(50, 8, generator=torch.Generator().manual_seed(1))
    u = (x - t["b_dec"]) @ t["W_enc"]
    codes = (u + t["b_gate"] > 0) * (u * t["r_mag"].exp() + t["b_mag"]).relu()
    torch.testing.assert_close(codes, design.encode(x))


@pytest.mark.parametrize(
    "name", ["sasa/paper", "matching-pursuit/signed", "matching-pursuit/group", "group-batch-topk"]
)
def test_what_saelens_lacks_is_ours_in_one_file(tmp_path, name):
    _, folder, cfg, tensors = saved(tmp_path, name)
    assert cfg["architecture"] == "sasa_theory"
    assert {"W_dec", "b_dec", "idle"} <= tensors.keys()
    assert sorted(path.name for path in folder.iterdir()) == ["cfg.json", "sae_weights.safetensors"]


@pytest.mark.parametrize("name", ["topk", "sasa/paper"])
def test_layer_norm_is_saelens_own_around_the_inner_design(tmp_path, name):
    save(built(LayerNormedConfig(inner=small(name))), tmp_path / "design")
    _, cfg, tensors = read(tmp_path / "design")
    assert cfg["normalize_activations"] == "layer_norm"
    assert cfg["architecture"] == ("topk" if name == "topk" else "sasa_theory")
    assert tensors["W_dec"].shape == (cfg["d_sae"], cfg["d_in"]) == (12, 8)


# what SAELens has written


def foreign(folder: Path, architecture: str, seed: int = 0, **settings) -> dict:
    """A checkpoint as SAELens 6 writes it: no block of ours."""
    generator = torch.Generator().manual_seed(seed)
    vectors = {"gated": ["b_gate", "b_mag", "r_mag"], "jumprelu": ["b_enc", "threshold"]}.get(architecture, ["b_enc"])
    tensors = {name: torch.randn(12, generator=generator) for name in vectors}
    tensors |= {"W_enc": torch.randn(8, 12, generator=generator), "W_dec": torch.randn(12, 8, generator=generator)}
    tensors["b_dec"] = torch.randn(8, generator=generator)
    if "batchtopk" in architecture:
        tensors["topk_threshold"] = torch.tensor(0.4, dtype=torch.float64)
    folder.mkdir()
    cfg = {"architecture": architecture, "d_in": 8, "d_sae": 12, "dtype": "float32", "apply_b_dec_to_input": True}
    cfg |= {"normalize_activations": "none", "metadata": {"sae_lens_version": "6.54.12"}}
    (folder / "cfg.json").write_text(json.dumps(cfg | settings))
    save_file(tensors, folder / "sae_weights.safetensors")
    return tensors


def top(u: torch.Tensor, k: int) -> torch.Tensor:
    """The k largest of each row, rectified."""
    best = u.topk(k).indices
    return torch.zeros_like(u).scatter(1, best, u.gather(1, best).relu())


def by_magnitude(u: torch.Tensor, k: int) -> torch.Tensor:
    """The k largest of each row in magnitude."""
    best = u.abs().topk(k).indices
    return torch.zeros_like(u).scatter(1, best, u.gather(1, best))


CODES = {
    "standard": lambda u, t: (u + t["b_enc"]).relu(),
    "jumprelu": lambda u, t: (u + t["b_enc"]).relu() * (u + t["b_enc"] > t["threshold"]),
    "gated": lambda u, t: (u + t["b_gate"] > 0) * (u * t["r_mag"].exp() + t["b_mag"]).relu(),
    "topk": lambda u, t: top(u + t["b_enc"], 4),
    "abstopk": lambda u, t: by_magnitude(u + t["b_enc"], 4),
    "batchtopk": lambda u, t: (u + t["b_enc"]) * (u + t["b_enc"] > 0.4),
    "matryoshka_batchtopk": lambda u, t: (u + t["b_enc"]) * (u + t["b_enc"] > 0.4),
}


@pytest.mark.parametrize("architecture", CODES)
@settings(max_examples=8)  # each reads and writes files
@given(seed=st.integers(0, 1000), subtracted=st.booleans())
def test_a_checkpoint_of_saelens_computes_the_same(tmp_path_factory, architecture, subtracted, seed):
    folder = tmp_path_factory.mktemp("foreign") / "sae"
    t = foreign(folder, architecture, seed, k=4, matryoshka_widths=[3, 6, 12], apply_b_dec_to_input=subtracted)
    design = load(folder).eval()
    x = 2 * torch.randn(30, 8, generator=torch.Generator().manual_seed(seed))
    codes = CODES[architecture]((x - t["b_dec"] if subtracted else x) @ t["W_enc"], t)
    torch.testing.assert_close(design.encode(x), codes, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(design(x), codes @ t["W_dec"] + t["b_dec"], atol=1e-3, rtol=1e-4)
    if architecture == "matryoshka_batchtopk":
        assert design.config.sizes == (3, 6, 12)


def test_codes_that_count_decoder_norms_are_folded(tmp_path):
    t = foreign(tmp_path / "sae", "topk", k=4, rescale_acts_by_decoder_norm=True)
    x = torch.randn(30, 8, generator=torch.Generator().manual_seed(2))
    norms = t["W_dec"].norm(dim=-1)
    codes = top(((x - t["b_dec"]) @ t["W_enc"] + t["b_enc"]) * norms, 4)
    design = load(tmp_path / "sae")
    torch.testing.assert_close(design.encode(x), codes)
    torch.testing.assert_close(design(x), (codes / norms) @ t["W_dec"] + t["b_dec"])


def test_layer_norm_of_saelens_is_read(tmp_path):
    t = foreign(tmp_path / "sae", "standard", normalize_activations="layer_norm")
    design = load(tmp_path / "sae")
    assert isinstance(design, LayerNormed)
    x = 3 * torch.randn(30, 8, generator=torch.Generator().manual_seed(2)) + 1
    mean, std = x.mean(dim=-1, keepdim=True), x.std(dim=-1, keepdim=True)
    codes = (((x - mean) / std - t["b_dec"]) @ t["W_enc"] + t["b_enc"]).relu()
    torch.testing.assert_close(design(x), (codes @ t["W_dec"] + t["b_dec"]) * std + mean, atol=1e-3, rtol=1e-3)


def test_files_of_before_version_6_are_read(tmp_path):
    """Top-k was an activation function, a switch told whether to normalise, and a factor of ones came along."""
    old = {"activation_fn_str": "topk", "activation_fn_kwargs": {"k": 4}, "normalize_activations": False}
    foreign(tmp_path / "sae", "standard", metadata={}, **old)
    rewrite_tensors(tmp_path / "sae", scaling_factor=torch.ones(12))
    assert load(tmp_path / "sae").config == small("topk", k=4)


def test_a_threshold_below_0_is_none(tmp_path):
    foreign(tmp_path / "sae", "jumprelu")
    rewrite_tensors(tmp_path / "sae", threshold=torch.full((12,), -1.0))
    design = load(tmp_path / "sae")
    u = design.preactivations(torch.randn(30, 8, generator=torch.Generator().manual_seed(2)))
    torch.testing.assert_close(torch.relu(u), u * (u > design.threshold))


def test_precision_follows_the_field(tmp_path):
    foreign(tmp_path / "sae", "standard", dtype="torch.float64")
    assert load(tmp_path / "sae").decoder.dtype == torch.float64


# what may go wrong


def test_saving_never_overwrites(tmp_path):
    _, folder, cfg, _ = saved(tmp_path)
    with pytest.raises(FileExistsError, match="exists; remove it or save the design under another name"):
        save(get("topk", width=8, atoms=12, k=3), folder)
    assert json.loads((folder / "cfg.json").read_text()) == cfg


@pytest.mark.parametrize("below", ["design", "deep/design"])
def test_saving_below_a_plain_file_is_refused(tmp_path, below):
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError, match="lies below a plain file; save the design elsewhere"):
        save(built(small("topk")), tmp_path / "file" / below)


@pytest.mark.parametrize("failing", ["save_file", "shutil.copymode"])
def test_a_failed_save_leaves_nothing(tmp_path, monkeypatch, failing):
    def fail(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(f"sasa_theory.saved_files.{failing}", fail)
    with pytest.raises(OSError, match="disk full"):
        save(built(small("topk")), tmp_path / "design")
    assert list(tmp_path.iterdir()) == []


def test_a_saved_design_is_as_readable_as_the_umask_lets_it_be(tmp_path):
    previous = os.umask(0o027)
    try:
        _, folder, _, _ = saved(tmp_path)
    finally:
        os.umask(previous)
    assert folder.stat().st_mode & 0o777 == 0o750
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o640}


def test_a_design_without_config_cannot_be_saved(tmp_path):
    inner = get("topk", width=8, atoms=12, k=3)
    module = torch.nn.Module()
    module.encode, module.decode = inner.encode, inner.decode
    with pytest.raises(TypeError, match="has no config from which it could be built again"):
        save(as_design(module, width=8), tmp_path / "design")
    assert list(tmp_path.iterdir()) == []


def test_a_diverged_design_cannot_be_saved(tmp_path):
    design = built(small("topk"))
    with torch.no_grad():
        design.encoder[3, 2] = torch.nan
    with pytest.raises(ValueError, match="tensor encoder of this TopK holds NaN"):
        save(design, tmp_path / "design")
    assert list(tmp_path.iterdir()) == []


def rewrite_tensors(folder: Path, file: str = "sae_weights.safetensors", **changes: torch.Tensor | None) -> None:
    tensors = load_file(folder / file) | changes
    save_file({name: tensor for name, tensor in tensors.items() if tensor is not None}, folder / file)


def rewrite_json(folder: Path, **changes: object) -> None:
    fields = json.loads((folder / "cfg.json").read_text()) | changes
    (folder / "cfg.json").write_text(json.dumps({k: v for k, v in fields.items() if v is not None}))


def rewrite_block(folder: Path, **changes: object) -> None:
    block = json.loads((folder / "cfg.json").read_text())["sasa_theory"]
    rewrite_json(folder, sasa_theory=block | changes)


def rewrite_config(folder: Path, **changes: object) -> None:
    block = json.loads((folder / "cfg.json").read_text())["sasa_theory"]
    rewrite_block(folder, config=block["config"] | changes)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def spoil(folder: Path, name: str, value: float) -> None:
    tensor = load_file(folder / "sae_weights.safetensors")[name]
    tensor.view(-1)[0] = value
    rewrite_tensors(folder, **{name: tensor})


POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 3\n"
RESTORE = "restore the file from a copy, or save the design again"
SPOILT = {
    "truncated json": (lambda p: truncate(p / "cfg.json"), r"cfg\.json: not valid JSON", RESTORE),
    "binary json": (lambda p: (p / "cfg.json").write_bytes(b"\xff\xfe\x00"), r"cfg\.json: not valid JSON", RESTORE),
    "deep json": (lambda p: (p / "cfg.json").write_text("[" * 9999), r"cfg\.json: not valid JSON", RESTORE),
    "a list": (lambda p: (p / "cfg.json").write_text("[1]"), r"cfg\.json: holds no fields", RESTORE),
    "json pointer": (lambda p: (p / "cfg.json").write_text(POINTER), r"cfg\.json: this is a Git LFS", "git lfs pull"),
    "pointer": (
        lambda p: (p / "sae_weights.safetensors").write_text(POINTER),
        r"sae_weights\.safetensors: this is a Git LFS pointer",
        "git lfs pull",
    ),
    "truncated": (
        lambda p: truncate(p / "sae_weights.safetensors"),
        r"sae_weights\.safetensors: not a complete safetensors file",
        RESTORE,
    ),
    "truncated rest": (
        lambda p: truncate(p / "sasa_theory.safetensors"),
        r"sasa_theory\.safetensors: not a complete safetensors file",
        RESTORE,
    ),
    "NaN": (
        lambda p: spoil(p, "W_enc", float("nan")),
        r"sae_weights\.safetensors: tensor W_enc holds NaN",
        RESTORE,
    ),
    "missing": (
        lambda p: rewrite_tensors(p, b_enc=None),
        r"sae_weights\.safetensors: tensor b_enc is missing",
        RESTORE,
    ),
    "unknown": (
        lambda p: rewrite_tensors(p, W=torch.ones(1)),
        r"sae_weights\.safetensors: tensor W is unknown",
        RESTORE,
    ),
    "missing rest": (
        lambda p: rewrite_tensors(p, "sasa_theory.safetensors", idle=None),
        r"sasa_theory\.safetensors: tensor idle is missing",
        RESTORE,
    ),
    "shape": (
        lambda p: rewrite_tensors(p, W_enc=torch.ones(12, 8)),
        r"tensor W_enc has shape \(12, 8\), cfg\.json asks for \(8, 12\)",
        RESTORE,
    ),
    "dtype": (
        lambda p: rewrite_tensors(p, b_dec=torch.ones(8, dtype=torch.int64)),
        r"tensor b_dec is torch\.int64, not torch\.float32",
        RESTORE,
    ),
    "changed threshold": (lambda p: spoil(p, "threshold", 7.0), "tensor threshold does not follow", RESTORE),
    "block": (lambda p: rewrite_json(p, sasa_theory=3), r"field sasa_theory is 3, not an object", RESTORE),
    "version": (lambda p: rewrite_block(p, version="1"), r"sasa_theory\.version is '1', not a whole", RESTORE),
    "newer": (lambda p: rewrite_block(p, version=2), r"version is 2, this program reads up to 1", "update sasa-theory"),
    "kind": (lambda p: rewrite_block(p, kind="jumperlu"), "did you mean 'jumprelu'", "update sasa-theory, or import"),
    "kind as a list": (lambda p: rewrite_block(p, kind=[1]), r"sasa_theory\.kind must be one of", "import the module"),
    "config": (lambda p: rewrite_block(p, config=[1]), r"sasa_theory\.config is \[1\], not an object", RESTORE),
    "field": (lambda p: rewrite_config(p, atom=3), r"sasa_theory\.config: .*did you mean 'atoms'", RESTORE),
    "infinite config": (lambda p: rewrite_config(p, atoms=float("inf")), r"sasa_theory\.config: atoms must", RESTORE),
    "value": (lambda p: rewrite_config(p, atoms="many"), r"sasa_theory\.config: atoms must be", RESTORE),
    "architecture": (
        lambda p: rewrite_json(p, architecture="topk"),
        r"field architecture is 'topk', sasa_theory asks for 'jumprelu'",
        RESTORE,
    ),
    "size": (lambda p: rewrite_json(p, d_sae=13), r"field d_sae is 13, sasa_theory asks for 12", RESTORE),
}


@pytest.mark.parametrize("case", SPOILT)
def test_a_spoilt_file_gives_one_clear_error(tmp_path, case):
    _, folder, _, _ = saved(tmp_path)
    change, message, mend = SPOILT[case]
    change(folder)
    with pytest.raises(ValueError, match=message) as caught:
        load(folder)
    assert mend in str(caught.value)
    assert str(folder) in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("name", ["cfg.json", "sae_weights.safetensors", "sasa_theory.safetensors"])
def test_a_missing_file_is_named(tmp_path, name):
    _, folder, _, _ = saved(tmp_path)
    (folder / name).unlink()
    with pytest.raises(FileNotFoundError, match=rf"{name} is missing; .* is not a saved design, or is incomplete"):
        load(folder)


FOLD = "open it with SAELens, fold in what is not known here, and save it again"
FOREIGN = {
    "architecture": (lambda p: rewrite_json(p, architecture="transcoder"), r"cfg\.json: field architecture", FOLD),
    "width": (lambda p: rewrite_json(p, d_in=None), r"cfg\.json: field d_in is missing", FOLD),
    "zero": (lambda p: rewrite_json(p, d_sae=0), r"cfg\.json: field d_sae must be in \[1", FOLD),
    "k": (lambda p: rewrite_json(p, k=None), r"cfg\.json: field k is missing", FOLD),
    "too many": (lambda p: rewrite_json(p, k=99), r"cfg\.json: k must be at most atoms = 12", FOLD),
    "scaled": (
        lambda p: rewrite_json(p, normalize_activations="expected_average_only_in"),
        "field normalize_activations must be one of 'none', 'layer_norm'",
        FOLD,
    ),
    "scaled before 6": (
        lambda p: rewrite_json(p, normalize_activations=True),
        "field normalize_activations must be one of 'none', 'layer_norm'",
        FOLD,
    ),
    "activation": (lambda p: rewrite_json(p, activation_fn="tanh-relu"), "field activation_fn must be", FOLD),
    "dtype": (lambda p: rewrite_json(p, dtype="float8"), "field dtype must be one of", FOLD),
    "scaling": (
        lambda p: rewrite_tensors(p, scaling_factor=torch.full((12,), 2.0)),
        r"safetensors: tensor scaling_factor is not 1",
        RESTORE,
    ),
    "missing": (lambda p: rewrite_tensors(p, b_dec=None), r"safetensors: tensor b_dec is missing", RESTORE),
    "unknown": (lambda p: rewrite_tensors(p, W=torch.ones(1)), r"safetensors: tensor W is unknown", RESTORE),
    "shape": (lambda p: rewrite_tensors(p, b_dec=torch.ones(9)), r"tensor b_dec has shape \(9,\), cfg\.json", RESTORE),
    "NaN": (lambda p: spoil(p, "W_dec", float("nan")), "tensor W_dec holds NaN", RESTORE),
}


@pytest.mark.parametrize("case", FOREIGN)
def test_a_checkpoint_that_cannot_be_read_gives_one_clear_error(tmp_path, case):
    foreign(tmp_path / "sae", "topk", k=4)
    change, message, mend = FOREIGN[case]
    change(tmp_path / "sae")
    with pytest.raises(ValueError, match=message) as caught:
        load(tmp_path / "sae")
    assert mend in str(caught.value)
    assert str(tmp_path) in str(caught.value)
