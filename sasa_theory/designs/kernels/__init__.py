"""Products of a sparse autoencoder that touch only what fires."""

from .active import Active
from .decode import decode_active
from .dense import linear
from .encode import encode_active
from .rule import TopUnits
from .screen import SCREEN_TOLERANCE

__all__ = ["SCREEN_TOLERANCE", "Active", "TopUnits", "decode_active", "encode_active", "linear"]
