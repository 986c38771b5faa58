"""The contract of a design: what two methods suffice for, and what configs and presets refuse."""

from __future__ import annotations

import json
import sys
from dataclasses import MISSING, FrozenInstanceError, dataclass, fields
from importlib import import_module

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from sasa_theory.designs import AtomConfig, Design, DesignConfig, GroupConfig, Preset, config, get, presets
from sasa_theory.designs.config import config_class, whole_units
from sasa_theory.designs.contract import plain_loss
from sasa_theory.testing.strategies import SEEDS

SIZES = {"width": 8, "atoms": 16, "k": 4, "groups": 6, "rank": 2, "active": 3, "steps": 3, "sparsity": 0.1}
MORE = {"jumprelu/target": {"target_l0": 4.0}}
"""Fields that a preset leaves to the user although its config has a default."""


class Minimal(Design):
    """Rectified products with a matrix; ``of`` says which unit each column belongs to."""

    def __init__(self, width: int, columns: int, of: list[int] | None = None) -> None:
        super().__init__(width, columns)
        self.weights = nn.Parameter(torch.eye(columns, width, dtype=torch.float64))
        self.of = of

    def encode(self, x: Tensor) -> Tensor:
        return (x @ self.weights.mT).relu()

    def decode(self, codes: Tensor) -> Tensor:
        return codes @ self.weights

    def units(self) -> Tensor:
        return super().units() if self.of is None else torch.tensor(self.of)


def smallest(name: str) -> dict[str, float]:
    """The fields that must be given to a preset, at sizes that go together."""
    preset = presets()[name]
    free = [f.name for f in fields(preset.config) if f.init and f.default is MISSING]
    return {field: SIZES[field] for field in free if field not in preset.settings} | MORE.get(name, {})


def test_two_methods_make_a_design():
    design = Minimal(3, 3)
    x = torch.tensor([[1.0, -2.0, 0.0], [4.0, 0.0, -3.0]], dtype=torch.float64)
    assert design.units().tolist() == [0, 1, 2]
    assert design(x).equal(x.relu())
    loss = design.loss(x)
    assert loss.total == loss.error == (4 + 9) / 2
    assert loss.row_errors.tolist() == [4, 9]
    assert list(loss.terms) == ["reconstruction"]
    assert loss.fired.tolist() == [2, 0, 0]
    assert loss.active == 1
    assert loss.noted == {}
    loss.total.backward()
    assert design.weights.grad is not None
    assert not any(
        t.requires_grad for t in (loss.error, loss.row_errors, *loss.terms.values(), loss.fired, loss.active)
    )
    design.begin_step(0, 10)
    design.project_gradients()
    design.end_step(loss, 2)
    assert design.log_extra() == {}


@given(SEEDS, st.lists(st.integers(0, 3), min_size=1, max_size=8))
def test_presence_is_the_norm_of_a_unit_and_fired_counts_its_rows(seed, of):
    of = torch.tensor(of).unique(return_inverse=True)[1].tolist()
    design = Minimal(4, len(of), of)
    generator = torch.Generator().manual_seed(seed)
    codes = torch.randn(6, len(of), generator=generator, dtype=torch.float64)
    codes *= torch.rand(6, len(of), generator=generator) < 0.5
    assert design.n_units == max(of) + 1
    presence = design.presence(codes)
    for unit in range(design.n_units):
        mine = codes[:, [k == unit for k in of]]
        torch.testing.assert_close(presence[:, unit], mine.norm(dim=1))
        assert design.firings(codes)["fired"][unit] == int((mine != 0).any(dim=1).sum())
    assert float(design.firings(codes)["active"]) == pytest.approx(float((codes != 0).sum()) / 6)


def test_penalties_and_weights_of_rows_enter_the_total_only():
    x, x_hat = torch.tensor([[1.0, 0.0], [0.0, 2.0]]), torch.zeros(2, 2)
    counts = {"fired": torch.zeros(2), "active": torch.zeros(())}
    loss = plain_loss(x, x_hat, {"sparsity": torch.tensor(0.25), "rank": torch.tensor(3.0)}, **counts)
    assert loss.total == 2.5 + 3.25
    assert loss.error == 2.5
    assert loss.terms == {"reconstruction": 2.5, "sparsity": 0.25, "rank": 3.0}
    weighted = plain_loss(x, x_hat, {}, **counts, row_weight=torch.tensor([2.0, 0.5]))
    assert weighted.total == weighted.terms["reconstruction"] == 2.0
    assert weighted.error == 2.5
    assert weighted.row_errors.tolist() == [1, 4]


def test_an_empty_batch_has_no_active_columns():
    assert Minimal(3, 3).firings(torch.zeros(0, 3))["active"] == 0


@pytest.mark.parametrize(("width", "columns"), [(0, 3), (3, 0), (2.5, 3), (3, float("nan")), ("3", 3)])
def test_sizes_that_are_no_sizes(width, columns):
    with pytest.raises(ValueError, match=r"width|columns"):
        Minimal(width, columns)


def test_a_design_needs_both_methods():
    class Half(Design):
        def encode(self, x: Tensor) -> Tensor:
            return x

    with pytest.raises(TypeError, match="decode"):
        Half(3, 3)


