"""A source whose activations are looked up by token: everything but a transformer, so that tests are fast."""

from __future__ import annotations

from types import SimpleNamespace

import torch
from torch import nn

from real_models.activations import Activations, Harvest
from real_models.corpora import InMemory
from real_models.language_model import LanguageModel
from real_models.sites import Site

VOCABULARY, WIDTH = 500, 6


class Table(nn.Module):
    """One block that passes on what was looked up."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        sizes = SimpleNamespace(
            num_hidden_layers=1, hidden_size=WIDTH, vocab_size=VOCABULARY, max_position_embeddings=64
        )
        self.config = SimpleNamespace(get_text_config=lambda: sizes)
        table = torch.randn(VOCABULARY, WIDTH, generator=torch.Generator().manual_seed(seed))
        self.table = nn.Embedding.from_pretrained(table)
        self.layers = nn.ModuleList([nn.ModuleDict({"mlp": nn.Identity()})])
        self.layers[0].forward = lambda x: x + 0.01 * x.cumsum(1)

    def forward(self, input_ids, use_cache):
        return self.layers[0](self.table(input_ids))


def source(seed: int = 0, documents: int = 9, **harvest) -> Activations:
    generator = torch.Generator().manual_seed(5)
    texts = [torch.randint(VOCABULARY, (7 + 5 * k,), generator=generator).tolist() for k in range(documents)]
    settings = {"length": 8, "sequences": 3, "buffer": 5} | harvest
    return Activations(LanguageModel(Table(seed).eval(), None, "table"), Site(0), InMemory(texts), Harvest(**settings))
