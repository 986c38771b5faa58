"""One sentence for whatever cannot be done, and nothing left behind."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from .spoken import SHORT, SIZES, common, real


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--design", "sasa/papr"], "did you mean 'sasa/paper'"),
        (["--site", "9.resid_post"], "the nearest is 2.resid_post"),
        (["--site", "seven"], "a site is spelt BLOCK.STREAM"),
        (["--site", "1.resid_pst"], "did you mean 'resid_post'"),
        (["--model", "/nowhere"], "/nowhere holds no config.json"),
        (["--model", "smollm2"], "sasa-theory real fetch smollm2"),
        (["--corpus", "/nowhere/*.txt"], "no file matches"),
        (["--corpus", "sotu"], "sasa-theory real fetch sotu"),
        (["--set", "grups=3"], "did you mean 'groups'"),
        (["--set", "groups"], "--set must be NAME=VALUE"),
        (["--set", "active=11"], "active must be at most"),
        (["--recipe", "warmup=1000"], "warmup of 1000 steps does not fit"),
        (["--harvest", "skip=16"], "skip"),
        (["--harvest", "length=100"], "length"),
        (["--preset", "gpt2/sasa-papr"], "did you mean 'gpt2/sasa-paper'"),
        (["--dtype", "float8"], "dtype must be one of"),
    ],
)
def test_one_sentence_for_what_cannot_be_done(model, text, tmp_path: Path, monkeypatch, words, message):
    monkeypatch.setenv("SASA_THEORY_CACHE", str(tmp_path / "cache"))
    asked = ["train", *common(model, text), "--design", "sasa/paper", *SIZES, *SHORT, "--out", tmp_path / "run", *words]
    status, said = real(*asked)
    assert status == 2, said
    assert message in said
    assert not list(tmp_path.rglob("experiment.json"))


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ("You are trying to access a gated repo. 401 Client Error", "is gated: accept its terms"),
        ("We couldn't connect to 'https://huggingface.co' to load the files", "the hub cannot be reached"),
        (
            "nobody/nothing is not a local folder and is not a valid model identifier",
            "there is no model nobody/nothing",
        ),
    ],
)
def test_models_that_cannot_be_had(text, tmp_path: Path, monkeypatch, told, message):
    def fails(*args, **kwargs):
        raise OSError(told)

    monkeypatch.setattr("transformers.AutoConfig.from_pretrained", fails)
    asked = ["train", *common(Path("nobody/nothing"), text), "--design", "sasa/paper", *SIZES, *SHORT]
    status, said = real(*asked, "--out", tmp_path / "run")
    assert (status, message in said) == (2, True), said
    assert not (tmp_path / "run").exists()


def without_tokenizer(folder: Path) -> None:
    for path in folder.glob("tokenizer*"):
        path.unlink()


def without_some_weights(folder: Path) -> None:
    tensors = load_file(folder / "model.safetensors")
    del tensors["transformer.h.0.attn.c_attn.weight"]
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


def of_other_sizes(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "n_embd": 32}))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (without_tokenizer, "has no tokenizer; save it beside the model"),
        (without_some_weights, "it has no weights for transformer.h.0.attn.c_attn.weight"),
        (of_other_sizes, "its weights are of other sizes than its config says"),
        (lambda folder: (folder / "model.safetensors").unlink(), "no weights as safetensors"),
        (lambda folder: (folder / "model.safetensors").write_bytes(b"version https://git-lfs"), "are damaged"),
        (lambda folder: (folder / "config.json").write_text("{"), "is not a valid JSON file"),
        (lambda folder: (folder / "tokenizer.json").write_text("{"), "cannot be loaded: Expecting"),
    ],
)
def test_spoilt_models(model, text, tmp_path: Path, spoil, message):
    shutil.copytree(model, tmp_path / "model")
    spoil(tmp_path / "model")
    asked = ["train", *common(tmp_path / "model", text), "--design", "sasa/paper", *SIZES, *SHORT]
    status, said = real(*asked, "--out", tmp_path / "run")
    assert (status, message in said) == (2, True), said
    assert not (tmp_path / "run").exists()


def test_where_the_hub_has_no_address_only_this_machine_is_asked(text, tmp_path: Path, monkeypatch):
    def nowhere(*args, **kwargs):
        raise OSError("Name or service not known")

    monkeypatch.setattr("real_models.language_model.getproxies", dict)
    monkeypatch.setattr("socket.getaddrinfo", nowhere)
    monkeypatch.setattr("time.sleep", lambda seconds: pytest.fail("it waits for the hub"))
    asked = ["train", *common(Path("nobody/nothing"), text), "--design", "sasa/paper", *SIZES, *SHORT]
    status, said = real(*asked, "--out", tmp_path / "run")
    assert (status, "the hub cannot be reached; give the path of a folder" in said) == (2, True), said


def test_a_tokenizer_of_another_model_is_refused(model, text, tmp_path: Path, monkeypatch):
    monkeypatch.setattr("transformers.PreTrainedTokenizerFast.__len__", lambda self: 61)
    status, said = real(
        "train", *common(model, text), "--design", "sasa/paper", *SIZES, *SHORT, "--out", tmp_path / "r"
    )
    assert (status, "they do not belong together" in said) == (2, True), said


def test_too_little_memory(model, text, tmp_path: Path, monkeypatch):
    asked = ["train", *common(model, text), "--design", "sasa/paper", *SIZES, *SHORT, "--out", tmp_path / "run"]
    for place, message in (("language_model", "free; try dtype"), ("resources", "GiB beside the model")):
        with monkeypatch.context() as patch:
            patch.setattr(f"real_models.{place}.free_memory", lambda device: 1000)
            status, said = real(*asked)
        assert (status, message in said) == (2, True), said
    assert not (tmp_path / "run").exists()


def test_what_must_be_given(tmp_path: Path):
    for words, message in (([], "give --model"), (["--preset", "smollm2/sasa", "--design", "topk"], "atoms")):
        status, said = real("train", "--out", tmp_path / "run", "--corpus", tmp_path, *words)
        assert status == 2, (message, said)
