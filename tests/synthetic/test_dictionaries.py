from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from torch import Tensor

from sasa_theory.bounds import coherence_limit, welch_bound
from synthetic import coherence
from synthetic.dictionaries import coherent_bases, independent_bases, low_coherence_bases, orthogonal_bases

SEEDS = st.integers(0, 2**31)
DIMS = st.lists(st.integers(1, 5), min_size=2, max_size=12)
Builder = Callable[..., Tensor]
BUILDERS: list[Builder] = [
    independent_bases,
    orthogonal_bases,
    low_coherence_bases,
    lambda width, dims, g, dtype: coherent_bases(width, dims, 0.97, g, dtype),
]
DIMENSION_WORLD = [d for d in (1, 2, 3, 4, 6, 8, 12, 16) for _ in range(32)]
RANK_WORLD = [d for d in range(1, 9) for _ in range(32)]


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def split(bases: Tensor, dims: list[int]) -> list[np.ndarray]:
    return [b.double().numpy() for b in bases.split(dims)]


def all_cosines(bases: Tensor, dims: list[int]) -> np.ndarray:
    """Slow, obvious reference: one singular value decomposition a pair."""
    blocks = split(bases, dims)
    return np.array([np.linalg.norm(a @ b.T, 2) for i, a in enumerate(blocks) for b in blocks[:i]])


@given(
    st.sampled_from(BUILDERS),
    st.integers(36, 60),
    st.lists(st.integers(1, 5), min_size=2, max_size=40),
    SEEDS,
    st.sampled_from([torch.float32, torch.float64]),
)
def test_bases_are_orthonormal_and_repeatable(
    build: Builder, width: int, dims: list[int], seed: int, dtype: torch.dtype
) -> None:
    bases = build(width, dims, generator(seed), dtype)
    assert bases.shape == (sum(dims), width)
    assert bases.dtype == dtype
    for block in split(bases, dims):
        np.testing.assert_allclose(block @ block.T, np.eye(len(block)), atol=50 * torch.finfo(dtype).eps)
    assert torch.equal(bases, build(width, dims, generator(seed), dtype))
    assert not torch.equal(bases, build(width, dims, generator(seed + 1), dtype))


@given(st.integers(5, 40), DIMS, SEEDS)
def test_orthogonal_bases_fill_one_frame_after_another(width: int, dims: list[int], seed: int) -> None:
    bases = orthogonal_bases(width, dims, generator(seed), torch.float64)
    frame: list[np.ndarray] = []
    frames = 1
    for block in split(bases, dims):
        if sum(map(len, frame)) + len(block) > width:
            frame, frames = [], frames + 1
        for other in frame:
            np.testing.assert_allclose(block @ other.T, 0, atol=1e-12)
        frame.append(block)
    if frames > 1:  # distinct frames are independent, hence not orthogonal
        assert coherence(bases, dims).max > 1e-3


@given(st.integers(5, 20), DIMS, SEEDS, st.floats(0, 0.999))
def test_prescribed_coherence_is_measured_back(width: int, dims: list[int], seed: int, mu: float) -> None:
    floor = coherence(low_coherence_bases(width, dims, generator(seed), torch.float64), dims).max
    fits = sum(dims) + max(dims) <= width
    assume(fits or mu >= floor)
    bases = coherent_bases(width, dims, mu, generator(seed), torch.float64)
    cosines = all_cosines(bases, dims)
    assert cosines.max() == pytest.approx(mu, abs=1e-6)
    if fits:
        np.testing.assert_allclose(cosines, mu, atol=1e-9)


@given(st.integers(5, 20), DIMS, SEEDS)
def test_unreachable_coherence_names_the_nearest_reachable(width: int, dims: list[int], seed: int) -> None:
    assume(sum(dims) > width)
    floor = coherence(low_coherence_bases(width, dims, generator(seed), torch.float64), dims).max
    assume(floor > 0.01)
    with pytest.raises(ValueError, match=f"mu must be at least {floor:.6f}"):
        coherent_bases(width, dims, floor - 0.01, generator(seed))
    reached = coherent_bases(width, dims, min(floor + 1e-6, 0.9999999), generator(seed), torch.float64)
    assert coherence(reached, dims).max == pytest.approx(floor, abs=2e-6)


def test_sharp_selection_limit_can_be_prescribed() -> None:
    dims, limit = [1, 2, 3, 4] * 20, float(coherence_limit(3))
    bases = coherent_bases(256, dims, limit, generator(0))
    assert coherence(bases, dims).max == pytest.approx(limit, abs=1e-6)


@pytest.mark.parametrize(
    ("width", "dims", "prime"),
    [(14, [1] * 60, 7), (64, [1] * 1900, 31), (65, [1] * 500, 31), (96, [1, 2, 3, 4] * 30, 11), (60, [2] * 300, 13)],
)
@given(seed=SEEDS)
def test_low_coherence_is_bounded_by_the_gauss_sum(width: int, dims: list[int], prime: int, seed: int) -> None:
    measured = coherence(low_coherence_bases(width, dims, generator(seed), torch.float64), dims)
    assert measured.max <= 1 / math.sqrt(prime) + 1e-12
    assert measured.max >= 0.75 / math.sqrt(prime)
    if max(dims) == 1 and width > 60:
        assert measured.max <= 1.6 * welch_bound(len(dims), width)


