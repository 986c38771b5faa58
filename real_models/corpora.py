"""Text as packed sequences of tokens: from files, a dataset of the hub or memory; deterministic, resumable, sharded."""

from __future__ import annotations

import glob
import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor

from sasa_theory.bounds.validate import count

from .language_model import LanguageModel


class Corpus(ABC):
    """Documents in a fixed order: texts, or rows of token ids for models whose tokens are no text."""

    @property
    @abstractmethod
    def fingerprint(self) -> str:
        """Short digest of what determines the documents."""

    @abstractmethod
    def documents(self, start: int, step: int) -> Iterator[str | Sequence[int]]:
        """Documents ``start``, ``start + step``, ... once, in order."""


class InMemory(Corpus):
    """A list of texts, or of rows of token ids.

    Raises
    ------
    ValueError
        If there is none.
    """

    def __init__(self, texts: Sequence[str | Sequence[int]]) -> None:
        if not len(texts):
            raise ValueError("a corpus must hold at least one document, got none")
        self._texts = texts

    @property
    def fingerprint(self) -> str:
        """Digest of all documents."""
        digest = sha256()
        for text in self._texts:
            digest.update(repr(text).encode())
        return digest.hexdigest()[:16]

    def documents(self, start: int, step: int) -> Iterator[str | Sequence[int]]:
        """See :meth:`Corpus.documents`."""
        return iter(self._texts[start::step])


class Files(Corpus):
    """Text files, a document each, and JSON lines, a document a line.

    Parameters
    ----------
    pattern : str
        A file or a glob; files ending in ``.jsonl`` are JSON lines.
    field : str
        Of a JSON line, that holds the text.

    Raises
    ------
    ValueError
        If no file matches, or (when read) a line holds no such field or a file is no UTF-8.
    """

    def __init__(self, pattern: str, field: str = "text") -> None:
        self.paths = [Path(path) for path in sorted(glob.glob(str(Path(pattern).expanduser()), recursive=True))]
        self.paths = [path for path in self.paths if path.is_file()]
        self.field = field
        if not self.paths:
            raise ValueError(f"no file matches {pattern!r}; give a text file, a .jsonl file or a glob of either")

    @property
    def fingerprint(self) -> str:
        """Digest of names and sizes."""
        told = [(path.name, path.stat().st_size) for path in self.paths]
        return sha256(f"{told} {self.field}".encode()).hexdigest()[:16]

    def documents(self, start: int, step: int) -> Iterator[str]:
        """See :meth:`Corpus.documents`."""
        number = 0
        for path in self.paths:
            for text in self._read(path):
                if number >= start and (number - start) % step == 0:
                    yield text()
                number += 1

    def _read(self, path: Path) -> Iterator[Any]:
        """Functions that give the documents of a file, so that those passed over need not be decoded."""
        if path.suffix != ".jsonl":
            yield lambda: _text(path)
            return
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    yield lambda line=line, number=number: self._field_of(path, number, line)

    def _field_of(self, path: Path, number: int, line: str) -> str:
        try:
            found = json.loads(line)[self.field]
        except (ValueError, KeyError, TypeError):
            found = None
        if not isinstance(found, str):
            raise ValueError(f"{path}, line {number}: no JSON object with a text in the field {self.field!r}")
        return found


class HubDataset(Corpus):
    """A dataset of the Hugging Face hub, streamed.

    Parameters
    ----------
    name : str
        E.g. ``Skylion007/openwebtext``; with a configuration as ``name:configuration``.
    split, field : str
        Which part, and the column that holds the text.

    Raises
    ------
    ValueError
        If the package ``datasets`` is missing, or (when read) the dataset cannot be had or has no such column.
    """

    def __init__(self, name: str, split: str = "train", field: str = "text") -> None:
        self.name, self.split, self.field = name, split, field
        try:
            import datasets
        except ImportError:
            raise ValueError("datasets of the hub need the package datasets (pip install datasets)") from None
        self._load = datasets.load_dataset

    @property
    def fingerprint(self) -> str:
        """Digest of its name."""
        return sha256(f"{self.name} {self.split} {self.field}".encode()).hexdigest()[:16]

    def documents(self, start: int, step: int) -> Iterator[str]:
        """See :meth:`Corpus.documents`."""
        path, _, configuration = self.name.partition(":")
        try:
            rows = self._load(path, configuration or None, split=self.split, streaming=True)
        except Exception as error:  # whatever the hub's client raises
            raise ValueError(f"dataset {self.name} cannot be had: {str(error).splitlines()[0]}") from error
        for number, row in enumerate(rows.skip(start)):
            if number % step == 0:
                if not isinstance(row.get(self.field), str):
                    raise ValueError(f"dataset {self.name} has no text in {self.field!r}; it has {', '.join(row)}")
                yield row[self.field]


