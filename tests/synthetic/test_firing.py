"""Laws of firing: exact marginals, dependence, exclusiveness, entropy; checked against enumeration and quadrature."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, chisquare, multivariate_normal, norm
from torch import Tensor

from synthetic import Constant, Copula, Exactly, Firing, Forest, Independent, Listed, Magnitude, PerFeature, Zipf

SEEDS = st.integers(0, 2**31 - 1)
RARE = 1e-8  # tail probability at which a count is taken to refute a law


def fire(firing: Firing, features: int, n: int, seed: int) -> tuple[np.ndarray, Tensor]:
    """Dense firings (n, features) and the loadings."""
    generator = torch.Generator().manual_seed(seed)
    loadings = firing.loadings(features, generator)
    levels = firing.sampler(features, loadings, torch.device("cpu")).draw(n, generator)
    dense = np.zeros((n, features), dtype=np.int64)
    for level in levels:
        np.add.at(dense, (level.samples.numpy(), level.features.numpy()), 1)
    assert dense.max() <= 1  # nothing fires twice
    return dense.astype(bool), loadings


def tail(hits: np.ndarray, probability: np.ndarray | float, n: int) -> float:
    """Least binomial tail probability, on either side, of the counts ``hits`` out of n."""
    low, high = binom.cdf(hits, n, probability), binom.sf(hits - 1, n, probability)
    return float(np.minimum(low, high).min())


@given(seed=SEEDS, features=st.integers(1, 30), data=st.data())
def test_exactly_s_distinct_features_fire_in_every_sample(seed, features, data):
    active = data.draw(st.integers(1, features))
    dense, _ = fire(Exactly(active), features, 50, seed)
    assert (dense.sum(axis=1) == active).all()


def test_every_subset_of_exactly_s_is_equally_likely():
    dense, _ = fire(Exactly(3), 6, 60_000, 0)
    codes = dense @ (1 << np.arange(6))
    subsets = [sum(1 << i for i in c) for c in itertools.combinations(range(6), 3)]
    counts = [(codes == code).sum() for code in subsets]
    assert sum(counts) == 60_000
    assert chisquare(counts).pvalue > 1e-6


@given(seed=SEEDS, rates=st.lists(st.floats(0, 0.97), min_size=1, max_size=12))
def test_independent_firing_has_the_declared_rates(seed, rates):
    firing = Independent(Listed(tuple(rates)))
    dense, _ = fire(firing, len(rates), 20_000, seed)
    assert tail(dense.sum(axis=0), np.array(rates), 20_000) > RARE
    np.testing.assert_array_equal(firing.marginals(len(rates)), rates)


def test_independent_features_fire_independently():
    rates = np.array([0.5, 0.3, 0.1, 0.02])
    dense, _ = fire(Independent(Listed(tuple(rates))), 4, 400_000, 1)
    for i, j in itertools.combinations(range(4), 2):
        assert tail((dense[:, i] & dense[:, j]).sum(), rates[i] * rates[j], 400_000) > RARE


@pytest.mark.parametrize("scale", [0.001, 0.1, 0.3, 2.0])
def test_copula_keeps_the_marginals(scale):
    rates = np.array([0.9, 0.5, 0.2, 0.05, 0.01, 0.002, 0.0])
    firing = Independent(Listed(tuple(rates)), Copula(rank=4, scale=scale))
    n = 400_000
    dense, _ = fire(firing, len(rates), n, 2)
    assert tail(dense.sum(axis=0), rates, n) > RARE
    np.testing.assert_array_equal(firing.marginals(len(rates)), rates)


@pytest.mark.parametrize("scale", [0.2, 0.35])
def test_copula_has_the_pairwise_law_of_its_gaussian(scale):
    rates = np.array([0.6, 0.3, 0.1, 0.03, 0.01])
    n = 600_000
    dense, loadings = fire(Independent(Listed(tuple(rates)), Copula(rank=6, scale=scale)), len(rates), n, 3)
    threshold = norm.isf(rates)
    latent = (loadings @ loadings.T).double().numpy()
    independence = 1.0
    for i, j in itertools.combinations(range(len(rates)), 2):
        cov = np.array([[1.0, latent[i, j]], [latent[i, j], 1.0]])
        both = float(multivariate_normal(cov=cov).cdf(-threshold[[i, j]]))
        hits = (dense[:, i] & dense[:, j]).sum()
        assert tail(hits, both, n) > RARE
        independence = min(independence, tail(hits, rates[i] * rates[j], n))
    assert independence < RARE  # the sample is large enough to tell the copula from independence


def test_copula_has_the_triple_law_of_its_gaussian():
    rates = np.array([0.3, 0.1, 0.05])
    n = 600_000
    dense, loadings = fire(Independent(Listed(tuple(rates)), Copula(rank=2, scale=0.5)), 3, n, 4)
    cov = (loadings @ loadings.T).double().numpy()
    np.fill_diagonal(cov, 1.0)
    triple = float(multivariate_normal(cov=cov).cdf(-norm.isf(rates), rng=np.random.default_rng(0)))
    assert tail(dense.all(axis=1).sum(), triple, n) > RARE


@given(seed=SEEDS, rank=st.integers(1, 8), scale=st.floats(0.01, 3))
def test_loadings_leave_every_feature_noise_of_its_own(seed, rank, scale):
    loadings = Copula(rank, scale).loadings(20, torch.Generator().manual_seed(seed))
    assert loadings.shape == (20, rank)
    assert float(loadings.square().sum(dim=1).max()) <= 0.99 + 1e-5


FORESTS = st.builds(Forest, st.integers(1, 3), st.integers(1, 3), st.integers(1, 3), exclusive=st.booleans())


@given(seed=SEEDS, forest=FORESTS, extra=st.integers(0, 3), rate=st.floats(0.05, 0.6), data=st.data())
def test_children_fire_only_with_their_parents_at_the_stated_rates(seed, forest, extra, rate, data):
    features, n = forest.size + extra, 20_000
    copula = data.draw(st.sampled_from([None, Copula(3, 0.3)]))
    firing = Independent(Zipf(0.7, rate, rate / 4), copula, forest)
    dense, _ = fire(firing, features, n, seed)
    assert tail(dense.sum(axis=0), firing.marginals(features), n) > RARE
    for level in forest.levels():
        for child in level:
            assert not (dense[:, child] & ~dense[:, forest.parent_of(child)]).any()
        families = dense[:, level].reshape(n, -1, forest.branching)
        if forest.exclusive:
            assert families.sum(axis=2).max() <= 1


def test_a_forest_numbers_its_features_level_by_level():
    forest = Forest(roots=2, branching=3, depth=2)
    assert (forest.parents, forest.size) == (8, 26)
    first, second = forest.levels()
    assert first.tolist() == list(range(2, 8))
    assert second.tolist() == list(range(8, 26))
    assert forest.parent_of(first).tolist() == [0, 0, 0, 1, 1, 1]
    assert forest.parent_of(second).tolist() == [j for j in range(2, 8) for _ in range(3)]


def test_declared_rates_are_met_unless_siblings_overflow():
    forest = Forest(roots=1, branching=2, depth=1)
    met = forest.marginals(np.array([0.4, 0.1, 0.2]))
    np.testing.assert_allclose(met, [0.4, 0.1, 0.2])
    scaled = forest.marginals(np.array([0.3, 0.2, 0.4]))
    np.testing.assert_allclose(scaled, [0.3, 0.1, 0.2])
    loose = Forest(roots=1, branching=2, depth=1, exclusive=False).marginals(np.array([0.3, 0.2, 0.4]))
    np.testing.assert_allclose(loose, [0.3, 0.2, 0.3])


def test_siblings_that_need_not_exclude_each_other_fire_independently_given_the_parent():
    firing = Independent(Listed((0.5, 0.2, 0.3)), forest=Forest(1, 2, 1, exclusive=False))
    dense, _ = fire(firing, 3, 200_000, 5)
    assert tail(dense.all(axis=1).sum(), 0.5 * 0.4 * 0.6, 200_000) > RARE


@pytest.mark.parametrize("exclusive", [True, False])
def test_entropy_is_that_of_the_joint_law(exclusive):
    rates = (0.4, 0.3, 0.1, 0.15, 0.2, 0.25, 0.05)
    firing = Independent(Listed(rates), forest=Forest(2, 2, 1, exclusive))
    dense, _ = fire(firing, 7, 1_000_000, 6)
    share = np.unique(dense @ (1 << np.arange(7)), return_counts=True)[1] / 1_000_000
    assert firing.entropy(7) == pytest.approx(-(share * np.log2(share)).sum(), abs=0.01)


def test_entropy_of_exactly_s_counts_the_subsets():
    assert Exactly(4).entropy(256) == pytest.approx(math.log2(math.comb(256, 4)), rel=1e-12)


def test_zipf_runs_from_most_to_least():
    rates = Zipf(exponent=0.5, most=0.4, least=5e-4).probabilities(16_384)
    assert rates[[0, -1]] == pytest.approx([0.4, 5e-4], rel=1e-12)
    power = np.arange(1, 16_385) ** -0.5
    np.testing.assert_allclose(np.diff(rates) / np.diff(power), (0.4 - 5e-4) / (1 - 1 / 128), rtol=1e-6)
    assert Zipf(1.0, 0.3, 0.1).probabilities(1).tolist() == [0.3]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Constant(1.0), "probability must be in"),
        (lambda: Zipf(0.5, 0.1, 0.2), "least must be at most most = 0.1, got 0.2"),
        (lambda: Listed((0.1, -0.1)), "values must be in"),
        (lambda: Listed((0.1,)).probabilities(2), "features of rates listed for 1"),
        (lambda: Exactly(0), "active must be in"),
        (lambda: Exactly(5).check(4), "active must be at most number of features = 4, got 5"),
        (lambda: Copula(0, 0.1), "rank must be in"),
        (lambda: Copula(2, 0.0), "scale must be in"),
        (lambda: Forest(1, 0, 1), "branching must be in"),
        (
            lambda: Independent(Constant(0.1), forest=Forest(2, 2, 1)).check(5),
            "the trees must fit into the 5 features that there are; lower roots = 2",
        ),
        (
            lambda: Independent(Constant(0.1), forest=Forest(1, 1, 10**300)).check(50),
            r"depth = 1e\+300, or",
        ),
        (lambda: Independent(Constant(0.1), forest=Forest(1, 10**300, 9)).check(50), r"branching = 1e\+300 or depth"),
        (lambda: Independent(0.1), "rates must be a Rates, got 0.1"),
        (lambda: Independent(Constant(0.1), copula=3), "copula must be a Copula, got 3"),
        (lambda: Independent(Constant(0.1), forest=(1, 2, 3)), r"forest must be a Forest, got \(1, 2, 3\)"),
        (lambda: Forest(1, 2, 1, exclusive="no"), "exclusive must be a bool, got 'no'"),
        (lambda: Magnitude(mean=2.0), "mean must be a PerFeature, got 2.0"),
        (lambda: Magnitude(spread=None), "spread must be a PerFeature, got None"),
        (lambda: Magnitude(one_sided="no"), "one_sided must be a bool, got 'no'"),
        (lambda: Magnitude(by_parent=1), "by_parent must be a bool, got 1"),
        (lambda: Constant([0.1, 0.2]), r"probability must be one number, got an array of shape \(2,\)"),
        (lambda: PerFeature(b=np.ones((1, 1))), r"b must be one number, got an array of shape \(1, 1\)"),
        (lambda: Exactly([2]), r"active must be one number, got an array of shape \(1,\)"),
        (lambda: Listed(0.1), r"values must be a sequence of numbers, got shape \(\)"),
        (lambda: Listed(((0.1,), (0.2,))), r"values must be a sequence of numbers, got shape \(2, 1\)"),
    ],
)
def test_impossible_laws_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_a_forest_that_just_fits_is_taken():
    Independent(Constant(0.1), forest=Forest(2, 3, 2)).check(26)
    with pytest.raises(ValueError, match="the trees must fit into the 25 features"):
        Independent(Constant(0.1), forest=Forest(2, 3, 2)).check(25)
