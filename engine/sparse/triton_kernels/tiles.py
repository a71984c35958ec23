"""How much one program of a kernel does, by width alone.

Never searched at run time, which cost others half a minute on each new shape. No entry has been
measured on a GPU yet; that each compiles without spilling registers is tested.
"""

from typing import NamedTuple

CONVOLVED_ROWS = 64
"""Rows of a program of the convolution."""
ROW_NUMBERS = 4096
"""Numbers that a program of a row-by-row kernel has in registers at a time, 4 warps of 32 each."""
PAIRS_OF_HEADS = 1024
"""Pairs of numbers of a program of norm and rotation."""
CELLS = 128
"""Cells or points of a program that looks up rows."""
TEXELS_OF_A_TRIANGLE = 64
"""Texels that the program of a triangle looks at together; most triangles have fewer."""
BLOCKS_A_SPLIT = 64
"""Blocks of CONVOLVED_ROWS that a program sums for the gradient of a kernel."""
SPLIT_BYTES = 256 << 20
"""Bound on the partial sums of that."""
MOST_PROGRAMS = 65535
"""Along the second and third axis of a launch."""


class Tiles(NamedTuple):
    """Channels that one program makes, and that it takes at a time; its warps."""

    out: int
    into: int
    warps: int = 4


def tiles_of(channels: int, out_channels: int, itemsize: int) -> Tiles:
    """Of the convolution; itemsize: bytes of a number.

    float32 is multiplied outside of the matrix units, from registers: the tiles of half precision
    would spill 6 KB of them on Ampere. The widest tile takes 254 of 255 registers from 4 warps.
    """
    widest, deepest = (128, 64) if itemsize < 4 else (32, 32)
    out = next((n for n in (16, 32, 64) if out_channels <= n), 128)
    into = next((n for n in (16, 32) if channels <= n), 64)
    out = min(out, widest)
    return Tiles(out, min(into, deepest), 8 if out == 128 else 4)


def gradient_tiles_of(channels: int, out_channels: int) -> Tiles:
    """Of the gradient of its kernel: one program makes out by into numbers."""
    out, into = (
        next((n for n in (16, 32) if width <= n), 64) for width in (out_channels, channels)
    )
    return Tiles(out, into)


def padded(width: int) -> int:
    """The next power of two, as Triton wants the lengths of its blocks."""
    return 1 << max(0, width - 1).bit_length()


def rows_of(width: int, numbers: int = ROW_NUMBERS) -> int:
    """Rows of that width for one program."""
    return max(1, numbers // padded(width))


def splits_of(blocks: int, kernel_numbers: int) -> int:
    """In how many parts the rows are summed for the gradient of a kernel of so many numbers."""
    most = max(1, SPLIT_BYTES // (4 * max(1, kernel_numbers)))
    return max(1, min(-(-blocks // BLOCKS_A_SPLIT), most, MOST_PROGRAMS))