@given(SEEDS, st.integers(20, 28))
def test_low_coherence_features_are_orthogonal_when_they_fit(seed: int, n: int) -> None:
    dims = [1] * n + [2]  # more than one frame of chirps would be needed
    assert coherence(low_coherence_bases(30, dims, generator(seed), torch.float64), dims).max < 1e-12


def test_low_coherence_of_more_features_than_chirps_falls_back_to_frames() -> None:
    for width, dims in ((2, [1] * 5), (6, [1] * 19), (8, [4] * 5)):
        low = low_coherence_bases(width, dims, generator(4))
        assert torch.equal(low, orthogonal_bases(width, dims, generator(4)))


def test_low_coherence_of_a_large_dictionary() -> None:
    dims = [1] * 4096
    measured = coherence(low_coherence_bases(768, dims, generator(5)), dims, 0.0511)
    assert 0.05 < measured.max < 0.0512
    assert measured.share_below > 0.99
    assert coherence(independent_bases(768, dims, generator(5)), dims).max > 0.16


@given(st.integers(5, 24), DIMS, SEEDS, st.floats(0, 1))
def test_summary_equals_the_pairwise_reference(width: int, dims: list[int], seed: int, limit: float) -> None:
    bases = independent_bases(width, dims, generator(seed), torch.float64)
    cosines = all_cosines(bases, dims)
    assume(np.abs(cosines - limit).min() > 1e-9)
    measured = coherence(bases, dims, limit)
    assert measured.pairs == len(cosines)
    assert measured.max == pytest.approx(cosines.max())
    assert measured.mean == pytest.approx(cosines.mean())
    assert measured.share_below == pytest.approx((cosines < limit).mean())


@pytest.mark.parametrize("block", [1, 7, 100])
def test_summary_does_not_depend_on_the_block_size(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    dims = [1, 3, 2] * 7
    bases = independent_bases(12, dims, generator(6), torch.float64)
    whole = coherence(bases, dims, 0.5)
    monkeypatch.setattr("synthetic.pair_coherence._BLOCK_ENTRIES", block)
    parts = coherence(bases, dims, 0.5)
    assert (parts.pairs, parts.share_below) == (whole.pairs, whole.share_below)
    assert (parts.max, parts.mean) == pytest.approx((whole.max, whole.mean))


def test_one_feature_has_no_pairs() -> None:
    measured = coherence(independent_bases(4, [2], generator(0)), [2])
    assert measured.pairs == 0
    assert math.isnan(measured.max)


def test_dimension_world_has_the_published_coherence() -> None:
    # Measured on the reference world: max .317, mean .138, 54 % of the pairs below 1/7.
    measured = coherence(independent_bases(768, DIMENSION_WORLD, generator(0)), DIMENSION_WORLD, 1 / 7)
    assert measured.max == pytest.approx(0.317, abs=0.02)
    assert measured.mean == pytest.approx(0.138, abs=0.001)
    assert measured.share_below == pytest.approx(0.54, abs=0.01)


def test_rank_world_has_the_published_coherence() -> None:
    # Mean .113, 14 % of the pairs below 1/15; the maximum of six seeds ran from .243 to .256.
    measured = coherence(independent_bases(768, RANK_WORLD, generator(0)), RANK_WORLD, 1 / 15)
    assert measured.max == pytest.approx(0.25, abs=0.025)
    assert measured.mean == pytest.approx(0.113, abs=0.0015)
    assert measured.share_below == pytest.approx(0.14, abs=0.01)


@given(SEEDS)
def test_independent_lines_are_uniformly_distributed(seed: int) -> None:
    # For two uniform lines in R^n the squared cosine has mean 1/n; independent pairs of lines give the error.
    n, pairs = 10, 4000
    bases = independent_bases(n, [1] * (2 * pairs), generator(seed), torch.float64)
    squares = (bases[:pairs] * bases[pairs:]).sum(1) ** 2
    assert float(squares.mean()) == pytest.approx(1 / n, abs=6 * float(squares.std()) / math.sqrt(pairs))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda g: independent_bases(4, [], g), "at least one feature"),
        (lambda g: independent_bases(4, [2, 5], g), "dims must be at most width = 4, got 5"),
        (lambda g: orthogonal_bases(4, [0], g), "dims must be in"),
        (lambda g: low_coherence_bases(0, [1], g), "width must be in"),
        (lambda g: coherent_bases(8, [1, 1], 1.0, g), "mu must be in"),
        (lambda g: coherent_bases(8, [3], 0.5, g), "at least two features"),
        (lambda g: coherence(torch.eye(3), [1, 1]), r"sum\(dims\) = 2 rows, got shape \(3, 3\)"),
        (lambda g: coherence(torch.eye(3), [1, 1, 1], 1.5), "limit must be in"),
    ],
)
def test_impossible_arguments_are_refused(call: Callable[[torch.Generator], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call(generator(0))
