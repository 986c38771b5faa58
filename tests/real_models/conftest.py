"""A tiny model and a text in files, as commands find them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def model(tmp_path_factory) -> Path:
    """A folder with a tiny model and a tokenizer of letters, as save_pretrained writes it."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    from . import tiny

    folder = tmp_path_factory.mktemp("model")
    tiny.gpt2().save_pretrained(folder)
    vocabulary = {"<s>": 0, "<unk>": 1} | {chr(97 + k): 2 + k for k in range(26)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="<s>").save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def text(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("text") / "text.jsonl"
    lines = [json.dumps({"text": "".join(chr(97 + (i * k * k + k) % 26) for k in range(60))}) for i in range(80)]
    path.write_text("\n".join(lines))
    return path
