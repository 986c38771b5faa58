"""Which packages this one needs and has, as its own metadata says."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, metadata, requires, version

from packaging.requirements import Requirement

DISTRIBUTION = "sasa-theory"


@dataclass(frozen=True)
class Package:
    """A required package.

    Attributes
    ----------
    name : str
        As pip knows it.
    wanted : str
        Versions that will do, e.g. ``>=2.4``.
    installed : str or None
        The version that is there.
    ok : bool
        Whether it is one of those.
    """

    name: str
    wanted: str
    installed: str | None
    ok: bool


@dataclass(frozen=True)
class Extra:
    """A choice of further packages.

    Attributes
    ----------
    name : str
        In brackets after the package's name, for pip.
    adds : tuple of str
        Requirements that it names, extras of this package among them.
    missing : tuple of str
        Requirements that are not met here; none if the extra is installed.
    pip : str
        What installs it.
    """

    name: str
    adds: tuple[str, ...]
    missing: tuple[str, ...]
    pip: str


def required(distribution: str = DISTRIBUTION) -> list[Package]:
    """What the package cannot do without.

    Raises
    ------
    importlib.metadata.PackageNotFoundError
        If the distribution itself is not installed.
    """
    return [
        Package(wanted.name, str(wanted.specifier), _installed(wanted.name), not _unmet(wanted))
        for wanted in _requirements(distribution)
    ]


def extras(distribution: str = DISTRIBUTION) -> list[Extra]:
    """What each extra would add.

    Raises
    ------
    importlib.metadata.PackageNotFoundError
        If the distribution itself is not installed.
    """
    found = []
    for name in metadata(distribution).get_all("Provides-Extra") or []:
        wanted = _requirements(distribution, name)
        missing = dict.fromkeys(text for requirement in wanted for text in _unmet(requirement))
        pip = f"pip install '{distribution}[{name}]'"
        found.append(Extra(name, tuple(map(_plain, wanted)), tuple(missing), pip))
    return found


def _requirements(distribution: str, extra: str = "") -> list[Requirement]:
    """Of a distribution for this machine: those without an extra, or those that an extra adds."""
    found = []
    for wanted in map(Requirement, requires(distribution) or []):
        always = wanted.marker is None or wanted.marker.evaluate({"extra": ""})
        if (always and not extra) or (extra and not always and wanted.marker.evaluate({"extra": extra})):  # type: ignore[union-attr]
            found.append(wanted)
    return found


def _unmet(wanted: Requirement) -> list[str]:
    """What is missing or of another version: the requirement, or those of the extras that it asks for."""
    installed = _installed(wanted.name)
    if installed is None or not wanted.specifier.contains(installed, prereleases=True):
        return [_plain(wanted)]
    return [
        text for extra in sorted(wanted.extras) for inner in _requirements(wanted.name, extra) for text in _unmet(inner)
    ]


def _installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _plain(wanted: Requirement) -> str:
    """A requirement without its marker."""
    extra = f"[{','.join(sorted(wanted.extras))}]" if wanted.extras else ""
    return f"{wanted.name}{extra}{wanted.specifier}"
