"""Configs of designs that are built around another design."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Self

from .config import DesignConfig, config_class


@dataclass(frozen=True, kw_only=True)
class AroundConfig(DesignConfig):
    """Settings of a design around another.

    Attributes
    ----------
    inner : DesignConfig
        The design within.
    width : int
        That of ``inner``; not given.
    """

    inner: DesignConfig
    width: int = field(init=False)

    def __post_init__(self) -> None:
        if not isinstance(self.inner, DesignConfig):
            raise ValueError(
                f"inner must be the config of a design, got {self.inner!r}; "
                "e.g. inner=config('topk', width=768, atoms=12288, k=60)"
            )
        object.__setattr__(self, "width", self.inner.width)
        super().__post_init__()

    def to_dict(self) -> dict[str, Any]:
        """Plain values of the fields; ``inner`` is the inner config's own with its ``kind``."""
        own = {f.name: getattr(self, f.name) for f in fields(self) if f.init}
        return {**own, "inner": {"kind": self.inner.kind, **self.inner.to_dict()}}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The config of a mapping whose ``inner`` is a config, or a mapping with its ``kind`` among its fields.

        Raises
        ------
        ValueError
            If a field or the kind is unknown, missing or impossible.
        """
        inner = values.get("inner")
        if isinstance(inner, Mapping):
            kind = config_class("kind of the inner design", str(inner.get("kind")))
            values = {**values, "inner": kind.from_dict({k: v for k, v in inner.items() if k != "kind"})}
        return super().from_dict(values)
