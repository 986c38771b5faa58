"""Products of a sparse autoencoder that touch only what fires."""

from .active import Active
from .reference import decode_active, encode_active
from .rule import TopUnits

__all__ = ["Active", "TopUnits", "decode_active", "encode_active"]
