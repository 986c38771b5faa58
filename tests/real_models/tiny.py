"""Tiny random models: for plumbing, never for findings."""

from __future__ import annotations

import torch
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM, MistralConfig, MistralForCausalLM

from real_models.language_model import LanguageModel

VOCABULARY, WIDTH, LAYERS = 60, 16, 3


def gpt2() -> GPT2LMHeadModel:
    config = GPT2Config(
        n_layer=LAYERS, n_embd=WIDTH, n_head=2, vocab_size=VOCABULARY, n_positions=64, bos_token_id=0, eos_token_id=0
    )
    return GPT2LMHeadModel(config)


def _llama_like(config):
    return config(
        num_hidden_layers=LAYERS,
        hidden_size=WIDTH,
        intermediate_size=24,
        num_attention_heads=2,
        num_key_value_heads=1,
        vocab_size=VOCABULARY,
        max_position_embeddings=64,
    )


def mistral() -> MistralForCausalLM:
    return MistralForCausalLM(_llama_like(MistralConfig))


def llama() -> LlamaForCausalLM:
    return LlamaForCausalLM(_llama_like(LlamaConfig))


MODELS = {"gpt2": gpt2, "mistral": mistral, "llama": llama}


class Letters:
    """A tokenizer of single characters, with BOS 0 and EOS 1."""

    bos_token_id, eos_token_id = 0, 1

    def __call__(self, text: str, add_special_tokens: bool, verbose: bool) -> dict[str, list[int]]:
        return {"input_ids": [2 + ord(letter) % (VOCABULARY - 2) for letter in text]}

    def __len__(self) -> int:
        return VOCABULARY


def language(kind: str = "gpt2", *, seed: int = 0, text: bool = True) -> LanguageModel:
    with torch.random.fork_rng():
        torch.manual_seed(seed)  # transformers draws its weights from the default generator
        model = MODELS[kind]()
    return LanguageModel(model.eval().requires_grad_(False), Letters() if text else None, f"tiny {kind}")
