from __future__ import annotations

import pytest
import torch

from sasa_theory import designs
from sasa_theory.designs.layer_norm import LayerNormed
from sasa_theory.training import Budget, Ensemble, Memory, Recipe, train

BUDGET = Budget(tokens=40 * 128, batch_size=128)
RECIPE = Recipe(lr=3e-3, clip=1.0, warmup=5)
BLOCKS = {"groups": 8, "rank": 3, "active": 2}
SETTINGS = {
    "topk": {"atoms": 24, "k": 3, "dead_after": 600},
    "relu": {"atoms": 24, "sparsity": 0.01},
    "gated": {"atoms": 24, "sparsity": 0.01},
    "jumprelu": {"atoms": 24, "sparsity": 0.01},
    "batch-topk": {"atoms": 24, "k": 3},
    "matryoshka": {"atoms": 32, "k": 3},
    "sasa/paper": {**BLOCKS, "dead_after": 600},
    "sasa/release": BLOCKS,
    "sasa/ideal": BLOCKS,
    "softsae": {"atoms": 24, "k": 3, "alpha_end": 0.1},  # nearer to 0 every rounding grows tenfold a step
    "d-gating/3": BLOCKS,
    "bsf/grassmannian": BLOCKS,
}


def source():
    generator = torch.Generator().manual_seed(5)
    atoms = torch.randn(20, 12, generator=generator)
    return Memory((torch.randn(1024, 20, generator=generator).relu() @ atoms).double())


def build(name, seed, **settings):
    """In float64, so that rounding decides no selection."""
    return designs.get(name, width=12, seed=seed, **{**SETTINGS[name], **settings}).double()


def alone(name, seed, *, recipe=RECIPE, **settings):
    return train(build(name, seed, **settings), source(), BUDGET, recipe, progress=False).design


@pytest.mark.parametrize("name", SETTINGS)
def test_members_are_trained_as_they_would_be_alone(name):
    members = [build(name, seed) for seed in (3, 8)]
    together = train(Ensemble(members), source(), BUDGET, RECIPE, progress=False).design.split()
    for seed, member in zip((3, 8), together, strict=True):
        expected = alone(name, seed).state_dict()
        assert member.state_dict().keys() == expected.keys()
        for key, tensor in member.state_dict().items():
            torch.testing.assert_close(tensor, expected[key], rtol=1e-6, atol=1e-8)


def test_members_may_differ_in_learning_rate_and_coefficient():
    penalties = (0.0, 0.01)
    members = [build("relu", 1, sparsity=penalty) for penalty in penalties]
    together = train(Ensemble(members, rates=[1.0, 0.5]), source(), BUDGET, RECIPE, progress=False)
    for member, penalty, lr in zip(together.design.split(), penalties, (3e-3, 1.5e-3), strict=True):
        single = build("relu", 1, sparsity=penalty)
        train(single, source(), BUDGET, Recipe(lr=lr, clip=1.0, warmup=5), progress=False)
        torch.testing.assert_close(member.encoder, single.encoder, rtol=1e-6, atol=1e-8)
    assert len(together.log[-1].members["ev"]) == 2


def test_an_ensemble_encodes_and_decodes_as_its_members():
    ensemble = Ensemble([build("topk", seed) for seed in range(2)])
    x = source().activations[:7]
    codes = ensemble.encode(x)
    assert codes.shape == (2, 7, 24)
    for i, member in enumerate(ensemble.split()):
        torch.testing.assert_close(codes[i], member.encode(x))
        torch.testing.assert_close(ensemble.decode(codes)[i], member(x))
        torch.testing.assert_close(ensemble(x)[i], member(x))
        torch.testing.assert_close(ensemble.presence(codes)[i], member.presence(codes[i]))


def test_members_come_out_in_the_precision_of_the_ensemble():
    single = Ensemble([build("topk", seed) for seed in range(2)]).float()
    assert {p.dtype for member in single.split() for p in member.parameters()} == {torch.float32}


