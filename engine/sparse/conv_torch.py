"""Submanifold convolution in plain torch: gather and matrix products over the neighbour map.

The reference for tests, the CPU's backend and the one that every GPU has. Two ways, both in chunks
of output rows so that memory stays bounded and the running sums stay in the cache:

- by direction: for each of the 27 directions gather the rows that have that neighbour, multiply,
  add to their destinations. Within one direction every destination occurs once, so the additions
  never collide and the result does not depend on chance. Does no work for absent neighbours.
- by row: gather all 27 neighbours of a row side by side (zeros where absent), one product. More
  arithmetic but fewer steps: faster for few channels, and on CPUs for half precision.

Running sums are float32 for half precision features.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

from engine.sparse.neighbours import CENTRE, KERNEL_VOLUME
from engine.sparse.topology import Topology

NARROW_CHANNELS = 16
"""Up to so many input channels the way by row wins (measured on 2 CPU cores)."""
ROW_CHUNK = {"cpu": 512}
DIRECTION_CHUNK = {"cpu": 8192}
CHUNK_BYTES = 256 << 20
"""Bound on what one chunk gathers and multiplies, on every device."""


def convolve(
    topology: Topology,
    feats: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    rows: Tensor | None,
    chunk_rows: int | None = None,
) -> Tensor:
    """See ``engine.sparse.convolution.submanifold_conv3d``.

    Args:
        chunk_rows: output rows per chunk; None: chosen by device and width.
    """
    return _Convolution.apply(feats, weight, bias, topology, rows, chunk_rows)  # pyright: ignore


class _Convolution(torch.autograd.Function):
    """Keeps its inputs alone for the way back: torch's own record would keep 27 gathered copies."""

    @staticmethod
    def forward(ctx, feats, weight, bias, topology, rows, chunk_rows):
        ctx.save_for_backward(feats, weight)
        ctx.topology, ctx.rows, ctx.chunk_rows = topology, rows, chunk_rows
        ctx.has_bias = bias is not None
        return _forward(topology, feats, weight, bias, rows, chunk_rows)

    @staticmethod
    def backward(ctx, *grad_outputs):
        feats, weight = ctx.saved_tensors
        (grad,) = grad_outputs
        grad_feats = grad_weight = grad_bias = None
        if ctx.has_bias and ctx.needs_input_grad[2]:
            grad_bias = grad.sum(dim=0)
        if ctx.rows is not None:
            everywhere = grad.new_zeros(len(ctx.topology), grad.shape[1])
            grad = everywhere.index_add_(0, ctx.rows, grad)
        if ctx.needs_input_grad[0]:
            # The transposed convolution is the convolution with the kernel mirrored.
            mirrored = weight.flip(1, 2, 3).transpose(0, 4)
            grad_feats = _forward(ctx.topology, grad, mirrored, None, None, ctx.chunk_rows)
        if ctx.needs_input_grad[1]:
            grad_weight = _weight_gradient(ctx.topology, feats, grad, weight)
        return grad_feats, grad_weight, grad_bias, None, None, None


def _forward(
    topology: Topology,
    feats: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    rows: Tensor | None,
    chunk_rows: int | None,
) -> Tensor:
    count = len(topology) if rows is None else len(rows)
    out = feats.new_empty(count, len(weight))
    if count == 0:
        return out
    half = feats.element_size() < 4
    narrow = feats.shape[1] <= NARROW_CHANNELS or (half and feats.device.type == "cpu")
    by = _by_row if narrow else _by_direction
    for chunk, sums in by(topology, feats, weight, rows, count, chunk_rows):
        out[chunk] = sums if bias is None else sums + bias
    return out


def _by_row(
    topology: Topology,
    feats: Tensor,
    weight: Tensor,
    rows: Tensor | None,
    count: int,
    chunk_rows: int | None,
) -> Iterator[tuple[slice, Tensor]]:
    channels = feats.shape[1]
    padded = torch.cat([feats, feats.new_zeros(1, channels)])  # absent is -1: the last row
    flat_weight = weight.reshape(len(weight), -1).T
    wanted = ROW_CHUNK.get(feats.device.type, 1 << 18)
    row_bytes = (KERNEL_VOLUME * channels + len(weight)) * feats.element_size()
    for chunk in _chunks(count, chunk_rows or min(wanted, CHUNK_BYTES // row_bytes)):
        table = topology.neighbours[:, chunk if rows is None else rows[chunk]]
        yield chunk, padded[table.T].flatten(1) @ flat_weight


def _by_direction(
    topology: Topology,
    feats: Tensor,
    weight: Tensor,
    rows: Tensor | None,
    count: int,
    chunk_rows: int | None,
) -> Iterator[tuple[slice, Tensor]]:
    kernels = weight.reshape(len(weight), KERNEL_VOLUME, -1).unbind(1)
    pairs = topology.neighbour_pairs if rows is None else _pairs_of(topology, rows)
    wanted = DIRECTION_CHUNK.get(feats.device.type, 1 << 18)
    row_bytes = (feats.shape[1] + len(weight)) * feats.element_size() + 4 * len(weight)
    chunks = _chunks(count, chunk_rows or min(wanted, CHUNK_BYTES // row_bytes))
    edges = torch.tensor(
        [*(chunk.start for chunk in chunks), count], dtype=torch.int32, device=feats.device
    )
    bounds = torch.stack([torch.searchsorted(here, edges) for here, _ in pairs]).tolist()
    sum_dtype = torch.promote_types(feats.dtype, torch.float32)
    for number, chunk in enumerate(chunks):
        centre = feats[chunk] if rows is None else feats[rows[chunk]]
        sums = (centre @ kernels[CENTRE].T).to(sum_dtype)
        for (here, there), bound, kernel in zip(pairs, bounds, kernels, strict=True):
            part = slice(bound[number], bound[number + 1])
            if part.start < part.stop:
                sums[here[part].long() - chunk.start] += feats[there[part].long()] @ kernel.T
        yield chunk, sums


def _pairs_of(topology: Topology, rows: Tensor) -> list[tuple[Tensor, Tensor]]:
    """``Topology.neighbour_pairs`` of some rows, counted within those."""
    pairs: list[tuple[Tensor, Tensor]] = []
    for v, table in enumerate(topology.neighbours):
        found = table[rows] if v != CENTRE else table[:0]
        present = (found >= 0).nonzero().squeeze(1)
        pairs.append((present.int(), found[present]))
    return pairs


def _chunks(count: int, size: int) -> list[slice]:
    size = max(1, size)
    return [slice(start, min(start + size, count)) for start in range(0, count, size)]


def _weight_gradient(topology: Topology, feats: Tensor, grad: Tensor, weight: Tensor) -> Tensor:
    sum_dtype = torch.promote_types(feats.dtype, torch.float32)
    result = torch.zeros(
        len(weight), KERNEL_VOLUME, feats.shape[1], dtype=sum_dtype, device=feats.device
    )
    row_bytes = (feats.shape[1] + len(weight)) * feats.element_size()
    size = max(1, CHUNK_BYTES // row_bytes)
    for v, (here, there) in enumerate(topology.neighbour_pairs):
        if v == CENTRE:
            result[:, v] = grad.T @ feats
        for part in _chunks(len(here), size):
            result[:, v] += grad[here[part].long()].T @ feats[there[part].long()]
    return result.view(weight.shape).to(weight.dtype)
