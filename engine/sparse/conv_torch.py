"""Submanifold convolution in plain torch: gather and matrix products over the neighbour map.

The reference for tests, the CPU's backend and the one that every GPU has. Two ways, both in chunks
of output rows so that memory stays bounded and the running sums stay in the cache:

- by direction: for each of the 27 directions gather the rows that have that neighbour, multiply,
  add to their destinations. Within one direction every destination occurs once, so the additions
  never collide and the result is deterministic. Does no work for absent neighbours.
- by row: gather all 27 neighbours of a row side by side (zeros where absent), one product. More
  arithmetic but fewer steps: faster for few channels, and on CPUs for half precision.

Running sums are float32 for half precision features.

oneDNN, which multiplies half precision on CPUs, recompiles for each shape (about half a
millisecond), and training never sees the same number of cells twice: there row counts are rounded
up and the rest is zeros.
"""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from engine.sparse.neighbours import CENTRE, KERNEL_VOLUME
from engine.sparse.topology import Topology

NARROW_CHANNELS = 16
"""Up to this many input channels, going by row is faster (measured on 2 CPU cores)."""
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


def goes_by_direction(feats: Tensor) -> bool:
    """Which of the two ways is taken for these features."""
    return feats.shape[1] > NARROW_CHANNELS and not _half_on_cpu(feats)


def _half_on_cpu(feats: Tensor) -> bool:
    return feats.element_size() < 4 and feats.device.type == "cpu"


