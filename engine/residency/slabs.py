"""In how many slabs the levels of an SC-VAE are computed, and what that takes.

One count of bytes for both: the plan walks over guessed numbers of cells, the network asks on each
level with those that it has found.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar

from engine.networks.slabs import extents, halo
from engine.residency.memory import NEIGHBOUR_BYTES
from engine.sparse import Subdivision

CHOICES = (2, 4, 8, 16, 32)
"""Of slabs, where one does not fit."""
TABLE_BYTES = 48
"""Coords of a cell, its parent and its place there, and the logits of its own children."""
RESULT_BYTES = 12
"""For each value of the raw output: itself, and what a system makes of it."""
COARSENING_BYTES = 96
"""Per cell, while the cells of the next coarser level are looked for."""
CHUNK_WIDTHS = 12
"""Numbers of a row that is on its way through what is wider than its level, in widths."""


@dataclass(frozen=True)
class VaeSize(ABC):
    """What the memory of an SC-VAE network follows from, levels from where the data enter.

    Attributes:
        widths: channels of each level.
        blocks: of each level, beside those between levels.
        channels: of each of the finest cells: of the raw output, or what an encoder is given.
        itemsize: of the torso's dtype.
        chunk_bytes: what rows take that are done at a time, at most.
    """

    widths: tuple[int, ...]
    blocks: tuple[int, ...]
    channels: int
    itemsize: int
    chunk_bytes: int
    encodes: ClassVar[bool]

    @abstractmethod
    def first(self, cells: int) -> int:
        """Bytes for the level where the data enter, beside its cells."""

    @abstractmethod
    def _working(self, level: int, here: int, there: int) -> int:
        """Bytes for the way from a level to the next one as a whole, without chunks of rows."""

    @abstractmethod
    def _chunks(self, level: int, here: int, there: int) -> int:
        """Those chunks."""

    def ends(self, link: Subdivision) -> tuple[int, int]:
        """Cells of the level that the network comes from along a link, and of the next one."""
        parents, children = len(link.parents), len(link.children)
        return (children, parents) if self.encodes else (parents, children)

    def above(self, level: int) -> int:
        """How many levels are coarser than both a level and the next one."""
        return len(self.widths) - 2 - level if self.encodes else level

    def finer_blocks(self, level: int) -> int:
        """Blocks on the finer of a level and the next one."""
        return self.blocks[level if self.encodes else level + 1]

    def _row(self, level: int) -> int:
        return self.widths[level] * self.itemsize

    def _taken(self, level: int) -> int:
        """Bytes of a cell as the way to the next level takes it."""
        return self._row(level)

    def _given(self, level: int) -> int:
        """Bytes of a cell as the way from a level to the next one leaves it."""
        return self._row(level + 1)

    def _chunk(self, level: int, cells: int) -> int:
        return min(self.chunk_bytes, 4 * CHUNK_WIDTHS * self.widths[level] * cells)

    def _torso(self, level: int, cells: int) -> int:
        return cells * (2 * self._row(level) + NEIGHBOUR_BYTES) + self._chunk(level, cells)

    def step(self, level: int, here: int, there: int, share: float | None = None) -> int:
        """Bytes for the way from a level of ``here`` cells to the next one of ``there``.

        Args:
            share: of all cells that are in the largest slab, halo included; None: there are none.
        """
        working, chunk = self._working(level, here, there), self._chunks(level, here, there)
        if share is None:
            return working + chunk
        taken = self._taken(level)
        copies = here * (taken + TABLE_BYTES) + there * TABLE_BYTES
        return here * taken + there * self._given(level) + int(share * (working + copies)) + chunk


class DecoderSize(VaeSize):
    """Of a decoder: from each level down to the end of the next one."""

    encodes = False

    def first(self, cells: int) -> int:
        return self._torso(0, cells)

    def _given(self, level: int) -> int:
        finest = level + 2 == len(self.widths)
        return RESULT_BYTES * self.channels if finest else super()._given(level)

    def _working(self, level: int, here: int, there: int) -> int:
        # A level holds what comes into a block and what goes out; on the way down also shortcuts.
        working = here * (2 * self._row(level) + NEIGHBOUR_BYTES)
        return working + there * (5 * self._row(level + 1) // 2 + NEIGHBOUR_BYTES)

    def _chunks(self, level: int, here: int, there: int) -> int:
        return self._chunk(level + 1, there)


class EncoderSize(VaeSize):
    """Of an encoder: from the beginning of each level up to the next one."""

    encodes = True

    def first(self, cells: int) -> int:
        return cells * COARSENING_BYTES

    def _taken(self, level: int) -> int:
        return 4 * self.channels if level == 0 else super()._taken(level)

    def _working(self, level: int, here: int, there: int) -> int:
        fine, coarse = here * self._row(level), there * self._row(level + 1)
        # Beside what comes into the way up and what of it goes into parents: first itself after
        # its norm, then what the parents' convolution takes and gives.
        working = fine + here * self._row(level + 1) // 8 + max(fine, 2 * coarse)
        return working + (here + there) * NEIGHBOUR_BYTES

    def _chunks(self, level: int, here: int, there: int) -> int:
        return max(self._chunk(level, here), self._chunk(level + 1, there))

    def step(self, level: int, here: int, there: int, share: float | None = None) -> int:
        needed = super().step(level, here, there, share)
        # No way leads on from the coarsest level, whose blocks are never cut.
        coarsest = level + 2 == len(self.widths)
        return max(needed, self._torso(level + 1, there)) if coarsest else needed


@dataclass
class SlabChoice:
    """Chooses on each level the fewest slabs that fit; a ``Slabs`` for a network.

    Args:
        size: of the network.
        room: bytes that it may take beside its weights; None: no bound.
        beside: bytes of other things that lie in that room.

    Attributes:
        chosen: so far, from where the data enter.
        peak: most bytes so far. Above ``room`` where nothing fits, which may still go well.
    """

    size: VaeSize
    room: int | None
    beside: int = 0
    chosen: list[int] = field(default_factory=list)
    peak: int = 0
    _cells: int = 0
    _with_neighbours: int = 0

    def __call__(self, level: int, link: Subdivision) -> int:
        def extent() -> int:
            return 1 + int(extents(link.parents.coords).amax())

        return self.choose(level, *self.size.ends(link), extent)

    def begin(self, cells: int) -> None:
        """Count the level where the data enter."""
        self.peak = self.beside + cells * TABLE_BYTES + self.size.first(cells)

    def choose(self, level: int, here: int, there: int, extent: Callable[[], float]) -> int:
        """In how many slabs to go from a level of ``here`` cells to the next one of ``there``.

        Args:
            extent: how many of the coarser ones lie along their longest axis; asked only where they
                do not fit as a whole, since a device has to be waited for.
        """
        if level == 0:
            self._cells, self._with_neighbours = here, 0
            self.begin(here)
        staying = self.beside + (self._cells + there) * TABLE_BYTES
        slabs = 1
        needed = staying + self._with_neighbours * NEIGHBOUR_BYTES
        needed += self.size.step(level, here, there)
        self._with_neighbours += here
        if self.room is not None and needed > self.room and here > 0 and there > 0:
            more = 2 * (halo(self.size.finer_blocks(level)) + 1)
            length = extent()
            # Thinner slabs than their halos would double the work and save little.
            for slabs in (n for n in CHOICES if more * n <= length):
                share = min(1.0, 1 / slabs + more / length)
                self._with_neighbours = 0  # they are let go of
                needed = staying + self.size.step(level, here, there, share)
                if needed <= self.room:
                    break
        self._cells += there
        self.peak = max(self.peak, needed)
        self.chosen.append(slabs)
        return slabs

    def upsampled(self, children: int) -> None:
        """Count the last subdivision of ``upsample``, of which only the cells are made."""
        self.peak = max(self.peak, self.beside + (self._cells + 2 * children) * TABLE_BYTES)


def walked(choice: SlabChoice, cells: list[int], extent: float, *, upsample: bool = False) -> int:
    """Most bytes for levels of so many cells, from where the data enter.

    Args:
        extent: cells of the coarsest level along an axis.
        upsample: a decoder's last level is not computed.
    """
    steps = len(cells) - 2 if upsample else len(cells) - 1
    choice.begin(cells[0])
    for level in range(steps):
        long = extent * 2 ** choice.size.above(level)
        choice.choose(level, cells[level], cells[level + 1], lambda long=long: long)
    if upsample:
        choice.upsampled(cells[-1])
    return choice.peak
