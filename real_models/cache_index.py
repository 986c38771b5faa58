"""What lies in a folder of cached activations: shards of rows, and an index that says whose they are."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal, NamedTuple, Self

import torch
from safetensors import SafetensorError, safe_open

from sasa_theory.whole_files import atomically

FORMAT, VERSION = "sasa-theory activations", 1
INDEX, TENSOR = "index.json", "rows"
WRITING = ".writing-"
"""How names of files begin that are not whole yet."""

Kept = Literal["bfloat16", "float16", "float32"]
DTYPES: dict[str, torch.dtype] = {"bfloat16": torch.bfloat16, "float16": torch.float16, "float32": torch.float32}
"""Names of the dtypes in which rows are kept."""

_NAMES = {"BF16": "bfloat16", "F16": "float16", "F32": "float32"}  # as safetensors spells them
_CHUNK = 1 << 22


class Start(NamedTuple):
    """Where in the stream of text a shard begins: a place of the corpus, and rows of that chunk in earlier shards."""

    epoch: int = 0
    document: int = 0
    offset: int = 0
    row: int = 0


class Shard(NamedTuple):
    """A file of consecutive rows.

    Attributes
    ----------
    rows : int
        How many.
    size : int
        Of the file, in bytes.
    checksum : str
        SHA-256 of the file.
    start : Start
        Where its first row comes from, so that it can be written again alone.
    """

    rows: int
    size: int
    checksum: str
    start: Start


@dataclass(frozen=True, kw_only=True)
class Index:
    """What a cache holds.

    Attributes
    ----------
    source : dict
        Model, site, corpus and harvest, as :attr:`real_models.activations.Activations.identity` gives them.
    width : int
        Dimension of the activations.
    dtype : str
        See :data:`DTYPES`.
    rows, shard_rows : int
        Rows that the whole cache has, and rows in each shard but the last.
    shards : tuple of Shard
        Those written so far.
    next : Start
        Where the first one not written yet begins.
    """

    source: dict[str, Any]
    width: int
    dtype: str
    rows: int
    shard_rows: int
    shards: tuple[Shard, ...] = ()
    next: Start = field(default=Start())

    @property
    def number(self) -> int:
        """Shards of the whole cache."""
        return -(-self.rows // self.shard_rows)

    @property
    def whole(self) -> bool:
        """Whether all shards were written."""
        return len(self.shards) == self.number

    def rows_of(self, shard: int) -> int:
        """Rows that a shard has, written or not."""
        return min(self.shard_rows, self.rows - shard * self.shard_rows)

    @property
    def fingerprint(self) -> str:
        """Short digest of everything in it, checksums of the shards among them."""
        return sha256(_text(self).encode()).hexdigest()[:16]

    def write(self, folder: Path) -> None:
        """Put it in place of the one in a folder at once."""
        atomically(folder / INDEX, lambda path: path.write_text(_text(self), encoding="utf-8"), WRITING)

    @classmethod
    def read(cls, folder: Path) -> Self:
        """The index of a folder.

        Raises
        ------
        ValueError
            If there is none, or it is damaged, foreign or of a newer version; the message names file, field and remedy.
        """
        path = folder / INDEX
        remedy = "remove the folder and write the cache again"
        try:
            told = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise ValueError(f"{path} does not exist: {folder} holds no cached activations; write them first") from None
        except (OSError, ValueError) as error:
            raise ValueError(f"{path} is damaged ({error}); {remedy}") from None
        if not isinstance(told, dict) or told.get("format") != FORMAT:
            raise ValueError(f"{path}: format is not {FORMAT!r}; give another folder")
        if told.get("version") != VERSION:
            raise ValueError(f"{path}: version is {told.get('version')}, this program reads {VERSION}")
        try:
            shards = tuple(
                Shard(int(rows), int(size), str(checksum), Start(*map(int, start)))
                for rows, size, checksum, start in told["shards"]
            )
            index = cls(
                source=dict(told["source"]),
                width=int(told["width"]),
                dtype=str(told["dtype"]),
                rows=int(told["rows"]),
                shard_rows=int(told["shard_rows"]),
                shards=shards,
                next=Start(*map(int, told["next"])),
            )
        except KeyError as error:
            raise ValueError(f"{path}: field {error.args[0]} is missing; {remedy}") from None
        except (TypeError, ValueError) as error:
            raise ValueError(f"{path}: a field is of the wrong type ({error}); {remedy}") from None
        index._check(path, remedy)
        return index

    def _check(self, path: Path, remedy: str) -> None:
        for name in ("width", "rows", "shard_rows"):
            if getattr(self, name) < 1:
                raise ValueError(f"{path}: {name} is {getattr(self, name)}, expected at least 1; {remedy}")
        if self.dtype not in DTYPES:
            raise ValueError(f"{path}: dtype is {self.dtype!r}, expected one of {', '.join(DTYPES)}; {remedy}")
        if [shard.rows for shard in self.shards] != [self.rows_of(k) for k in range(len(self.shards))]:
            raise ValueError(f"{path}: shards do not hold the rows that rows and shard_rows tell; {remedy}")


def shard_path(folder: Path, number: int) -> Path:
    """File of a shard."""
    return folder / f"rows-{number:06d}.safetensors"


def check_shard(folder: Path, index: Index, number: int) -> None:
    """Check that a shard is there with the size, the dtype and the shape it should have; its numbers are not read.

    Raises
    ------
    ValueError
        If not; the message names file, field and remedy.
    """
    path, shard = shard_path(folder, number), index.shards[number]
    remedy = "write the cache again into this folder: only this shard is made anew"
    if not path.is_file():
        raise ValueError(f"{path} is missing; {remedy}")
    if path.stat().st_size != shard.size:
        raise ValueError(f"{path}: size is {path.stat().st_size} bytes, the index says {shard.size}; {remedy}")
    try:
        with safe_open(path, "pt") as file:
            part = file.get_slice(TENSOR)
            dtype, shape = _NAMES.get(part.get_dtype(), part.get_dtype()), tuple(part.get_shape())
    except (OSError, SafetensorError) as error:
        raise ValueError(f"{path} is damaged ({error}); remove it and {remedy}") from None
    if (dtype, shape) != (index.dtype, (shard.rows, index.width)):
        raise ValueError(
            f"{path}: rows are {dtype} of shape {shape}, the index says {index.dtype} of "
            f"{(shard.rows, index.width)}; remove it and {remedy}"
        )


def verify_shard(folder: Path, index: Index, number: int) -> None:
    """Check a shard as :func:`check_shard` does, and every byte of it.

    Raises
    ------
    ValueError
        If anything differs.
    """
    check_shard(folder, index, number)
    path = shard_path(folder, number)
    if checksum(path) != index.shards[number].checksum:
        raise ValueError(
            f"{path}: checksum is not the index's, its numbers were changed; remove it and write the cache again into "
            "this folder: only this shard is made anew"
        )


def checksum(path: Path) -> str:
    """SHA-256 of a file."""
    digest = sha256()
    with path.open("rb") as file:
        while part := file.read(_CHUNK):
            digest.update(part)
    return digest.hexdigest()


def differing(found: Mapping[str, Any], expected: Mapping[str, Any], inside: str = "") -> str | None:
    """Name, dotted, of the first field in which two nested mappings differ."""
    for name in {**found, **expected}:
        one, other = found.get(name), expected.get(name)
        if isinstance(one, Mapping) and isinstance(other, Mapping):
            deeper = differing(one, other, f"{inside}{name}.")
            if deeper:
                return deeper
        elif one != other:
            return f"{inside}{name} is {one!r} there, {other!r} here"
    return None


def _text(index: Index) -> str:
    return json.dumps({"format": FORMAT, "version": VERSION, **asdict(index)}, indent=1) + "\n"
