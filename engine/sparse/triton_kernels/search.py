"""Which of the sorted keys is a number? A binary search, for the kernels that look cells up."""

# pyright: reportMissingImports=false

import triton
import triton.language as tl


def turns_of(count: int) -> int:
    """How often a search among so many keys halves its range."""
    return count.bit_length()


@triton.jit
def find(keys, wanted, asked, count, turns):
    """(place, whether it is there) of int64 numbers among ``count`` ascending keys.

    Args:
        wanted, asked: numbers, and which of them are looked for; the others are not there.
        turns: ``turns_of(count)``.
    """
    low = wanted * 0
    high = low + count
    for _ in range(turns):
        middle = (low + high) // 2
        open = asked & (low < high)
        less = tl.load(keys + middle, mask=open, other=0) < wanted
        low = tl.where(open & less, middle + 1, low)
        high = tl.where(open & (less == 0), middle, high)
    inside = asked & (low < count)
    return low, inside & (tl.load(keys + low, mask=inside, other=0) == wanted)
