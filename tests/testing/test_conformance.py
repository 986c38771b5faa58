"""Every shipped design conforms, every planted mistake is caught by name, and exemptions are kept honest."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from sasa_theory.designs import as_design, presets
from sasa_theory.testing import CHECKS, NonConformanceError, check_design
from sasa_theory.testing.conformance import check_one
from sasa_theory.testing.small import EXEMPTIONS, small

from . import broken_designs
from .broken_designs import BROKEN, Right

PLANTED = [(check, cls) for check, classes in BROKEN.items() for cls in classes]
WITHOUT_A_MISTAKE_HERE = {"cuda"}


class Plain(nn.Module):
    """The least a module must have, without even a width."""

    def __init__(self):
        super().__init__()
        self.inward, self.outward = nn.Linear(5, 9), nn.Linear(9, 5)

    def encode(self, x):
        return self.inward(x).relu()

    def decode(self, codes):
        return self.outward(codes)


@pytest.mark.parametrize("name", sorted(presets()))
def test_every_shipped_design_conforms(name):
    report = check_design(small(name), EXEMPTIONS.get(name))
    report.raise_for_failures()
    assert [result.check.name for result in report.results] == list(CHECKS)
    silent = {"cuda", "presence_rotation", "declared_invariances", "rows_alone_in_training"}
    silent |= {"gradients_reach_parameters"} if name.startswith("random") else set()
    assert {result.check.name for result in report.results if result.status == "skipped"} <= silent


@pytest.mark.parametrize("factory", [Right, lambda: Plain()])
def test_what_is_right_conforms(factory):
    report = check_design(factory, width=5 if factory is not Right else None)
    assert report.ok, report.failures
    report.raise_for_failures()


@pytest.mark.parametrize(("check", "cls"), PLANTED, ids=[f"{check}-{cls.__name__}" for check, cls in PLANTED])
def test_every_planted_mistake_is_caught_by_name(check, cls):
    result = check_one(check, cls)
    assert result.status == "failed"
    assert result.message
    assert result.check.mend in str(result)
    assert len(result.rows) <= 2  # shrunk
    sizes = {abs(value) for row in result.rows for value in row}
    assert all(round(value, 1) == value for value in sizes)


def test_every_check_catches_something():
    assert set(BROKEN) | WITHOUT_A_MISTAKE_HERE == set(CHECKS)


@pytest.mark.parametrize(
    ("check", "cls"), [(c, k) for c, k in PLANTED if c in {"loss_counts", "forward_decodes_codes"}]
)
def test_a_mistake_in_one_place_is_reported_there_alone(check, cls):
    report = check_design(cls)
    assert [result.check.name for result in report.failures] == [check]
    assert not report.ok
    with pytest.raises(NonConformanceError, match=rf"{cls.__name__} breaks 1 of {len(CHECKS)} checks\n{check}: "):
        report.raise_for_failures()


def test_an_expected_failure_is_no_failure():
    report = check_design(broken_designs.ForgetsTheBias, {"forward_decodes_codes": "known"})
    assert report.ok
    assert report["forward_decodes_codes"].status == "expected"
    assert report["forward_decodes_codes"].message == "known"


def test_a_stale_exemption_fails():
    report = check_design(Right, {"gradcheck": "straight-through"})
    assert [result.check.name for result in report.failures] == ["gradcheck"]
    with pytest.raises(NonConformanceError, match=r"gradcheck stale: it passes, .* can go: straight-through"):
        report.raise_for_failures()


def test_an_exemption_from_what_does_not_apply_is_not_stale():
    assert check_design(Plain, {"presence_rotation": "no units"}, width=5).ok


@pytest.mark.parametrize("wrapped", [False, True])
def test_competition_in_the_batch_may_be_declared(wrapped):
    class Competing(Plain):
        batch_dependent = True

        def encode(self, x):
            codes = super().encode(x)
            return codes * (codes > codes.mean()) if self.training and len(x) else codes

    def factory():
        return as_design(Competing(), 5) if wrapped else Competing()

    assert check_design(factory, width=5).ok
    assert check_one("rows_alone_in_training", factory, width=5).status == "skipped"
    Competing.batch_dependent = False
    assert check_one("rows_alone_in_training", factory, width=5).status == "failed"


def test_declared_invariances_are_looked_at():
    class Declaring(Right):
        invariances = ("scale", "sign")

    assert check_one("declared_invariances", Declaring).status == "passed"
    assert check_one("declared_invariances", Right).status == "skipped"


def test_a_forward_of_the_modules_own_is_looked_at_too():
    class Forgetful(Plain):
        def forward(self, x):
            return self.encode(x) @ self.outward.weight.T

    class Tells(Plain):
        def forward(self, x):
            return self.decode(self.encode(x)), x.mean()

    assert check_one("forward_decodes_codes", Forgetful, width=5).status == "failed"
    assert check_one("forward_decodes_codes", Tells, width=5).status == "skipped"


def test_exceptions_are_failures_that_name_the_line_in_the_users_file():
    class Raises(Right):
        def decode(self, codes):
            return nn.Linear(3, 3)(codes)  # raised within torch

    result = check_one("shapes", Raises)
    assert result.status == "failed"
    assert "test_conformance.py, line" in result.message
    assert "RuntimeError: " in result.message
    assert result.rows == ()


def test_a_check_leaves_the_random_generator_and_threads_alone():
    threads = torch.get_num_threads()
    torch.manual_seed(3)
    before = torch.get_rng_state()
    try:
        for ours in (1, 2):
            torch.set_num_threads(ours)
            check_one("threads", Right)
            assert torch.get_num_threads() == ours
    finally:
        torch.set_num_threads(threads)
    check_one("ties", broken_designs.DrawsAmongTies)
    assert torch.equal(torch.get_rng_state(), before)


def test_reports_are_reproducible():
    first, second = (check_one("rows_alone", broken_designs.GatesByTheBatchMean) for _ in range(2))
    assert first == second


def test_what_cannot_be_checked_is_refused():
    design = Right()
    with pytest.raises(ValueError, match="factory must return a fresh module at every call, got the same Right twice"):
        check_design(lambda: design)
    with pytest.raises(ValueError, match=r"check must be one of .* got 'gradchek'; did you mean 'gradcheck'"):
        check_design(Right, {"gradchek": "?"})
    with pytest.raises(ValueError, match="width must be given, since Plain has no attribute width"):
        check_design(Plain)
    with pytest.raises(TypeError, match=r"module must be a torch\.nn\.Module, got a dict"):
        check_design(dict)
    with pytest.raises(ValueError, match="did you mean 'shapes'"):
        check_design(Right)["shape"]