def _rounded_up(count: int) -> int:
    """At most a quarter more, one of four numbers between a power of two and the next."""
    step = max(16, 1 << max(0, count.bit_length() - 3))
    return -(-count // step) * step


class _Convolution(torch.autograd.Function):
    """Keeps only its inputs for the backward pass; torch would keep 27 gathered copies."""

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
        wants_feats, wants_weight, wants_bias = ctx.needs_input_grad[:3]
        grad_bias = grad.sum(dim=0) if ctx.has_bias and wants_bias else None
        grad_feats = grad_weight = None
        if wants_feats or wants_weight:
            if ctx.rows is not None:
                everywhere = grad.new_zeros(len(ctx.topology), grad.shape[1])
                grad = everywhere.index_add_(0, ctx.rows, grad)
            together = goes_by_direction(grad)
            grad_feats, grad_weight = _gradients(
                ctx.topology, feats, grad, weight, wants_feats and together, wants_weight
            )
            if wants_feats and not together:
                # The transposed convolution is the convolution with the kernel mirrored.
                mirrored = weight.flip(1, 2, 3).transpose(0, 4)
                grad_feats = _forward(ctx.topology, grad, mirrored, None, None, ctx.chunk_rows)
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
    by = _by_direction if goes_by_direction(feats) else _by_row
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
    padded = torch.cat([feats.new_zeros(1, channels), feats])  # absent is -1: the first row
    flat_weight = weight.reshape(len(weight), -1).T
    wanted = ROW_CHUNK.get(feats.device.type, 1 << 18)
    row_bytes = (KERNEL_VOLUME * channels + len(weight)) * feats.element_size()
    for chunk in _chunks(count, chunk_rows or min(wanted, CHUNK_BYTES // row_bytes)):
        table = topology.neighbours[:, chunk if rows is None else rows[chunk]].T + 1
        length = len(table)
        if _half_on_cpu(feats):
            table = F.pad(table, (0, 0, 0, _rounded_up(length) - length))
        gathered = padded.index_select(0, table.reshape(-1))
        yield chunk, (gathered.view(-1, KERNEL_VOLUME * channels) @ flat_weight)[:length]


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
    if rows is None:
        # Kept, because reading them waits for the device.
        key = ("chunk_bounds", chunks[0].stop)
        bounds = topology.keep(key, lambda: _bounds(pairs, chunks))
    else:
        bounds = _bounds(pairs, chunks)
    sum_dtype = torch.promote_types(feats.dtype, torch.float32)
    for number, chunk in enumerate(chunks):
        centre = feats[chunk] if rows is None else feats.index_select(0, rows[chunk])
        sums = (centre @ kernels[CENTRE].T).to(sum_dtype)
        for (here, there), bound, kernel in zip(pairs, bounds, kernels, strict=True):
            part = slice(bound[number], bound[number + 1])
            if part.start < part.stop:
                product = feats.index_select(0, there[part]) @ kernel.T
                sums.index_add_(0, here[part].long() - chunk.start, product.to(sum_dtype))
        yield chunk, sums


def _bounds(pairs: list[tuple[Tensor, Tensor]], chunks: list[slice]) -> list[list[int]]:
    """For each direction, at which of its pairs the chunks of rows begin, and the last one ends."""
    edges = torch.tensor(
        [*(chunk.start for chunk in chunks), chunks[-1].stop],
        dtype=torch.int32,
        device=pairs[0][0].device,
    )
    return torch.stack([torch.searchsorted(here, edges) for here, _ in pairs]).tolist()


def _pairs_of(topology: Topology, rows: Tensor) -> list[tuple[Tensor, Tensor]]:
    """``Topology.neighbour_pairs`` of some rows, counted within those."""
    pairs: list[tuple[Tensor, Tensor]] = []
    for v, table in enumerate(topology.neighbours):
        found = table[rows] if v != CENTRE else table[:0]
        present = (found >= 0).nonzero().squeeze(1)
        pairs.append((present.int(), found[present]))
    return pairs


def _pairs_rounded_up(topology: Topology) -> list[tuple[Tensor, Tensor]]:
    """``Topology.neighbour_pairs`` and some more, of the row behind the last with itself."""

    def padded(rows: Tensor) -> Tensor:
        return F.pad(rows, (0, _rounded_up(len(rows)) - len(rows)), value=len(topology))

    return topology.keep(
        "pairs_rounded_up",
        lambda: [(padded(here), padded(there)) for here, there in topology.neighbour_pairs],
    )


def _chunks(count: int, size: int) -> list[slice]:
    size = max(1, size)
    return [slice(start, min(start + size, count)) for start in range(0, count, size)]


def _gradients(
    topology: Topology,
    feats: Tensor,
    grad: Tensor,
    weight: Tensor,
    wants_feats: bool,
    wants_weight: bool,
) -> tuple[Tensor | None, Tensor | None]:
    """Gradients of features and kernel, direction by direction, so that each gathers once."""
    sum_dtype = torch.promote_types(feats.dtype, torch.float32)
    kernels = weight.reshape(len(weight), KERNEL_VOLUME, -1).unbind(1)
    row_bytes = (feats.shape[1] + len(weight)) * feats.element_size()
    size = max(1, CHUNK_BYTES // row_bytes)
    round_up = _half_on_cpu(feats)
    if round_up:  # with at least one row of zeros
        more = (0, 0, 0, _rounded_up(len(feats) + 1) - len(feats))
        feats, grad = F.pad(feats, more), F.pad(grad, more)
    grad_feats = (grad @ kernels[CENTRE]).to(sum_dtype) if wants_feats else None
    grad_kernels: list[Tensor] = []
    pairs = _pairs_rounded_up(topology) if round_up else topology.neighbour_pairs
    for v, (here, there) in enumerate(pairs):
        total = (grad.T @ feats).to(sum_dtype) if v == CENTRE else None
        for part in _chunks(len(here), size):
            pulls = grad.index_select(0, here[part])
            if grad_feats is not None:
                grad_feats.index_add_(0, there[part].long(), (pulls @ kernels[v]).to(sum_dtype))
            if wants_weight:
                product = (pulls.T @ feats.index_select(0, there[part])).to(sum_dtype)
                total = product if total is None else total.add_(product)
        if total is None:
            total = torch.zeros_like(kernels[v], dtype=sum_dtype)
        grad_kernels.append(total)
    grad_weight = torch.stack(grad_kernels, dim=1).view(weight.shape) if wants_weight else None
    return (
        None if grad_feats is None else grad_feats.to(feats.dtype),
        None if grad_weight is None else grad_weight.to(weight.dtype),
    )
