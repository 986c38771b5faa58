"""Metrics as their authors define them: by hand on small dictionaries, and the defects that are known of them."""

from __future__ import annotations

import pytest
import torch

from sasa_theory import designs
from sasa_theory.metrics import AS_PUBLISHED, METRICS, metric, observe
from sasa_theory.metrics.as_published.atoms import atoms_needed
from sasa_theory.metrics.as_published.coverings import CAP, _pursued, published_covering
from sasa_theory.metrics.as_published.in_crowd import amplitudes
from sasa_theory.metrics.named import of_dimension

from .dictionaries import DIMS, WIDTH, Fixed, duplicated, junk, merged, perfect, regauged, rotated, silent, truth, world
from .worlds import leaning

KNOWN = world()
ROWS = 1_500


def look(design, known=KNOWN):
    return observe(design, known, ROWS)


def value(name, design, known=KNOWN):
    return metric(name).measure(look(design, known)).value


def each(name, design):
    return metric(name).measure(look(design)).each.tolist()


def draw(seed=3):
    return torch.Generator().manual_seed(seed)


def test_each_has_a_name_of_its_own_a_definition_and_a_correction_that_exists():
    assert not AS_PUBLISHED.keys() & METRICS.keys()
    for name, found in AS_PUBLISHED.items():
        assert name == found.name
        assert name.startswith("published_")
        assert len(found.definition) > 40
        if found.corrected_by:
            assert not metric(found.corrected_by).name.startswith("published_")


def test_atoms_are_counted_from_the_largest_energy_down():
    energies = torch.tensor([[9.0, 0.5, 0.5], [1.0, 1.0, 1.0], [8.0, 1.5, 0.5], [0.0, 0.0, 0.0]]).double()
    torch.testing.assert_close(atoms_needed(energies), torch.tensor([1, 3, 2, torch.nan]).double(), equal_nan=True)


@pytest.mark.parametrize(("form", "expected"), [(perfect, DIMS), (merged, DIMS), (duplicated, [2 * d for d in DIMS])])
def test_columns_carry_a_feature(form, expected):
    assert each("published_atoms_90", form(KNOWN)) == list(expected)
    ratios = [n / d for n, d in zip(expected, DIMS, strict=True)]
    assert each("published_splitting_ratio", form(KNOWN)) == pytest.approx(ratios)


def test_a_rotation_inside_a_group_changes_the_count_of_columns_but_not_of_units():
    turned = rotated(KNOWN, draw(), merged)
    assert value("units_90", turned) == value("units_90", merged(KNOWN)) == 1
    assert value("published_atoms_90", turned) > value("published_atoms_90", merged(KNOWN)) + 0.2


def test_energies_that_cancel_count_in_full():
    v = truth(KNOWN)[0]
    too_much = Fixed([5 * v, -4 * v, *truth(KNOWN)[1:]], 7, encoders=[v, v, *truth(KNOWN)[1:]])
    assert each("published_atoms_90", too_much)[0] == 2
    assert each("units_90", too_much)[0] == 1


def test_columns_of_features_that_are_active_too_count():
    """Circles that lean towards one another: the true unit alone serves each, but the others' spill over."""
    known = leaning()
    true = Fixed(truth(known), 2)
    assert value("units_90", true, known) == pytest.approx(1)
    assert value("published_atoms_90", true, known) >= 2
    assert value("published_feature_recon", true, known) < 0.99


def two_atoms(**settings):
    """A design that splits the plane of feature 2 between a long and a short row, which add equally much to it."""
    design = designs.get("topk/signed", width=WIDTH, atoms=2, k=2, aux_coefficient=0, **settings)
    scale = torch.tensor([[10.0], [0.1]]) if settings else torch.ones(2, 1)
    with torch.no_grad():
        design.decoder.copy_(scale * truth(KNOWN)[2])
        design.encoder.copy_(truth(KNOWN)[2] / scale)
    return design


def test_where_activations_hold_the_norm_it_is_counted_twice():
    free = two_atoms(constraint="free", initial_norm=0.1)
    assert amplitudes(look(free)).tolist() == pytest.approx([10, 0.1])
    assert amplitudes(look(two_atoms())).tolist() == [1, 1]
    assert each("published_atoms_90", free)[2] == 1
    assert each("published_atoms_90", two_atoms())[2] == 2


def test_a_feature_is_reconstructed_or_not():
    assert each("published_feature_recon", perfect(KNOWN)) == pytest.approx([1] * len(DIMS))
    assert each("published_feature_recon", silent(KNOWN)) == pytest.approx([0] * len(DIMS))
    bases = truth(KNOWN)
    faint = Fixed(bases, 2, encoders=[0.2 * bases[0], *bases[1:]], gates=bases)
    assert each("published_feature_recon", faint)[0] == pytest.approx(1 - 0.8**2)
    found = torch.tensor(each("published_atoms_90", faint))
    assert found.isnan().tolist() == [True] + [False] * 5


def test_atoms_belong_to_the_feature_that_holds_half_of_them():
    assert each("published_own_atoms", perfect(KNOWN)) == list(DIMS)
    assert each("published_own_atoms", two_atoms()) == [0, 0, 2, 0, 0, 0]
    assert each("published_own_atoms", silent(KNOWN)) == list(DIMS)  # though none of them ever fires


