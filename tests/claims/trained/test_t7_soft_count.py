"""T7: counts of designs that are known to count right, too many, or the same in every row."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from sasa_theory.claims import intervals
from sasa_theory.claims.trained import t7_soft_count
from sasa_theory.claims.trained.t7_soft_count import Setting, SoftCount, counted, varying_world


class _Coordinates(nn.Module):
    """Codes are the coordinates in the true bases, ``copies`` of each; the reconstruction is exact."""

    def __init__(self, bases: torch.Tensor, copies: int = 1, constant: bool = False) -> None:
        super().__init__()
        self.bases, self.copies, self.constant = bases, copies, constant

    def encode(self, x):
        codes = (x @ self.bases.T).repeat(1, self.copies)
        return torch.ones_like(codes) if self.constant else torch.where(codes.abs() > 1e-6, codes, 0.0)

    def forward(self, x):
        return x @ self.bases.T @ self.bases


def _measured(monkeypatch, case: str, dim: int = 1, active: int = 0, **settings):
    monkeypatch.setattr(
        t7_soft_count, "trained", lambda design, world, steps, rng: _Coordinates(world.bases, **settings)
    )
    setting = Setting(case, "batch-topk", dim, 1, 1, active)
    return SoftCount().measure(setting, np.random.default_rng(0))


@pytest.mark.parametrize("dim", [1, 2])
@pytest.mark.parametrize("copies", [1, 3])
def test_true_coordinates_count_right_but_for_their_copies(monkeypatch, dim, copies):
    found = _measured(monkeypatch, "threshold", dim, copies=copies)
    assert found.verdict == "holds"
    for name, value in (("correlation", 1.0), ("slope", copies), ("excess", copies), ("explained", 1.0)):
        assert found.also[name][0] == pytest.approx(value, rel=1e-4)
    assert _measured(monkeypatch, "top-AFA", dim, copies=copies).verdict == ("holds" if copies > 1 else "violated")


def test_a_constant_count_or_a_constant_world_correlates_with_nothing(monkeypatch):
    for settings in ({"constant": True}, {"active": 2}):
        found = _measured(monkeypatch, "SoftSAE", **settings)
        assert found.measured == 0.0
        assert found.also["slope"] == (0.0,)
        assert found.verdict == "violated"


def test_a_copying_design_breaks_the_slope_of_the_published_schedule(monkeypatch):
    assert _measured(monkeypatch, "SoftSAE as published", copies=2).verdict == "violated"


def test_the_number_of_features_varies_unless_told_otherwise():
    for active in (0, 3):
        world = varying_world(2, 0, active)
        _, present, _ = counted(_Coordinates(world.bases), world, torch.Generator().manual_seed(0))
        assert present.std() == 0 if active else present.std() > 1
        assert present.mean() == pytest.approx(active or 2.4, abs=0.15)


@pytest.mark.parametrize(("soft", "verdict"), [(0.5, "holds"), (1.2, "violated")])
def test_slopes_are_compared_at_the_same_dimension(soft, verdict):
    def row(case, design, dim, slope):
        also = {"slope": (slope,), "correlation": (0.5,), "excess": (1.0,), "explained": (1.0,)}
        return Setting(case, design, dim, 1, 1), replace(intervals.exact(0.5, ">=", 0.0), also=also)

    found = [row("threshold", "batch-topk", 1, 1.0), row("threshold", "batch-topk", 2, 9.0)]
    found.append(row("SoftSAE", "softsae, slow gates", 1, soft))
    ((about, evidence),) = SoftCount().conclude(found, np.random.default_rng(0))
    assert about.dim == 1
    assert evidence.verdict == verdict
