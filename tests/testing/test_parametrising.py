"""One pytest test a check: passes, skips, xfails and fails as the check does."""

from __future__ import annotations

import subprocess
import sys

import pytest

from sasa_theory.designs import get
from sasa_theory.testing import CHECKS, NonConformanceError, parametrize_checks


def factory():
    return get("sasa/paper", width=6, groups=4, rank=2, active=1)


def forgetful():
    design = factory()
    design.forward = lambda x: design.decode(design.encode(x)) + 1
    return design


def checks(mark):
    assert mark.args[0] == "check"
    return {param.id: param.values[0] for param in mark.args[1]}


@parametrize_checks(factory)
def test_sasa_conforms(check):
    check()


def test_there_is_a_test_for_every_check():
    assert list(checks(parametrize_checks(factory))) == list(CHECKS)


def test_outcomes_become_those_of_pytest():
    with pytest.raises(pytest.skip.Exception, match="declares no invariances"):
        checks(parametrize_checks(factory))["declared_invariances"]()
    with pytest.raises(NonConformanceError, match=r"(?s)forward_decodes_codes: forward\(x\).*mend: "):
        checks(parametrize_checks(forgetful))["forward_decodes_codes"]()
    expected = {"forward_decodes_codes": "adds one"}
    with pytest.raises(pytest.xfail.Exception, match="adds one"):
        checks(parametrize_checks(forgetful, expected))["forward_decodes_codes"]()
    with pytest.raises(NonConformanceError, match="stale: it passes"):
        checks(parametrize_checks(factory, expected))["forward_decodes_codes"]()


def test_an_unknown_check_is_refused_before_any_test_runs():
    with pytest.raises(ValueError, match="did you mean 'ties'"):
        parametrize_checks(factory, {"tie": "?"})


def test_checking_needs_neither_pytest_nor_hypothesis_and_strategies_name_what_they_miss():
    code = (
        "import sys; sys.modules['pytest'] = sys.modules['hypothesis'] = None\n"
        "from sasa_theory.testing import check_design\n"
        "from sasa_theory.testing.small import small\n"
        "check_design(small('relu')).raise_for_failures()\n"
        "print('checked')\n"
        "from sasa_theory.testing import worlds"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["checked"], done.stderr
    last = done.stderr.splitlines()[-1]
    assert "sasa_theory.testing.worlds needs hypothesis" in last
    assert "pip install 'sasa-theory[test]'" in last
