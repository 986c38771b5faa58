"""One-layer transformers, GPT-2 or Mistral, that learn addition on clocks in under a minute; cached once trained."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import torch
from rich.console import Console
from rich.progress import track
from safetensors import SafetensorError
from safetensors.torch import load_model, save_model
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from real_models.cache_folder import cache_folder
from real_models.language_model import LanguageModel
from sasa_theory.bounds.validate import choice, count

from .task import Clocks

Architecture = Literal["gpt2", "mistral"]
SHARPNESS = 4.0
"""Factor of the logits: hours next to one another are read out by unit vectors whose cosine is near 1."""

_HEADS = 4
_LR, _BETAS, _DECAY, _WARMUP, _FALL = 2e-3, (0.9, 0.98), 0.3, 20, 0.3


@dataclass(frozen=True, kw_only=True)
class Lesson:
    """How a clock transformer is trained.

    Attributes
    ----------
    clocks : Clocks
        What it learns.
    architecture : str
        ``gpt2`` or ``mistral``.
    learned : bool
        Whether embeddings are trained too. Then a clock may use several frequencies, and its dimension is to be
        measured; otherwise they stay on the circles, and each clock is a feature of dimension 2.
    steps : int
        Full-batch steps of AdamW.
    seed : int
        Of the weights.
    """

    clocks: Clocks = field(default_factory=Clocks)
    architecture: Architecture = "gpt2"
    learned: bool = False
    steps: int = 1000
    seed: int = 0

    def __post_init__(self) -> None:
        choice("architecture", self.architecture, ("gpt2", "mistral"))
        count("steps", self.steps)


@dataclass(frozen=True, eq=False)
class Taught:
    """A trained clock transformer.

    Attributes
    ----------
    language : LanguageModel
        The model; it has no tokenizer.
    lesson : Lesson
        What it was trained on.
    accuracy : float
        Share of right answers to pairs that it has not seen.
    """

    language: LanguageModel
    lesson: Lesson
    accuracy: float


def teach(lesson: Lesson, *, folder: Path | None = None, progress: bool = True) -> Taught:
    """Train a clock transformer, or load it if it has been trained before.

    AdamW on all training pairs at once, learning rate 2e-3 with 20 steps of warm-up and a linear fall over the last
    30 %, weight decay 0.3. The read-out is tied to the embedding.

    Parameters
    ----------
    lesson : Lesson
        Architecture, task, steps.
    folder : Path, optional
        Where trained models are kept; :func:`real_models.cache_folder.cache_folder` if omitted.
    progress : bool
        Whether to draw a progress bar on a terminal.

    Raises
    ------
    ValueError
        If what is kept there is damaged; removing the named folder trains it anew.
    """
    kept = (folder or cache_folder()) / "clocks" / _digest(lesson)
    model = _blank(lesson)
    if not kept.exists():
        _train(model, lesson, progress)
        with TemporaryDirectory(dir=_made(kept.parent)) as whole:
            save_model(model, str(Path(whole) / "model.safetensors"))
            os.rename(whole, kept)  # there is no moment at which half of it is there
            Path(whole).mkdir()
    try:
        load_model(model, kept / "model.safetensors")
    except (OSError, RuntimeError, SafetensorError) as error:
        raise ValueError(f"{kept} holds no clock transformer ({error}); remove it, and it is trained anew") from None
    model.eval().requires_grad_(False)
    held_out = ~lesson.clocks.seen
    right = answer(model, lesson.clocks.tokens[held_out]).argmax(dim=1) == lesson.clocks.answers[held_out]
    language = LanguageModel(model, None, f"clocks ({lesson.architecture})")
    return Taught(language, lesson, float(right.double().mean()))


def answer(model: nn.Module, tokens: Tensor) -> Tensor:
    """Logits of all hours at the last position, shape (inputs, vocabulary)."""
    logits: Tensor = model(input_ids=tokens, use_cache=False).logits[:, -1]
    return SHARPNESS * logits


def _train(model: nn.Module, lesson: Lesson, progress: bool) -> None:
    tokens, answers = (each[lesson.clocks.seen] for each in (lesson.clocks.tokens, lesson.clocks.answers))
    weights = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimiser = torch.optim.AdamW(weights, lr=_LR, betas=_BETAS, weight_decay=_DECAY)
    console = Console(stderr=True)
    shown = progress and console.is_terminal
    for step in track(range(lesson.steps), "clock transformer", console=console, transient=True, disable=not shown):
        left = (lesson.steps - step) / (_FALL * lesson.steps)
        for group in optimiser.param_groups:
            group["lr"] = _LR * min(1.0, (step + 1) / _WARMUP, left)
        loss = cross_entropy(answer(model, tokens), answers)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()


def _blank(lesson: Lesson) -> nn.Module:
    """Freshly initialised, its embedding on the circles."""
    from transformers import GPT2Config, GPT2LMHeadModel, MistralConfig, MistralForCausalLM

    clocks = lesson.clocks
    shared: dict[str, Any] = {
        "vocab_size": clocks.vocabulary,
        "bos_token_id": None,
        "eos_token_id": None,
        "tie_word_embeddings": True,
    }
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(lesson.seed)  # transformers draws its weights from the default generator
        model: Any
        if lesson.architecture == "gpt2":
            drops: dict[str, Any] = {"resid_pdrop": 0.0, "embd_pdrop": 0.0, "attn_pdrop": 0.0}
            sizes: dict[str, Any] = {"n_layer": 1, "n_embd": clocks.width, "n_head": _HEADS, "n_positions": 3}
            model = GPT2LMHeadModel(GPT2Config(**sizes, **drops, **shared))
        else:
            sizes = {"num_hidden_layers": 1, "hidden_size": clocks.width, "intermediate_size": 4 * clocks.width}
            heads: dict[str, Any] = {
                "num_attention_heads": _HEADS,
                "num_key_value_heads": _HEADS,
                "sliding_window": None,
            }
            model = MistralForCausalLM(MistralConfig(**sizes, **heads, max_position_embeddings=3, **shared))
    embedding = model.get_input_embeddings().weight
    with torch.no_grad():
        embedding.copy_(clocks.embedding)
    embedding.requires_grad_(lesson.learned)
    trained: nn.Module = model
    return trained


def _digest(lesson: Lesson) -> str:
    """Name of the folder of a trained model: what determines its weights, short."""
    return f"{lesson.architecture}-{sha256(json.dumps(asdict(lesson), sort_keys=True).encode()).hexdigest()[:12]}"


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder
