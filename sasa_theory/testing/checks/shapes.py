"""Shapes, types and devices of what a design returns."""

from __future__ import annotations

import torch
from torch import Tensor

from ..check import Check, Complaint, Skipped, difference, first_of
from ..subject import Subject


def _shapes(subject: Subject, x: Tensor) -> Complaint:
    design = subject.design()
    codes = design.encode(x)
    expected = {
        "encode(x)": (codes, (len(x), design.columns)),
        "decode(codes)": (design.decode(codes), (len(x), design.width)),
        "forward(x)": (design(x), (len(x), design.width)),
        "presence(codes)": (design.presence(codes), (len(x), design.n_units)),
    }
    for what, (tensor, shape) in expected.items():
        if tensor.shape != shape:
            return f"{what} has shape {tuple(tensor.shape)} for {len(x)} rows, expected {shape}"
    return None


def _empty_batch(subject: Subject, x: Tensor) -> Complaint:
    return _shapes(subject, x[:0])


def _units(subject: Subject, x: Tensor) -> Complaint:
    design = subject.design()
    units = design.units()
    if units.shape != (design.columns,):
        return f"units() has shape {tuple(units.shape)}, expected {(design.columns,)}"
    if units.is_floating_point() or not torch.equal(units.unique().long(), torch.arange(design.n_units)):
        return f"units() must be the whole numbers 0 to {design.n_units - 1} without gaps, got {units.tolist()}"
    return difference("the second call of units()", design.units(), units)


def _typed(subject: Subject, x: Tensor, dtype: torch.dtype) -> Complaint:
    design, x = subject.design(dtype), x.to(dtype)
    codes = design.encode(x)
    found = {"encode(x)": codes, "decode(codes)": design.decode(codes), "forward(x)": design(x)}
    found |= {"presence(codes)": design.presence(codes), "loss(x).total": design.loss(x).total}
    for what, tensor in found.items():
        if tensor.dtype != dtype:
            return f"{what} has type {tensor.dtype} where weights and activations have {dtype}"
        # one entry may be a short number by chance, all of them hardly
        whole = what in ("decode(codes)", "forward(x)") and dtype is torch.float64 and bool(tensor.any())
        if whole and torch.equal(tensor.float().double(), tensor):
            return f"{what} holds no more digits than float32: something on the way was cast"
    return None


def _float32(subject: Subject, x: Tensor) -> Complaint:
    return _typed(subject, x, torch.float32)


def _float64(subject: Subject, x: Tensor) -> Complaint:
    return _typed(subject, x, torch.float64)


def _cuda(subject: Subject, x: Tensor) -> Complaint:
    if not torch.cuda.is_available():
        raise Skipped("there is no CUDA device")
    here, there = subject.design(), subject.design().cuda()
    codes, rows = there.encode(x.cuda()), there(x.cuda())
    for what, tensor in {"encode(x)": codes, "decode(codes)": there.decode(codes), "forward(x)": rows}.items():
        if tensor.device.type != "cuda":
            return f"{what} lies on {tensor.device} where weights and activations lie on CUDA"
    return first_of(
        difference("encode(x) on CUDA", codes.cpu(), here.encode(x), 1e-6),
        difference("forward(x) on CUDA", rows.cpu(), here(x), 1e-6),
        difference("presence(codes) on CUDA", there.presence(codes).cpu(), here.presence(codes.cpu()), 1e-6),
    )


_CAST = "make tensors with the type of what comes in (x.new_zeros, codes.to(x)), and cast nothing to a fixed type"

CHECKS = (
    Check(
        name="shapes",
        demand="encode turns (n, width) into (n, columns), decode and forward into (n, width), presence (n, units).",
        mend="reduce over the last dimension only, and keep the first one also for a single row",
        run=_shapes,
    ),
    Check(
        name="empty_batch",
        demand="A batch of no rows passes through every method.",
        mend="no maximum, no mean and no reshape(-1) over the rows of a batch that may be empty",
        run=_empty_batch,
    ),
    Check(
        name="units",
        demand="units() gives each column its unit: whole numbers 0, 1, ... without gaps, the same at every call.",
        mend="number the units as torch.unique(units, return_inverse=True)[1] does",
        run=_units,
    ),
    Check(name="float32", demand="In float32 everything comes back in float32.", mend=_CAST, run=_float32),
    Check(
        name="float64",
        demand="In float64 everything comes back in float64, with all its digits.",
        mend=_CAST,
        run=_float64,
    ),
    Check(
        name="cuda",
        demand="On a CUDA device everything stays there and equals the CPU's results.",
        mend="register constant tensors as buffers, so that to(device) moves them",
        run=_cuda,
    ),
)
