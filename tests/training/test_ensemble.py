from __future__ import annotations

import pytest
import torch

from sasa_theory import designs
from sasa_theory.training import Budget, Ensemble, Memory, Recipe, train

BUDGET = Budget(tokens=40 * 128, batch_size=128)
RECIPE = Recipe(lr=3e-3, clip=1.0, warmup=5)
SETTINGS = {
    "topk": {"atoms": 24, "k": 3, "dead_after": 600},
    "relu": {"atoms": 24, "sparsity": 0.01},
    "gated": {"atoms": 24, "sparsity": 0.01},
    "jumprelu": {"atoms": 24, "sparsity": 0.01},
    "batch-topk": {"atoms": 24, "k": 3},
    "matryoshka": {"atoms": 32, "k": 3},
    "sasa/paper": {"groups": 8, "rank": 3, "active": 2, "dead_after": 600},
    "sasa/release": {"groups": 8, "rank": 3, "active": 2},
    "sasa/ideal": {"groups": 8, "rank": 3, "active": 2},
    "softsae": {"atoms": 24, "k": 3, "alpha_end": 0.1},  # nearer to 0 every rounding grows tenfold a step
    "d-gating/3": {"groups": 8, "rank": 3, "active": 2},
    "bsf/grassmannian": {"groups": 8, "rank": 3, "active": 2},
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
    members = [build(name, seed) for seed in (3, 4, 8)]
    together = train(Ensemble(members), source(), BUDGET, RECIPE, progress=False).design.split()
    for seed, member in zip((3, 4, 8), together, strict=True):
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
        ([("topk", {"atoms": 8, "k": 2}), ("topk", {"atoms": 9, "k": 2})], None, "of member 1 has shape"),
        ([("topk", {"atoms": 8, "k": 2}), ("relu", {"atoms": 8, "sparsity": 0.1})], None, "of one class"),
        ([("topk", {"atoms": 8, "k": 2}), ("topk", {"atoms": 8, "k": 3})], None, "k = 3"),
        ([("topk", {"atoms": 8, "k": 2})], [1.0, 2.0], "rates must have one entry"),
    ],
)
def test_members_that_do_not_match_are_refused(members, rates, match):
    built = [designs.get(name, width=4, **settings) for name, settings in members]
    with pytest.raises(ValueError, match=match):
        Ensemble(built, rates)
