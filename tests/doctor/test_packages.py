"""Requirements of invented distributions: versions, extras inside extras, markers of other systems."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError

import pytest

from sasa_theory.doctor.packages import extras, required


@pytest.fixture
def invented(tmp_path, monkeypatch):
    """A place for installed distributions that holds `mine`, `old` 1.0 and `rich-one` 2.0 with its extra `more`."""

    def distribution(name, version, *lines):
        folder = tmp_path / f"{name.replace('-', '_')}-{version}.dist-info"
        folder.mkdir()
        text = "\n".join([f"Name: {name}", f"Version: {version}", "Metadata-Version: 2.1", *lines])
        (folder / "METADATA").write_text(text + "\n")

    distribution("old", "1.0")
    distribution(
        "rich-one", "2.0", "Provides-Extra: more", 'Requires-Dist: absent; extra == "more"', "Requires-Dist: old"
    )
    distribution(
        "mine",
        "3.0",
        "Requires-Dist: old>=1",
        "Requires-Dist: rich-one>=2.5",
        "Requires-Dist: absent>=1",
        'Requires-Dist: elsewhere; sys_platform == "nowhere"',
        "Provides-Extra: small",
        "Provides-Extra: large",
        "Provides-Extra: whole",
        'Requires-Dist: old; extra == "small"',
        'Requires-Dist: rich-one[more]>=1; extra == "large"',
        'Requires-Dist: mine[large,small]; extra == "whole"',
    )
    monkeypatch.syspath_prepend(tmp_path)


@pytest.mark.usefixtures("invented")
def test_required_packages_and_whether_they_do():
    assert [(p.name, p.wanted, p.installed, p.ok) for p in required("mine")] == [
        ("old", ">=1", "1.0", True),
        ("rich-one", ">=2.5", "2.0", False),
        ("absent", ">=1", None, False),
    ]


@pytest.mark.usefixtures("invented")
def test_extras_say_what_they_add_and_what_of_it_is_missing():
    small, large, whole = extras("mine")
    assert (small.name, small.adds, small.missing, small.pip) == ("small", ("old",), (), "pip install 'mine[small]'")
    assert (large.adds, large.missing) == (("rich-one[more]>=1",), ("absent",))
    assert (whole.adds, whole.missing) == (("mine[large,small]",), ("absent",))


def test_what_is_not_installed_is_an_error():
    with pytest.raises(PackageNotFoundError):
        required("there-is-no-such-distribution")
