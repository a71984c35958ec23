"""The finest level of an SC-VAE decoder in slabs, for devices on which it would not fit whole.

The finest level has most of the cells. What a cell becomes there depends on cells within a few
steps only (one for each 3x3x3 convolution), so a slab of parents along x, with a halo of further
parents at both sides, gives the same values for its own children as all of them together, but for
the rounding of matrix products of another size.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from engine.networks.sc_vae_blocks import UpBlock
from engine.sparse import SparseTensor, Subdivision, Topology


def finest_in_slabs(
    up: UpBlock,
    finest: Sequence[nn.Module],
    head: Callable[[Tensor], Tensor],
    parents: SparseTensor,
    link: Subdivision,
    slabs: int,
) -> SparseTensor:
    """``head`` of ``finest`` of ``up``, slab by slab.

    Args:
        up: the up block to the finest level.
        finest: the blocks of that level.
        head: the decoder's end, row by row: norm and output layer.
        parents: the level above.
        link: which children exist.
        slabs: into how many parts of about equal size the parents are cut.

    Returns:
        (len(link.children), out_channels) float32, rows in the order of the children.
    """
    children = link.children
    halo = 1 + len(finest)  # child cells: one for the up block, one for each of ``finest``
    wide = (halo + 1) // 2  # the same in parents
    x = parents.coords[:, 1]
    out: Tensor | None = None
    for low, high in _cuts(x, slabs):
        # The parents' own convolution sees one cell further than their children do.
        near = ((x >= low - wide - 1) & (x < high + wide + 1)).nonzero().squeeze(1)
        part, rows = _part(parents, link, near)
        h = up(SparseTensor(part.parents, parents.feats[near]), part)
        for block in finest:
            h = block(h)
        own_x = part.children.coords[:, 1] // 2
        own = ((own_x >= low) & (own_x < high)).nonzero().squeeze(1)
        values = head(h.feats[own])
        if out is None:
            out = values.new_empty(len(children), values.shape[1])
        out[rows[own]] = values
    if out is None:
        raise ValueError("a level without cells cannot be cut")
    return SparseTensor(children, out)


def _cuts(x: Tensor, slabs: int) -> list[tuple[int, int]]:
    """Ranges of x with about as many cells each; no more than there are values of x."""
    counts = torch.bincount(x.long())
    total = torch.cumsum(counts, 0)
    wanted = torch.arange(1, slabs, device=x.device) * len(x) / slabs
    inner = (torch.searchsorted(total, wanted.to(total.dtype)) + 1).tolist()
    edges = sorted({0, *(edge for edge in inner if edge < len(counts)), len(counts)})
    return list(pairwise(edges))


def _part(parents: SparseTensor, link: Subdivision, near: Tensor) -> tuple[Subdivision, Tensor]:
    """The subdivision of some parents, and the rows that its children have in the whole."""
    number = torch.full((len(parents),), -1, dtype=torch.int64, device=near.device)
    number[near] = torch.arange(len(near), device=near.device)
    own_parent = number[link.parent_rows]
    rows = (own_parent >= 0).nonzero().squeeze(1)
    batch = link.children.batch_size
    with torch.inference_mode(False):
        part = Subdivision(
            Topology(parents.coords[near], batch),
            Topology(link.children.coords[rows], batch),
            own_parent[rows],
            link.slots[rows],
        )
    return part, rows
