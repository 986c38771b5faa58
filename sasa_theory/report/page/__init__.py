"""The page: records of ``bench``, ``verify`` and ``real`` in, one self-contained folder out; nothing here measures."""

from .building import Options, build
from .inputs import Inputs, read_inputs

__all__ = ["Inputs", "Options", "build", "read_inputs"]
