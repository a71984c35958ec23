"""Triton kernels, imported only where Triton is; each has a twin in plain torch.

Offsets into features are 64 bits wide: a fine level of a large shape has more than 2^31 numbers.
"""

# pyright: reportMissingImports=false, reportIndexIssue=false

import triton
import triton.language as tl


@triton.jit
def gather_gemm(
    feats,
    neighbours,
    sources,
    places,
    block_bits,
    weight,
    bias,
    out,
    cells,
    count,
    channels,
    out_channels,
    HAS_BIAS: tl.constexpr,
    WIDEN: tl.constexpr,
    BLOCK_ROWS: tl.constexpr,
    BLOCK_OUT: tl.constexpr,
    BLOCK_IN: tl.constexpr,
):
    """``out[places[i]] = bias + sum over v of feats[neighbours[v, sources[i]]] @ weight[:, v].T``.

    One program makes BLOCK_ROWS rows by BLOCK_OUT channels and goes through the 27 directions; one
    that none of its rows has a neighbour in costs a test of a bit. Sums are float32.

    Args:
        feats: (cells, channels) contiguous.
        neighbours: (27, cells) int32, -1 where there is none.
        sources, places: (count,) int64.
        block_bits: (programs,) int32, bit v: some row of the block has a neighbour in direction v.
        weight: (out_channels, 27, channels) contiguous, dtype of ``feats``.
        bias: (out_channels,), or anything without HAS_BIAS.
        out: rows of out_channels, contiguous.
        WIDEN: multiply in float32. For the interpreter, whose products of bfloat16 are those of
            the bits; products of a GPU are exact too, so the numbers are the same.
    """
    block = tl.program_id(0)
    rows = block * BLOCK_ROWS + tl.arange(0, BLOCK_ROWS)
    there_is = rows < count
    source = tl.load(sources + rows, mask=there_is, other=0)
    place = tl.load(places + rows, mask=there_is, other=0)
    bits = tl.load(block_bits + block)
    outs = tl.program_id(1) * BLOCK_OUT + tl.arange(0, BLOCK_OUT)
    out_is = outs < out_channels
    sums = tl.zeros((BLOCK_ROWS, BLOCK_OUT), dtype=tl.float32)
    kernel_rows = weight + outs.to(tl.int64) * (27 * channels)
    column = neighbours + source
    for v in range(27):
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
                    kernel_rows[None, :] + v * channels + ins[:, None],
                    mask=in_is[:, None] & out_is[None, :],
                    other=0.0,
                )
                if WIDEN:
                    gathered = gathered.to(tl.float32)
                    kernel = kernel.to(tl.float32)
                sums += tl.dot(gathered, kernel, input_precision="ieee")
        column += cells
    if HAS_BIAS:
        sums += tl.load(bias + outs, mask=out_is, other=0.0).to(tl.float32)[None, :]
    tl.store(
        out + place[:, None] * out_channels + outs[None, :],
        sums.to(out.dtype.element_ty),
        mask=there_is[:, None] & out_is[None, :],
    )
