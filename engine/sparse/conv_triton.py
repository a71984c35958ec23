"""Submanifold convolution as one implicit matrix product over the neighbour map, in Triton.

Rows are sorted by which neighbours they have, so that the rows of a block mostly have the same ones
and absent directions are skipped by block. Nothing is gathered in memory. Forward only so far; its
twin in plain torch is ``engine.sparse.conv_torch``.
"""

import importlib.util
from typing import NamedTuple

import torch
from torch import Tensor

from engine.host.machine import AMPERE, Hardware
from engine.sparse.backends import Verdict
from engine.sparse.neighbours import KERNEL_VOLUME
from engine.sparse.topology import Topology

BLOCK_ROWS = 64


class Tiles(NamedTuple):
    """Channels that one program makes, and that it takes at a time."""

    out: int
    into: int


def tiles_of(channels: int, out_channels: int) -> Tiles:
    """By width alone and never searched at run time, which costs others half a minute a shape."""
    out = next((n for n in (16, 32, 64) if out_channels <= n), 128)
    into = next((n for n in (16, 32) if channels <= n), 64)
    return Tiles(out, into)


def probe(hardware: Hardware) -> Verdict:
    """Whether the kernel can be used on some hardware."""
    if hardware.kind not in ("cuda", "rocm"):
        return Verdict(False, "needs a GPU that Triton compiles for")
    if hardware.capability is not None and hardware.capability < AMPERE:
        return Verdict(False, "needs a GPU of the Ampere generation or newer")
    if importlib.util.find_spec("triton") is None:
        return Verdict(False, "triton is not installed (the extra maquette[triton])")
    return Verdict(True, "implicit matrix product over the neighbour map")


class Order(NamedTuple):
    """In which order rows are computed.

    Args:
        places: (M,) int64, which of the wanted rows comes when.
        block_bits: for each BLOCK_ROWS of them, int32, bit v: one has a neighbour in direction v.
    """

    places: Tensor
    block_bits: Tensor


def order_of(neighbours: Tensor) -> Order:
    """Rows with the same neighbours together.

    Args:
        neighbours: (27, M) int32 of the rows that are wanted, -1 where there is none.
    """
    bits = torch.zeros(neighbours.shape[1], dtype=torch.int32, device=neighbours.device)
    for v in range(KERNEL_VOLUME):
        bits |= (neighbours[v] >= 0).int() << v
    bits, places = bits.sort(stable=True)
    blocks = torch.nn.functional.pad(bits, (0, -len(bits) % BLOCK_ROWS)).view(-1, BLOCK_ROWS)
    block_bits = torch.zeros(len(blocks), dtype=torch.int32, device=bits.device)
    for v in range(KERNEL_VOLUME):
        block_bits |= (blocks >> v & 1).amax(dim=1) << v
    return Order(places, block_bits)


def convolve(
    topology: Topology, feats: Tensor, weight: Tensor, bias: Tensor | None, rows: Tensor | None
) -> Tensor:
    """See ``engine.sparse.convolution.submanifold_conv3d``; float32, bfloat16 or float16."""
    count = len(topology) if rows is None else len(rows)
    out = feats.new_empty(count, len(weight))
    if out.numel() == 0:
        return out
    from engine.sparse.triton_kernels.convolution import gather_gemm

    neighbours = topology.neighbours
    if rows is None:
        order = topology.keep("triton_order", lambda: order_of(neighbours))
        sources = order.places
    else:
        order = order_of(neighbours[:, rows])
        sources = rows[order.places]
    tiles = tiles_of(feats.shape[1], len(weight))
    grid = (len(order.block_bits), -(-len(weight) // tiles.out))
    gather_gemm[grid](  # pyright: ignore[reportIndexIssue] - Triton may not be here
        feats.contiguous(),
        neighbours,
        sources,
        order.places,
        order.block_bits,
        weight.contiguous(),
        out if bias is None else bias,
        out,
        len(topology),
        count,
        feats.shape[1],
        len(weight),
        HAS_BIAS=bias is not None,
        WIDEN=feats.device.type == "cpu",  # only the interpreter runs there
        BLOCK_ROWS=BLOCK_ROWS,
        BLOCK_OUT=tiles.out,
        BLOCK_IN=tiles.into,
    )
    return out
