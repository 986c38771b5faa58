"""Circles whose order is known, noise that has none, and what chance gives for either."""

from __future__ import annotations

from itertools import permutations
from math import pi

import numpy as np
import pytest

from real_models.concepts.circle import circle, places


def means(labels: int, order=None, *, dims: int = 6, noise: float = 0.0, seed: int = 0):
    rng = np.random.default_rng(seed)
    order = range(labels) if order is None else order
    points = places(labels, cyclic=True)[list(order)]
    basis = np.linalg.qr(rng.standard_normal((dims, dims)))[0]
    return 3.0 * points @ basis[:2] + rng.standard_normal(dims) + noise * rng.standard_normal((labels, dims))


@pytest.mark.parametrize("labels", [5, 7, 12])
@pytest.mark.parametrize("reverse", [False, True])
def test_a_perfect_circle_is_found_whichever_way_it_goes(labels: int, reverse: bool) -> None:
    found = circle(means(labels, range(labels)[::-1] if reverse else None), samples=500)
    assert found.score.value == 1
    assert found.order in (tuple(range(labels)), (0, *range(labels - 1, 0, -1)))
    assert found.share == pytest.approx(1)
    assert found.predicted.value == pytest.approx(1)
    assert found.steps == pytest.approx(0, abs=1e-6)
    assert found.fit == pytest.approx(1)
    assert found.fit_null == pytest.approx(2 / (labels - 1))


def test_the_exact_null_of_seven_labels_is_that_of_all_their_orders() -> None:
    found = circle(means(7))
    scores = []
    for rest in permutations(range(1, 7)):
        around = (0, *rest)
        steps = [(after - before) % 7 for before, after in zip(around, (*rest, 0), strict=True)]
        scores.append(max(steps.count(1), steps.count(6)) / 7)
    assert found.score.null == pytest.approx(np.mean(scores))
    assert found.score.p == pytest.approx(2 / 720)  # both directions
    assert found.predicted.p == pytest.approx(2 / 720)


def test_neither_turning_nor_moving_nor_scaling_the_means_changes_anything() -> None:
    points = means(7, (0, 2, 1, 3, 4, 6, 5), noise=0.3)
    turn = np.linalg.qr(np.random.default_rng(1).standard_normal((6, 6)))[0]
    one, other = circle(points), circle(5 * points @ turn + 2)
    assert one.score == pytest.approx(other.score)
    assert one.predicted == pytest.approx(other.predicted)
    assert (one.share, one.steps, one.fit) == pytest.approx((other.share, other.steps, other.fit))


def test_swapping_two_neighbours_costs_three_pairs() -> None:
    assert circle(means(7, (0, 2, 1, 3, 4, 5, 6))).score.value == pytest.approx(4 / 7)


def test_p_values_of_noise_are_uniform_and_the_supervised_fit_is_as_good_as_theory_says() -> None:
    rng = np.random.default_rng(0)
    found = [circle(rng.standard_normal((7, 4))) for _ in range(120)]
    for name in ("score", "predicted"):
        values = np.array([getattr(each, name).p for each in found])
        assert (values <= 0.05).mean() <= 0.12
        assert values.mean() >= 0.4
    fits = np.array([each.fit for each in found])
    assert found[0].fit_null == pytest.approx(4 / 6)
    assert abs(fits.mean() - 4 / 6) < 4 * fits.std() / len(fits) ** 0.5
    assert np.mean([each.predicted.value for each in found]) < 0


def test_sampled_and_exact_nulls_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    points = means(7, (0, 2, 1, 3, 4, 6, 5), noise=0.3)
    exact = circle(points)
    monkeypatch.setattr("real_models.concepts.circle.EXACT", 5)
    sampled = circle(points, samples=20_000)
    for name in ("score", "predicted"):
        one, other = getattr(exact, name), getattr(sampled, name)
        assert one.value == other.value
        assert one.null == pytest.approx(other.null, abs=0.02)
        assert one.p == pytest.approx(other.p, abs=0.01)


def test_each_label_is_predicted_without_its_own_mean() -> None:
    points = means(7, noise=0.2)
    moved = points.copy()
    moved[3] += 100.0  # far off: whoever fitted it would bend the plane towards it
    angles = 2 * pi * np.arange(7) / 7
    targets = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    missed = scatter = 0.0
    for out in range(7):
        rest = [label for label in range(7) if label != out]
        centre = moved[rest].mean(axis=0)
        directions = np.linalg.svd(moved[rest] - centre)[2][:2]
        plane = np.column_stack([np.ones(7), (moved - centre) @ directions.T])
        solution = np.linalg.lstsq(plane[rest], targets[rest], rcond=None)[0]
        missed += ((plane[out] @ solution - targets[out]) ** 2).sum()
        scatter += ((targets[rest].mean(axis=0) - targets[out]) ** 2).sum()
    assert circle(moved).predicted.value == pytest.approx(1 - missed / scatter)


def test_a_line_has_ends_that_are_no_neighbours() -> None:
    angles = np.linspace(0.3, pi, 9)  # an arch, as numbers often form
    arch = np.stack([np.cos(angles), np.sin(angles), 0 * angles], axis=1)
    found = circle(arch, cyclic=False, samples=500)
    assert found.score.value == 1
    assert found.predicted.value > 0.9
    assert found.steps < 1
    mixed = circle(arch[[0, 5, 2, 7, 4, 1, 6, 3, 8]], cyclic=False, samples=500)
    assert mixed.score.value < 0.3


@pytest.mark.parametrize(
    ("points", "told"),
    [
        (np.ones((3, 2)), "at least 4 labels"),
        (np.arange(7.0)[:, None] * np.ones(3), "lie on a line"),
        (np.full((7, 2), np.nan), "means"),
    ],
)
def test_what_is_no_circle_is_refused(points, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        circle(points)
