"""Grouping after the fact: planted groups of atoms are found, and nothing about the codes changes."""

from __future__ import annotations

import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from sasa_theory.designs import get
from sasa_theory.designs.atoms.topk import TopK, TopKConfig
from sasa_theory.designs.contract import Design
from sasa_theory.designs.references import grouping
from sasa_theory.designs.references.grouping import Grouped, GroupedConfig, group_by_neighbours, group_by_spectrum
from sasa_theory.designs.saving.storage import load, save
from sasa_theory.testing.strategies import SEEDS


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def sae(rows: Tensor) -> TopK:
    """A vector SAE with these decoder rows."""
    design = TopKConfig(width=rows.shape[1], atoms=len(rows), k=2).build(generator())
    with torch.no_grad():
        design.decoder.copy_(rows)
        design.decoder_bias.fill_(0.5)
    return design


def cones(seed: int, groups: int, each: int) -> tuple[Tensor, Tensor]:
    """Shuffled rows of all lengths around orthogonal axes, and the axis of each."""
    g = generator(seed)
    axis = torch.arange(groups).repeat_interleave(each)[torch.randperm(groups * each, generator=g)]
    rows = torch.eye(groups + 2)[axis] + 0.1 * torch.randn(len(axis), groups + 2, generator=g)
    return rows * torch.rand(len(axis), 1, generator=g).exp(), axis


def same_partition(one: Tensor, other: Tensor) -> bool:
    return bool(((one[:, None] == one) == (other[:, None] == other)).all())


@given(SEEDS, st.integers(2, 5), st.integers(4, 8))
def test_both_find_planted_cones(seed, groups, each):
    rows, axis = cones(seed, groups, each)
    for grouped in (
        group_by_spectrum(sae(rows), groups, generator=generator(seed)),
        group_by_neighbours(sae(rows), neighbours=each - 1, least_cosine=0.7),
    ):
        assert same_partition(grouped.units(), axis)
        assert grouped.n_units == groups


@given(SEEDS, st.integers(2, 14), st.integers(1, 4), st.sampled_from([-1.0, 0.0, 0.3, 0.6, 0.9]))
def test_neighbours_join_what_a_chain_of_links_joins(seed, atoms, neighbours, least):
    neighbours = min(neighbours, atoms - 1)
    rows = torch.randn(atoms, 3, generator=generator(seed))
    cosines = torch.nn.functional.cosine_similarity(rows[:, None], rows, dim=2).fill_diagonal_(-2)
    label = list(range(atoms))
    for i, j in itertools.product(range(atoms), repeat=2):
        if cosines[i, j] > least and int((cosines[i] > cosines[i, j]).sum()) < neighbours:
            label = [label[i] if other == label[j] else other for other in label]
    found = group_by_neighbours(sae(rows), neighbours, least)
    assert same_partition(found.units(), torch.tensor(label))
    assert found.units().unique().tolist() == list(range(found.n_units))


def test_blocks_of_latents_change_nothing(monkeypatch):
    design = sae(torch.randn(20, 4, generator=generator()))
    whole = group_by_neighbours(design).units()
    monkeypatch.setattr(grouping, "_BLOCK_ROWS", 3)
    assert group_by_neighbours(design).units().equal(whole)
    assert whole.unique().numel() > 1


def test_only_the_units_change(tmp_path):
    rows, _ = cones(0, 3, 4)
    design = sae(rows)
    grouped = group_by_spectrum(design, 3, generator=generator())
    x = torch.randn(40, 5, generator=generator(2))
    codes = design.encode(x)
    assert grouped.encode(x).equal(codes)
    assert grouped.decode(codes).equal(design.decode(codes))
    assert grouped(x).equal(design(x))
    for unit in range(3):
        norms = codes[:, grouped.units() == unit].norm(dim=1)
        torch.testing.assert_close(grouped.presence(codes)[:, unit], norms)
    assert grouped.loss(x).fired.shape == (3,)
    save(grouped, tmp_path / "grouped")
    loaded = load(tmp_path / "grouped")
    assert isinstance(loaded, Grouped)
    assert loaded(x).equal(design(x))
    assert loaded.units().equal(grouped.units())


