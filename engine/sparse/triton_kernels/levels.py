"""Children into the channels of their parents and out of them, one pass over memory each.

Both are a gathering of rows, of which one has holes. The twins are in ``engine.sparse.resample``.
"""

# pyright: reportMissingImports=false, reportIndexIssue=false

import triton
import triton.language as tl
from torch import Tensor

from engine.sparse.topology import Subdivision
from engine.sparse.triton_kernels.tiles import ROW_NUMBERS, padded, rows_of


def space_to_channel(feats: Tensor, link: Subdivision) -> Tensor:
    """See ``engine.sparse.resample.space_to_channel``."""
    return _gather(feats, link.child_rows, 1).view(len(link.parents), 8 * feats.shape[1])


def channel_to_space(feats: Tensor, link: Subdivision, repeats: int) -> Tensor:
    """See ``engine.sparse.resample.channel_to_space``."""
    table = feats.reshape(len(link.parents) * 8, feats.shape[1] // 8)
    return _gather(table, link.places, repeats)


def _gather(table: Tensor, index: Tensor, repeats: int) -> Tensor:
    """(len(index), width * repeats): the rows of a table, zeros where the index is -1."""
    width = table.shape[1] * repeats
    out = table.new_empty(len(index), width)
    if out.numel() == 0:
        return out
    # Never a whole row that is wider than what a program may have in registers.
    block = min(padded(width), ROW_NUMBERS)
    some = rows_of(block)
    gather_rows[(triton.cdiv(len(index), some), triton.cdiv(width, block))](
        table.contiguous(), index, out, len(index),
        WIDTH=width, REPEATS=repeats, BLOCK_ROWS=some, BLOCK=block,
    )  # fmt: skip
    return out


@triton.jit(do_not_specialize=["rows"])
def gather_rows(
    table, index, out, rows,
    WIDTH: tl.constexpr, REPEATS: tl.constexpr, BLOCK_ROWS: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """``out[i, j] = table[index[i], j // REPEATS]``, 0 where ``index[i]`` is negative.

    Args:
        table: rows of WIDTH / REPEATS, contiguous.
        index: (rows,) int32 or int64.
        out: (rows, WIDTH) contiguous.
    """
    row = tl.program_id(0).to(tl.int64) * BLOCK_ROWS + tl.arange(0, BLOCK_ROWS)
    column = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    source = tl.load(index + row, mask=row < rows, other=-1).to(tl.int64)
    inside = (row < rows)[:, None] & (column < WIDTH)[None, :]
    place = source[:, None] * (WIDTH // REPEATS) + (column // REPEATS)[None, :]
    value = tl.load(table + place, mask=inside & (source >= 0)[:, None], other=0.0)
    tl.store(out + row[:, None] * WIDTH + column[None, :], value, mask=inside)
