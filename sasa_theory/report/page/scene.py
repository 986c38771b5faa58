"""Scenes in three dimensions: a stored design on the manifolds of a known world, or theory's where none is given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sasa_theory import designs
from sasa_theory.bounds.validate import Floats
from sasa_theory.metrics import Observation, observe
from sasa_theory.metrics.matching import taken
from sasa_theory.report.scenes import sphere_scene
from synthetic import World, preset

from .charts import LEGEND, PALETTE, Chart, axis, heat_map

_ROWS = 8000
_POINTS = 900
"""Points of a manifold; enough to see its form."""

_MANIFOLDS = 3
"""Shown of a world, one of each kind."""

_NEAR = 0.7
"""Cosine with the feature's subspace from which a single direction is drawn on it."""

_MOST = 60
"""Rows and columns of an affinity at most."""

_THIN = 0.05
"""Length, beside the longest, below which a direction of a block is not drawn."""

_LIFT = 1.25
_VIEW = {"x": 1.2, "y": 1.0, "z": 0.7}


@dataclass(frozen=True)
class Stored:
    """A design on disk, and the world that it was trained in: preset, scale ``small``, seed 0."""

    world: str
    folder: Path

    @classmethod
    def parse(cls, text: str) -> Stored:
        """Read ``WORLD:FOLDER``.

        Raises
        ------
        ValueError
            If it is written otherwise.
        """
        world, colon, folder = text.partition(":")
        if not (world and colon and folder):
            raise ValueError(f"a scene must be WORLD:FOLDER, such as manifolds:my-sae, got {text!r}")
        return cls(world, Path(folder))


def theory_scene() -> Chart:
    """A sphere served by twelve atoms and by one block: forms, not a trained design."""
    golden = (1 + np.sqrt(5)) / 2
    corners = [(0.0, a, b * golden) for a in (-1, 1) for b in (-1, 1)]
    atoms = np.array([np.roll(corner, k) for corner in corners for k in range(3)])
    figure = _plain_figure(sphere_scene(atoms, np.eye(3)).to_plotly_json())
    caption = (
        "From closed form, no trained design: twelve atoms at the corners of an icosahedron leave gaps between their "
        "caps, one block of rank 3 none. --scene WORLD:FOLDER draws a stored design on its world's manifolds."
    )
    return Chart("scene-theory", "A sphere: twelve atoms, or one block", caption, figure, 440)


def stored_scene(stored: Stored, number: int, name: str) -> list[Chart]:
    """A stored design: its units on manifolds, its affinity with every feature, and learned ranks.

    Parameters
    ----------
    stored : Stored
        The design and its world.
    number : int
        Distinguishes the charts' elements.
    name : str
        What the design is called.

    Raises
    ------
    ValueError, OSError
        If there is no such world or design, they do not fit, or the decoder is not affine.
    """
    world = World.build(preset(stored.world, "small"), seed=0)
    with torch.no_grad():
        seen = observe(designs.load(stored.folder), world, _ROWS)
        return [
            *_manifolds(seen, world, number, name, stored.world),
            _affinity(seen, number, name, stored.world),
            _ranks(seen, number, name),
        ]


def _manifolds(seen: Observation, world: World, number: int, name: str, title: str) -> list[Chart]:
    """A chart for each kind of feature in three dimensions, with the units that serve it; at most three."""
    kinds = {law.kind: i for i, law in reversed(list(enumerate(world.config.laws))) if law.linear_dim == 3}
    chosen = sorted(kinds.items(), key=lambda item: item[1])[:_MANIFOLDS]
    hidden = {"visible": False}
    scene = {"xaxis": hidden, "yaxis": hidden, "zaxis": hidden, "aspectmode": "data", "camera": {"eye": _VIEW}}
    layout = {"scene": scene, "legend": LEGEND, "margin": {"l": 0, "r": 0, "t": 0, "b": 0}}
    caption = "Grey: the feature, in its own coordinates. Lines: atoms that lie on it, or the directions of its block."
    return [
        Chart(
            f"scene-{number}-{k}", f"{name} on a {kind}: feature {feature} of {title}", caption,
            {"data": _feature(seen, world, feature), "layout": layout}, 420,
        )
        for k, (kind, feature) in enumerate(chosen, 1)
    ]  # fmt: skip


def _feature(seen: Observation, world: World, feature: int) -> list[dict[str, Any]]:
    basis = seen.bases[feature].double()
    points = _points(world, feature)
    radius = float(np.sqrt(np.square(points).sum(axis=1).mean()))
    arrows, kind = _arrows(seen, feature, basis)
    ends = _LIFT * radius * arrows
    lines = np.stack((np.zeros_like(ends), ends, np.full_like(ends, np.nan)), axis=1).reshape(-1, 3)
    cloud = {"mode": "markers", "name": "feature", "marker": {"size": 2, "color": PALETTE[7], "opacity": 0.55}}
    colour = PALETTE[1] if kind == "atoms" else PALETTE[0]
    drawn = {
        "mode": "lines+markers",
        "name": "units",
        "line": {"color": colour, "width": 6},
        "marker": {"color": colour, "size": 3},
    }
    return [{**cloud, **_coordinates(points)}, {**drawn, **_coordinates(lines)}]


