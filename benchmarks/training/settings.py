"""What is measured: sizes, modes, contenders, and how many times faster and smaller ours are meant to be.

Nothing here imports torch: the process that starts the others stays small and does nothing in between.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import product
from typing import Literal

Mode = Literal["default", "tuned"]
MODES: tuple[Mode, ...] = ("default", "tuned")
"""As users get it, and with process settings and matrix products that suit the machine; see README.md."""

RANK = 6
"""Columns of a group."""
MEMBERS = 8
"""Designs in the ensemble."""
DEAD_AFTER = 10**9
"""Rows, or steps, without firing after which a latent is dead: never within a turn, so that nobody revives any."""
SPARSIFY = "sparsify, TopK"


@dataclass(frozen=True, kw_only=True)
class Setting:
    """Sizes of a measurement.

    Attributes
    ----------
    active : int
        Active columns a row.
    threads : int or None
        None leaves them to torch.
    turn : float
        Seconds that a contender's steps are timed for in each round, warm-up not counted.
    """

    width: int
    columns: int
    active: int
    batch: int
    threads: int | None
    turn: float


SETTINGS = {
    "large": Setting(width=768, columns=12_288, active=60, batch=4096, threads=None, turn=15.0),
    "small": Setting(width=64, columns=256, active=6, batch=1024, threads=1, turn=3.0),
    "inference": Setting(width=768, columns=12_288, active=60, batch=4096, threads=None, turn=10.0),
}


@dataclass(frozen=True, kw_only=True)
class Contender:
    """Something that trains, or encodes and decodes.

    Attributes
    ----------
    run : str
        Module of this package, a dot, and the function that takes steps until the turn is over.
    settings : tuple of str
        Where it takes part.
    imports : tuple of str
        Imported before memory is measured.
    distribution : str
        Installed package that it needs.
    models : int
        Models trained in a step; times are per model.
    """

    run: str
    settings: tuple[str, ...]
    imports: tuple[str, ...]
    distribution: str
    models: int = 1


_OURS = ("sasa_theory.training", "sasa_theory.designs.atoms.topk", "sasa_theory.designs.groups.sasa")
_SAELENS = ("sae_lens", "sae_lens.training.sae_trainer")


def _ours(run: str, *settings: str, models: int = 1) -> Contender:
    return Contender(run=f"ours.{run}", settings=settings, imports=_OURS, distribution="sasa-theory", models=models)


def _peer(run: str, distribution: str, *imports: str) -> Contender:
    return Contender(run=f"peers.{run}", settings=("large", "small"), imports=imports, distribution=distribution)


CONTENDERS: Mapping[str, Contender] = {
    "topk": _ours("topk", "large", "small"),
    "topk, screened": _ours("screened", "large"),
    f"topk, {MEMBERS} at once": _ours("ensemble", "small", models=MEMBERS),
    "topk, encode + decode": _ours("reconstruct", "inference"),
    "topk, screened, encode + decode": _ours("reconstruct_screened", "inference"),
    "sasa/release": _ours("sasa", "large"),
    "SAELens, TopK": _peer("sae_lens_dense", "sae-lens", *_SAELENS),
    "SAELens, TopK, sparse": _peer("sae_lens_sparse", "sae-lens", *_SAELENS),
    "dictionary_learning, TopK": _peer(
        "dictionary_learning", "dictionary-learning", "dictionary_learning.trainers.top_k"
    ),
    "overcomplete, TopK": _peer("overcomplete", "overcomplete", "overcomplete.sae.train"),
    SPARSIFY: _peer("sparsify", "eai-sparsify", "sparsify"),
    "sparsify, encode + decode": Contender(
        run="peers.sparsify_reconstruct", settings=("inference",), imports=("sparsify",), distribution="eai-sparsify"
    ),
    "SASA, authors' recipe": Contender(
        run="authors_recipe.train", settings=("large",), imports=(), distribution="torch"
    ),
}

PEERS = tuple(name for name, contender in CONTENDERS.items() if contender.settings == ("large", "small"))[1:]
"""Those that train a TopK."""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """One of ours against the fastest of some others.

    Attributes
    ----------
    goals : Mapping of str to float
        By mode, how many times faster ours is meant to be.
    smaller : bool
        Whether ours is meant to need less memory as well.
    """

    setting: str
    ours: str
    others: tuple[str, ...]
    goals: Mapping[Mode, float] = field(default_factory=dict)
    smaller: bool = False

    @property
    def other(self) -> str:
        """What to call the others."""
        return self.others[0] if len(self.others) == 1 else "fastest peer"


_TOPK_GOALS: Mapping[str, Mapping[Mode, float]] = {SPARSIFY: {"default": 3, "tuned": 1.2}}

COMPARISONS = (
    *(
        Comparison(setting="large", ours="topk", others=(peer,), goals=_TOPK_GOALS.get(peer, {}), smaller=True)
        for peer in PEERS
    ),
    Comparison(setting="large", ours="topk, screened", others=(SPARSIFY,), goals={"tuned": 1.8}, smaller=True),
    Comparison(
        setting="large",
        ours="sasa/release",
        others=("SASA, authors' recipe",),
        goals={"default": 8, "tuned": 3.3},
        smaller=True,
    ),
    Comparison(setting="small", ours="topk", others=PEERS, goals=dict.fromkeys(MODES, 2.0)),
    Comparison(setting="small", ours=f"topk, {MEMBERS} at once", others=PEERS, goals=dict.fromkeys(MODES, 4.0)),
    *(
        Comparison(
            setting="inference", ours=ours, others=("sparsify, encode + decode",), goals=dict.fromkeys(MODES, 1.5)
        )
        for ours in ("topk, encode + decode", "topk, screened, encode + decode")
    ),
)


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A contender in a setting and a mode: what has a turn of its own in each round."""

    setting: str
    mode: Mode
    contender: str

    def __str__(self) -> str:
        return f"{self.setting}/{self.mode}/{self.contender}"


ENTRIES = tuple(
    Entry(setting=setting, mode=mode, contender=name)
    for setting, mode, name in product(SETTINGS, MODES, CONTENDERS)
    if setting in CONTENDERS[name].settings
)