@pytest.mark.parametrize("name", ["topk", "sasa/ideal"])
def test_averages_are_those_of_the_members_alone_whatever_their_rates(name, tmp_path):
    recipe, rates = Recipe(lr=1e-2, clip=1.0, warmup=5, ema=0.9), (1.0, 0.25)

    def together():
        ensemble = Ensemble([build(name, seed) for seed in (3, 4)], rates)
        return train(ensemble, source(), BUDGET, recipe, folder=tmp_path, resume=True, progress=False)

    for trained in (together(), together()):  # the second one finds the first one's end
        for seed, rate, average in zip((3, 4), rates, trained.average.split(), strict=True):
            slower = Recipe(lr=1e-2 * rate, clip=1.0, warmup=5, ema=0.9)
            expected = train(build(name, seed), source(), BUDGET, slower, progress=False).average
            torch.testing.assert_close(average.decoder, expected.decoder, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("wrapped", [False, True])
def test_members_behind_layer_norm_are_trained_as_they_would_be_alone(wrapped):
    recipe = Recipe(lr=3e-3, warmup=5, normalise="layer_norm", centre="mean")
    members = [LayerNormed(build("topk", s)) if wrapped else build("topk", s) for s in (3, 4)]
    together = train(Ensemble(members), source(), BUDGET, recipe, progress=False).design.split()
    for seed, member in zip((3, 4), together, strict=True):
        expected = alone("topk", seed, recipe=recipe).state_dict()
        for key, tensor in member.state_dict().items():
            torch.testing.assert_close(tensor, expected[key], rtol=1e-6, atol=1e-8)
    with pytest.raises(ValueError, match=r"inner\.k = 4 of member 1"):
        Ensemble([LayerNormed(build("topk", 0)), LayerNormed(build("topk", 0, k=4))])


def test_a_normalisation_that_members_do_not_allow_is_refused_before_training():
    class Plain(designs.Design):
        def __init__(self):
            super().__init__(12, 12)
            self.weight = torch.nn.Parameter(torch.eye(12))

        def encode(self, x):
            return x @ self.weight

        def decode(self, codes):
            return codes

    with pytest.raises(ValueError, match="absorb_scale, which Plain lacks"):
        train(Ensemble([Plain(), Plain()]), source(), BUDGET, Recipe(normalise="unit_mean_square"), progress=False)


def test_the_scale_of_the_activations_is_folded_into_every_member():
    recipe = Recipe(lr=3e-3, normalise="unit_mean_square")
    members = [build("topk", seed) for seed in (3, 4)]
    together = train(Ensemble(members), source(), BUDGET, recipe, progress=False).design.split()
    x = source().activations[:50]
    for seed, member in zip((3, 4), together, strict=True):
        torch.testing.assert_close(member(x), alone("topk", seed, recipe=recipe)(x), rtol=1e-6, atol=1e-6)


def test_an_interrupted_ensemble_resumes_to_the_same_bits(tmp_path):
    def members():
        return Ensemble([build("topk", seed) for seed in (3, 4)], [1.0, 0.3])

    class StopsError(Exception):
        pass

    class Breaks(Memory):
        def batches(self, *args):
            stream = super().batches(*args)
            yielded = iter(range(25))

            class Ends(type(stream)):
                def __next__(self):
                    if next(yielded, None) is None:
                        raise StopsError
                    return super().__next__()

            stream.__class__ = Ends
            return stream

    with pytest.raises(StopsError):
        train(members(), Breaks(source().activations), BUDGET, RECIPE, folder=tmp_path, checkpoint_steps=10)
    resumed = train(members(), source(), BUDGET, RECIPE, folder=tmp_path, resume=True, progress=False)
    whole = train(members(), source(), BUDGET, RECIPE, progress=False)
    for one, other in zip(resumed.design.parameters(), whole.design.parameters(), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize(
    ("members", "rates", "match"),
    [
        ([], None, "at least one member"),
        ([("topk", {"atoms": 8, "k": 2}), ("topk", {"atoms": 9, "k": 2})], None, "columns = 9 of member 1"),
        ([("sasa/paper", BLOCKS), ("sasa/paper", {**BLOCKS, "encoder_bias": True})], None, "encoder_bias = True of"),
        ([("topk", {"atoms": 8, "k": 2}), ("relu", {"atoms": 8, "sparsity": 0.1})], None, "of one class"),
        ([("topk", {"atoms": 8, "k": 2}), ("topk", {"atoms": 8, "k": 3})], None, "k = 3"),
        ([("topk", {"atoms": 8, "k": 2})], [1.0, 2.0], "rates must have one entry"),
    ],
)
def test_members_that_do_not_match_are_refused(members, rates, match):
    built = [designs.get(name, width=4, **settings) for name, settings in members]
    with pytest.raises(ValueError, match=match):
        Ensemble(built, rates)
