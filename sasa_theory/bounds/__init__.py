"""Closed forms of the theory: vectorised pure functions in float64, in the log domain where values leave its range.

NumPy and SciPy only. Angles are radians, logarithms natural, ``eps`` a chordal distance on the unit sphere, ``signed``
says whether codes may be negative. Every function raises ValueError naming argument, value and range.
"""

from .caps import cap_measure, log_cap_measure, log_near_subspace_measure, near_subspace_measure
from .coherence import afa_interval, coherence_limit, welch_bound
from .covering import (
    atom_ceiling,
    atom_floor,
    block_ceiling,
    circle_count,
    coverage_bound,
    log_atom_ceiling,
    log_atom_floor,
    log_block_ceiling,
    log_coverage_bound,
    rate_exponent,
    rate_per_dimension,
)
from .distortion import distortion_floor, log_distortion_floor
from .gauge import gauge_floor, gauge_floor_from_log, log_near_optimal_floor, polygon_gauge, true_basis_gauge
from .nuclear import (
    SingleGroupOptimum,
    critical_lambda,
    decoder_penalty_range,
    partition_floor,
    phi,
    second_group_pressure,
    single_group_optimum,
)
from .nulls import circular_fit_r2, random_subspace_cosine
from .samples import (
    log_memorising_coverage,
    log_visiting_floor,
    memorising_coverage,
    samples_for_error,
    spiked_cosine,
    spiked_samples,
    subspace_error,
)
from .soft_topk import SoftTopK, laplace_cdf, soft_topk
from .splitting import lasso_slope_circle, mean_pair_radius, split_path_change, split_path_slope

__all__ = [
    "SingleGroupOptimum",
    "SoftTopK",
    "afa_interval",
    "atom_ceiling",
    "atom_floor",
    "block_ceiling",
    "cap_measure",
    "circle_count",
    "circular_fit_r2",
    "coherence_limit",
    "coverage_bound",
    "critical_lambda",
    "decoder_penalty_range",
    "distortion_floor",
    "gauge_floor",
    "gauge_floor_from_log",
    "laplace_cdf",
    "lasso_slope_circle",
    "log_atom_ceiling",
    "log_atom_floor",
    "log_block_ceiling",
    "log_cap_measure",
    "log_coverage_bound",
    "log_distortion_floor",
    "log_memorising_coverage",
    "log_near_optimal_floor",
    "log_near_subspace_measure",
    "log_visiting_floor",
    "mean_pair_radius",
    "memorising_coverage",
    "near_subspace_measure",
    "partition_floor",
    "phi",
    "polygon_gauge",
    "random_subspace_cosine",
    "rate_exponent",
    "rate_per_dimension",
    "samples_for_error",
    "second_group_pressure",
    "single_group_optimum",
    "soft_topk",
    "spiked_cosine",
    "spiked_samples",
    "split_path_change",
    "split_path_slope",
    "subspace_error",
    "true_basis_gauge",
    "welch_bound",
]
