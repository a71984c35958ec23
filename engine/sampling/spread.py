"""The standard deviation that guidance rescale compares, for both kinds of state.

The reference computes it in two ways: unbiased for dense volumes, biased for sparse rows. Rescale
takes a ratio, in which that factor cancels; what counts is over which values each batch item's
deviation is taken. The caller says so, since the sampler cannot see it in a tensor.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import Tensor

Spread = Callable[[Tensor], Tensor]
"""State -> one positive number per batch item, shaped to broadcast with the state."""


def dense_spread(x: Tensor) -> Tensor:
    """(B, ...) -> (B, 1, ...): unbiased (N - 1) standard deviation of each batch item."""
    return x.std(dim=tuple(range(1, x.ndim)), keepdim=True)


def sparse_spread(offsets: Sequence[int]) -> Spread:
    """The spread of sparse feats whose batch items are slices of rows.

    Args:
        offsets: B + 1 ascending row numbers; item b owns the rows offsets[b]:offsets[b + 1].

    Returns:
        (N, C) -> (N, 1): in each row the biased standard deviation sqrt(E[x²] - E[x]²) over all
        rows and channels of the row's batch item.
    """
    lengths = [end - start for start, end in pairwise(offsets)]

    def spread(x: Tensor) -> Tensor:
        rows = []
        for item in x.split(lengths):
            # Rounding may take the difference of two equal means below zero.
            variance = (item.square().mean() - item.mean().square()).clamp_min(0)
            rows.append(variance.sqrt().expand(len(item), 1))
        return torch.cat(rows)

    return spread
