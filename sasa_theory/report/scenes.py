"""The sphere of a feature of dimension three, served by atoms or by one block, to turn with the mouse or to print.

Both spheres have one colour scale: the share ``||P u||^2`` of a direction u's squared length that the unit nearest to u
captures. For atoms with non-negative codes that is ``max_j max(<a_j, u>, 0)^2``, which falls to ``cos^2 theta`` between
atoms that are 2 theta apart; a block whose rows span the feature captures all of every direction.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import matplotlib as mpl
import numpy as np
import plotly.graph_objects as go
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from mpl_toolkits.mplot3d import Axes3D
from plotly.subplots import make_subplots

from sasa_theory.bounds.validate import Floats, real

_TURNED = (49, 97)  # latitudes and longitudes of the sphere in a browser, which blends colours between them
_PRINTED = (61, 121)  # of the printed one, which does not
_LIFT = 1.25  # length of arrows, as the sphere hides what lies within
_ATOM, _BLOCK = "#d55e00", "#000000"  # one of seaborn's palette "colorblind", and one that differs in grey as well
_COLOURS = "viridis"
_LABEL = "share of squared length captured"


def captured(directions: Floats, atoms: Floats) -> Floats:
    """Share of each direction's squared length that the nearest atom captures with a non-negative code.

    Parameters
    ----------
    directions : ndarray, shape (..., 3)
        Unit vectors u.
    atoms : ndarray, shape (N, 3)
        Atoms of any length but 0.

    Returns
    -------
    ndarray, shape (...)
        ``max_j max(<a_j, u>, 0)^2``, a_j brought to length 1.
    """
    nearest = (directions @ _unit("atoms", atoms).T).max(axis=-1)
    return np.square(np.maximum(nearest, 0.0))


def captured_by_block(directions: Floats, block: Floats) -> Floats:
    """Share ``||P u||^2`` of each direction's squared length, P the projection onto the row space of a block.

    Parameters
    ----------
    directions : ndarray, shape (..., 3)
        Unit vectors u.
    block : ndarray, shape (r, 3)
        Independent rows of one unit's decoder.

    Returns
    -------
    ndarray, shape (...)
        1 everywhere if r is 3.
    """
    basis = np.linalg.svd(_unit("block", block), full_matrices=False)[2]
    return np.square(directions @ basis.T).sum(axis=-1)


def sphere_scene(atoms: Floats, block: Floats | None = None) -> go.Figure:
    """The sphere of a feature served by atoms and, beside it, by one block; both turn with the mouse.

    Parameters
    ----------
    atoms : ndarray, shape (N, 3)
        Atoms in coordinates of the feature; drawn with length 1.
    block : ndarray, shape (r, 3), optional
        Independent rows of one unit's decoder; without it there is one sphere.

    Raises
    ------
    ValueError
        If a shape is another, a number not finite, or an atom 0.
    """
    parts = _parts(atoms, block)
    specs, titles = [[{"type": "scene"}] * len(parts)], [part.title for part in parts]
    figure = make_subplots(1, len(parts), specs=specs, subplot_titles=titles)
    sphere, low = _sphere(_TURNED), _lowest(parts)
    for column, part in enumerate(parts, start=1):
        x, y, z = np.moveaxis(sphere, -1, 0).astype(np.float32)
        surface = go.Surface(
            x=x, y=y, z=z, surfacecolor=part.shares(sphere).astype(np.float32), cmin=low, cmax=1, colorscale=_COLOURS,
            showscale=column == len(parts), colorbar={"title": {"text": _LABEL, "side": "right"}, "len": 0.8},
            hovertemplate="captured: %{surfacecolor:.2f}<extra></extra>", lighting={"ambient": 0.9, "specular": 0.0},
        )  # fmt: skip
        gaps = np.full_like(part.arrows, np.nan)
        x, y, z = np.stack((part.arrows, _LIFT * part.arrows, gaps), axis=1).reshape(-1, 3).T.astype(np.float32)
        look = {"color": part.colour}
        arrows = go.Scatter3d(
            x=x, y=y, z=z, mode="lines+markers", line={**look, "width": 5}, marker={**look, "size": 3},
            hoverinfo="skip", showlegend=False,
        )  # fmt: skip
        figure.add_traces([surface, arrows], rows=[1] * 2, cols=[column] * 2)
    figure.update_scenes(xaxis_visible=False, yaxis_visible=False, zaxis_visible=False, aspectmode="data")
    return figure.update_layout(height=420, width=460 * len(parts), margin={"l": 0, "r": 0, "t": 40, "b": 0})


def sphere_axes(ax: Axes3D, atoms: Floats, block: Floats | None = None, *, low: float = 0.0) -> Axes3D:
    """One sphere to print, served by the block if one is given, else by the atoms.

    Parameters
    ----------
    ax : mpl_toolkits.mplot3d.Axes3D
        From ``figure.add_subplot(projection="3d")``; it is seen from where it is when this is called.
    atoms, block
        As for :func:`sphere_scene`.
    low : float
        Share that the darkest colour stands for.
    """
    part = _parts(atoms, block)[-1]
    sphere = _sphere(_PRINTED)
    middles = (sphere[1:, 1:] + sphere[:-1, :-1]) / 2
    middles /= np.linalg.norm(middles, axis=-1, keepdims=True)
    colours = mpl.colormaps[_COLOURS](Normalize(low, 1)(part.shares(middles)))
    ax.computed_zorder = False  # arrows in front are drawn over the sphere, those behind are left out
    x, y, z = np.moveaxis(sphere, -1, 0)
    ax.plot_surface(x, y, z, facecolors=colours, rstride=1, cstride=1, shade=False, antialiased=False, zorder=1)
    for arrow in part.arrows[part.arrows @ _towards_the_eye(ax) > 0]:
        ax.plot(*np.stack((arrow, _LIFT * arrow), axis=1), color=part.colour, lw=1.5, zorder=2)
        ax.plot(*(_LIFT * arrow[:, None]), "o", color=part.colour, ms=3, zorder=3)
    ax.set(xlim=(-_LIFT, _LIFT), ylim=(-_LIFT, _LIFT), zlim=(-_LIFT, _LIFT))
    ax.set_title(part.title, y=1.0)
    ax.set_box_aspect((1, 1, 1), zoom=1.35)
    ax.set_axis_off()
    return ax


def sphere_figure(atoms: Floats, block: Floats | None = None) -> Figure:
    """Both spheres to print, with their colour scale."""
    forms = [None] if block is None else [None, block]
    low = _lowest(_parts(atoms, block))
    figure = Figure(figsize=(4 * len(forms) + 0.8, 3.8), layout="constrained")
    axes = [figure.add_subplot(1, len(forms), k, projection="3d") for k in range(1, len(forms) + 1)]
    for ax, form in zip(axes, forms, strict=True):
        sphere_axes(ax, atoms, form, low=low)
    figure.colorbar(ScalarMappable(Normalize(low, 1), _COLOURS), ax=axes, label=_LABEL, shrink=0.7, pad=0.02)
    return figure


@dataclass(frozen=True)
class Shown:
    """A scene as a notebook keeps it: the interactive figure, and a picture for viewers without JavaScript.

    Attributes
    ----------
    scene : plotly.graph_objects.Figure
        Turns with the mouse.
    picture : bytes
        The same as PNG.
    """

    scene: go.Figure
    picture: bytes

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        """What Jupyter asks for; plotly's own would be the scene alone."""
        return {
            "application/vnd.plotly.v1+json": json.loads(self.scene.to_json()),
            "image/png": self.picture,
            "text/plain": "spheres: atoms, and one block",
        }