@dataclass
class Place:
    """Where a stream of tokens stands.

    Attributes
    ----------
    epoch : int
        Times that all documents have been read.
    document : int
        Of this shard, that is read next or being read.
    offset : int
        Tokens of it that are already in earlier sequences.
    """

    epoch: int = 0
    document: int = 0
    offset: int = 0


class Sequences:
    """Endless sequences of a fixed number of tokens, packed from documents one after the other.

    Each sequence begins with the tokenizer's BOS token, if it has one, and documents end with its EOS token. The stream
    goes round: after the last document comes the first.

    Parameters
    ----------
    language : LanguageModel
        Whose tokenizer is used; rows of token ids need none.
    corpus : Corpus
        The documents.
    length : int
        Tokens in a sequence.
    shard : pair of int
        ``(k, m)`` reads documents k, k + m, k + 2 m, ...
    place : Place, optional
        Where to begin; where the stream stands afterwards is its ``place``.

    Raises
    ------
    ValueError
        If the length is out of range, a token is unknown to the model, or all documents are empty.
    """

    def __init__(
        self,
        language: LanguageModel,
        corpus: Corpus,
        length: int,
        shard: Sequence[int] = (0, 1),
        place: Place | None = None,
    ) -> None:
        self._language, self._corpus = language, corpus
        self._length = int(count("length", length, 2, language.context))
        self._rank, self._shards = shard
        self.place = place or Place()
        tokenizer = language.tokenizer
        self._first = [] if tokenizer is None or tokenizer.bos_token_id is None else [tokenizer.bos_token_id]
        self._last = [] if tokenizer is None or tokenizer.eos_token_id is None else [tokenizer.eos_token_id]
        self._documents = self._from_here()
        self._document: list[int] | None = None
        self._empty = self.place.document == 0

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Tensor:
        """The next sequence, shape (length,)."""
        taken = list(self._first)
        while len(taken) < self._length:
            if self._document is None:
                self._open()
                continue
            here = self.place
            part = self._document[here.offset : here.offset + self._length - len(taken)]
            taken += part
            if here.offset + len(part) < len(self._document):
                self.place = Place(here.epoch, here.document, here.offset + len(part))
            else:
                self.place, self._document = Place(here.epoch, here.document + 1), None
        return torch.tensor(taken)

    def _open(self) -> None:
        """Go on to the next document, or to the first."""
        text = next(self._documents, None)
        if text is not None:
            self._document = self._tokenised(text)
            self._empty = self._empty and not self._document
            return
        if self._empty:
            raise ValueError("all documents of the corpus are empty")
        self.place, self._empty = Place(self.place.epoch + 1), True
        self._documents = self._from_here()

    def _from_here(self) -> Iterator[str | Sequence[int]]:
        return self._corpus.documents(self._rank + self._shards * self.place.document, self._shards)

    def _tokenised(self, document: str | Sequence[int]) -> list[int]:
        if isinstance(document, str):
            if self._language.tokenizer is None:
                raise ValueError(f"{self._language.name} has no tokenizer: give rows of token ids, not text")
            ids = self._language.tokenizer(document, add_special_tokens=False, verbose=False)["input_ids"]
        else:
            ids = list(document)
        if ids and not 0 <= min(ids) <= max(ids) < self._language.vocabulary:
            raise ValueError(
                f"token {max(ids)} is not among the {self._language.vocabulary} that {self._language.name} knows; "
                "use the model's own tokenizer"
            )
        return [*ids, *self._last] if ids else []


def as_place(state: Mapping[str, Any]) -> Place:
    """The place that a checkpoint holds."""
    return Place(**{name: int(count(name, state[name], 0)) for name in ("epoch", "document", "offset")})


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is no UTF-8 text: {error.reason} at byte {error.start}") from None
