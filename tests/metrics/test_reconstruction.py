"""Reconstructions: streaming against direct formulas, whatever the blocks, and what is refused."""

from __future__ import annotations

from math import comb, log2

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from sasa_theory import designs
from sasa_theory.designs import Design
from sasa_theory.metrics import METRICS, Reconstruction, observe, reconstruction
from synthetic import World, preset

from . import dictionaries
from .dictionaries import Fixed

seeds = st.integers(0, 2**32 - 1)


def some_design(seed: int, width: int) -> Design:
    generator = torch.Generator().manual_seed(seed)
    sizes = torch.randint(1, 4, (5,), generator=generator).tolist()
    rows = [torch.randn(r, width, generator=generator, dtype=torch.float64) for r in sizes]
    return Fixed([0 * rows[0], *rows[1:]], 2)  # one unit is dead


def directly(design: Design, x: Tensor) -> Reconstruction:
    """All formulas on all rows at once, as they are written."""
    codes = design.encode(x)
    x_hat = design.decode(codes)
    on = torch.stack([(codes[:, design.units() == k] != 0).any(dim=1) for k in range(design.n_units)], dim=1)
    fvu = float((x - x_hat).square().sum() / (x - x.mean(dim=0)).square().sum())
    norms = x.norm(dim=1) * x_hat.norm(dim=1)
    return Reconstruction(
        rows=len(x),
        ev=1 - fvu,
        fvu=fvu,
        cosine=float(((x * x_hat).sum(dim=1) / norms.clamp_min(1e-300))[x.norm(dim=1) > 0].mean()),
        relative_norm=float(x_hat.double().norm(dim=1).sum() / x.double().norm(dim=1).sum()),
        columns=float((codes != 0).sum(dim=1).double().mean()),
        units=float(on.sum(dim=1).double().mean()),
        bits=sum(log2(comb(design.n_units, int(s))) for s in on.sum(dim=1)) / len(x),
        dead=float((~on.any(dim=0)).double().mean()),
        signed=bool((codes < 0).any()),
    )


def assert_same(a: Reconstruction, b: Reconstruction) -> None:
    for field, value in vars(a).items():
        assert value == pytest.approx(vars(b)[field], rel=1e-9, abs=1e-9), field


