"""Submanifold convolution as one implicit matrix product over the neighbour map, and its gradients.

Rows are sorted by which neighbours they have (``order``), so that absent directions are skipped by
block; nothing is gathered in memory. Sums are float32. The twin is ``engine.sparse.conv_torch``.
"""

# pyright: reportMissingImports=false, reportIndexIssue=false

import torch
import triton
import triton.language as tl
from torch import Tensor

from engine.sparse.neighbours import KERNEL_VOLUME
from engine.sparse.tensor import SparseTensor
from engine.sparse.topology import Subdivision, Topology
from engine.sparse.triton_kernels.order import SLOTS, Order, order_of
from engine.sparse.triton_kernels.tiles import (
    CONVOLVED_ROWS,
    gradient_tiles_of,
    splits_of,
    tiles_of,
)

VOLUME = tl.constexpr(KERNEL_VOLUME)
NO_SPECIALISING = ["cells", "blocks", "blocks_a_split"]


def convolve(
    topology: Topology, feats: Tensor, weight: Tensor, bias: Tensor | None, rows: Tensor | None
) -> Tensor:
    """See ``engine.sparse.convolution.submanifold_conv3d``; float32, bfloat16 or float16."""
    return _Convolution.apply(feats, weight, bias, topology, rows)  # pyright: ignore


def convolve_to_children(
    x: SparseTensor, weight: Tensor, bias: Tensor, link: Subdivision
) -> Tensor:
    """See ``engine.sparse.resample.convolve_to_children``; in one launch for all slots."""
    return _UpConvolution.apply(x.feats, weight, bias, link)  # pyright: ignore


class _Convolution(torch.autograd.Function):
    @staticmethod
    def forward(ctx, feats, weight, bias, topology, rows):
        ctx.save_for_backward(feats, weight)
        ctx.topology, ctx.rows, ctx.has_bias = topology, rows, bias is not None
        order = _order_of(topology, rows)
        return _gather_gemm(topology, feats, weight, bias, order, rows, 1)

    @staticmethod
    def backward(ctx, *grad_outputs):
        feats, weight = ctx.saved_tensors
        topology, rows, (grad,) = ctx.topology, ctx.rows, grad_outputs
        wants_feats, wants_weight, wants_bias = ctx.needs_input_grad[:3]
        grad_bias = grad.sum(dim=0) if ctx.has_bias and wants_bias else None
        grad_feats = grad_weight = None
        if wants_weight:
            order = _order_of(topology, rows)
            grad_weight = _gradient_of_kernel(topology, feats, grad, weight, order, rows)
        if wants_feats:
            if rows is not None:
                everywhere = grad.new_zeros(len(topology), grad.shape[1])
                grad = everywhere.index_add_(0, rows, grad)
            grad_feats = _gradient_of_feats(topology, grad, weight)
        return grad_feats, grad_weight, grad_bias, None, None


