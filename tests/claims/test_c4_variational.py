"""C4: what the decoder's penalty misses of the map; its range is tested in test_inequalities.py."""

from __future__ import annotations

import numpy as np
import pytest

from sasa_theory.claims.measuring.factors import change_gauge, nuclear_norm


def test_a_decoder_penalty_falls_by_r_to_sqrt_r_while_the_map_stays():
    r = 6
    decoder = np.eye(r, 12)
    skew = np.ones((r, r)) + 1e-3 * np.random.default_rng(0).standard_normal((r, r))
    rows = skew @ decoder
    scale = np.linalg.norm(rows, axis=1)
    encoder, unit_rows = change_gauge(decoder.T, decoder, np.linalg.inv(skew / scale[:, None]))
    np.testing.assert_allclose(encoder @ unit_rows, decoder.T @ decoder, atol=1e-9)
    np.testing.assert_allclose(np.linalg.norm(unit_rows, axis=1), 1.0, atol=1e-9)
    assert nuclear_norm(decoder) == pytest.approx(r)
    assert nuclear_norm(unit_rows) == pytest.approx(np.sqrt(r), rel=1e-2)
