"""The file that somebody starts a design of their own from."""

from __future__ import annotations

import keyword
from pathlib import Path

TEMPLATE = '''"""A sparse autoencoder of your own: change encode and decode, keep their shapes."""

import torch
from torch import Tensor, nn


class MySAE(nn.Module):
    """The `active` largest latents of each row fire; decoder rows are free."""

    # The benchmark chooses these; leave out what you do not need, but not `columns`: sizes are matched. It also offers
    # `seed`, and `sparsity`, the coefficient of a penalty, which it tunes beside the learning rate.
    def __init__(self, width: int, columns: int, active: int) -> None:
        super().__init__()
        self.width, self.active = width, active
        rows = nn.functional.normalize(torch.randn(columns, width), dim=1)
        self.encoder, self.decoder = nn.Parameter(rows.clone()), nn.Parameter(rows.clone())
        self.bias = nn.Parameter(torch.zeros(width))

    def encode(self, x: Tensor) -> Tensor:
        """(rows, width) -> (rows, columns); a column that is 0 is silent."""
        codes = ((x - self.bias) @ self.encoder.T).relu()
        kept = codes.topk(self.active, dim=1)
        return torch.zeros_like(codes).scatter(1, kept.indices, kept.values)

    def decode(self, codes: Tensor) -> Tensor:
        """(rows, columns) -> (rows, width); affine: codes @ D + b."""
        return codes @ self.decoder + self.bias

    # Optional: loss(x) -> what to minimise (default: squared error); units() -> which unit each column belongs to.
'''
"""A TopK sparse autoencoder that works as it is."""


def write_template(path: Path) -> None:
    """Write :data:`TEMPLATE` to a new file.

    Raises
    ------
    ValueError
        If the file's name is no name of a Python module, or there is such a file or no such folder.
    """
    if path.suffix != ".py" or not path.stem.isidentifier() or keyword.iskeyword(path.stem):
        raise ValueError(f"the file must be named like a Python module, e.g. my_design.py, got {path.name}")
    try:
        with path.open("x") as file:
            file.write(TEMPLATE)
    except FileExistsError:
        raise ValueError(f"{path} exists and is left as it is; choose another name") from None
    except FileNotFoundError:
        raise ValueError(f"there is no folder {path.parent}") from None
