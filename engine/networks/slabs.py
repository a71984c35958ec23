"""The way between two levels of an SC-VAE in slabs, for devices on which it would not fit whole.

What a cell becomes depends on cells within a few steps only (one for each 3x3x3 convolution), so a
slab of parents with their children, with a halo of further parents at both sides, gives the same
values for its own cells as all of them together, but for the rounding of matrix products of another
size. Which cells the next level of a decoder has follows from these values: where a logit is within
that rounding of 0, a child may come or go.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import Tensor

from engine.sparse import SparseTensor, Subdivision, Topology

Slabs = Callable[[int, Subdivision], int]
"""Level (0: where the data enter), and its link to the next: in how many slabs to go there."""
Block = Callable[[SparseTensor], SparseTensor]
Way = Callable[[SparseTensor, Subdivision], SparseTensor]
"""From features of one end of a link to those of the other."""


def whole(level: int, link: Subdivision) -> int:
    """The choice of ``Slabs`` where there is memory enough."""
    return 1


def in_slabs(
    way: Way, x: SparseTensor, links: Sequence[Subdivision], slabs: int, *, blocks: int
) -> SparseTensor:
    """``way`` along the last link, slab by slab; all links let go of their tables.

    Args:
        way: a level's ``blocks`` and its way up or down: a 3x3x3 convolution of the parents, and
            one of the children beside those of the blocks.
        x: features of the link's parents, as a decoder has them, or of its children.
        links: those so far.
        slabs: into how many parts of about equal size the parents are cut, 1 or more.
        blocks: with 3x3x3 cells in view each, on the children.

    Returns:
        Features of the other end of the link.

    Raises:
        ValueError: a level without cells.
    """
    for link in links:
        # Memory is short, and slabs have tables of their own.
        link.forget()
    link = links[-1]
    if len(link.children) == 0:
        raise ValueError("a level without cells cannot be cut")
    wide = halo(blocks)
    axis = longest_axis(link.parents.coords)
    at = link.parents.coords[:, axis]
    there = link.parents if x.topology is link.children else link.children
    out = x.feats[:0]
    for low, high in _cuts(at, slabs):
        # The parents' own convolution sees one cell further than their children do.
        near = ((at >= low - wide - 1) & (at < high + wide + 1)).nonzero().squeeze(1)
        values, rows = _slab(way, x, link, near, axis, low, high)
        if len(out) == 0:
            out = values.new_empty(len(there), values.shape[1])
        out[rows] = values
    return SparseTensor(there, out)


def _slab(
    way: Way, x: SparseTensor, link: Subdivision, near: Tensor, axis: int, low: int, high: int
) -> tuple[Tensor, Tensor]:
    """Features that the slab of parents from ``low`` to before ``high`` gives, and their rows.

    Args:
        near: rows of its parents and of those in its halos.
    """
    part, children = _part(link, near)
    if x.topology is link.children:
        h = way(SparseTensor(part.children, x.feats[children]), part)
        rows, own_at = near, h.coords[:, axis]
    else:
        h = way(SparseTensor(part.parents, x.feats[near]), part)
        rows, own_at = children, h.coords[:, axis] // 2
    own = ((own_at >= low) & (own_at < high)).nonzero().squeeze(1)
    return h.feats[own], rows[own]


def halo(blocks: int) -> int:
    """Parents at each side of a slab that it depends on by its children, with so many blocks."""
    children = 1 + blocks  # one of them for the way up or down
    return (children + 1) // 2


def extents(coords: Tensor) -> Tensor:
    """(3,) from the first to the last of (N, 4) cells along each axis; at least one of them."""
    return coords[:, 1:].amax(dim=0) - coords[:, 1:].amin(dim=0)


def longest_axis(coords: Tensor) -> int:
    """1, 2 or 3: the column along which cells extend furthest; see ``extents``."""
    return 1 + int(extents(coords).argmax())


def _cuts(at: Tensor, slabs: int) -> list[tuple[int, int]]:
    """Ranges of a coordinate with about as many cells each; no more than it has values."""
    counts = torch.bincount(at.long())
    total = torch.cumsum(counts, 0)
    wanted = torch.arange(1, slabs, device=at.device) * len(at) / slabs
    inner = (torch.searchsorted(total, wanted.to(total.dtype)) + 1).tolist()
    edges = sorted({0, *(edge for edge in inner if edge < len(counts)), len(counts)})
    return list(pairwise(edges))


def _part(link: Subdivision, near: Tensor) -> tuple[Subdivision, Tensor]:
    """The subdivision of some parents, and the rows that its children have in the whole."""
    number = torch.full((len(link.parents),), -1, dtype=torch.int32, device=near.device)
    number[near] = torch.arange(len(near), dtype=torch.int32, device=near.device)
    own_parent = number[link.parent_rows]
    rows = (own_parent >= 0).nonzero().squeeze(1)
    batch = link.children.batch_size
    with torch.inference_mode(False):
        part = Subdivision(
            Topology(link.parents.coords[near], batch),
            Topology(link.children.coords[rows], batch),
            own_parent[rows].long(),
            link.slots[rows],
        )
    return part, rows
