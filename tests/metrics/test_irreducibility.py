"""Irreducibility of known shapes, and of what dictionaries make of spheres."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from sasa_theory.metrics import METRICS, observe
from sasa_theory.metrics.alone import slices_of
from sasa_theory.metrics.irreducibility import Irreducibility, irreducibilities, irreducibility, principal_axes
from sasa_theory.metrics.mixture import mixture_index
from sasa_theory.metrics.separability import separability_index

from . import dictionaries
from .shapes import circle, disk, gaussian, mixture, uniform

WORLD = dictionaries.world()
ROWS = 1500


def score(design, rows: int = ROWS) -> float:
    return METRICS["irreducibility"].measure(observe(design, WORLD, rows)).value


def test_only_what_is_neither_a_mixture_nor_separable_scores_high() -> None:
    circular = irreducibility(circle(600)).score
    assert circular == pytest.approx((1 - 0.2187) * 1.45, abs=0.05)
    assert circular > 3 * irreducibility(mixture(600, (1, 1), 0)).score
    for separable in (gaussian(600, 2, 1), uniform(600, 2)):
        assert irreducibility(separable).score < 0.06
    assert 0.03 < irreducibility(disk(600, 3)).score < 0.2


def test_planes_of_consecutive_coordinates_are_averaged() -> None:
    points = torch.cat((circle(400), 0.5 * gaussian(400, 1, 0)), dim=1)
    found = irreducibility(points)
    planes = [points[:, :2], points[:, 1:]]
    assert found.mixture == pytest.approx(sum(mixture_index(plane).held_out for plane in planes) / 2)
    assert found.separability == pytest.approx(sum(separability_index(plane).corrected for plane in planes) / 2)


def test_a_plane_of_rounding_counts_as_a_point() -> None:
    flat = torch.cat((circle(400)[:, :1], 1e-7 * gaussian(400, 2, 0)), dim=1)
    found = irreducibility(flat)
    assert found.separability == pytest.approx(0, abs=1e-12)
    assert found.mixture > 0.5


def test_principal_axes_find_the_plane_that_a_shape_lies_in() -> None:
    frame = torch.linalg.qr(gaussian(5, 5, 0)).Q[:2]
    points = circle(400) @ frame + 3
    axes = principal_axes(points, 2)
    torch.testing.assert_close(axes.mT @ axes, frame.mT @ frame)
    assert irreducibility(points @ axes.mT).score == pytest.approx(irreducibility(circle(400)).score, abs=0.05)


@pytest.mark.parametrize("points", [torch.zeros(9, 1), torch.zeros(9), torch.zeros(1, 2)])
def test_it_refuses_what_has_no_planes(points: Tensor) -> None:
    with pytest.raises(ValueError, match="points must have shape"):
        irreducibility(points)


def test_true_units_keep_spheres_whole_and_split_ones_do_not() -> None:
    whole = irreducibilities(observe(dictionaries.perfect(WORLD), WORLD, ROWS))
    assert whole[:2] == (None, None)  # of one dimension
    for one, separability in zip(whole[2:], (1.45, 1.45, 0.29, 0.29), strict=True):
        assert one is not None
        assert one.separability == pytest.approx(separability, abs=0.08)
        assert one.mixture < 0.3
    assert score(dictionaries.split(WORLD)) < 1e-6


def test_what_a_unit_adds_elsewhere_does_not_count() -> None:
    assert score(dictionaries.merged(WORLD)) == pytest.approx(score(dictionaries.perfect(WORLD)), rel=1e-3)


def test_a_unit_that_rarely_fires_carries_no_feature() -> None:
    bases = dictionaries.truth(WORLD)

    class Rare(dictionaries.Fixed):
        def encode(self, x: Tensor) -> Tensor:
            codes = super().encode(x)
            return codes * (codes.abs().max(dim=1, keepdim=True).values > math.inf if len(x) < 300 else 1)

    found = irreducibilities(observe(Rare(bases, 2), WORLD, ROWS))
    assert found[2:] == (Irreducibility(1.0, 0.0),) * 4


def test_slices_in_which_the_unit_is_silent_do_not_count() -> None:
    observation = observe(dictionaries.duplicated(WORLD), WORLD, ROWS)
    h, basis = slices_of(observation.rows, 6)[3], observation.bases[3]
    axes = principal_axes(h, 2)
    halves = [h[h @ basis[0] > 0], h[h @ basis[0] <= 0]]  # the unit of most energy serves one of them
    expected = [irreducibility(half.double() @ axes.mT).score for half in halves]
    found = irreducibilities(observation)[3]
    assert found is not None
    assert min(abs(found.score - value) for value in expected) < 1e-3


def test_too_few_slices_say_nothing() -> None:
    reading = METRICS["irreducibility"].measure(observe(dictionaries.perfect(WORLD), WORLD, 20))
    assert math.isnan(reading.value)


def test_a_design_stays_in_training_mode() -> None:
    design = dictionaries.perfect(WORLD).train()
    score(design)
    assert design.training
