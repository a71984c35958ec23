"""In how many slabs the levels of an SC-VAE decoder are computed, and what that takes.

One count of bytes for both: the plan walks over guessed numbers of cells, the decoder asks on each
level with those that it has found.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from engine.networks.slabs import extents, halo
from engine.residency.memory import NEIGHBOUR_BYTES
from engine.sparse import Subdivision

CHOICES = (2, 4, 8, 16, 32)
"""Of slabs, where one does not fit."""
TABLE_BYTES = 48
"""Coords of a cell, its parent and its place there, and the logits of its own children."""
RESULT_BYTES = 12
"""For each value of the raw output: itself, and what a system makes of it."""
CHUNK_WIDTHS = 12
"""Numbers of a row that is on its way through what is wider than its level, in widths."""


@dataclass(frozen=True)
class DecoderSize:
    """What the memory of a decoder follows from, coarsest level first.

    Attributes:
        widths: channels of each level.
        blocks: of each level, beside those between levels.
        out_channels: of the raw output.
        itemsize: of the torso's dtype.
        chunk_bytes: what rows take that are done at a time, at most.
    """

    widths: tuple[int, ...]
    blocks: tuple[int, ...]
    out_channels: int
    itemsize: int
    chunk_bytes: int

    def first(self, cells: int) -> int:
        """Bytes for the coarsest level."""
        return cells * (2 * self._row(0) + NEIGHBOUR_BYTES) + self._chunk(0, cells)

    def down(self, level: int, parents: int, children: int, share: float | None = None) -> int:
        """Bytes for the way from a level to the end of the next one.

        Args:
            share: of all cells that are in the largest slab, halo included; None: there are none.
        """
        # A level holds what comes into a block and what goes out; on the way down also shortcuts.
        working = parents * (2 * self._row(level) + NEIGHBOUR_BYTES)
        working += children * (5 * self._row(level + 1) // 2 + NEIGHBOUR_BYTES)
        chunk = self._chunk(level + 1, children)
        if share is None:
            return working + chunk
        finest = level + 2 == len(self.widths)
        out = RESULT_BYTES * self.out_channels if finest else self._row(level + 1)
        copies = parents * (self._row(level) + TABLE_BYTES) + children * TABLE_BYTES
        return parents * self._row(level) + children * out + int(share * (working + copies)) + chunk

    def _row(self, level: int) -> int:
        return self.widths[level] * self.itemsize

    def _chunk(self, level: int, cells: int) -> int:
        return min(self.chunk_bytes, 4 * CHUNK_WIDTHS * self.widths[level] * cells)


@dataclass
class SlabChoice:
    """Chooses on each level the fewest slabs that fit; a ``Slabs`` for a decoder.

    Args:
        size: of the decoder.
        room: bytes that it may take beside its weights; None: no bound.
        beside: bytes of other things that lie in that room.

    Attributes:
        chosen: so far, coarsest level first.
        peak: most bytes so far. Above ``room`` where nothing fits, which may still go well.
    """

    size: DecoderSize
    room: int | None
    beside: int = 0
    chosen: list[int] = field(default_factory=list)
    peak: int = 0
    _cells: int = 0

    def __call__(self, level: int, link: Subdivision) -> int:
        def extent() -> int:
            return 1 + int(extents(link.parents.coords).amax())

        return self.choose(level, len(link.parents), len(link.children), extent)

    def begin(self, cells: int) -> None:
        """Count the coarsest level."""
        self.peak = self.beside + cells * TABLE_BYTES + self.size.first(cells)

    def choose(self, level: int, parents: int, children: int, extent: Callable[[], float]) -> int:
        """How many slabs to go down from ``parents`` cells.

        Args:
            extent: how many of them lie along their longest axis; asked only where they do not fit
                as a whole, since a device has to be waited for.
        """
        if level == 0:
            self._cells = parents
            self.begin(parents)
        staying = self.beside + (self._cells + children) * TABLE_BYTES
        slabs = 1
        needed = staying + self._cells * NEIGHBOUR_BYTES
        needed += self.size.down(level, parents, children)
        if self.room is not None and needed > self.room and children > 0:
            finest = level + 2 == len(self.size.widths)
            more = 2 * (halo(self.size.blocks[level + 1] + finest) + 1)
            length = extent()
            # Thinner slabs than their halos would double the work and save little.
            for slabs in (n for n in CHOICES if more * n <= length):
                share = min(1.0, 1 / slabs + more / length)
                # A decoder then lets go of the neighbours of the levels above.
                needed = staying + self.size.down(level, parents, children, share)
                if needed <= self.room:
                    break
        self._cells += children
        self.peak = max(self.peak, needed)
        self.chosen.append(slabs)
        return slabs

    def upsampled(self, children: int) -> None:
        """Count the last subdivision of ``upsample``, of which only the cells are made."""
        self.peak = max(self.peak, self.beside + (self._cells + 2 * children) * TABLE_BYTES)


def walked(choice: SlabChoice, cells: list[int], extent: float, *, upsample: bool = False) -> int:
    """Most bytes for levels of so many cells, coarsest first.

    Args:
        extent: cells of the coarsest level along an axis.
        upsample: the last level is not computed.
    """
    steps = len(cells) - 2 if upsample else len(cells) - 1
    choice.begin(cells[0])
    for level in range(steps):
        long = extent * 2**level
        choice.choose(level, cells[level], cells[level + 1], lambda long=long: long)
    if upsample:
        choice.upsampled(cells[-1])
    return choice.peak
