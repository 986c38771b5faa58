"""Where in a transformer activations are read and replaced: a block, and one of its streams."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal, Self, get_args

import torch
from torch import Tensor, nn

from sasa_theory.bounds.validate import choice, count

Stream = Literal["resid_pre", "resid_post", "attn_out", "mlp_out"]
"""The residual stream before or after a block, or what its attention or its MLP adds to it."""

_ATTENTION = ("attn", "self_attn", "attention", "self_attention", "temporal_block")
_MLP = ("mlp", "feed_forward", "ffn", "block_sparse_moe", "mlp_block")
_SPELT = re.compile(r"(?:blocks\.)?(?P<block>\d+)\.(?:hook_)?(?P<stream>\w+)")

_ALONE = threading.RLock()
"""Held while a model has hooks of ours: harvesting goes on in a thread of its own."""


class _StopForwardError(Exception):
    """Ends a forward pass once what was asked for has been seen."""


@dataclass(frozen=True)
class Site:
    """A place in a transformer.

    Attributes
    ----------
    block : int
        Number of the block, from 0.
    stream : str
        See :data:`Stream`.

    Raises
    ------
    ValueError
        If there is no such stream, or the block is no whole number >= 0.
    """

    block: int
    stream: Stream = "resid_post"

    def __post_init__(self) -> None:
        count("block", self.block, 0)
        choice("stream", self.stream, get_args(Stream))

    @classmethod
    def parse(cls, text: str) -> Self:
        """The site spelt ``7.resid_pre`` or, as by TransformerLens, ``blocks.7.hook_resid_pre``.

        Raises
        ------
        ValueError
            If it is spelt in another way, or there is no such stream.
        """
        found = _SPELT.fullmatch(text)
        if found is None:
            raise ValueError(f"a site is spelt BLOCK.STREAM, as 7.resid_pre; got {text!r}")
        return cls(int(found["block"]), choice("stream", found["stream"], get_args(Stream)))  # type: ignore[arg-type]

    def __str__(self) -> str:
        return f"{self.block}.{self.stream}"


def blocks(model: nn.Module) -> nn.ModuleList:
    """The transformer blocks of a causal language model of transformers, in order.

    Raises
    ------
    ValueError
        If there is not just one list of as many modules as the model's configuration has layers.
    """
    config: Any = model.config
    layers = int(config.get_text_config().num_hidden_layers)
    lists = [module for module in model.modules() if isinstance(module, nn.ModuleList) and len(module) == layers]
    lists = [module for module in lists if any(_child(module[0], names) for names in (_ATTENTION, _MLP))]
    if len(lists) != 1:
        raise ValueError(
            f"{type(model).__name__} has {len(lists)} lists of {layers} blocks with attention or an MLP; "
            "expected one, as transformers' causal language models have"
        )
    return lists[0]


def read(model: nn.Module, site: Site, **inputs: Tensor) -> Tensor:
    """Activations at a site, shape (batch, length, width), without gradient; the pass ends there.

    >>> read(model, Site(7, "resid_pre"), input_ids=tokens, attention_mask=mask)

    Raises
    ------
    ValueError
        If the model has no such site.
    """
    found: list[Tensor] = []

    def keep(x: Tensor) -> Tensor:
        found.append(x)
        raise _StopForwardError

    with torch.no_grad(), replaced(model, site, keep):
        try:
            model(**inputs, use_cache=False)
        except _StopForwardError:
            return found[0]
    raise ValueError(f"the forward pass of {type(model).__name__} does not come by {site}")


@contextmanager
def replaced(model: nn.Module, site: Site, change: Callable[[Tensor], Tensor]) -> Iterator[None]:
    """Inside, activations at a site, shape (batch, length, width), are replaced by what ``change`` makes of them.

    Raises
    ------
    ValueError
        If the model has no such site.
    """
    module = _module(model, site)

    def before(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        if args:
            return (change(args[0]), *args[1:]), kwargs
        return args, {**kwargs, "hidden_states": change(kwargs["hidden_states"])}

    def after(_: nn.Module, __: tuple[Any, ...], output: Any) -> Any:
        # transformers 4 gives a tuple where version 5 gives a tensor
        return (change(output[0]), *output[1:]) if isinstance(output, tuple) else change(output)

    with _ALONE:
        if site.stream == "resid_pre":
            handle = module.register_forward_pre_hook(before, with_kwargs=True)
        else:
            handle = module.register_forward_hook(after)
        try:
            yield
        finally:
            handle.remove()


def width(model: nn.Module, site: Site) -> int:
    """Dimension of the activations at a site.

    Raises
    ------
    ValueError
        If the model has no such site.
    """
    _module(model, site)
    config: Any = model.config
    return int(config.get_text_config().hidden_size)


def _module(model: nn.Module, site: Site) -> nn.Module:
    """The module whose input or output the site is."""
    every = blocks(model)
    if site.block >= len(every):
        raise ValueError(
            f"{type(model).__name__} has blocks 0 to {len(every) - 1}, got {site}; "
            f"the nearest is {len(every) - 1}.{site.stream}"
        )
    block = every[site.block]
    if site.stream in ("resid_pre", "resid_post"):
        return block
    module = _child(block, _ATTENTION if site.stream == "attn_out" else _MLP)
    if module is None:
        raise ValueError(f"a block of {type(model).__name__} has no part that gives {site.stream}; use resid_post")
    return module


def _child(block: nn.Module, names: tuple[str, ...]) -> nn.Module | None:
    return next((child for name, child in block.named_children() if name in names), None)
