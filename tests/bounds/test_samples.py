"""Samples that a subspace costs, and samples that a tiling costs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sasa_theory import bounds

from .oracles import agree


@pytest.mark.parametrize(
    ("signal", "ambient", "samples"), [(4.0, 300, 600), (1.5, 200, 1000), (0.1, 300, 600), (1e3, 4096, 10), (1.0, 2, 3)]
)
def test_spiked_cosine(signal: float, ambient: int, samples: int) -> None:
    agree("spiked_cosine", signal, ambient, samples)


@pytest.mark.parametrize(
    ("cosine", "signal", "ambient"), [(0.9, 4.0, 300), (0.0, 4.0, 300), (0.999, 0.1, 4096), (0.5, 1e3, 1)]
)
def test_spiked_samples(cosine: float, signal: float, ambient: int) -> None:
    agree("spiked_samples", cosine, signal, ambient)


@given(st.floats(0.01, 100.0), st.integers(1, 4096), st.integers(1, 10**6))
def test_spiked_samples_inverts_the_cosine(signal: float, ambient: int, samples: int) -> None:
    cosine = bounds.spiked_cosine(signal, ambient, samples)
    assert 0 <= cosine < 1
    if cosine > 1e-6:
        assert bounds.spiked_samples(cosine, signal, ambient) == pytest.approx(samples, rel=1e-6)
    assert bounds.spiked_cosine(signal, ambient, samples + 1) >= cosine


@pytest.mark.parametrize("gated", [True, False])
@pytest.mark.parametrize(
    ("samples", "d", "ambient", "signal", "noise", "usage"),
    [
        (1000, 8, 64, 2.0, 0.5, 0.1),
        (1, 1, 1, 1.0, 1.0, 1.0),
        (10**6, 16, 300, 1e-3, 2.0, 1e-4),
        (50, 3, 9, 1.0, 0.0, 0.5),
    ],
)
def test_subspace_error(
    samples: int, d: int, ambient: int, signal: float, noise: float, usage: float, gated: bool
) -> None:
    agree("subspace_error", samples, d, ambient, signal, noise=noise, usage=usage, gated=gated)
    agree("samples_for_error", 0.01, d, ambient, signal, noise=noise, usage=usage, gated=gated)


@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize(
    ("samples", "d", "eps"), [(10, 3, 0.3), (10**6, 8, 0.3), (10**9, 64, 0.1), (5, 1, 0.2), (10, 4096, 0.01)]
)
def test_memorising_coverage(samples: int, d: int, eps: float, signed: bool) -> None:
    agree("memorising_coverage", samples, d, eps, signed=signed)


@pytest.mark.parametrize(
    ("log_samples", "d", "eps"),
    [(0.0, 3, 0.5), (3.0, 8, 0.5), (13.8, 4096, 0.1), (9000.0, 4096, 0.1), (30.0, 64, 1e-6), (2.0, 2, 0.9)],
)
def test_log_memorising_coverage(log_samples: float, d: int, eps: float) -> None:
    agree("log_memorising_coverage", log_samples, d, eps)
    agree("log_memorising_coverage", log_samples, d, eps, signed=False)


@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize(("d", "eps", "moved", "delta"), [(8, 0.3, 4, 0.0), (4096, 1e-6, 7, 0.5), (1, 0.3, 2, 0.1)])
def test_visiting_floor(d: int, eps: float, moved: int, delta: float, signed: bool) -> None:
    agree("log_visiting_floor", d, eps, moved=moved, delta=delta, signed=signed)


@given(st.integers(1, 1000), st.integers(1, 64), st.floats(1e-3, 0.999), st.booleans())
def test_memorising_obeys_the_coverage_inequality(samples: int, d: int, eps: float, signed: bool) -> None:
    memorised = bounds.memorising_coverage(samples, d, eps, signed=signed)
    assert memorised <= bounds.coverage_bound(samples, d, 1, eps, signed=signed) * (1 + 1e-12)
