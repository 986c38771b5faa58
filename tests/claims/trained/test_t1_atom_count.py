"""Counting helpers of T1 against known dictionaries, and conclusions against counts that were made up."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from sasa_theory import bounds
from sasa_theory.claims.contract import Evidence
from sasa_theory.claims.measuring.geometry import even_lines, residual, sphere
from sasa_theory.claims.trained import t1_conclusions
from sasa_theory.claims.trained.counting import HALF, MOST, cover, distortion, observed
from sasa_theory.claims.trained.t1_arms import LINES, RAYS, TWO, Setting, spheres
from sasa_theory.designs import get
from sasa_theory.designs.contract import Design
from synthetic import World


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def setting(case: str = LINES, d: int = 2, k: int = 1) -> Setting:
    return Setting(case, d, k, 64, 1, 1)


def planted(world: World, lines: np.ndarray) -> Design:
    """A signed TopK whose atoms are these lines in each feature."""
    rows = torch.cat([torch.from_numpy(lines) @ world.basis(i).double() for i in range(2)])
    design = get("topk/signed", width=world.width, atoms=len(rows), k=1)
    with torch.no_grad():
        for name, parameter in design.named_parameters():
            parameter.copy_(rows) if name in ("encoder", "decoder") else parameter.zero_()
    return design.eval()


def test_even_lines_cover_a_circle_by_their_exact_number(rng: np.random.Generator) -> None:
    world = spheres(setting(), rng)
    found = cover(observed(planted(world, even_lines(3)), world, 0), 1, MOST, 1024, 0)
    assert [one.chosen for one in found.found] == [3, 3]
    assert found.counts == pytest.approx((2.7, 2.7), rel=0.02)


def test_half_of_the_circle_takes_one_line_and_a_half(rng: np.random.Generator) -> None:
    world = spheres(setting(), rng)
    found = cover(observed(planted(world, even_lines(3)), world, 0), 1, HALF, 1024, 0)
    assert [one.chosen for one in found.found] == [2, 2]
    assert found.counts == pytest.approx((1.5, 1.5), rel=0.1)


def test_what_the_atoms_do_not_cover_has_no_count(rng: np.random.Generator) -> None:
    world = spheres(setting(d=4), rng)
    found = cover(observed(planted(world, np.eye(4)), world, 0), 1, HALF, 512, 0)
    assert found.counts == (np.inf, np.inf)


def test_distortion_is_the_residual_of_the_features_own_lines(rng: np.random.Generator) -> None:
    world = spheres(setting(d=3), rng)
    lines = sphere(10, 3, rng)
    found = distortion(observed(planted(world, lines), world, 0), 0, signed=True)
    expected = np.square(residual(sphere(100_000, 3, rng), lines, 1)).mean()
    assert found.low < expected < found.high
    assert found.bound == pytest.approx(float(bounds.distortion_floor(10, 3)))


def arm(case: str, factor: float = 1.0, *, k: int = 1, power: bool = False) -> list[tuple[Setting, Evidence]]:
    """Counts at the floor times a factor, or a power of the dimension."""
    found = []
    for d in range(2, 8):
        about = setting(case, d, k)
        floor = float(np.exp(bounds.log_atom_floor(d, 1, 0.5, delta=0.5, signed=about.signed)))
        count = float(d**2) if power else factor**d * floor
        evidence = Evidence(">=", 1, 1, 1, 1, 1, also={"count_half": (count, count), "count_most": (count, count)})
        found.append((about, evidence))
    return found


def verdicts(said: list[tuple[Setting, Evidence]]) -> dict[str, str]:
    return {about.case.split(": ")[1]: evidence.verdict for about, evidence in said}


@pytest.mark.parametrize("case", [RAYS, LINES])
def test_counts_at_the_floor_obey_every_law(case: str, rng: np.random.Generator) -> None:
    assert set(verdicts(t1_conclusions.laws(arm(case), rng)).values()) == {"holds"}


def test_powers_of_the_dimension_break_the_laws(rng: np.random.Generator) -> None:
    found = verdicts(t1_conclusions.laws(arm(LINES, power=True), rng))
    assert found == dict.fromkeys(found, "violated")


@pytest.mark.parametrize("factor", [0.9, 1.2])
def test_another_rate_is_noticed(factor: float, rng: np.random.Generator) -> None:
    assert verdicts(t1_conclusions.laws(arm(LINES, factor), rng))["rate of the floor"] == "violated"


def test_two_atoms_as_steep_as_one_are_noticed(rng: np.random.Generator) -> None:
    assert verdicts(t1_conclusions.slower(arm(TWO, 1.1, k=2), arm(RAYS), rng)) == {"a smaller rate": "violated"}


def test_counts_above_the_ceiling_are_noticed() -> None:
    about, evidence = arm(TWO, k=2)[3]
    many = replace(evidence, also={"count_most": (1e6, 3.0)})
    assert verdicts(t1_conclusions.under_ceiling([(about, many)])) == {"ceiling": "violated"}


def test_dimensions_without_all_counts_are_left_out() -> None:
    (about, evidence), *others = arm(LINES)
    dims, _ = t1_conclusions.counted([(about, replace(evidence, also={"count_half": (np.inf, 2.0)})), *others])
    assert sorted(set(dims)) == [3, 4, 5, 6, 7]
