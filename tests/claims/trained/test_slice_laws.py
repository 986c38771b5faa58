import numpy as np
import pytest

from sasa_theory import bounds
from sasa_theory.claims.trained.slice_laws import slice_law

NAMES = ("unit sphere", "Gaussian radii")


@pytest.mark.parametrize("fine", [False, True])
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("d", [2, 3])
def test_moments_are_those_of_a_rotation_invariant_law_of_mean_norm_one(name, d, fine):
    law = slice_law(name, d, fine=fine)
    assert law.weights.sum() == pytest.approx(1, abs=1e-12)
    norms = np.linalg.norm(law.points, axis=1)
    assert law.mean(norms) == pytest.approx(1, abs=1e-12)
    covariance = (law.points * law.weights[:, None]).T @ law.points
    np.testing.assert_allclose(covariance, law.mean(norms**2) / d * np.eye(d), atol=1e-12)
    directions = np.random.default_rng(0).standard_normal((20, d))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    along = np.abs(law.points @ directions.T).T @ law.weights
    # the mean gauge of the basis is d E|z_1|; the kink of |w'z| costs the coarse rule some precision
    np.testing.assert_allclose(along, bounds.true_basis_gauge(d) / d, rtol=2e-4 if fine else 5e-3)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("d", [2, 3])
def test_a_change_of_any_sign_leaves_the_points_as_they_are(name, d):
    def rows(points, weights):
        return sorted(map(tuple, np.round(np.column_stack([points, weights]), 9) + 0.0))

    law = slice_law(name, d)
    for axis in range(d):
        flipped = law.points * np.where(np.arange(d) == axis, -1, 1)
        assert rows(flipped, law.weights) == rows(*law)


def test_dependent_coordinates_are_even_and_mostly_of_one_sign():
    law = slice_law("dependent", 2)
    np.testing.assert_allclose(law.weights @ law.points, 0, atol=1e-12)
    # density (1 + sin 2 theta) / 2 pi over the first quadrant
    both = (law.points > 0).all(axis=1)
    assert law.weights[both].sum() == pytest.approx(0.25 + 1 / (2 * np.pi), abs=1e-4)


def test_one_hot_points_lie_on_the_axes():
    law = slice_law("one-hot", 3)
    np.testing.assert_array_equal(np.abs(law.points).sum(axis=1), 1)
    assert len(law.points) == 6