@given(seed=seeds, cuts=st.lists(st.integers(1, 20), min_size=1, max_size=8), offset=st.sampled_from([0.0, 1e3]))
def test_any_blocks_give_what_the_formulas_give_on_all_rows_at_once(seed: int, cuts: list[int], offset: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(sum(cuts) + 1, 6, generator=generator, dtype=torch.float64) + offset
    design = some_design(seed, 6)
    expected = directly(design, x)
    assert_same(reconstruction(design, [x]), expected)
    assert_same(reconstruction(design, x.split([*cuts, 1])), expected)


@given(seed=seeds)
def test_an_empty_block_changes_nothing(seed: int) -> None:
    x = torch.randn(9, 6, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    design = some_design(seed, 6)
    assert_same(reconstruction(design, [x[:0], x, x[:0]]), reconstruction(design, [x]))


def test_all_that_varies_comes_back_or_nothing_does() -> None:
    x = torch.randn(50, 4, generator=torch.Generator().manual_seed(0))
    everything = reconstruction(Fixed([torch.eye(4)], 1), [x])
    assert (everything.ev, everything.fvu, everything.cosine) == pytest.approx((1, 0, 1), abs=1e-6)
    nothing = reconstruction(Fixed([torch.zeros(4, 4)], 1), [x - x.mean(dim=0)])
    assert (nothing.ev, nothing.fvu, nothing.cosine) == pytest.approx((0, 1, 0), abs=1e-6)
    assert (nothing.columns, nothing.units, nothing.bits, nothing.dead) == (0, 0, 0, 1)


@given(seed=seeds)
def test_rows_of_zeros_have_no_direction_to_restore(seed: int) -> None:
    x = torch.randn(9, 6, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    design = some_design(seed, 6)
    assert_same(reconstruction(design, [x, torch.zeros(20, 6)]), directly(design, torch.cat((x, x.new_zeros(20, 6)))))
    assert reconstruction(Fixed([torch.eye(6)], 1), [x, torch.zeros(20, 6)]).cosine == pytest.approx(1, abs=1e-6)


def test_the_truth_has_cosine_1_where_most_rows_are_empty() -> None:
    known = World.build(preset("absorption", "small"), seed=0)
    found = observe(Fixed(dictionaries.truth(known), known.config.size), known, 500).reconstruction
    assert (found.ev, found.cosine, found.relative_norm) == pytest.approx((1, 1, 1), abs=1e-5)


def test_the_relative_norm_tells_what_was_shrunk() -> None:
    x = torch.randn(50, 4, generator=torch.Generator().manual_seed(0))
    assert reconstruction(Fixed([0.5**0.5 * torch.eye(4)], 1), [x]).relative_norm == pytest.approx(0.5)
    one_of_two = torch.tensor([[3.0, 0.0], [0.0, 1.0]])
    assert reconstruction(Fixed([torch.eye(2)[:1]], 1), [one_of_two]).relative_norm == pytest.approx(0.75)


def test_bits_do_not_reward_units_that_all_fire() -> None:
    x = torch.ones(2, 3) + torch.eye(3)[:2]
    assert reconstruction(Fixed(list(torch.eye(3).split(1)), 3), [x]).bits == pytest.approx(0, abs=1e-12)
    assert METRICS["l0_bits"].direction == "nearest"


def test_codes_below_zero_are_active_and_noted() -> None:
    x = -torch.eye(3)
    found = reconstruction(Fixed(list(torch.eye(3).split(1)), 1), [x])
    assert (found.signed, found.columns, found.dead) == (True, 1, 0)
    assert not reconstruction(Fixed(list(torch.eye(3).split(1)), 1), [-x]).signed


def test_metrics_are_its_fields() -> None:
    known = dictionaries.world()
    observation = observe(dictionaries.merged(known), known, 300)
    found = observation.reconstruction
    names = {name: name for name in ("ev", "cosine", "relative_norm", "dead")}
    for name, field in (names | {"l0_columns": "columns", "l0_units": "units", "l0_bits": "bits"}).items():
        assert METRICS[name].measure(observation).value == getattr(found, field)
    assert_same(found, directly(observation.design, torch.cat([block.x for block in observation.rows])))


def test_a_design_in_training_stays_in_training_but_is_measured_as_in_use() -> None:
    x = torch.randn(64, 8, generator=torch.Generator().manual_seed(0))
    design = designs.get("batch-topk", width=8, atoms=16, k=2, seed=0)
    design.train()
    in_training = reconstruction(design, [x])
    assert design.training
    design.eval()
    assert reconstruction(design, [x]) == in_training
    assert not design.training


# Refusals.


class Broken(Fixed):
    """One number of the codes, or of the reconstructions, is not finite."""

    def __init__(self, value: float, of_codes: bool) -> None:
        super().__init__([torch.eye(4)], 1)
        self.value, self.of_codes = value, of_codes

    def encode(self, x: Tensor) -> Tensor:
        codes = super().encode(x).clone()
        if self.of_codes:
            codes[3, 1] = self.value
        return codes

    def decode(self, codes: Tensor) -> Tensor:
        x_hat = super().decode(codes).clone()
        if not self.of_codes:
            x_hat[3, 1] = self.value
        return x_hat


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize(("of_codes", "what"), [(True, "codes"), (False, "reconstructions")])
def test_what_is_not_finite_is_refused_with_its_row(value: float, of_codes: bool, what: str) -> None:
    x = torch.randn(8, 4, generator=torch.Generator().manual_seed(0))
    with pytest.raises(ValueError, match=f"{what} of Broken must be finite, got {value} in row 3 of a block of 8 rows"):
        reconstruction(Broken(value, of_codes), [x])


def test_activations_that_are_not_finite_are_not_blamed_on_the_design() -> None:
    x = torch.zeros(4, 4)
    x[2, 0] = float("nan")
    with pytest.raises(ValueError, match="activations must be finite, got nan in row 2 of a block of 4 rows"):
        reconstruction(Fixed([torch.eye(4)], 1), [torch.ones(3, 4), x])


@pytest.mark.parametrize(
    "blocks",
    [[], [torch.full((3, 4), 0.1, dtype=torch.float64)], [torch.ones(2, 4), torch.ones(5, 4)], [torch.ones(0, 4)]],
)
def test_rows_that_do_not_vary_are_refused(blocks: list[Tensor]) -> None:
    with pytest.raises(ValueError, match="explained variance needs rows that vary, got"):
        reconstruction(Fixed([torch.eye(4, dtype=torch.float64)], 1), blocks)
