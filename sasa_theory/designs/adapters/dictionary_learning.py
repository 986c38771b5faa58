"""Dictionaries of ``dictionary_learning`` (github.com/saprmarks/dictionary_learning) as designs."""

from __future__ import annotations

from typing import Any

from sasa_theory.designs.contract import Design
from sasa_theory.designs.wrapped import Wrapped


def wrap(dictionary: Any) -> Design:
    """A ``Dictionary``, e.g. ``AutoEncoder``, ``AutoEncoderTopK`` or ``BatchTopKSAE``, as a design.

    Parameters
    ----------
    dictionary : Dictionary
        A module with ``activation_dim``, ``dict_size``, ``encode(x)`` and ``decode(f)``.

    Returns
    -------
    Design
        A ``BatchTopKSAE`` encodes by its threshold, as the library does unless told otherwise. Until its training has
        set one, the threshold is -1 and every positive latent fires.
    """
    return Wrapped(dictionary, dictionary.activation_dim, dictionary.dict_size)