class _UpConvolution(torch.autograd.Function):
    @staticmethod
    def forward(ctx, feats, weight, bias, link):
        ctx.save_for_backward(feats, weight)
        ctx.link = link
        rows = link.parent_rows
        order = order_of(link.parents.neighbours[:, rows], link.slots)
        return _gather_gemm(link.parents, feats, weight, bias, order, rows, SLOTS)

    @staticmethod
    def backward(ctx, *grad_outputs):
        """That of the convolution to all eight children, of which some got no gradient."""
        feats, weight = ctx.saved_tensors
        link, (grad,) = ctx.link, grad_outputs
        parents, width = link.parents, len(weight)
        table = grad.new_zeros(len(parents) * SLOTS, width // SLOTS)
        table = table.index_copy_(0, link.places, grad).view(len(parents), width)
        wants_feats, wants_weight, wants_bias = ctx.needs_input_grad[:3]
        order = _order_of(parents, None)
        return (
            _gradient_of_feats(parents, table, weight) if wants_feats else None,
            _gradient_of_kernel(parents, feats, table, weight, order, None)
            if wants_weight
            else None,
            table.sum(dim=0) if wants_bias else None,
            None,
        )


def _order_of(topology: Topology, rows: Tensor | None) -> Order:
    if rows is not None:
        return order_of(topology.neighbours[:, rows])
    return topology.keep("triton_order", lambda: order_of(topology.neighbours))


def _gather_gemm(
    topology: Topology,
    feats: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    order: Order,
    rows: Tensor | None,
    slots: int,
) -> Tensor:
    """All wanted rows, each by the kernel of its slot: (M, len(weight) / slots)."""
    width = len(weight) // slots
    count = len(topology) if rows is None else len(rows)
    out = feats.new_empty(count, width)
    if out.numel() == 0:
        return out
    tiles = tiles_of(feats.shape[1], width, feats.element_size())
    gather_gemm[(len(order.block_bits), triton.cdiv(width, tiles.out))](
        feats.contiguous(), topology.neighbours, order.places if rows is None else rows,
        *order, weight.contiguous(), out if bias is None else bias.contiguous(), out,
        len(topology), feats.shape[1], width,
        SOME_ROWS=rows is not None, HAS_BIAS=bias is not None, WIDEN=_widens(feats),
        BLOCK_ROWS=CONVOLVED_ROWS, BLOCK_OUT=tiles.out, BLOCK_IN=tiles.into, num_warps=tiles.warps,
    )  # fmt: skip
    return out


def _gradient_of_feats(topology: Topology, grad: Tensor, weight: Tensor) -> Tensor:
    """The transposed convolution is the convolution with the kernel mirrored."""
    mirrored = weight.flip(1, 2, 3).transpose(0, 4)
    return _gather_gemm(topology, grad, mirrored, None, _order_of(topology, None), None, 1)


def _gradient_of_kernel(
    topology: Topology,
    feats: Tensor,
    grad: Tensor,
    weight: Tensor,
    order: Order,
    rows: Tensor | None,
) -> Tensor:
    """[Co, 3, 3, 3, Ci]; partial sums of parts of the rows are added in a fixed order."""
    channels, out_channels, blocks = feats.shape[1], len(weight), len(order.block_bits)
    if blocks == 0 or weight.numel() == 0:
        return torch.zeros_like(weight)
    tiles = gradient_tiles_of(channels, out_channels)
    splits = splits_of(blocks, weight.numel())
    sums = torch.empty(splits, *weight.shape, dtype=torch.float32, device=feats.device)
    grid = (
        KERNEL_VOLUME,
        triton.cdiv(out_channels, tiles.out) * triton.cdiv(channels, tiles.into),
        splits,
    )
    kernel_gradient[grid](
        feats.contiguous(), grad.contiguous(), topology.neighbours,
        order.places if rows is None else rows, order.places, order.block_bits, sums,
        len(topology), blocks, triton.cdiv(blocks, splits), channels, out_channels,
        SOME_ROWS=rows is not None, WIDEN=_widens(feats),
        BLOCK_ROWS=CONVOLVED_ROWS, BLOCK_OUT=tiles.out, BLOCK_IN=tiles.into,
    )  # fmt: skip
    return sums.sum(dim=0).to(weight.dtype)


def _widens(feats: Tensor) -> bool:
    """Only the interpreter runs on a CPU, and it multiplies the bits of bfloat16 as integers.

    Products of a GPU are exact too, so the numbers are the same.
    """
    return feats.device.type == "cpu"


@triton.jit(do_not_specialize=NO_SPECIALISING)
def gather_gemm(
    feats, neighbours, rows, places, block_bits, block_slots, weight, bias, out,
    cells, channels, out_channels,
    SOME_ROWS: tl.constexpr, HAS_BIAS: tl.constexpr, WIDEN: tl.constexpr,
    BLOCK_ROWS: tl.constexpr, BLOCK_OUT: tl.constexpr, BLOCK_IN: tl.constexpr,
):  # fmt: skip
    """``out[i] = bias[s] + sum over v of feats[neighbours[v, rows[i]]] @ weight[s, v].T``.

    One program makes BLOCK_ROWS rows by BLOCK_OUT channels and goes through the 27 directions; one
    that none of its rows has a neighbour in costs a test of a bit.

    Args:
        feats: (cells, channels) contiguous.
        neighbours: (27, cells) int32, -1 where there is none.
        rows: (count,) int64 rows that are wanted; all of them without SOME_ROWS.
        places, block_bits, block_slots: as of ``Order``, i and s of the rows of each block.
        weight: (slots * out_channels, 27, channels) contiguous, dtype of ``feats``.
        bias: (slots * out_channels,), or anything without HAS_BIAS.
        out: (count, out_channels) contiguous.
        WIDEN: multiply in float32.
    """
    block = tl.program_id(0).to(tl.int64)
    place = tl.load(places + block * BLOCK_ROWS + tl.arange(0, BLOCK_ROWS))
    there_is = place >= 0
    source = place
    if SOME_ROWS:
        source = tl.load(rows + place, mask=there_is, other=0)
    bits = tl.load(block_bits + block)
    outs = tl.program_id(1) * BLOCK_OUT + tl.arange(0, BLOCK_OUT)
    out_is = outs < out_channels
    kernel_row = tl.load(block_slots + block).to(tl.int64) * out_channels + outs
    kernel_start = weight + kernel_row * (VOLUME * channels)
    sums = tl.zeros((BLOCK_ROWS, BLOCK_OUT), dtype=tl.float32)
    column = neighbours + source
    for v in range(VOLUME):
        if (bits >> v) & 1 != 0:
            found = tl.load(column, mask=there_is, other=-1).to(tl.int64)
            present = found >= 0
            for first in range(0, channels, BLOCK_IN):
                ins = first + tl.arange(0, BLOCK_IN)
                in_is = ins < channels
                gathered = tl.load(
                    feats + found[:, None] * channels + ins[None, :],
                    mask=present[:, None] & in_is[None, :],
                    other=0.0,
                )
                kernel = tl.load(
                    kernel_start[None, :] + v * channels + ins[:, None],
                    mask=in_is[:, None] & out_is[None, :],
                    other=0.0,
                )
                if WIDEN:
                    gathered = gathered.to(tl.float32)
                    kernel = kernel.to(tl.float32)
                sums += tl.dot(gathered, kernel, input_precision="ieee")
        column += cells
    if HAS_BIAS:
        sums += tl.load(bias + kernel_row, mask=out_is, other=0.0).to(tl.float32)[None, :]
    tl.store(
        out + place[:, None] * out_channels + outs[None, :],
        sums.to(out.dtype.element_ty),
        mask=there_is[:, None] & out_is[None, :],
    )


@triton.jit(do_not_specialize=NO_SPECIALISING)
def kernel_gradient(
    feats, grad, neighbours, rows, places, block_bits, sums,
    cells, blocks, blocks_a_split, channels, out_channels,
    SOME_ROWS: tl.constexpr, WIDEN: tl.constexpr,
    BLOCK_ROWS: tl.constexpr, BLOCK_OUT: tl.constexpr, BLOCK_IN: tl.constexpr,
):  # fmt: skip
    """``sums[split, :, v] = sum over i of grad[i].T @ feats[neighbours[v, rows[i]]]``.

    One program makes BLOCK_OUT by BLOCK_IN numbers of one direction from the blocks of one split,
    and passes over blocks of which no row has a neighbour there.

    Args:
        grad: (count, out_channels) contiguous, dtype of ``feats``.
        sums: (splits, out_channels, 27, channels) float32; the others as of ``gather_gemm``.
    """
    v = tl.program_id(0)
    across = tl.cdiv(channels, BLOCK_IN)
    outs = tl.program_id(1) // across * BLOCK_OUT + tl.arange(0, BLOCK_OUT)
    ins = tl.program_id(1) % across * BLOCK_IN + tl.arange(0, BLOCK_IN)
    out_is, in_is = outs < out_channels, ins < channels
    split = tl.program_id(2).to(tl.int64)
    column = neighbours + v.to(tl.int64) * cells
    total = tl.zeros((BLOCK_OUT, BLOCK_IN), dtype=tl.float32)
    first = split * blocks_a_split
    for block in range(first, tl.minimum(first + blocks_a_split, blocks)):
        if (tl.load(block_bits + block) >> v) & 1 != 0:
            place = tl.load(places + block * BLOCK_ROWS + tl.arange(0, BLOCK_ROWS))
            there_is = place >= 0
            source = place
            if SOME_ROWS:
                source = tl.load(rows + place, mask=there_is, other=0)
            found = tl.load(column + source, mask=there_is, other=-1).to(tl.int64)
            present = found >= 0
            gathered = tl.load(
                feats + found[:, None] * channels + ins[None, :],
                mask=present[:, None] & in_is[None, :],
                other=0.0,
            )
            pulls = tl.load(
                grad + place[None, :] * out_channels + outs[:, None],
                mask=present[None, :] & out_is[:, None],
                other=0.0,
            )
            if WIDEN:
                gathered = gathered.to(tl.float32)
                pulls = pulls.to(tl.float32)
            total += tl.dot(pulls, gathered, input_precision="ieee")
    kernel_row = (split * out_channels + outs) * VOLUME + v
    tl.store(
        sums + kernel_row[:, None] * channels + ins[None, :],
        total,
        mask=out_is[:, None] & in_is[None, :],
    )
