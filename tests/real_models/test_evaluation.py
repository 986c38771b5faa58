"""Evaluation without labels: planted shapes are found, gauges change nothing, seen text is told from unseen."""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path

import pytest
import torch
from rich.console import Console

from real_models.evaluation import Evaluation, evaluate
from real_models.evaluation_table import evaluation_table
from real_models.harvested import gather, look, read_up_to
from real_models.shapes import dimensions, shapes
from real_models.training import carry_out, prepare
from real_models.unseen import unseen_place
from sasa_theory import designs
from sasa_theory.designs.references.oracle import oracle
from sasa_theory.metrics import reconstruction
from sasa_theory.training import Budget

from . import tiny
from .small_runs import TEXTS, experiment, source

WIDTH, GROUPS = 24, 5


def planted(kind: str, n: int = 2500):
    """Rows in one of five orthogonal 3-dimensional subspaces: on a circle of its first two axes, or Gaussian there."""
    generator = torch.Generator().manual_seed(0)
    bases = torch.linalg.qr(torch.randn(WIDTH, 3 * GROUPS, generator=generator)).Q.mT.contiguous()
    angle = 2 * torch.pi * torch.rand(n, generator=generator)
    points = torch.stack((angle.cos(), angle.sin()), dim=1)
    if kind == "gaussian":
        points = torch.randn(n, 2, generator=generator)
    group = torch.randint(GROUPS, (n,), generator=generator)
    x = torch.einsum("nk,nkd->nd", points, bases.unflatten(0, (GROUPS, 3))[group, :2])
    return oracle(bases, (3,) * GROUPS, 1), x


def test_rows_of_the_text_are_looked_at_once():
    design, x = designs.get("topk", width=16, atoms=30, k=6), gather(source(), 300)
    assert torch.equal(x[:120], gather(source(), 120))
    assert look(design, x).reconstruction == reconstruction(design, [x])
    with pytest.raises(ValueError, match="of width 16, the activations of 5"):
        look(design, x[:, :5])


def test_dimensions_in_use_are_those_that_were_planted():
    design, x = planted("circle")
    found = dimensions(look(design, x))
    assert found is not None
    assert (found.counts, found.mean, found.most) == ((0, GROUPS, 0), 2.0, 3)
    assert dimensions(look(design, torch.zeros(4, WIDTH))) is None


def test_circles_are_irreducible_beyond_gaussian_points_and_gaussian_points_are_not():
    circle, gaussian = (shapes(look(*planted(kind)), "units", torch.Generator()) for kind in ("circle", "gaussian"))
    assert circle is not None
    assert gaussian is not None
    assert (circle.number, circle.above) == (GROUPS, 1.0)
    assert circle.score > 5 * circle.chance
    assert gaussian.score < circle.score / 5
    assert gaussian.above <= 0.4


def test_no_shape_where_nothing_fires_often():
    design, x = planted("circle", n=80)
    assert shapes(look(design, x), "units", torch.Generator()) is None


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> tuple[designs.Design, Path]:
    folder = tmp_path_factory.mktemp("runs") / "run"
    ready = prepare(experiment(), tiny.language(), source().corpus)
    return carry_out(ready, folder, progress=False), folder


@pytest.fixture(scope="module")
def found(trained) -> Evaluation:
    return evaluate(trained[0], source(), rows=600, sequences=2, unseen=True, other=trained[0])


def test_a_design_agrees_with_itself(found):
    both = found.consistency
    assert both.subspaces == pytest.approx(1.0)
    assert both.atoms == pytest.approx(1.0)
    assert both.subspaces_null < 0.9


def test_chance_has_the_sizes_of_what_was_learnt(found):
    assert (found.reconstruction.units, found.reconstruction.columns) == (4.0, 8.0)  # layer norm adds two of each
    assert (found.chance.units, found.chance.columns) == (2.0, 6.0)
    assert found.chance.ev < found.reconstruction.ev


def test_turning_columns_inside_units_changes_nothing(trained, found):
    turned = deepcopy(trained[0])
    generator = torch.Generator().manual_seed(3)
    turns = torch.linalg.qr(torch.randn(10, 3, 3, generator=generator)).Q
    for rows in (turned.inner.encoder, turned.inner.decoder):
        rows.data = (turns @ rows.data.unflatten(0, (10, 3))).flatten(0, 1)
    again = evaluate(turned, source(), rows=600, sequences=2, unseen=True, other=trained[0])
    assert again.reconstruction.ev == pytest.approx(found.reconstruction.ev, abs=1e-5)
    assert again.dimensions == found.dimensions
    assert again.shapes.score == pytest.approx(found.shapes.score, abs=0.02)
    assert again.consistency.subspaces == pytest.approx(1.0, abs=1e-4)
    assert again.fidelity.ce_design.value == pytest.approx(found.fidelity.ce_design.value, abs=1e-5)


def test_everything_is_kept_as_plain_numbers(found, tmp_path: Path):
    found.write(tmp_path / "evaluation.json")
    values = json.loads((tmp_path / "evaluation.json").read_text())
    assert values["reconstruction"]["ev"] == found.reconstruction.ev
    assert values["fidelity"]["mean"]["ce_score"]["value"] == found.fidelity.mean.ce_score.value
    assert sum(values["dimensions"]["counts"]) <= 10
    assert [path.name for path in tmp_path.iterdir()] == ["evaluation.json"]
    console = Console(width=160, record=True, quiet=False, file=(tmp_path / "told").open("w"))
    console.print(evaluation_table(found, "SASA"))
    told = console.export_text()
    console.file.close()
    for word in (
        "text that training has not read",
        "loss recovered (zero)",
        "agreement of subspaces",
        "irreducibility",
    ):
        assert word in told


def test_atoms_are_judged_by_their_clusters():
    design = designs.get("topk", width=16, atoms=40, k=6)
    close = torch.randn(4, 1, 16) + 0.3 * torch.randn(4, 10, 16, generator=torch.Generator().manual_seed(0))
    design.decoder.data = torch.nn.functional.normalize(close.flatten(0, 1), dim=1)
    measured = evaluate(design, source(), rows=600, sequences=0)
    assert measured.dimensions is None
    assert measured.fidelity is None
    assert measured.clusters.over_null > 1.2 > 0.8 * measured.cluster_chance.over_null
    assert measured.shapes is None or measured.shapes.of == "clusters"


def test_text_behind_what_training_has_read(trained):
    place = unseen_place(source(), trained[1])
    chunks = -(-960 // (8 * 15))  # 8 sequences a chunk, 15 activations a sequence
    assert place is not None
    letters = sum(len(text) + 1 for text in TEXTS[: place.document]) + place.offset
    assert letters == chunks * 8 * 15  # BOS takes the sixteenth place of each sequence


def test_a_chunk_that_was_begun_counts_as_read():
    activations = source()
    stream = activations.batches(50, torch.Generator().manual_seed(0))
    next(stream)
    place = read_up_to(activations, stream.state_dict())
    assert sum(len(text) + 1 for text in TEXTS[: place.document]) + place.offset == 8 * 15
    assert read_up_to(activations, {**stream.state_dict(), "row": 0}).document == 0


def test_a_text_that_was_read_to_its_end_has_no_unseen_part(tmp_path: Path):
    ready = prepare(
        experiment(budget=Budget(tokens=3200, batch_size=64)), tiny.language(), source(texts=TEXTS[:20]).corpus
    )
    carry_out(ready, tmp_path, progress=False)
    assert unseen_place(source(texts=TEXTS[:20]), tmp_path) is None
