"""Layer norm with shift and scale, gated addition, norm and rotation of heads: a pass each.

Numbers are read once, computed in float32 and rounded once; their twins in ``engine.sparse.rows``
round after each step.
"""

# pyright: reportMissingImports=false, reportIndexIssue=false

import math

import torch
import triton
import triton.language as tl
from torch import Tensor

from engine.sparse.layout import Layout
from engine.sparse.triton_kernels.tiles import PAIRS_OF_HEADS, padded, rows_of

NO_SPECIALISING = ["rows", "rows_an_item", "period"]


def modulated_norm(
    x: Tensor, shift: Tensor, scale: Tensor, layout: Layout, epsilon: float
) -> Tensor:
    """See ``engine.sparse.rows.modulated_norm``."""
    x = x.contiguous()
    out = torch.empty_like(x)
    width = x.shape[-1]
    rows = x.numel() // max(1, width)
    if rows == 0 or width == 0:
        return out
    shift, scale = _dense_in_rows(shift), _dense_in_rows(scale)
    items, step = _items_of(layout, x)
    some = rows_of(width)
    modulated_norm_kernel[(triton.cdiv(rows, some),)](
        x, shift, scale, items, out,
        rows, rows // (len(layout.offsets) - 1), step, shift.stride(0), scale.stride(0), epsilon,
        BY_ITEMS=layout.items is not None, WIDTH=width, BLOCK_ROWS=some, BLOCK=padded(width),
    )  # fmt: skip
    return out


def gated_add(h: Tensor, x: Tensor, gate: Tensor, layout: Layout) -> Tensor:
    """See ``engine.sparse.rows.gated_add``."""
    h, x = h.contiguous(), x.contiguous()
    out = torch.empty_like(h)
    width = h.shape[-1]
    rows = h.numel() // max(1, width)
    if rows == 0 or width == 0:
        return out
    gate = _dense_in_rows(gate)
    items, step = _items_of(layout, h)
    some = rows_of(width)
    gated_add_kernel[(triton.cdiv(rows, some),)](
        h, x, gate, items, out,
        rows, rows // (len(layout.offsets) - 1), step, gate.stride(0),
        BY_ITEMS=layout.items is not None, WIDTH=width, BLOCK_ROWS=some, BLOCK=padded(width),
    )  # fmt: skip
    return out