def _arrows(seen: Observation, feature: int, basis: Tensor) -> tuple[Floats, str]:
    """Directions, in the feature's coordinates, of the block that stands for it or of all atoms that lie on it."""
    unit = int(seen.matching.subspace[feature])
    if int(seen.units.sizes.max()) > 1 and unit >= 0:
        rows = seen.units.decoder[unit].double() @ basis.mT
        _, lengths, directions = torch.linalg.svd(rows, full_matrices=False)
        kept = directions[lengths / lengths.max().clamp_min(1e-12) > _THIN]
        return torch.cat((kept, -kept)).numpy(), "block"
    near = seen.subspaces.cosine[feature] > _NEAR
    rows = seen.units.decoder[near].double().sum(dim=1) @ basis.mT
    return torch.nn.functional.normalize(rows, dim=1).numpy(), "atoms"


def _points(world: World, feature: int) -> Floats:
    """Coordinates of the feature's slices in its basis."""
    truth = world.sample(_ROWS, torch.Generator().manual_seed(1), truth="coefficients").truth
    assert truth.starts is not None
    assert truth.coefficients is not None
    starts = truth.starts[truth.features == feature][:_POINTS]
    dim = world.config.dims[feature]
    return truth.coefficients[starts.unsqueeze(1) + torch.arange(dim)].double().numpy()


def _affinity(seen: Observation, number: int, name: str, world: str) -> Chart:
    """Recovery of every feature by every unit, units in the order of the features that they stand for."""
    found = seen.matching.recovery
    assigned = [int(unit) for unit in seen.matching.subspace if unit >= 0]
    others = [int(unit) for unit in found.max(dim=0).values.argsort(descending=True) if int(unit) not in set(assigned)]
    columns = [*assigned, *others][:_MOST]
    rows = [f"{i}: {int(d)}-dimensional" for i, d in enumerate(seen.dims[:_MOST])]
    return heat_map(
        f"affinity-{number}", f"Truth × learned affinity: {name} in {world}",
        "Recovery, the harmonic mean of how much of a feature a unit spans and how much of the unit the feature is. "
        "Units stand in the order of their features, those without one after them.",
        found[:_MOST, columns].tolist(), list(map(str, columns)), rows, ("unit", "feature", "recovery"), printed=False,
    )  # fmt: skip


def _ranks(seen: Observation, number: int, name: str) -> Chart:
    """Learned rank of each feature's unit against the feature's dimension, and the line of equality."""
    ranks = taken(seen.subspaces.ranks.expand_as(seen.matching.recovery), seen.matching.subspace)
    dims = seen.dims.numpy()
    jitter = np.random.default_rng(0).uniform(-0.12, 0.12, len(dims))
    ends = [0.5, float(max(dims.max(), int(ranks.max()))) + 0.5]
    data = [
        {
            "type": "scatter", "mode": "markers", "name": "features", "x": (dims + jitter).tolist(),
            "y": ranks.tolist(), "text": [f"feature {i}" for i in range(len(dims))],
            "marker": {"color": PALETTE[0], "size": 8, "opacity": 0.7},
            "hovertemplate": "%{text}<br>learned rank %{y}<extra></extra>",
        },
        {
            "type": "scatter", "mode": "lines", "name": "equal", "x": ends, "y": ends,
            "line": {"color": PALETTE[1], "dash": "dash"},
        },
    ]  # fmt: skip
    whole = {"dtick": 1}
    layout = {
        "xaxis": whole | axis("dimension of the feature"),
        "yaxis": whole | axis("rank of its unit"),
        "legend": LEGEND,
    }
    caption = (
        "Rank: directions that hold 99 % of the energy of the unit assigned to the feature; points are spread a little "
        "sideways."
    )
    return Chart(
        f"ranks-{number}", f"Learned rank against true dimension: {name}", caption, {"data": data, "layout": layout}
    )


def _coordinates(points: Floats) -> dict[str, Any]:
    x, y, z = np.round(points, 4).T
    return {"type": "scatter3d", "x": _known(x), "y": _known(y), "z": _known(z), "hoverinfo": "skip"}


def _known(values: Floats) -> list[float | None]:
    return [None if np.isnan(value) else float(value) for value in values]


def _plain_figure(figure: Mapping[str, Any]) -> dict[str, Any]:
    """The same with lists for arrays, rounded, and without plotly's template and a fixed width."""
    layout = {name: value for name, value in figure["layout"].items() if name not in ("template", "width", "height")}
    plain_figure: dict[str, Any] = _listed({"data": figure["data"], "layout": layout})
    return plain_figure


def _listed(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _listed(one) for name, one in value.items()}
    if isinstance(value, np.ndarray):
        return _listed(value.tolist())
    if isinstance(value, list | tuple):
        return [_listed(one) for one in value]
    if isinstance(value, float):
        return None if np.isnan(value) else round(value, 4)
    return value
