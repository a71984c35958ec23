"""Where the cells of a sparse grid are, and everything that follows from that alone.

Features change from layer to layer, positions do not: neighbour maps, parents, children and rotary
phases are computed at most once per set of positions and live exactly as long as it does. Nothing
here can go stale, because nothing here can change.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

import torch
from torch import Tensor

from engine.sparse.neighbours import CENTRE, neighbour_map, sorted_cells
from engine.sparse.rope import rope_phases

Value = TypeVar("Value")


class Topology:
    """The occupied cells of a batch of sparse grids, immutable.

    Args:
        coords: (N, 4) int32 batch, x, y, z, not negative. Rows of one batch item are contiguous and
            batch items ascend; inside an item the order is free and is kept: row order is part of
            what the networks compute. Must not be written to afterwards.
        batch_size: number of batch items; one more than the largest batch index when None. Needed
            where the last items are empty.

    Raises:
        ValueError: wrong shape or dtype, negative entries, batch items out of order.
    """

    def __init__(self, coords: Tensor, batch_size: int | None = None) -> None:
        if coords.ndim != 2 or coords.shape[1] != 4 or coords.dtype != torch.int32:
            raise ValueError(
                f"coords must be (N, 4) int32, not {tuple(coords.shape)} {coords.dtype}"
            )
        batch = coords[:, 0]
        if len(coords) and int(coords.amin()) < 0:
            raise ValueError("coords must not be negative")
        if bool((batch[1:] < batch[:-1]).any()):
            raise ValueError("the rows of coords must be ordered by batch item")
        found = int(batch[-1]) + 1 if len(coords) else 0
        if batch_size is not None and batch_size < found:
            raise ValueError(f"coords name batch item {found - 1} of a batch of {batch_size}")
        self.coords = coords
        self.batch_size = found if batch_size is None else batch_size
        self._kept: dict[Any, Any] = {}

    def __len__(self) -> int:
        return len(self.coords)

    def __repr__(self) -> str:
        return f"Topology({len(self)} cells, batch of {self.batch_size}, {self.device})"

    @property
    def device(self) -> torch.device:
        return self.coords.device

    @cached_property
    def offsets(self) -> list[int]:
        """batch_size + 1 row numbers: item b has the rows offsets[b] to offsets[b + 1]."""
        counts = torch.bincount(self.coords[:, 0], minlength=self.batch_size)
        return [0, *torch.cumsum(counts, 0).tolist()]

    @property
    def slices(self) -> list[slice]:
        """The rows of every batch item."""
        return [slice(a, b) for a, b in zip(self.offsets[:-1], self.offsets[1:], strict=True)]

    def expand(self, per_item: Tensor) -> Tensor:
        """One row per batch item, (batch_size, ...), to one row per cell, (N, ...)."""
        if len(per_item) != self.batch_size:
            raise ValueError(
                f"{len(per_item)} rows cannot be spread over {self.batch_size} batch items"
            )
        if self.batch_size == 1:
            return per_item.expand(len(self), *per_item.shape[1:])
        return per_item.index_select(0, self.coords[:, 0])

    def to(self, device: torch.device | str) -> Topology:
        """The same cells on another device; derived tables are rebuilt there when needed."""
        if self.device == torch.device(device):
            return self
        return Topology(self.coords.to(device), self.batch_size)

    def keep(self, key: Any, make: Callable[[], Value]) -> Value:
        """``make()``, computed once for this topology; for tables that depend on nothing else."""
        if key not in self._kept:
            # Tables made while sampling must also serve a later training step.
            with torch.inference_mode(False), torch.no_grad():
                self._kept[key] = make()
        return self._kept[key]

    def forget(self) -> None:
        """Let go of all that is kept, to have its memory; it is computed again when needed."""
        self._kept.clear()

    @property
    def neighbours(self) -> Tensor:
        """[27, N] int32, see ``neighbour_map``."""
        return self.keep("neighbours", lambda: neighbour_map(sorted_cells(self.coords)))

    @property
    def neighbour_pairs(self) -> list[tuple[Tensor, Tensor]]:
        """For each of the 27 directions: int32 rows that have that neighbour, and that neighbour.

        The pairs of the centre are left empty: they are every row with itself.
        """

        def make() -> list[tuple[Tensor, Tensor]]:
            pairs: list[tuple[Tensor, Tensor]] = []
            for v, rows in enumerate(self.neighbours):
                if v == CENTRE:
                    rows = rows[:0]
                present = (rows >= 0).nonzero().squeeze(1)
                pairs.append((present.int(), rows[present]))
            return pairs

        return self.keep("neighbour_pairs", make)

    def rope_phases(self, head_dim: int, rope_freq: tuple[float, float] = (1.0, 10000.0)) -> Tensor:
        """(N, head_dim // 2) complex64, see ``engine.sparse.rope``."""
        key = ("rope_phases", head_dim, tuple(rope_freq))
        return self.keep(
            key, lambda: rope_phases(self.coords[:, 1:], head_dim, (rope_freq[0], rope_freq[1]))
        )

    def coarsen(self) -> Subdivision:
        """The cells of the grid of half the size that hold these; parents ordered by b, x, y, z."""

        def make() -> tuple[Topology, Tensor, Tensor]:
            parents, parent_rows = _unique_cells(
                torch.cat([self.coords[:, :1], self.coords[:, 1:] // 2], dim=1)
            )
            bits = self.coords[:, 1:] & 1
            slots = bits[:, 0] + 2 * bits[:, 1] + 4 * bits[:, 2]
            return Topology(parents, self.batch_size), parent_rows, slots.long()

        # The children are not kept: a topology that held itself would outlive its last use.
        parents, parent_rows, slots = self.keep("coarsen", make)
        return Subdivision(parents, self, parent_rows, slots)

    def subdivide(self, mask: Tensor) -> Subdivision:
        """The children that a mask keeps, on the grid of twice the size.

        Args:
            mask: (N, 8) bool; child s lies at 2 * parent + (s & 1, s >> 1 & 1, s >> 2 & 1).

        Returns:
            Children parent by parent in row order, s ascending.
        """
        if mask.shape != (len(self), 8) or mask.dtype != torch.bool:
            raise ValueError(
                f"a subdivision mask of {len(self)} cells must be ({len(self)}, 8) bool, "
                f"not {tuple(mask.shape)} {mask.dtype}"
            )
        with torch.inference_mode(False), torch.no_grad():
            parent_rows, slots = mask.nonzero(as_tuple=True)
            bits = torch.stack([slots & 1, slots >> 1 & 1, slots >> 2 & 1], dim=1).int()
            coords = self.coords[parent_rows]
            coords = torch.cat([coords[:, :1], 2 * coords[:, 1:] + bits], dim=1)
            children = Topology(coords, self.batch_size)
        return Subdivision(self, children, parent_rows, slots)


@dataclass(frozen=True, eq=False)
class Subdivision:
    """Two neighbouring levels of a grid: parents, and some of the eight children of each.

    Args:
        parents: the coarser level.
        children: the finer level, each row inside a parent.
        parent_rows: (len(children),) int64, row of each child's parent.
        slots: (len(children),) int64 in 0..7, (x & 1) + 2 * (y & 1) + 4 * (z & 1) of the child.
    """

    parents: Topology
    children: Topology
    parent_rows: Tensor
    slots: Tensor

    @property
    def places(self) -> Tensor:
        """(len(children),) int64 index of each child in the (parents, 8) table of all children."""
        return self.parent_rows * 8 + self.slots

    @cached_property
    def child_rows(self) -> Tensor:
        """(len(parents) * 8,) int32 row of each child in the table of all, -1: there is none."""
        with torch.inference_mode(False), torch.no_grad():
            own = torch.arange(len(self.children), dtype=torch.int32, device=self.slots.device)
            return own.new_full((len(self.parents) * 8,), -1).index_copy_(0, self.places, own)

    def forget(self) -> None:
        """Let go of all that is kept of both levels and of the link, as ``Topology.forget``."""
        self.parents.forget()
        self.children.forget()
        self.__dict__.pop("child_rows", None)

    @property
    def mask(self) -> Tensor:
        """(len(parents), 8) bool: which children there are."""
        mask = torch.zeros(len(self.parents) * 8, dtype=torch.bool, device=self.parents.device)
        mask[self.places] = True
        return mask.view(-1, 8)


def _unique_cells(coords: Tensor) -> tuple[Tensor, Tensor]:
    """Each cell once, ordered by batch, x, y, z, and the row of every input in that list."""
    if len(coords) == 0:
        return coords, torch.zeros(0, dtype=torch.int64, device=coords.device)
    _, size_x, size_y, size_z = (coords.amax(dim=0) + 1).tolist()
    numbers = coords[:, 0].long()
    # In place: many cells are coarsened where memory is short.
    for axis, size in enumerate((size_x, size_y, size_z), start=1):
        numbers.mul_(size).add_(coords[:, axis])
    keys, rows = torch.unique(numbers, return_inverse=True)
    cells = torch.stack(
        [
            keys // (size_z * size_y * size_x),
            keys // (size_z * size_y) % size_x,
            keys // size_z % size_y,
            keys % size_z,
        ],
        dim=1,
    )
    return cells.int(), rows