def show_scene(atoms: Floats, block: Floats | None = None) -> Shown:
    """:func:`sphere_scene` and its picture, for the last line of a notebook's cell.

    Raises
    ------
    ValueError
        As :func:`sphere_scene`.
    """
    picture = io.BytesIO()
    sphere_figure(atoms, block).savefig(picture, format="png", dpi=100, metadata={"Software": None})
    return Shown(sphere_scene(atoms, block), picture.getvalue())


class _Part(NamedTuple):
    """One sphere: its title, what sticks out of it, and the share captured as a function of directions."""

    title: str
    arrows: Floats
    shares: Callable[[Floats], Floats]
    colour: str


def _parts(atoms: Floats, block: Floats | None) -> list[_Part]:
    """The sphere of the atoms and, if there is one, that of the block, whose codes have both signs."""
    atoms = _unit("atoms", atoms)
    parts = [_Part(f"{len(atoms)} atoms, one unit each", atoms, lambda u: captured(u, atoms), _ATOM)]
    if block is not None:
        rows = _unit("block", block)
        both = np.concatenate((rows, -rows))
        parts.append(_Part(f"one block of rank {len(rows)}", both, lambda u: captured_by_block(u, rows), _BLOCK))
    return parts


def _lowest(parts: Sequence[_Part]) -> float:
    """Smallest share on any of the spheres, rounded down to tenths; at most 0.9."""
    smallest = min(float(part.shares(_sphere(_TURNED)).min()) for part in parts)
    return min(0.9, np.floor(10 * smallest) / 10)


def _unit(name: str, rows: Floats) -> Floats:
    """Rows brought to length 1, after checking their shape."""
    rows = real(name, rows)
    if rows.ndim != 2 or rows.shape[1] != 3 or not len(rows):
        raise ValueError(f"{name} must have shape (rows, 3), got {rows.shape}")
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    if not lengths.all():
        raise ValueError(f"{name} must hold no zero row, got one at {int(np.argmin(lengths))}; leave it out")
    return rows / lengths


def _sphere(size: tuple[int, int]) -> Floats:
    """Points of the unit sphere, shape (latitudes, longitudes, 3)."""
    polar, azimuth = np.linspace(0, np.pi, size[0]), np.linspace(0, 2 * np.pi, size[1])
    sine = np.sin(polar)[:, None]
    return np.stack(
        np.broadcast_arrays(sine * np.cos(azimuth), sine * np.sin(azimuth), np.cos(polar)[:, None]), axis=-1
    )


def _towards_the_eye(ax: Axes3D) -> Floats:
    """Unit vector from the centre of the sphere to who looks at it."""
    up, around = np.deg2rad(ax.elev), np.deg2rad(ax.azim)
    return np.array([np.cos(up) * np.cos(around), np.cos(up) * np.sin(around), np.sin(up)])
