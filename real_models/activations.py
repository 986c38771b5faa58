"""Activations of a language model as a source for training: harvested while training goes on, shuffled, resumable."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple, Self

import torch
from torch import Tensor

from sasa_theory.bounds.validate import count
from sasa_theory.streams import checked_shard, drawn_seed, resumed_seed

from .corpora import Corpus, Place, Sequences, as_place
from .language_model import LanguageModel
from .sites import Site, read


@dataclass(frozen=True, kw_only=True)
class Harvest:
    """How activations are gathered.

    Attributes
    ----------
    length : int
        Tokens in a sequence.
    sequences : int
        Sequences in one forward pass.
    buffer : int
        Sequences whose activations are held and shuffled together.
    skip : int
        Positions left out at the start of each sequence: BOS and the attention sink, whose norms are a hundred times
        those of other tokens.
    drop : tuple of int
        Tokens whose positions are left out as well.

    Raises
    ------
    ValueError
        If a number is out of range, or nothing would be left of a sequence.
    """

    length: int = 128
    sequences: int = 32
    buffer: int = 512
    skip: int = 1
    drop: tuple[int, ...] = field(default=())

    def __post_init__(self) -> None:
        count("length", self.length, 2)
        count("sequences", self.sequences)
        count("buffer", self.buffer)
        count("skip", self.skip, 0, self.length - 1)


class Activations:
    """A source of activations of a model at a site.

    Rows come in chunks: ``harvest.buffer`` sequences are run through the model, their rows shuffled by a generator
    seeded from the stream's seed and the chunk's number. While a chunk is served, the next one is harvested.

    Parameters
    ----------
    language : LanguageModel
        The model.
    site : Site
        Where its activations are read.
    corpus : Corpus
        What it reads.
    harvest : Harvest, optional
        How.

    Raises
    ------
    ValueError
        If the model has no such site, or sequences are longer than it can read.
    """

    def __init__(self, language: LanguageModel, site: Site, corpus: Corpus, harvest: Harvest | None = None) -> None:
        self.language, self.site, self.corpus = language, site, corpus
        self.harvest = harvest or Harvest()
        self._width = language.width(site)
        count("length", self.harvest.length, 2, language.context)

    @property
    def width(self) -> int:
        """Dimension of the activations."""
        return self._width

    @property
    def identity(self) -> dict[str, Any]:
        """What determines the rows but for seed and shard, as plain values."""
        return {
            "model": self.language.fingerprint,
            "site": str(self.site),
            "corpus": self.corpus.fingerprint,
            "harvest": {**asdict(self.harvest), "drop": list(self.harvest.drop)},
        }

    def batches(self, batch_size: int, generator: torch.Generator, shard: Sequence[int] = (0, 1)) -> ActivationStream:
        """Endless batches of shape (batch_size, width), float32, on the model's device; see :class:`Source`.

        Raises
        ------
        ValueError
            If ``batch_size`` is no whole number >= 1, or ``shard`` no pair (rank, number of shards).
        """
        return ActivationStream(self, int(count("batch_size", batch_size)), drawn_seed(generator), shard)

    def rows(self, sequences: Sequences, number: int) -> Tensor:
        """Rows of the next ``number`` sequences in their order, shape (rows, width)."""
        found = []
        for start in range(0, number, self.harvest.sequences):
            some = [next(sequences) for _ in range(min(self.harvest.sequences, number - start))]
            tokens = torch.stack(some).to(self.language.device)
            x = read(self.language.model, self.site, input_ids=tokens)
            found.append(x[self.used(tokens)].float())
        return torch.cat(found)

    def used(self, tokens: Tensor) -> Tensor:
        """Which positions of sequences count, shape of ``tokens``."""
        used = torch.ones_like(tokens, dtype=torch.bool)
        used[:, : self.harvest.skip] = False
        if self.harvest.drop:
            used &= ~torch.isin(tokens, torch.tensor(self.harvest.drop, device=tokens.device))
        return used


class Chunk(NamedTuple):
    """Rows that are shuffled together, and where the stream of sequences stood before and after them."""

    number: int
    before: Place
    after: Place
    rows: Tensor


class ActivationStream:
    """Rows of one chunk after the other; a batch may reach from one into the next."""

    def __init__(self, source: Activations, batch_size: int, seed: int, shard: Sequence[int]) -> None:
        self._source, self._batch_size, self._seed = source, batch_size, seed
        self._shard = checked_shard(shard)
        self._worker = ThreadPoolExecutor(1, "harvest")
        self._chunk: Chunk | None = None
        self._row, self._place = 0, (0, Place())
        self._coming: Future[Chunk] | None = None  # nothing is harvested before a batch is asked for

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Tensor:
        """The next batch, shape (batch_size, width)."""
        taken, wanted = [], self._batch_size
        while wanted:
            if self._chunk is None:
                self._chunk = (self._coming or self._harvest(*self._place)).result()
                self._coming = self._harvest(self._chunk.number + 1, self._chunk.after)
            rows = self._chunk.rows[self._row : self._row + wanted]
            taken.append(rows)
            wanted -= len(rows)
            self._row += len(rows)
            if self._row == len(self._chunk.rows):
                self._place = (self._chunk.number + 1, self._chunk.after)
                self._chunk, self._row = None, 0
            else:
                self._place = (self._chunk.number, self._chunk.before)
        return torch.cat(taken)

    def state_dict(self) -> dict[str, Any]:
        """Where the stream stands, as plain values: the chunk is harvested anew when it is loaded."""
        number, place = self._place
        return {
            **self._source.identity,
            "seed": self._seed,
            "shard": list(self._shard),
            "chunk": number,
            **asdict(place),
            "row": self._row,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue where a stream of the same model, site, corpus and shard stood.

        Raises
        ------
        ValueError
            If a field is missing or unknown, or says that the stream was another.
        """
        self._seed = resumed_seed(self.state_dict(), state, (*self._source.identity, "shard"))
        self._chunk, self._row = None, int(count("row", state["row"], 0))
        self._place = (int(count("chunk", state["chunk"], 0)), as_place(state))
        self._coming = None

    def _harvest(self, number: int, place: Place) -> Future[Chunk]:
        return self._worker.submit(self._gathered, number, place)

    def _gathered(self, number: int, place: Place) -> Chunk:
        sequences = Sequences(
            self._source.language, self._source.corpus, self._source.harvest.length, self._shard, place
        )
        rows = self._source.rows(sequences, self._source.harvest.buffer)
        generator = torch.Generator().manual_seed((self._seed * 0x9E3779B1 + number) % 2**63)
        order = torch.randperm(len(rows), generator=generator)
        return Chunk(number, place, sequences.place, rows[order.to(rows.device)])


def in_order(source: Activations, place: Place | None = None) -> Iterator[Tensor]:
    """Rows in the order of the text, a buffer at a time: for evaluation."""
    sequences = Sequences(source.language, source.corpus, source.harvest.length, (0, 1), place)
    while True:
        yield source.rows(sequences, source.harvest.sequences)