@pytest.mark.parametrize("name", sorted(presets()))
def test_every_preset_builds_and_its_config_survives_json(name):
    settings = config(name, **smallest(name))
    assert type(settings).from_dict(json.loads(json.dumps(settings.to_dict()))) == settings
    assert config_class("kind", settings.kind) is type(settings)
    one, same, other = (get(name, seed=seed, **smallest(name)).eval() for seed in (1, 1, 2))
    assert one.config == settings
    assert (one.width, one.columns) == (settings.width, settings.columns)
    states = [torch.cat([t.double().flatten() for t in design.state_dict().values()]) for design in (one, same, other)]
    assert states[0].equal(states[1])
    assert not states[0].equal(states[2])
    x = torch.randn(5, settings.width, generator=torch.Generator().manual_seed(0))
    codes = one.encode(x)
    assert codes.shape == (5, settings.columns)
    torch.testing.assert_close(one.decode(codes), one(x), rtol=1e-4, atol=1e-5)
    units = one.units()
    assert units.unique().tolist() == list(range(one.n_units))
    squares = torch.zeros(5, one.n_units).index_add(1, units, codes.detach().square())
    torch.testing.assert_close(one.presence(codes).detach(), squares.sqrt(), rtol=1e-4, atol=1e-6)
    assert presets()[name].summary
    assert presets()[name].source


def test_the_global_generator_is_left_alone():
    before = torch.get_rng_state()
    for name in ("topk", "random/groups"):
        get(name, **smallest(name))
    assert torch.get_rng_state().equal(before)


def test_overrides_beat_the_preset_and_unknown_names_meet_the_nearest():
    sizes = {"width": 8, "atoms": 16, "k": 4}
    assert config("topk/signed", **sizes).signed
    assert not config("topk/signed", signed=False, **sizes).signed
    with pytest.raises(ValueError, match=r"design must be one of .*, got 'topk/singed'; did you mean 'topk/signed'"):
        get("topk/singed", **sizes)
    with pytest.raises(ValueError, match=r"field of TopKConfig must be one of .*did you mean 'atoms'"):
        config("topk", atom=16, **sizes)
    with pytest.raises(ValueError, match="field k of TopKConfig is missing; it has no default"):
        config("topk", width=8, atoms=16)
    with pytest.raises(ValueError, match="k must be at most atoms = 16, got 17; the nearest possible is 16"):
        config("topk", **sizes | {"k": 17})
    with pytest.raises(ValueError, match=r"kind of design must be one of .*did you mean 'topk'"):
        config_class("kind of design", "topkk")


@dataclass(frozen=True, kw_only=True)
class Groups(GroupConfig):
    kind = "groups_of_this_test"

    def build(self, generator: torch.Generator) -> Design:
        return Minimal(self.width, self.columns, [k // self.rank for k in range(self.columns)])


def test_configs_are_frozen_whole_and_possible():
    settings = Groups(width=8.0, groups=3, rank=2)
    assert (settings.columns, settings.width) == (6, 8)
    assert isinstance(settings.width, int)
    assert config_class("kind", "groups_of_this_test") is Groups

    class WithoutKind(Groups):
        pass

    assert config_class("kind", "groups_of_this_test") is Groups
    with pytest.raises(FrozenInstanceError):
        settings.rank = 3
    with pytest.raises(ValueError, match="rank must be at most width = 8, got 9; the nearest possible is 8"):
        Groups(width=8, groups=3, rank=9)
    with pytest.raises(ValueError, match="groups must be a whole number"):
        Groups(width=8, groups=2.5, rank=2)
    with pytest.raises(TypeError, match="build"):
        AtomConfig(width=8, atoms=4)
    with pytest.raises(TypeError, match="columns"):
        DesignConfig(width=8)


@given(st.integers(0, 60), st.integers(1, 12))
def test_a_budget_buys_whole_groups_or_names_the_nearest(l0, rank):
    if l0 and l0 % rank == 0:
        assert whole_units(l0, rank) * rank == l0
        return
    with pytest.raises(ValueError, match=f"multiple of rank = {rank}, got {l0}") as refused:
        whole_units(l0, rank)
    nearest = int(str(refused.value).rsplit(" ", 1)[1])
    assert whole_units(nearest, rank) * rank == nearest
    assert all(abs(nearest - l0) <= abs(other - l0) for other in range(rank, 100, rank))


@pytest.mark.parametrize("name", sorted(name for name in presets() if "active" in smallest(name)))
def test_groups_may_be_budgeted_in_columns(name):
    sizes = {field: value for field, value in smallest(name).items() if field != "active"}
    assert config(name, **sizes, l0=6) == config(name, **sizes, active=3)
    with pytest.raises(ValueError, match="l0 must be a multiple of rank = 2, got 7; the nearest possible is 8"):
        get(name, **sizes, l0=7)
    with pytest.raises(ValueError, match="active must be at most groups = 6, got 7"):
        config(name, **sizes, l0=14)
    with pytest.raises(ValueError, match="give active = 3 or l0 = 6, not both"):
        config(name, **sizes, active=3, l0=6)
    with pytest.raises(ValueError, match="l0 must be a whole number"):
        config(name, **sizes, l0=6.5)


def test_kinds_are_looked_for_in_modules_that_nobody_imported(monkeypatch):
    imported = []

    def record(name: str, package: str | None = None) -> object:
        imported.append(name)
        return import_module(name, package)

    monkeypatch.setattr(sys.modules[config_class.__module__], "import_module", record)
    config_class("kind", "groups_of_this_test")
    assert not imported
    with pytest.raises(ValueError, match="kind must be one of"):
        config_class("kind", "nothing of the kind")
    assert {
        f"sasa_theory.designs.{name}" for name in ("references.pca", "groups.sasa", "atoms.topk", "layer_norm")
    } <= {*imported}
    assert ".adapters" not in imported


def test_a_preset_declares_what_it_sets():
    assert Preset(Groups, "summary", "source").settings == {}
