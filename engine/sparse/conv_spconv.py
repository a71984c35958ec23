"""Submanifold convolution through spconv (optional extra, CUDA only, inference only).

spconv refuses tensors of 2^31 bytes and more, so wide features are convolved in slices of channels
whose results are added (input channels) or joined (output channels). Its CPU build is never used:
with more than one OpenMP thread some of its rows are silently wrong.
"""

import importlib.util
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from engine.host.machine import HOPPER, Hardware
from engine.sparse.backends import Verdict
from engine.sparse.topology import Topology

BYTE_LIMIT = 2**31
NEWEST_CAPABILITY = HOPPER
"""spconv 2.3.8, the last release, has no code for GPUs after Hopper."""


def probe(hardware: Hardware) -> Verdict:
    """Whether spconv can be used on some hardware."""
    if hardware.kind == "rocm":
        return Verdict(False, "it has no code for AMD's GPUs")
    if hardware.kind == "cpu":
        return Verdict(False, "its CPU build gives wrong numbers, so it is used on CUDA only")
    if hardware.kind != "cuda" or hardware.capability is None:
        return Verdict(False, "it has code for CUDA only")
    if importlib.util.find_spec("spconv") is None:
        return Verdict(False, "spconv-cu126 is not installed (the extra maquette[cuda])")
    if hardware.capability > NEWEST_CAPABILITY:
        return Verdict(False, "its last release has no code for a GPU this new")
    try:
        from spconv.cppconstants import CPU_ONLY_BUILD  # pyright: ignore[reportMissingImports]
    except (ImportError, OSError) as error:
        return Verdict(False, f"it does not import: {error}")
    if CPU_ONLY_BUILD:
        return Verdict(False, "the CPU build is installed; install spconv-cu126 instead")
    return Verdict(True, "implicit GEMM kernels of spconv")


def convolve(
    topology: Topology, feats: Tensor, weight: Tensor, bias: Tensor | None, rows: Tensor | None
) -> Tensor:
    """See ``engine.sparse.convolution.submanifold_conv3d``; ``rows`` are picked afterwards."""
    if len(feats) == 0:  # spconv knows no empty grid
        return feats.new_zeros(0, len(weight))
    out = convolve_in_slices(
        lambda part, kernel: _call(topology, part, kernel), feats, weight, BYTE_LIMIT
    )
    if bias is not None:
        out += bias
    return out if rows is None else out[rows]


def convolve_in_slices(
    call: Callable[[Tensor, Tensor], Tensor], feats: Tensor, weight: Tensor, byte_limit: int
) -> Tensor:
    """``call(feats, weight)`` with every tensor of rows kept below ``byte_limit`` bytes.

    Raises:
        ValueError: there are too many rows even for slices of 8 channels.
    """
    most = (byte_limit - 1) // max(1, len(feats) * feats.element_size())
    if max(feats.shape[1], len(weight)) <= most:
        return call(feats, weight)
    most = most // 8 * 8  # the kernels need channels in multiples of 8
    if most == 0:
        raise ValueError(f"spconv cannot convolve {len(feats)} cells; use the backend 'torch'")
    out = feats.new_zeros(len(feats), len(weight))
    for first in range(0, len(weight), most):
        into = slice(first, first + most)
        for start in range(0, feats.shape[1], most):
            part = slice(start, start + most)
            out[:, into] += call(feats[:, part].contiguous(), weight[into, ..., part].contiguous())
    return out


def _call(topology: Topology, feats: Tensor, weight: Tensor) -> Tensor:
    import spconv.pytorch as spconv  # pyright: ignore[reportMissingImports]

    with torch.device("meta"):
        layer = spconv.SubMConv3d(
            feats.shape[1], len(weight), 3, bias=False, indice_key="neighbours", fp32_accum=True
        )
    layer.weight = torch.nn.Parameter(weight, requires_grad=False)
    tables: dict[str, Any] = topology.keep("spconv", dict)
    extent = (topology.coords[:, 1:].amax(dim=0) + 1).tolist()
    out = layer.eval()(
        spconv.SparseConvTensor(
            feats, topology.coords, extent, topology.batch_size, indice_dict=tables
        )
    )
    tables.update(out.indice_dict)
    return out.features
