"""A level of an SC-VAE decoder in slabs, for devices on which it would not fit whole.

What a cell becomes on a level depends on cells within a few steps only (one for each 3x3x3
convolution), so a slab of parents, with a halo of further parents at both sides, gives the same
values for its own children as all of them together, but for the rounding of matrix products of
another size. Which cells the next level has follows from these values: where a logit is within that
rounding of 0, a child may come or go.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import Tensor

from engine.networks.sc_vae_blocks import UpBlock
from engine.sparse import SparseTensor, Subdivision, Topology

Slabs = Callable[[int, Subdivision], int]
"""Level of the parents (0: the coarsest), and its link: in how many slabs to go down from there."""


def whole(level: int, link: Subdivision) -> int:
    """The choice of ``Slabs`` where there is memory enough."""
    return 1


def down_in_slabs(
    up: UpBlock,
    rest: Sequence[Callable[[SparseTensor], SparseTensor]],
    parents: SparseTensor,
    link: Subdivision,
    slabs: int,
) -> SparseTensor:
    """``rest`` after ``up``, slab by slab.

    Args:
        up: the up block to the level.
        rest: what follows on that level, each with 3x3x3 cells in view at most.
        parents: the level above.
        link: which children exist.
        slabs: into how many parts of about equal size the parents are cut, 1 or more.

    Returns:
        What the last of them gives, rows in the order of ``link.children``.

    Raises:
        ValueError: a level without cells.
    """
    if len(link.children) == 0:
        raise ValueError("a level without cells cannot be cut")
    wide = halo(len(rest))
    axis = longest_axis(parents.coords)
    at = parents.coords[:, axis]
    out = parents.feats[:0]
    for low, high in _cuts(at, slabs):
        # The parents' own convolution sees one cell further than their children do.
        near = ((at >= low - wide - 1) & (at < high + wide + 1)).nonzero().squeeze(1)
        part, rows = _part(parents, link, near)
        h = up(SparseTensor(part.parents, parents.feats[near]), part)
        for block in rest:
            h = block(h)
        own_at = part.children.coords[:, axis] // 2
        own = ((own_at >= low) & (own_at < high)).nonzero().squeeze(1)
        values = h.feats[own]
        if len(out) == 0:
            out = values.new_empty(len(link.children), values.shape[1])
        out[rows[own]] = values
    return SparseTensor(link.children, out)


def halo(blocks: int) -> int:
    """Parents at each side of a slab that its children depend on, ``blocks`` after the up block."""
    children = 1 + blocks  # one of them for the up block
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


def _part(parents: SparseTensor, link: Subdivision, near: Tensor) -> tuple[Subdivision, Tensor]:
    """The subdivision of some parents, and the rows that its children have in the whole."""
    number = torch.full((len(parents),), -1, dtype=torch.int32, device=near.device)
    number[near] = torch.arange(len(near), dtype=torch.int32, device=near.device)
    own_parent = number[link.parent_rows]
    rows = (own_parent >= 0).nonzero().squeeze(1)
    batch = link.children.batch_size
    with torch.inference_mode(False):
        part = Subdivision(
            Topology(parents.coords[near], batch),
            Topology(link.children.coords[rows], batch),
            own_parent[rows].long(),
            link.slots[rows],
        )
    return part, rows