def test_slots_are_won_by_preactivations():
    won = torch.tensor(each("published_slots_won", two_atoms()))
    assert won[2] == 2
    assert (won[[0, 1, 3, 4, 5]] == 0).all()
    cut, level = (each(f"published_{name}", two_atoms())[2] for name in ("topk_cut_level", "own_pre_level"))
    assert 0 < cut < level
    assert torch.tensor(each("published_slots_won", perfect(KNOWN))).isnan().all()


def lines(number):
    angles = torch.arange(number).double() * torch.pi / number
    return torch.stack((angles.cos(), angles.sin()), dim=1)


def test_three_lines_cover_a_circle_to_one_half_and_two_do_not():
    points = lines(1000)
    assert published_covering(points, lines(3), 1, 0.5001) == 3
    assert published_covering(points, lines(2), 1, 0.5) == CAP  # reported as if it were a number
    assert published_covering(points, lines(2), 2, 0.3) == 2
    assert published_covering(points, lines(7), 1, 0.999) == 2


def test_pursuit_with_every_atom_is_least_squares():
    generator = draw()
    points, atoms = (torch.randn(n, 6, generator=generator, dtype=torch.float64) for n in (20, 3))
    atoms = torch.nn.functional.normalize(atoms, dim=1)
    left = points - points @ torch.linalg.pinv(atoms) @ atoms
    torch.testing.assert_close(_pursued(points, atoms, 3), left)
    torch.testing.assert_close(_pursued(points, torch.cat((atoms, atoms)), 5), left)  # copies add nothing


def test_the_basis_covers_with_as_many_atoms_a_point_as_there_are_dimensions():
    assert each("published_covering_k4_e30", perfect(KNOWN)) == list(DIMS)


def test_groups_capture_features():
    assert each("published_capture", perfect(KNOWN)) == pytest.approx([1] * 6)
    assert each("published_matched_rank", perfect(KNOWN)) == list(DIMS)
    assert each("published_groups_per_feature", perfect(KNOWN)) == [1] * 6
    assert each("published_groups_dominant", duplicated(KNOWN)) == [2] * 6
    bases = truth(KNOWN)
    halved = Fixed([*bases[:2], bases[2][:1], bases[2][1:], *bases[3:]], 3)
    assert each("published_groups_per_feature", halved) == [1, 1, 2, 1, 1, 1]
    for name in ("capture", "matched_rank", "groups_per_feature", "groups_dominant"):
        assert torch.tensor(each(f"published_{name}", two_atoms())).isnan().all()


def test_a_group_that_spans_everything_captures_everything():
    everything = junk(KNOWN)
    assert each("published_groups_dominant", everything) == each("published_groups_per_feature", everything) == [1] * 6
    assert value("recovery", everything) < 0.1


def test_ranks_of_the_truth_are_the_dimensions():
    names = ("rank_mae", "rank_bias", "rank_exact", "rank_pearson", "rank_spearman", "activation_pearson", "captured")
    found = [value(f"published_{name}", perfect(KNOWN)) for name in names]
    assert found == pytest.approx([0, 0, 1, 1, 1, 1, 1])
    assert value("used_rank_pearson", perfect(KNOWN)) == pytest.approx(1)
    assert value("published_full_rank", perfect(KNOWN)) == pytest.approx(1 / 3)
    assert value("published_distinct_ranks", perfect(KNOWN)) == 3
    for name in ("stable_rank", "participation", "activation_rank"):
        assert value(f"published_{name}", perfect(KNOWN)) == pytest.approx(2, rel=0.05)


def test_features_that_are_not_found_are_left_out_of_the_error():
    bases = truth(KNOWN)
    lost = Fixed([*bases[:5], bases[5][:2]], 2, encoders=[*bases[:5], 0 * bases[5][:2]])  # of rank 2, and silent
    assert value("published_rank_mae", lost) == 0
    assert value("dimension_error", lost) == pytest.approx(0.5)


def test_the_decoders_rank_follows_the_gauge_and_the_rank_that_is_used_does_not():
    other = regauged(KNOWN, draw())
    assert value("published_matched_rank", other) < value("published_matched_rank", perfect(KNOWN)) - 0.2
    assert value("used_rank_pearson", other) == pytest.approx(1)


def test_a_metric_of_one_dimension_is_the_mean_over_its_features():
    design = duplicated(KNOWN)
    assert value(of_dimension("published_atoms_90", 3), design) == 6
    assert value("units_90_d1", design) == pytest.approx(2)
    assert torch.tensor(value("units_90_d5", design)).isnan()
    with pytest.raises(ValueError, match="ev has no value for each feature"):
        value("ev_d2", design)


def test_an_unknown_metric_is_refused_with_the_nearest():
    with pytest.raises(ValueError, match="did you mean 'published_capture'"):
        metric("published_captur")


def test_what_is_made_of_an_observation_is_made_once():
    seen, calls = look(perfect(KNOWN)), []
    assert seen.kept(calls.append) is seen.kept(calls.append) is None
    assert len(calls) == 1
