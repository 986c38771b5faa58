"""What a model loses by reconstructions, against its blocks spliced by hand."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy, kl_div

from real_models.activations import Activations, Harvest
from real_models.corpora import InMemory, Sequences
from real_models.fidelity import fidelity
from real_models.sites import Site, blocks
from sasa_theory import designs
from sasa_theory.designs.contract import Design
from sasa_theory.designs.layer_norm import LayerNormed
from sasa_theory.metrics.reconstruction import reconstruction

from . import tiny

TEXTS = [chr(97 + k) * (5 + 3 * k) + "xyz" for k in range(12)]
NUMBER, LENGTH = 7, 8


class Scaled(Design):
    """Each column an axis; reconstructions are a multiple of the activations."""

    def __init__(self, factor: float) -> None:
        super().__init__(tiny.WIDTH, tiny.WIDTH)
        self.factor = factor

    def encode(self, x):
        return self.factor * x

    def decode(self, codes):
        return codes.clone()


SITE = Site(1)


def source(kind="gpt2", site=SITE, **changes) -> Activations:
    settings = {"length": LENGTH, "sequences": 3} | changes
    language = tiny.language(kind)
    with torch.no_grad():  # as it is drawn, a tiny model's answers hardly depend on what it reads
        for parameter in language.model.parameters():
            parameter.mul_(3)
    return Activations(language, site, InMemory(TEXTS), Harvest(**settings))


def tokens(a: Activations, number=NUMBER):
    return torch.stack(list(islice(Sequences(a.language, a.corpus, LENGTH), number)))


def spliced(a: Activations, ids, change):
    """Logits of the model with one block wrapped by hand: no hooks, one sequence at a time."""
    every = blocks(a.language.model)
    block = every[a.site.block]
    own = block.forward

    def forward(hidden, *args, **kwargs):
        if a.site.stream == "resid_pre":
            return own(change(hidden), *args, **kwargs)
        out = own(hidden, *args, **kwargs)
        return (change(out[0]), *out[1:]) if isinstance(out, tuple) else change(out)

    block.forward = forward
    try:
        return torch.cat([a.language.model(input_ids=each[None]).logits for each in ids])
    finally:
        block.forward = own


def keep_first(change, skip=1):
    return lambda x: torch.cat((x[:, :skip], change(x[:, skip:])), dim=1)


def told(ids, logits, clean):
    """Mean cross-entropy and divergence."""
    ce = cross_entropy(logits[:, :-1].flatten(0, 1), ids[:, 1:].flatten())
    log_q, log_p = (each[:, :-1].flatten(0, 1).log_softmax(-1) for each in (logits, clean))
    return float(ce), float(kl_div(log_q, log_p, log_target=True, reduction="batchmean"))


@pytest.mark.parametrize("kind", ["gpt2", "mistral"])
@pytest.mark.parametrize("stream", ["resid_pre", "resid_post"])
def test_all_losses_are_those_of_blocks_spliced_by_hand(kind, stream):
    a = source(kind, Site(1, stream))
    ids = tokens(a)
    design = designs.get("topk", seed=0, width=tiny.WIDTH, atoms=24, k=2)
    rows = torch.cat([x[0, 1:] for x in _activations(a, ids)])
    clean = a.language.model(input_ids=ids).logits
    restored = lambda x: design(x.flatten(0, 1)).detach().view_as(x)  # noqa: E731
    by_hand = {
        "design": told(ids, spliced(a, ids, keep_first(restored)), clean),
        "zero": told(ids, spliced(a, ids, keep_first(torch.zeros_like)), clean),
        "mean": told(ids, spliced(a, ids, keep_first(lambda x: rows.mean(0).expand_as(x))), clean),
    }
    found = fidelity(design, a, sequences=NUMBER)
    ce_clean = told(ids, clean, clean)[0]
    assert found.ce_clean.value == pytest.approx(ce_clean, rel=1e-5)
    assert (found.ce_design.value, found.kl_design.value) == pytest.approx(by_hand["design"], rel=1e-4)
    for ablation, name in ((found.zero, "zero"), (found.mean, "mean")):
        ce, kl = by_hand[name]
        assert (ablation.ce, ablation.kl) == pytest.approx((ce, kl), rel=1e-4)
        ours, divergence = by_hand["design"]
        assert ablation.ce_score.value == pytest.approx((ce - ours) / (ce - ce_clean), rel=2e-3)
        assert ablation.kl_score.value == pytest.approx((kl - divergence) / kl, rel=1e-3)
    assert found.reconstruction.ev == pytest.approx(reconstruction(design, [rows]).ev, rel=1e-5)
    assert found.reconstruction.rows == NUMBER * (LENGTH - 1)
    assert found.predictions == NUMBER * (LENGTH - 1)


def _activations(a, ids):
    every = []
    for each in ids:
        hidden = a.language.model(input_ids=each[None], output_hidden_states=True).hidden_states
        every.append(hidden[a.site.block + (a.site.stream == "resid_post")])
    return every


@pytest.mark.parametrize("every_position", [False, True])
def test_the_identity_loses_nothing_and_zero_as_much_as_zero_ablation(every_position):
    same = fidelity(Scaled(1.0), source(), sequences=NUMBER, every_position=every_position)
    assert same.kl_design == (0, 0, 0)
    for ablation in (same.zero, same.mean):
        assert ablation.ce_score == (1, 1, 1)
        assert ablation.kl_score == (1, 1, 1)
    nothing = fidelity(Scaled(0.0), source(), sequences=NUMBER, every_position=every_position)
    assert nothing.zero.ce_score == (0, 0, 0)
    assert nothing.zero.kl_score == (0, 0, 0)
    assert nothing.mean.kl_score.value != 0
    assert nothing.reconstruction.dead == 1


def test_positions_that_training_never_sees_stay_as_they_are_unless_asked_for():
    ids = tokens(source())
    dropped = (int(ids[0, 3]),)
    a = source(skip=2, drop=dropped)
    clean = a.language.model(input_ids=ids).logits
    left = (ids == dropped[0]) | (torch.arange(LENGTH) < 2)

    def forget(where):
        found = []
        for each, keep in zip(ids, where, strict=True):
            change = lambda x, keep=keep: x * keep[None, :, None]  # noqa: E731
            found.append(spliced(a, each[None], change))
        return told(ids, torch.cat(found), clean)

    some, every = (fidelity(Scaled(0.0), a, sequences=NUMBER, every_position=each) for each in (False, True))
    assert (some.zero.ce, some.zero.kl) == pytest.approx(forget(left), rel=1e-4)
    assert (every.zero.ce, every.zero.kl) == pytest.approx(forget(torch.zeros_like(left)), rel=1e-4)
    assert some.reconstruction.rows == int((~left).sum())
    assert every.reconstruction.rows == ids.numel()


def test_layer_normed_designs_and_designs_in_training_are_taken_as_they_are():
    inner = designs.get("topk", seed=0, width=tiny.WIDTH, atoms=24, k=4)
    found = fidelity(LayerNormed(inner).train(), source("mistral"), sequences=4)
    assert 0 < found.reconstruction.ev < 1
    assert found.reconstruction.units == pytest.approx(6)
    assert np.isfinite([*found.zero.ce_score, *found.mean.kl_score]).all()


def test_intervals_hold_the_value_come_from_the_seed_and_narrow_with_sequences():
    design = Scaled(0.7)
    few, again, other = (fidelity(design, source(), sequences=6, seed=seed) for seed in (0, 0, 1))
    assert few == again
    assert few.kl_design.value == other.kl_design.value
    assert few.kl_design != other.kl_design
    many = fidelity(design, source(), sequences=48)
    for found in (few, many):
        assert found.kl_design.low < found.kl_design.value < found.kl_design.high
    assert many.kl_design.high - many.kl_design.low < few.kl_design.high - few.kl_design.low


def test_impossible_requests_are_refused():
    with pytest.raises(ValueError, match=r"the design is of width 8, 1.resid_post of 16"):
        fidelity(designs.get("topk", seed=0, width=8, atoms=9, k=1), source())
    with pytest.raises(ValueError, match="sequences"):
        fidelity(Scaled(1.0), source(), sequences=1)
    with pytest.raises(ValueError, match=r"codes of Scaled must be finite"):
        fidelity(Scaled(float("inf")), source(), sequences=2)
