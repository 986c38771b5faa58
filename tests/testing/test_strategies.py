"""The public strategies: what they build is what they document."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, Phase, find, given, settings
from hypothesis import strategies as st
from hypothesis.errors import NoSuchExample

from sasa_theory.testing import (  # fmt: skip
    CovarianceSpec,
    DictionarySpec,
    PartitionSpec,
    covariances,
    dictionaries,
    partitions,
    worlds,
)
from sasa_theory.testing.strategies import COVARIANCE_KINDS, DICTIONARY_KINDS, PARTITION_KINDS
from synthetic import World, WorldConfig

QUIET = settings(max_examples=2000, phases=[Phase.generate], suppress_health_check=list(HealthCheck))


@given(dictionaries())
def test_dictionaries_are_unit_atoms_from_their_seed(spec: DictionarySpec) -> None:
    atoms = spec.build()
    assert atoms.shape == (spec.atoms, spec.ambient)
    assert spec.d <= spec.ambient <= spec.d + 2
    np.testing.assert_allclose(np.linalg.norm(atoms, axis=1), 1, rtol=1e-12)
    np.testing.assert_array_equal(atoms, spec.build())
    assert len(repr(spec)) < 120


@pytest.mark.parametrize("seed", range(5))
def test_dictionary_kinds(seed: int) -> None:
    def cosines(kind: str) -> np.ndarray:
        atoms = DictionarySpec(kind, 12, 4, 6, seed).build()
        return np.abs(atoms @ atoms.T)[np.triu_indices(12, 1)]

    assert cosines("random").max() < 0.999
    assert (cosines("clustered") > 0.8).sum() >= 12
    assert (cosines("duplicated") > 1 - 1e-12).sum() >= 6
    assert cosines("near-collinear").min() > 1 - 1e-9
    assert (cosines("near-collinear") < 1).any()
    spares = DictionarySpec("orthonormal plus spares", 12, 4, 6, seed).build()
    np.testing.assert_array_equal(spares[:4], np.eye(4, 6))
    assert np.abs(spares[4:, 4:]).min() > 0


@given(covariances())
def test_covariances_are_semidefinite_with_the_promised_spectrum(spec: CovarianceSpec) -> None:
    matrix = spec.build()
    np.testing.assert_array_equal(matrix, matrix.T)
    np.testing.assert_allclose(np.linalg.eigvalsh(matrix)[::-1], spec.eigenvalues, atol=1e-14)
    assert np.trace(matrix) == pytest.approx(1)


def test_covariance_kinds() -> None:
    spectra = {kind: CovarianceSpec(kind, 6, 0).eigenvalues for kind in COVARIANCE_KINDS}
    assert np.ptp(spectra["isotropic"]) == 0
    assert (np.diff(spectra["power-law"]) < 0).all()
    assert (spectra["rank-deficient"] == 0).sum() == 3
    assert len(set(spectra["repeated eigenvalues"])) == 2
    assert 0 < spectra["nearly singular"][-1] < 1e-11


@given(partitions(), st.integers(1, 200), st.integers(0, 2**32 - 1))
def test_partitions_label_every_input(spec: PartitionSpec, n: int, seed: int) -> None:
    inputs = np.random.default_rng(seed).standard_normal((n, 3))
    labels = spec.build(inputs)
    assert labels.shape == (n,)
    assert ((labels >= 0) & (labels < spec.groups)).all()
    np.testing.assert_array_equal(labels, spec.build(inputs))


@pytest.mark.parametrize("seed", range(5))
def test_partition_kinds(seed: int) -> None:
    inputs = np.random.default_rng(seed).standard_normal((1000, 3))

    def sizes(kind: str) -> np.ndarray:
        return np.bincount(PartitionSpec(kind, 6, seed).build(inputs), minlength=6)

    assert np.ptp(sizes("balanced")) <= 1
    assert 850 < sizes("one big")[0] < 970
    assert list(sizes("empty groups") > 0) == [True, False] * 3
    assert list(sizes("singletons")) == [995, 1, 1, 1, 1, 1]
    cones = PartitionSpec("cones", 8, seed)
    np.testing.assert_array_equal(cones.build(inputs), cones.build(5 * inputs))
    assert not np.array_equal(cones.build(inputs), cones.build(-inputs))


@settings(max_examples=15)
@given(worlds(), st.integers(0, 2**31))
def test_every_world_can_be_built_and_sampled(config: WorldConfig, seed: int) -> None:
    world = World.build(config, seed)
    x = world.sample(50, torch.Generator().manual_seed(seed)).x
    assert x.shape == (50, config.width)
    assert torch.isfinite(x).all()


@pytest.mark.parametrize(
    ("strategy", "kinds"),
    [(dictionaries(), DICTIONARY_KINDS), (covariances(), COVARIANCE_KINDS), (partitions(), PARTITION_KINDS)],
)
def test_every_kind_is_drawn(strategy: st.SearchStrategy, kinds: tuple[str, ...]) -> None:
    for kind in kinds:
        assert find(strategy, lambda spec, kind=kind: spec.kind == kind, settings=QUIET).kind == kind


def test_atoms_leave_the_slice_unless_told_not_to() -> None:
    assert find(dictionaries(), lambda spec: spec.ambient == spec.d + 2, settings=QUIET).ambient > 2
    with pytest.raises(NoSuchExample):
        find(dictionaries(spare_dims=0), lambda spec: spec.ambient > spec.d, settings=QUIET)


def test_specs_shrink_to_the_smallest() -> None:
    spec = find(dictionaries(), lambda spec: spec.atoms >= 3)
    assert (spec.kind, spec.atoms, spec.d, spec.ambient, spec.seed) == ("random", 3, 2, 2, 0)
