"""Spheres of atoms and blocks: the shares are those of the theory, and both pictures hold them."""

from __future__ import annotations

import json

import numpy as np
import pytest
from matplotlib.figure import Figure

from sasa_theory.report.scenes import captured, captured_by_block, show_scene, sphere_axes, sphere_scene

AXES = np.concatenate((np.eye(3), -np.eye(3)))


def directions(n, seed=0):
    drawn = np.random.default_rng(seed).standard_normal((n, 3))
    return drawn / np.linalg.norm(drawn, axis=1, keepdims=True)


def test_atoms_capture_the_square_of_the_nearest_cosine():
    shares = captured(np.array([[1.0, 0, 0], [1, 1, 0] / np.sqrt(2), [1, 1, 1] / np.sqrt(3)]), 7 * AXES)
    np.testing.assert_allclose(shares, [1, 1 / 2, 1 / 3])


def test_a_direction_behind_all_atoms_is_not_captured():
    assert captured(-np.ones(3) / np.sqrt(3), AXES[:3]) == 0


def test_a_block_captures_its_plane_whatever_its_basis():
    tilted = np.array([[1.0, 0, 0], [3, 1, 0]])
    u = directions(9)
    np.testing.assert_allclose(captured_by_block(u, tilted), u[:, 0] ** 2 + u[:, 1] ** 2)
    np.testing.assert_allclose(captured_by_block(u, directions(3, seed=1)), 1)


def test_the_scene_holds_both_spheres_on_one_scale():
    scene = sphere_scene(AXES, np.eye(3))
    tiled, whole = (trace for trace in scene.data if trace.type == "surface")
    assert (tiled.cmin, tiled.cmax) == (whole.cmin, whole.cmax)
    assert tiled.cmin <= np.asarray(tiled.surfacecolor).min() == pytest.approx(1 / 3, abs=0.02)
    np.testing.assert_allclose(whole.surfacecolor, 1, rtol=1e-6)
    assert [note.text for note in scene.layout.annotations] == ["6 atoms, one unit each", "one block of rank 3"]
    assert len(sphere_scene(AXES).data) == 2


def test_arrows_stick_out_along_the_atoms():
    arrows = sphere_scene(3 * AXES[:2]).data[1]
    ends = np.stack([arrows.x, arrows.y, arrows.z], axis=1).reshape(-1, 3, 3)
    np.testing.assert_allclose(ends[:, 0], AXES[:2])
    np.testing.assert_allclose(ends[:, 1] / np.linalg.norm(ends[:, 1], axis=1, keepdims=True), AXES[:2])
    assert np.isnan(ends[:, 2]).all()  # or lines would join them


def test_only_arrows_in_front_of_the_printed_sphere_are_drawn():
    ax = Figure().add_subplot(projection="3d", elev=10, azim=80)
    sphere_axes(ax, AXES)
    tips = [np.stack(line.get_data_3d(), axis=1)[-1] for line in ax.lines]
    np.testing.assert_allclose(np.unique(tips, axis=0), 1.25 * AXES[2::-1])


def test_a_notebook_gets_both_pictures_and_stays_small():
    bundle = show_scene(directions(200), np.eye(3))._repr_mimebundle_()
    assert bundle["image/png"].startswith(b"\x89PNG")
    assert len(json.dumps(bundle["application/vnd.plotly.v1+json"])) + 4 / 3 * len(bundle["image/png"]) < 400_000
    assert show_scene(AXES).picture == show_scene(AXES).picture


@pytest.mark.parametrize(
    ("atoms", "match"),
    [
        (np.eye(2), r"atoms must have shape \(rows, 3\), got \(2, 2\)"),
        (np.zeros((0, 3)), "shape"),
        (np.array([[1.0, 0, 0], [0, 0, 0]]), "no zero row, got one at 1"),
        (np.full((1, 3), np.nan), "atoms"),
    ],
)
def test_what_cannot_be_drawn_is_refused(atoms, match):
    with pytest.raises(ValueError, match=match):
        sphere_scene(atoms)
