"""Values printed in the theory's tables, in the literature and in classical lists of coverings."""

from __future__ import annotations

import numpy as np
import pytest

from sasa_theory import bounds

DIMENSIONS = (2, 3, 4, 6, 8, 12, 16)
ATOM_FLOOR = {  # (k, eps): floors at DIMENSIONS, signed codes; 0 where k >= d
    (1, 0.5): (3, 8, 18, 86, 395, 7_728, 142_724),
    (1, 0.3): (6, 22, 85, 1_173, 15_151, 2.3e6, 3.3e8),
    (2, 0.5): (0, 3, 4, 7, 12, 46, 182),
    (2, 0.3): (0, 4, 6, 17, 53, 583, 6_467),
    (4, 0.5): (0, 0, 0, 5, 6, 8, 14),
    (4, 0.3): (0, 0, 0, 6, 8, 19, 53),
    (8, 0.5): (0, 0, 0, 0, 0, 9, 10),
    (8, 0.3): (0, 0, 0, 0, 0, 10, 13),
}


@pytest.mark.parametrize(
    ("k", "eps", "d", "floor"),
    [(k, eps, d, n) for (k, eps), row in ATOM_FLOOR.items() for d, n in zip(DIMENSIONS, row, strict=True) if n],
)
def test_atom_floor_table(k: int, eps: float, d: int, floor: float) -> None:
    assert bounds.atom_floor(d, k, eps) == pytest.approx(floor, rel=0 if floor < 1e6 else 0.02)


@pytest.mark.parametrize(
    ("got", "printed", "digits"),
    [
        (bounds.distortion_floor(64, 5), 0.1325, 4),
        (bounds.distortion_floor(64, 8), 0.3225, 4),
        (bounds.true_basis_gauge(2), 4 / np.pi, 15),
        (bounds.true_basis_gauge(3), 1.5, 15),
        (bounds.true_basis_gauge(4), 1.698, 3),
        (bounds.true_basis_gauge(8), 2.328, 3),
        (bounds.true_basis_gauge(16), 3.242, 3),
        (bounds.polygon_gauge(4), 1.273, 3),
        (bounds.polygon_gauge(6), 1.103, 3),
        (bounds.polygon_gauge(8), 1.055, 3),
        (bounds.polygon_gauge(16), 1.013, 3),
        (bounds.split_path_slope(1.0), -1 / (2 * np.pi), 15),
        (bounds.split_path_change(np.pi / 4, 1.0), (2 * np.tan(np.pi / 8) - 1) / np.pi, 15),
        (bounds.lasso_slope_circle(0.3), -0.0224, 4),
        (bounds.spiked_cosine(4, 300, 600), 0.8611, 4),
        (bounds.spiked_cosine(1.5, 200, 1000), 0.8039, 4),
        (bounds.circular_fit_r2(6, 12), 0.545, 3),
        (bounds.welch_bound(12288, 768), 0.035, 3),
        (bounds.afa_interval(1, 0.3, 2)[0], 0.877, 3),
        (bounds.critical_lambda(1.0, 4, 0.5), 0.25, 15),
        (bounds.coherence_limit(3), 0.2, 15),
    ],
)
def test_printed_values(got: float, printed: float, digits: int) -> None:
    assert abs(got - printed) <= 0.5001 * 10.0**-digits


def test_merging_two_features_can_pay() -> None:
    """Two 1-d features that never fire together, usage .5 each, cosine .6, lam = .2: one group beats two (C3)."""
    cosine, lam, usage = 0.6, 0.2, 0.5
    merged = bounds.single_group_optimum([usage * (1 + cosine), usage * (1 - cosine)], lam).risk
    apart = 2 * bounds.single_group_optimum([usage], lam).risk
    assert merged == pytest.approx(0.3375, abs=5e-5)
    assert apart == pytest.approx(0.36, abs=5e-5)


def test_one_group_of_rank_one_loses_to_two_on_an_isotropic_plane() -> None:
    """C2's falsifier, r = 1 < d = 2, lam = .1, energy 1 a direction: one group costs 1.0975; two groups cost .557."""
    lam = 0.1
    assert bounds.single_group_optimum([1.0, 1.0], lam, rank=1).risk == pytest.approx(1.0975)
    along = 0.5 + 1 / np.pi  # energy of the cell |angle| < pi/4 along its axis, per unit energy a direction and cell
    cell = [along, 1 - along]
    two = 2 * bounds.single_group_optimum(cell, lam, rank=1).risk
    assert two == pytest.approx(0.557, abs=5e-4)
    assert two > bounds.partition_floor([1.0, 1.0], lam)


@pytest.mark.parametrize(
    ("points", "degrees"), [(4, 70.5288), (6, 54.7356), (12, 37.3774), (32, 22.6905)]
)  # optimal coverings of the sphere of R^3: Fejes Toth; R. H. Hardin, N. J. A. Sloane & W. D. Smith
def test_optimal_coverings_of_the_sphere(points: int, degrees: float) -> None:
    floor = bounds.atom_floor(3, 1, np.sin(np.radians(degrees)), signed=False)
    assert points / 1.4 <= floor <= points