def normed_heads(x: Tensor, gamma: Tensor | None, phases: Tensor | None) -> Tensor:
    """See ``engine.sparse.rows.normed_heads``; ``x`` may be a slice of queries, keys and values."""
    out = torch.empty(x.shape, dtype=x.dtype, device=x.device)
    if out.numel() == 0:
        return out
    rows, heads, width = x.reshape(-1, *x.shape[-2:]), x.shape[-2], x.shape[-1]
    if rows.stride(2) != 1:
        rows = rows.contiguous()
    pairs = padded(width + 1 >> 1)
    some = max(1, PAIRS_OF_HEADS // pairs)
    normed_heads_kernel[(triton.cdiv(len(rows) * heads, some),)](
        rows,
        rows if gamma is None else gamma.contiguous(),
        rows if phases is None else torch.view_as_real(phases).contiguous(),
        out,
        len(rows), rows.stride(0), rows.stride(1), x.shape[-3], math.sqrt(width),
        NORM=gamma is not None, TURN=phases is not None, HEADS=heads,
        WIDTH=width, BLOCK=some, PAIRS=pairs,
    )  # fmt: skip
    return out


def _dense_in_rows(per_item: Tensor) -> Tensor:
    """(B, C), of which a row is in one piece; a slice of wider rows stays one."""
    return per_item if per_item.stride(1) == 1 else per_item.contiguous()


def _items_of(layout: Layout, x: Tensor) -> tuple[Tensor, int]:
    if layout.items is None:
        return x, 0  # never read
    return layout.items, layout.items.stride(0)


@triton.jit
def item_of(row, items, rows, rows_an_item, items_step, BY_ITEMS: tl.constexpr):
    """The item of each row: what ``items`` says, or one for every ``rows_an_item``."""
    if BY_ITEMS:
        item = tl.load(items + row * items_step, mask=row < rows, other=0).to(tl.int64)
    else:
        item = row // rows_an_item
    return item


@triton.jit(do_not_specialize=NO_SPECIALISING)
def modulated_norm_kernel(
    x, shift, scale, items, out,
    rows, rows_an_item, items_step, shift_step, scale_step, epsilon,
    BY_ITEMS: tl.constexpr, WIDTH: tl.constexpr, BLOCK_ROWS: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """``out = norm(x) * (1 + scale[item]) + shift[item]``, BLOCK_ROWS whole rows a program.

    Args:
        x, out: (rows, WIDTH) contiguous.
        shift, scale: a row of WIDTH for each item, their steps from row to row.
        items: the item of each row with BY_ITEMS; else an item has ``rows_an_item`` rows.
    """
    row = tl.program_id(0).to(tl.int64) * BLOCK_ROWS + tl.arange(0, BLOCK_ROWS)
    column = tl.arange(0, BLOCK)
    there_is = (row < rows)[:, None] & (column < WIDTH)[None, :]
    item = item_of(row, items, rows, rows_an_item, items_step, BY_ITEMS)
    place = row[:, None] * WIDTH + column[None, :]
    value = tl.load(x + place, mask=there_is, other=0.0).to(tl.float32)
    mean = tl.sum(value, axis=1) / WIDTH
    apart = tl.where(there_is, value - mean[:, None], 0.0)
    variance = tl.sum(apart * apart, axis=1) / WIDTH
    normed = apart * (1.0 / tl.sqrt(variance + epsilon))[:, None]
    factor = tl.load(scale + item[:, None] * scale_step + column[None, :], mask=there_is, other=0.0)
    add = tl.load(shift + item[:, None] * shift_step + column[None, :], mask=there_is, other=0.0)
    normed = normed * (1.0 + factor.to(tl.float32)) + add.to(tl.float32)
    tl.store(out + place, normed.to(out.dtype.element_ty), mask=there_is)


@triton.jit(do_not_specialize=NO_SPECIALISING)
def gated_add_kernel(
    h, x, gate, items, out,
    rows, rows_an_item, items_step, gate_step,
    BY_ITEMS: tl.constexpr, WIDTH: tl.constexpr, BLOCK_ROWS: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """``out = h + gate[item] * x``; arguments as of ``modulated_norm_kernel``."""
    row = tl.program_id(0).to(tl.int64) * BLOCK_ROWS + tl.arange(0, BLOCK_ROWS)
    column = tl.arange(0, BLOCK)
    there_is = (row < rows)[:, None] & (column < WIDTH)[None, :]
    item = item_of(row, items, rows, rows_an_item, items_step, BY_ITEMS)
    place = row[:, None] * WIDTH + column[None, :]
    value = tl.load(x + place, mask=there_is, other=0.0).to(tl.float32)
    factor = tl.load(gate + item[:, None] * gate_step + column[None, :], mask=there_is, other=0.0)
    value = tl.load(h + place, mask=there_is, other=0.0) + factor.to(tl.float32) * value
    tl.store(out + place, value.to(out.dtype.element_ty), mask=there_is)


@triton.jit(do_not_specialize=NO_SPECIALISING)
def normed_heads_kernel(
    x, gamma, phases, out,
    rows, row_step, head_step, period, length,
    NORM: tl.constexpr, TURN: tl.constexpr, HEADS: tl.constexpr,
    WIDTH: tl.constexpr, BLOCK: tl.constexpr, PAIRS: tl.constexpr,
):  # fmt: skip
    """Vectors of heads to a length, times gamma, pairs of numbers turned; BLOCK a program.

    Args:
        x: rows of HEADS vectors of WIDTH, with steps from row to row and from head to head.
        gamma: (HEADS, WIDTH) float32, with NORM.
        phases: (period, WIDTH / 2, 2) float32, cosine and sine of row modulo period, with TURN.
        out: (rows, HEADS, WIDTH) contiguous.
    """
    vector = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    row, head = vector // HEADS, vector % HEADS
    pair, side = tl.arange(0, PAIRS), tl.arange(0, 2)
    column = pair[:, None] * 2 + side[None, :]
    there_is = (row < rows)[:, None, None] & (column < WIDTH)[None, :, :]
    first = row * row_step + head * head_step
    value = tl.load(x + first[:, None, None] + column[None, :, :], mask=there_is, other=0.0)
    even, odd = tl.split(value.to(tl.float32))
    if NORM:
        norm = tl.sqrt(tl.sum(even * even + odd * odd, axis=1))
        factor = length / tl.maximum(norm, 1e-12)
        gain = gamma + (head * WIDTH)[:, None, None] + column[None, :, :]
        gain_even, gain_odd = tl.split(tl.load(gain, mask=there_is, other=0.0))
        even *= gain_even * factor[:, None]
        odd *= gain_odd * factor[:, None]
    if TURN:
        phase = phases + (row % period * WIDTH)[:, None, None] + column[None, :, :]
        cosine, sine = tl.split(tl.load(phase, mask=there_is, other=0.0))
        turned = even * cosine - odd * sine
        odd = even * sine + odd * cosine
        even = turned
    place = out + (vector * WIDTH)[:, None, None] + column[None, :, :]
    tl.store(place, tl.join(even, odd).to(out.dtype.element_ty), mask=there_is)