def test_the_design_is_copied_and_not_trained_on():
    design = sae(torch.randn(6, 3, generator=generator()))
    grouped = group_by_neighbours(design)
    x = torch.randn(4, 3, generator=generator())
    before = grouped(x)
    assert design.decoder.requires_grad
    assert design.training
    assert not any(p.requires_grad for p in grouped.parameters())
    with torch.no_grad():
        design.decoder.zero_()
    assert grouped(x).equal(before)


class Plain(Design):
    """A design from elsewhere: no config, no parameters, a decoder with a constant and a column that does nothing."""

    def encode(self, x: Tensor) -> Tensor:
        return torch.cat((x, x), dim=1)

    def decode(self, codes: Tensor) -> Tensor:
        return codes[:, :3] + 2 * codes[:, 3:] * torch.tensor([1.0, 1.0, 0.0]) + 7.0


def test_any_affine_decoder_will_do(tmp_path):
    plain = Plain(3, 6)
    expected = torch.tensor([0, 1, 2, 0, 1, 3])
    assert same_partition(group_by_neighbours(plain, 1).units(), expected)
    assert same_partition(group_by_spectrum(plain, 4, generator=generator()).units(), expected)
    with pytest.raises(TypeError, match="no config"):
        save(group_by_neighbours(plain, 1), tmp_path / "plain")


@pytest.mark.parametrize("seed", range(3))
def test_small_groups_are_not_lost_beside_a_large_one(seed):
    axis = torch.arange(3).repeat_interleave(torch.tensor([30, 5, 2]))
    rows = torch.eye(6)[axis] + 0.2 * torch.randn(37, 6, generator=generator(seed))
    grouped = group_by_spectrum(sae(rows), 3, generator=generator())
    assert same_partition(grouped.units(), axis)


def test_fewer_directions_than_groups():
    rows = torch.eye(3).repeat(4, 1)
    grouped = group_by_spectrum(sae(rows), 5, generator=generator())
    assert grouped.units().unique().tolist() == list(range(grouped.n_units))
    assert grouped.n_units <= 5
    assert torch.isfinite(grouped(torch.randn(3, 3))).all()


def test_config_from_plain_values():
    inner = TopKConfig(width=4, atoms=6, k=2)
    config = GroupedConfig(inner=inner, groups=2)
    assert (config.width, config.columns) == (4, 6)
    assert config.to_dict()["inner"]["kind"] == "topk"
    assert GroupedConfig.from_dict(config.to_dict()) == config
    assert GroupedConfig.from_dict({"inner": inner, "groups": 2}) == config
    twice = GroupedConfig(inner=config, groups=2)
    assert GroupedConfig.from_dict(twice.to_dict()) == twice
    assert config.build(generator()).units().tolist() == [0, 1, 0, 1, 0, 1]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda d: Grouped(d, torch.tensor([0, 1, 3, 3, 0, 0])), r"without a gap, got \[0, 1, 3\]"),
        (lambda d: Grouped(d, torch.tensor([0, 1])), r"shape \(6,\), got torch.int64 of shape \(2,\)"),
        (lambda d: Grouped(d, torch.zeros(6)), "got torch.float32"),
        (lambda d: group_by_spectrum(d, 6, generator=generator()), r"groups must be in \[1, 5\]"),
        (lambda d: group_by_neighbours(d, 6), r"neighbours must be in \[1, 5\]"),
        (lambda d: group_by_neighbours(d, 2, 1.5), r"least_cosine must be in \[-1, 1\]"),
        (lambda d: GroupedConfig(inner=d.config, groups=7), "groups must be at most columns of inner = 6, got 7"),
        (lambda d: GroupedConfig(inner="topk", groups=2), "inner must be the config of a design, got 'topk'"),
        (
            lambda d: GroupedConfig.from_dict({"inner": {"kind": "topkk", "width": 4}, "groups": 2}),
            "kind of the inner design must be one of .*did you mean 'topk'",
        ),
    ],
)
def test_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call(get("topk", width=4, atoms=6, k=2))
