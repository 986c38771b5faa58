"""Counts of units a feature: what perfect, split, duplicated, diluted, cancelling and merged dictionaries deserve."""

from __future__ import annotations

from functools import cache
from itertools import combinations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from sasa_theory.designs import Design
from sasa_theory.metrics import METRICS, Observation, observe
from sasa_theory.metrics.splitting import units_needed
from sasa_theory.testing.strategies import SEEDS
from synthetic import Feature, Features, World, preset

from .dictionaries import DIMS, WIDTH, Fixed, duplicated, merged, orthogonal, perfect, split, truth, world
from .diluted import Scaled, diluted
from .worlds import leaning

KNOWN = world()
COUNTS = ("units_entropy", "units_90", "units_shapley", "units_at_once")
ROWS = 1_500


def look(design: Design) -> Observation:
    return observe(design, KNOWN, ROWS)


def each(name: str, observation: Observation) -> Tensor:
    found = METRICS[name].measure(observation).each
    assert found is not None
    return found


def draw(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("name", COUNTS)
def test_a_perfect_design_has_one_unit_a_feature(name):
    assert each(name, look(perfect(KNOWN))).numpy() == pytest.approx(1)


@pytest.mark.parametrize(("name", "margin"), [("units_90", 0), ("units_entropy", 0.02), ("units_shapley", 0.02)])
def test_a_feature_split_by_dimensions_has_as_many_units(name, margin):
    """The mean share of d orthogonal directions of a uniform slice is 1 / d, within sampling."""
    assert each(name, look(split(KNOWN))).numpy() == pytest.approx(DIMS, rel=margin, abs=1e-9)


@pytest.mark.parametrize("name", ["units_entropy", "units_90", "units_shapley"])
def test_copies_that_take_turns_are_two_units(name):
    assert each(name, look(duplicated(KNOWN))).numpy() == pytest.approx(2, rel=0.02)


def test_copies_that_share_the_amplitude_are_two_units_of_which_one_is_needed():
    seen = look(diluted(KNOWN))
    for name in ("units_entropy", "units_shapley", "units_at_once", "co_firing"):
        assert each(name, seen).numpy() == pytest.approx(2)
    assert each("units_90", seen).tolist() == [1] * len(DIMS)


def test_one_unit_at_a_time_is_at_work_in_turns_however_many_there_are():
    seen = look(duplicated(KNOWN))
    assert each("units_at_once", seen).numpy() == pytest.approx(1)
    assert each("co_firing", seen).numpy() == pytest.approx(1)
    assert each("co_firing", look(split(KNOWN))).tolist() == list(DIMS)


def test_units_at_once_of_two_orthogonal_directions():
    """``E H(cos^2 t) = 2 - 1/ln 2`` bits for a uniform angle t."""
    found = each("units_at_once", look(split(KNOWN)))
    assert found[2:4].numpy() == pytest.approx(2 ** (2 - 1 / torch.tensor(2.0).log().item()), rel=0.02)


def test_copies_that_cancel_are_counted_by_energy_but_are_not_needed():
    """``2 h - h``: energies 4 and 1, Shapley values 2 and -1."""
    seen = look(Scaled(truth(KNOWN), (2.0, -1.0)))
    assert each("units_90", seen).tolist() == [1] * len(DIMS)
    assert each("units_shapley", seen).numpy() == pytest.approx(1)
    assert each("opposed", seen).numpy() == pytest.approx(1 / 3)
    assert each("units_entropy", seen).numpy() == pytest.approx(5 / 4**0.8)  # entropy of 4/5 and 1/5


def test_a_pair_that_cancels_altogether_does_not_hide_the_unit_that_works():
    seen = look(Scaled(truth(KNOWN), (1.0, 3.0, -3.0)))
    assert each("units_90", seen).tolist() == [1] * len(DIMS)
    assert each("units_entropy", seen).numpy() == pytest.approx(19 / (9 ** (18 / 19)))


def test_features_that_share_a_unit_are_merged():
    assert each("merge_rate", look(merged(KNOWN))).tolist() == [1, 1, 1, 1, 0, 0]
    assert METRICS["merge_rate"].measure(look(merged(KNOWN))).value == pytest.approx(4 / 6)
    for whole in (perfect, split, duplicated):
        assert METRICS["merge_rate"].measure(look(whole(KNOWN))).value == 0


def test_what_no_unit_serves_has_no_count():
    """Features 4 and 5 have no unit; that the others' lean towards them a little is no service."""
    bases = truth(KNOWN)
    seen = look(Fixed([basis + 1e-4 * (bases[4][0] + bases[5][0]) for basis in bases[:4]], 2))
    assert (seen.alone.energy[4:].sum(dim=1) > 0).all()
    for name in (*COUNTS, "opposed", "merge_rate"):
        assert each(name, seen).isnan().tolist() == [False] * 4 + [True] * 2
    assert each("merge_rate", seen)[:4].tolist() == [0] * 4


def test_a_dropped_feature_is_not_served_though_units_of_others_lean_towards_it():
    known = leaning()
    seen = observe(Fixed(truth(known)[:6], 2), known, 1000)
    assert each("served", seen).tolist() == [1] * 6 + [0] * 6
    assert METRICS["served"].measure(seen).value == 0.5
    assert METRICS["merge_rate"].measure(seen).value == 0
    assert METRICS["served"].measure(observe(Fixed(truth(known), 2), known, 1000)).value == 1


def test_one_atom_serves_one_feature_of_twelve():
    known = leaning()
    seen = observe(Fixed([truth(known)[0][:1]], 1), known, 1000)
    assert METRICS["served"].measure(seen).value == pytest.approx(1 / 12)
    for name in ("units_entropy", "units_90", "merge_rate"):
        assert int(each(name, seen).isnan().sum()) == 11


def test_many_that_share_the_amplitude_serve_together():
    seen = look(Scaled(truth(KNOWN), (0.05,) * 20))
    assert (seen.alone.energy.sum(dim=1) < 0.1 * seen.alone.power).all()
    assert each("served", seen).tolist() == [1] * len(DIMS)


class Spokes(Fixed):
    """Atoms at equal angles on one circle, of which the nearest fires."""

    def __init__(self, plane: Tensor, atoms: int) -> None:
        angles = torch.arange(atoms) * (2 * torch.pi / atoms)
        super().__init__(list((torch.stack((angles.cos(), angles.sin()), dim=1) @ plane).split(1)), 1)

    def encode(self, x: Tensor) -> Tensor:
        codes = x @ self.decoder.T
        return codes * torch.zeros_like(codes).scatter(1, codes.argmax(dim=1, keepdim=True), 1.0)


@pytest.mark.parametrize("atoms", [32, 128, 256])
def test_of_many_atoms_on_a_circle_none_is_left_out(atoms):
    """With 256 slices of the circle; greedy counts end at 64 units."""
    circles = (Features(Feature("subspace", 2, radius="sphere"), 2),)
    known = World.build(preset("theorem", "small", width=4, features=circles, noise=0.0), seed=0)
    seen = observe(Spokes(known.basis(0), atoms), known, 600)
    fired = int((seen.alone.fired[0] > 0).sum())  # of 256 in the 256 slices
    assert fired > 0.5 * atoms
    assert each("units_shapley", seen)[0] > 0.75 * fired
    if atoms > 64:
        assert each("units_90", seen)[0] == 64
    else:
        assert 0.75 * atoms < each("units_90", seen)[0] < atoms


def test_a_feature_that_never_occurs_has_no_count():
    seen = observe(perfect(KNOWN), KNOWN, 1)
    absent = seen.crowd.present.counts() == 0
    assert absent.any()
    for name in (*COUNTS, "co_firing", "merge_rate", "opposed"):
        assert each(name, seen).isnan().equal(absent)


@cache
def unmixed(scale: tuple[float, ...]) -> dict[str, Tensor]:
    before = look(Scaled(truth(KNOWN), scale))
    return {name: each(name, before) for name in (*COUNTS, "opposed", "merge_rate", "co_firing")}


@given(SEEDS)
def test_order_and_basis_of_units_do_not_matter(seed):
    generator = draw(seed)
    scale = (1.0, 0.4, -0.3)
    bases = [orthogonal(len(b), generator) @ b for b in truth(KNOWN)]
    mixed = [bases[k] for k in torch.randperm(len(bases), generator=generator).tolist()]
    after = look(Scaled(mixed, scale))
    for name, before in unmixed(scale).items():
        assert each(name, after).numpy() == pytest.approx(before.numpy(), rel=1e-5)


def left_by(joint: Tensor, units: list[int]) -> float:
    """What the best combination of some units leaves of all together."""
    dots = joint.sum(dim=1)[units]
    gains = torch.linalg.lstsq(joint[units][:, units], dots.unsqueeze(1), driver="gelsd").solution.squeeze(1)
    return float(joint.sum() - gains @ dots)


def needed(joint: Tensor, share: float = 0.9) -> float:
    """All units being candidates."""
    joint = joint.unsqueeze(0)
    return units_needed(joint, joint.sum(dim=2), joint.sum(dim=(1, 2)), share).item()


def needed_by_trying(joint: Tensor, share: float) -> int:
    """The definition: the smallest set whose best combination leaves little enough."""
    total = float(joint.sum())
    for size in range(1, len(joint) + 1):
        for units in combinations(range(len(joint)), size):
            if left_by(joint, list(units)) <= (1 - share) * total * (1 + 1e-7):
                return size
    raise AssertionError


def needed_step_by_step(joint: Tensor, share: float) -> int:
    """Greedy choice by its definition."""
    chosen: list[int] = []
    while not chosen or left_by(joint, chosen) > (1 - share) * float(joint.sum()) * (1 + 1e-7):
        others = [k for k in range(len(joint)) if k not in chosen]
        chosen.append(min(others, key=lambda k: left_by(joint, [*chosen, k])))
    return len(chosen)


@given(SEEDS, st.integers(1, 6), st.integers(1, 5), st.sampled_from([0.5, 0.9, 0.99]))
def test_greedy_choice_is_an_upper_bound_of_the_fewest_units(seed, units, d, share):
    contributions = torch.randn(units, 12 * d, generator=draw(seed), dtype=torch.float64)[:, :d]
    joint = contributions @ contributions.mT
    if float(joint.sum()) < 1e-3 * float(joint.trace()):
        return  # nearly everything cancels: what is left is rounding
    greedy = needed(joint, share)
    assert needed_by_trying(joint, share) <= greedy == needed_step_by_step(joint, share) <= min(units, d)


@given(SEEDS, st.integers(1, 6))
def test_of_orthogonal_contributions_the_largest_are_needed(seed, units):
    energies = torch.rand(units, generator=draw(seed), dtype=torch.float64) + 0.01
    shares = energies.sort(descending=True).values.cumsum(0) / energies.sum()
    expected = int((shares < 0.9).sum()) + 1
    assert needed(energies.diag()) == expected == needed_by_trying(energies.diag(), 0.9)


@given(SEEDS, st.integers(1, 5), st.integers(1, 6))
def test_copies_along_one_direction_count_once(seed, directions, copies):
    amplitudes = 0.1 + torch.rand(directions, copies, generator=draw(seed), dtype=torch.float64)
    basis = orthogonal(directions, draw(seed)).double()
    contributions = (amplitudes.unsqueeze(2) * basis.unsqueeze(1)).flatten(0, 1)
    whole = amplitudes.sum(dim=1).square().diag()
    assert needed(contributions @ contributions.mT, 0.97) == needed(whole, 0.97)


def test_width_is_that_of_the_world():
    with pytest.raises(ValueError, match="width"):
        observe(Fixed([torch.eye(WIDTH + 1)], 1), KNOWN)
