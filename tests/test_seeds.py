"""One seed for everything: nothing may know anything of anything else by it."""

from __future__ import annotations

import torch

from sasa_theory import designs
from sasa_theory.seeds import generator_for
from synthetic import World, preset


def test_a_seed_gives_the_same_numbers_for_one_purpose_and_others_for_another():
    first, again, other = (torch.randn(64, generator=generator_for(p, 3)) for p in ("weights", "weights", "rows"))
    assert torch.equal(first, again)
    assert not torch.isin(first, other).any()


def test_initial_weights_hold_no_truth():
    for seed in range(3):
        world = World.build(preset("manifolds", "small"), seed=seed)
        atoms = designs.get("random", width=world.width, atoms=15, k=3, seed=seed).decoder
        share = (atoms @ world.bases.T).square().sum(dim=1)  # of an atom, in the features' span; chance: 8 of 16
        assert share.mean() < 0.75
