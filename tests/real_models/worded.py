"""A transformer without attention that says which label comes next, because labels lie on a circle: built, not trained.

Weekdays lie on a circle in one plane and months in another; the read-out of a label is the embedding of the one before.
"""

from __future__ import annotations

import re
from math import pi

import torch
from transformers import GPT2Config, GPT2LMHeadModel

from real_models.concepts.lexicon import CONCEPTS, FILLERS
from real_models.language_model import LanguageModel
from sasa_theory.designs.contract import Design

WIDTH = 16
_SHARP = 8.0


class Words:
    """A tokenizer of whole words, with BOS 0; years are no words of it."""

    bos_token_id, eos_token_id = 0, None

    def __init__(self) -> None:
        texts = [text for each in CONCEPTS.values() for text in (*each.sentences, *each.lists)]
        labels = [label for each in CONCEPTS.values() for label in each.labels if not label.isdigit()]
        every = re.findall(r"\w+|[.:]", " ".join([*labels, *FILLERS, *texts, "."]))
        self.known = {word: token for token, word in enumerate(dict.fromkeys(every), 1)}

    def __call__(self, text: str, add_special_tokens: bool, verbose: bool) -> dict[str, list[int]]:
        found: list[int] = []
        for word in re.findall(r"\w+|[.:]", text):
            found += [self.known[word]] if word in self.known else [self.known["."]] * len(word)
        return {"input_ids": found}

    def __len__(self) -> int:
        return len(self.known) + 1


def axes() -> torch.Tensor:
    """Orthonormal rows without a mean, so that the final layer norm only scales them, shape (15, WIDTH)."""
    normal = torch.randn(WIDTH, WIDTH, generator=torch.Generator().manual_seed(3))
    normal[:, 0] = 1.0
    return torch.linalg.qr(normal).Q.mT[1:]


def circle_of(number: int, plane: torch.Tensor) -> torch.Tensor:
    angle = 2 * pi * torch.arange(number) / number
    return torch.stack([angle.cos(), angle.sin()], dim=1) @ plane


def language() -> LanguageModel:
    tokenizer, directions = Words(), axes()
    config = GPT2Config(
        n_layer=1,
        n_embd=WIDTH,
        n_head=2,
        vocab_size=len(tokenizer),
        n_positions=64,
        bos_token_id=0,
        eos_token_id=0,
        tie_word_embeddings=False,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = GPT2LMHeadModel(config)
    block = model.transformer.h[0]
    with torch.no_grad():
        for part in (block.attn.c_proj, block.mlp.c_proj):
            part.weight.zero_()
            part.bias.zero_()
        model.transformer.wpe.weight.zero_()
        # other words live in what is left
        others = torch.randn(len(tokenizer), 11, generator=torch.Generator().manual_seed(0))
        model.transformer.wte.weight.copy_(others @ directions[4:] / 11**0.5)
        model.lm_head.weight.zero_()
        for name, plane in (("weekdays", directions[:2]), ("months", directions[2:4])):
            labels = CONCEPTS[name].labels
            tokens = [tokenizer.known[label] for label in labels]
            points = circle_of(len(labels), plane)
            model.transformer.wte.weight[tokens] = points
            model.lm_head.weight[tokens] = _SHARP * points.roll(1, dims=0)
    return LanguageModel(model.eval().requires_grad_(False), tokenizer, "worded")


class Planes(Design):
    """Units of orthonormal decoder rows that fire where an activation's part in their span is longer than a half.

    ``turn`` turns the columns of each unit of two among one another: the same function in another basis.
    """

    def __init__(self, rows: torch.Tensor, sizes: tuple[int, ...], turn: float = 0.0) -> None:
        super().__init__(rows.shape[1], len(rows))
        self.unit = torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(sizes))
        rows = rows.clone()
        c, s = torch.tensor(turn).cos(), torch.tensor(turn).sin()
        rotation = torch.stack([torch.stack([c, -s]), torch.stack([s, c])])
        for unit, size in enumerate(sizes):
            if size == 2:
                rows[self.unit == unit] = rotation @ rows[self.unit == unit]
        self.register_buffer("rows", rows)

    def units(self) -> torch.Tensor:
        return self.unit

    def encode(self, x: torch.Tensor) -> torch.Tensor:
        codes = x @ self.rows.mT
        return codes * (self.presence(codes) > 0.5)[:, self.unit]

    def decode(self, codes: torch.Tensor) -> torch.Tensor:
        return codes @ self.rows


def planes(turn: float = 0.0) -> Planes:
    """Unit 0 holds months, unit 1 weekdays, the others are single directions of other words."""
    directions = axes()
    return Planes(torch.cat([directions[2:4], directions[:2], directions[4:]]), (2, 2) + (1,) * 11, turn)


def atoms() -> Planes:
    """Every direction a unit of its own."""
    return Planes(axes(), (1,) * 15)
