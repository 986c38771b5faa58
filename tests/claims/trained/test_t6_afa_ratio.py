"""T6: codes and lengths against hand-made dictionaries; comparisons that must fail do."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sasa_theory import designs
from sasa_theory.claims.trained import t6_afa_ratio
from sasa_theory.claims.trained.t6_afa_ratio import AFARatio, Setting, coded, spheres


def _two_atoms(cosine: float):
    """A TopK that keeps both of its atoms in every row of a plane."""
    design = designs.get("topk/signed", width=2, atoms=2, k=2)
    second = torch.tensor([cosine, (1 - cosine**2) ** 0.5])
    with torch.no_grad():
        design.decoder.copy_(torch.stack([torch.tensor([1.0, 0.0]), second]))
        design.encoder.copy_(torch.linalg.inv(design.decoder).T)
    return design.eval()


class _Plane:
    """Rows on the bisector of two atoms."""

    def __init__(self, cosine: float) -> None:
        self.cosine = cosine

    def sample(self, n: int, generator: torch.Generator):
        row = torch.tensor([1.0 + self.cosine, (1 - self.cosine**2) ** 0.5])
        return type("Rows", (), {"x": row.repeat(n, 1)})


@pytest.mark.parametrize("cosine", [-0.3, 0.0, 0.3, 0.8])
def test_equal_codes_on_two_atoms_have_the_known_ratio(cosine):
    codes, lengths, active = coded(_two_atoms(cosine), _Plane(cosine), 0)
    ratio = np.linalg.norm(codes, axis=1) / lengths
    np.testing.assert_allclose(ratio, 1 / np.sqrt(1 + cosine), rtol=1e-5)
    assert (active == 1).all()


@pytest.mark.parametrize(
    ("case", "cosine"), [("row nearest to the lower end", 0.3), ("row nearest to the upper end", -0.3)]
)
def test_the_rows_interval_is_attained_and_one_atom_fewer_breaks_it(case, cosine):
    design = _two_atoms(cosine)
    ratio, active = np.array([1 / np.sqrt(1 + cosine)]), np.ones((1, 2))
    found = t6_afa_ratio._nearest(Setting(case, "topk", 2, 2, 1, 1), design, ratio, active)
    assert found.measured == pytest.approx(found.bound, rel=1e-6)
    assert found.verdict == "holds"
    missed = t6_afa_ratio._nearest(Setting(f"{case}, one atom not counted", "topk", 2, 2, 1, 1), design, ratio, active)
    assert missed.verdict == "violated"


def test_the_row_that_leaves_least_room_is_the_one_reported():
    design, active = _two_atoms(0.3), np.ones((3, 2))
    found = t6_afa_ratio._nearest(
        Setting("row nearest to the lower end", "topk", 2, 2, 1, 1), design, np.array([1.0, 0.5, 0.9]), active
    )
    assert found.measured == 0.5
    assert found.verdict == "violated"


def test_spheres_lie_in_orthogonal_subspaces_one_a_row():
    world = spheres(3, 1)
    np.testing.assert_allclose(world.bases @ world.bases.T, np.eye(12), atol=1e-6)
    x = world.sample(50, torch.Generator().manual_seed(0)).x
    np.testing.assert_allclose(x.norm(dim=1), 1.0, rtol=1e-5)


def test_true_pair_needs_no_training_and_an_untrained_dictionary_fails(monkeypatch):
    claim, rng = AFARatio(), np.random.default_rng(0)
    pair = claim.measure(Setting("two true features, cosine .3", "truth", 1, 2, 1, 0), rng)
    assert pair.measured == pytest.approx(0.877, abs=5e-4)

    def loose(setting, world, rng):
        design = designs.get("sasa/no_nuclear", width=world.width, groups=8, rank=2, active=1)
        with torch.no_grad():
            design.decoder.mul_(1.5)
        return design.eval()

    monkeypatch.setattr(t6_afa_ratio, "trained", loose)
    found = claim.measure(Setting("ratio of an orthonormal group", "sasa/ideal", 2, 1, 1, 1), rng)
    assert found.verdict == "violated"
