"""Released checkpoints: the same function as their authors' code, and clear words where they are damaged."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from real_models.checkpoint import load_released
from sasa_theory import designs

WIDTH, GROUPS, RANK, ACTIVE = 10, 6, 3, 2


def write(folder: Path, fields: dict[str, Any], tensors: dict[str, torch.Tensor]) -> Path:
    folder.mkdir()
    (folder / "cfg.json").write_text(json.dumps(fields))
    save_file(tensors, folder / "sae_weights.safetensors")
    return folder


def sasa(folder: Path, drop: str = "", **changes: Any) -> tuple[Path, dict[str, torch.Tensor]]:
    """A folder as the authors' code writes it."""
    generator = torch.Generator().manual_seed(0)
    shapes = {"W_enc": (WIDTH, 18), "W_dec": (18, WIDTH), "b_enc": (18,), "b_dec": (WIDTH,)}
    tensors = {name: torch.randn(shape, generator=generator) for name, shape in shapes.items()}
    fields = {
        "architecture": "topk_sasa",
        "d_in": WIDTH,
        "d_sae": 18,
        "n_groups": GROUPS,
        "group_rank": RANK,
        "k_groups": ACTIVE,
        "normalize_activations": "layer_norm",
        "apply_b_dec_to_input": True,
        "reshape_activations": "none",
        "dtype": "float32",
        "metadata": {
            "hook_name": "blocks.7.hook_resid_pre",
            "model_name": "gpt2",
            "context_size": 128,
            "dataset_path": "some/text",
            "model_from_pretrained_kwargs": {"center_writing_weights": False},
        },
    }
    fields = {name: value for name, value in {**fields, **changes}.items() if name != drop}
    return write(folder, fields, {name: tensor for name, tensor in tensors.items() if name != drop}), tensors


@pytest.mark.parametrize("norm", ["layer_norm", "none"])
def test_sasa_computes_what_its_authors_code_computes(tmp_path: Path, norm):
    folder, t = sasa(tmp_path / "c", normalize_activations=norm)
    released = load_released(folder)
    x = 3 * torch.randn(40, WIDTH, generator=torch.Generator().manual_seed(1)) + 1
    for row, restored in zip(x, released.design(x), strict=True):
        mean, deviation = (row.mean(), row.std() + 1e-5) if norm == "layer_norm" else (0.0, 1.0)
        p = (((row - mean) / deviation - t["b_dec"]) @ t["W_enc"] + t["b_enc"]).reshape(GROUPS, RANK)
        kept = p.norm(dim=1).argsort(descending=True)[:ACTIVE].tolist()
        out = sum(p[k] @ t["W_dec"][RANK * k : RANK * k + RANK] for k in kept) + t["b_dec"]
        torch.testing.assert_close(restored, out * deviation + mean)
    assert (released.model, str(released.site), released.context) == ("gpt2", "7.resid_pre", 128)
    assert (released.corpus, released.centred, released.architecture) == ("some/text", False, "topk_sasa")


def test_saelens_checkpoints_of_both_generations(tmp_path: Path):
    tensors = {"W_enc": torch.randn(4, 9), "W_dec": torch.randn(9, 4), "b_enc": torch.zeros(9), "b_dec": torch.ones(4)}
    five = {"d_in": 4, "d_sae": 9, "architecture": "standard", "model_name": "gpt2-small"}
    old = load_released(write(tmp_path / "old", {**five, "hook_name": "blocks.8.hook_resid_pre"}, tensors))
    assert (old.model, str(old.site), old.centred) == ("gpt2", "8.resid_pre", True)
    x = torch.randn(3, 4)
    z = ((x - 1) @ tensors["W_enc"]).relu()
    torch.testing.assert_close(old.design(x), z @ tensors["W_dec"] + 1)
    six = {"d_in": 4, "d_sae": 9, "architecture": "topk", "k": 2, "metadata": {"hook_name": "blocks.3.attn.hook_z"}}
    new = load_released(write(tmp_path / "new", six, tensors))
    assert (new.model, new.site) == (None, None)
    assert int((new.design.encode(x) != 0).sum(dim=1).max()) <= 2


def test_what_this_program_saves_is_read_and_not_taken_for_centred(tmp_path: Path):
    design = designs.get("sasa/paper", width=6, groups=4, rank=2, active=1)
    designs.save(design, tmp_path / "own", {"model_name": "smollm2", "hook_name": "blocks.2.hook_mlp_out"})
    released = load_released(tmp_path / "own")
    assert (released.model, str(released.site), released.centred) == ("smollm2", "2.mlp_out", False)
    assert not released.design.training


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"drop": "k_groups"}, "cfg.json: field k_groups is missing"),
        ({"drop": "W_dec"}, "tensor W_dec is missing"),
        ({"n_groups": 5}, r"tensor W_enc has shape \(10, 18\), cfg.json asks for \(10, 15\)"),
        ({"k_groups": 7}, "cfg.json: active must be at most"),
        ({"group_rank": "three"}, "field group_rank must be a real number"),
        ({"normalize_activations": "batch"}, "field normalize_activations must be one of"),
        ({"apply_b_dec_to_input": False}, "apply_b_dec_to_input is false"),
        ({"architecture": "topk_sassa"}, "field architecture must be one of"),
    ],
)
def test_damage_is_named(tmp_path: Path, changes, message):
    with pytest.raises(ValueError, match=message):
        load_released(sasa(tmp_path / "c", **changes)[0])


def test_missing_files_and_pointers(tmp_path: Path):
    with pytest.raises(FileNotFoundError, match=r"cfg.json is missing"):
        load_released(tmp_path)
    folder, _ = sasa(tmp_path / "c")
    (folder / "sae_weights.safetensors").write_text("version https://git-lfs.github.com/spec/v1\n")
    with pytest.raises(ValueError, match="git lfs pull"):
        load_released(folder)
