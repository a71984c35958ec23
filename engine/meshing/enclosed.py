"""Spaces that a torn surface encloses, told from the insides of cups and the folds of cloths.

A grid is flooded from outside; through holes the flood also gets into what is meant to be solid.
There the winding number is near 1, but so it is in a cup made of a single sheet, and in the folds
of a cloth, which are to stay as they are. So a space whose winding number is over a half is closed
only if no ball of ``OPENING`` gets in and out and if its openings are a small part of its border.
"""

import numpy as np

from engine.kernels import kernel
from engine.meshing.winding import dipole_tree, has_balanced_edges, winding_numbers

FREE, TOUCHED, OUTSIDE, ENCLOSED, UNSURE, FILLED = range(6)
"""States of a cell."""
OPENING = 0.1
"""Openings wider than this share of the longest side are meant."""
OPEN_SHARE = 0.2
"""And so are those that are more than this share of a space's border."""
SURE = 0.15
"""A winding number so far from a half speaks for all cells of a block that are connected in it."""


def fill_enclosed(
    vertices: np.ndarray, faces: np.ndarray, state: np.ndarray, origin: np.ndarray, cell: float
) -> None:
    """Mark cells that the flood reached but that a torn surface encloses.

    Args:
        vertices: (V, 3) float32.
        faces: (F, 3) int32, wound consistently; else little is found to be enclosed.
        state: (X, Y, Z) uint8 TOUCHED or OUTSIDE, or FREE where the flood did not get; OUTSIDE
            becomes FILLED.
        origin: of the grid.
        cell: size of the cells.
    """
    if has_balanced_edges(faces, len(vertices)):
        return  # then the winding number is 0 wherever the outside gets
    tree = dipole_tree(vertices, faces)

    def enclosed(cells: np.ndarray) -> np.ndarray:
        return np.abs(winding_numbers(tree, origin + (cells + 0.5) * cell))

    longest = max(state.shape)
    block = max(4, longest // 64)
    cells = _pieces(state, block, np.zeros(0))
    _pieces(state, block, enclosed(cells))
    unsure = np.argwhere(state == UNSURE)
    state[tuple(unsure.T)] = np.where(enclosed(unsure) >= 0.5, ENCLOSED, OUTSIDE)
    inside = np.flatnonzero(state == ENCLOSED)
    if len(inside):
        way = _distances(state)
        way[way < 3 * OPENING / 2 * longest] = TOUCHED
        way[way != TOUCHED] = FREE
        flood_outside(way)
        _decide(state, way, inside, OPEN_SHARE)


@kernel
def flood_outside(state):
    """Cells become OUTSIDE that a path of free cells joins with the border of the grid."""
    width, height, depth = state.shape
    for x in range(width):
        for y in range(height):
            for z in range(depth):
                rim = x == 0 or y == 0 or z == 0
                if rim or x == width - 1 or y == height - 1 or z == depth - 1:
                    state[x, y, z] = OUTSIDE
    changed = True
    while changed:
        changed = False
        for x in range(1, width - 1):
            for y in range(1, height - 1):
                for z in range(1, depth - 1):
                    if state[x, y, z] == FREE and (
                        state[x - 1, y, z] == OUTSIDE
                        or state[x, y - 1, z] == OUTSIDE
                        or state[x, y, z - 1] == OUTSIDE
                    ):
                        state[x, y, z] = OUTSIDE
                        changed = True
        for x in range(width - 2, 0, -1):
            for y in range(height - 2, 0, -1):
                for z in range(depth - 2, 0, -1):
                    if state[x, y, z] == FREE and (
                        state[x + 1, y, z] == OUTSIDE
                        or state[x, y + 1, z] == OUTSIDE
                        or state[x, y, z + 1] == OUTSIDE
                    ):
                        state[x, y, z] = OUTSIDE
                        changed = True


@kernel
def _pieces(state, block, numbers):
    """Pieces of connected cells outside, block by block; (N, 3) int64 the first cell of each.

    With ``numbers`` (N,), the winding numbers there, the cells of each piece get their state.
    """
    width, height, depth = state.shape
    first = np.empty((1024, 3), np.int64)
    count = 0
    waiting = np.empty((block**3, 3), np.int64)
    seen = np.zeros((block, block, block), np.bool_)
    for bx in range(0, width, block):
        for by in range(0, height, block):
            for bz in range(0, depth, block):
                seen[:] = False
                for x in range(bx, min(bx + block, width)):
                    for y in range(by, min(by + block, height)):
                        for z in range(bz, min(bz + block, depth)):
                            if state[x, y, z] != OUTSIDE or seen[x - bx, y - by, z - bz]:
                                continue
                            became = OUTSIDE
                            if numbers.shape[0] > 0:
                                off = numbers[count] - 0.5
                                became = ENCLOSED if off > 0 else OUTSIDE
                                if abs(off) < SURE:
                                    became = UNSURE
                            else:
                                if count == first.shape[0]:
                                    grown = np.empty((2 * count, 3), np.int64)
                                    grown[:count] = first
                                    first = grown
                                first[count, 0], first[count, 1], first[count, 2] = x, y, z
                            count += 1
                            waiting[0, 0], waiting[0, 1], waiting[0, 2] = x, y, z
                            seen[x - bx, y - by, z - bz] = True
                            left = 1
                            while left > 0:
                                left -= 1
                                i, j, k = waiting[left, 0], waiting[left, 1], waiting[left, 2]
                                state[i, j, k] = became
                                for side in range(6):
                                    step = 1 if side % 2 else -1
                                    u = i + (step if side // 2 == 0 else 0)
                                    v = j + (step if side // 2 == 1 else 0)
                                    w = k + (step if side // 2 == 2 else 0)
                                    if u < bx or v < by or w < bz:
                                        continue
                                    if u >= min(bx + block, width) or v >= min(by + block, height):
                                        continue
                                    if w >= min(bz + block, depth) or state[u, v, w] != OUTSIDE:
                                        continue
                                    if seen[u - bx, v - by, w - bz]:
                                        continue
                                    seen[u - bx, v - by, w - bz] = True
                                    waiting[left, 0], waiting[left, 1] = u, v
                                    waiting[left, 2] = w
                                    left += 1
    return first[:count]


@kernel
def _distances(state):
    """(X, Y, Z) uint8: how far the nearest touched cell is, in thirds of a cell, at most 255.

    Chamfer distances of 3, 4 and 5 (Borgefors 1986), in two sweeps.
    """
    width, height, depth = state.shape
    far = np.full(state.shape, 255, np.uint8)
    for turn in range(2):
        for i in range(width):
            x = i if turn == 0 else width - 1 - i
            for j in range(height):
                y = j if turn == 0 else height - 1 - j
                for k in range(depth):
                    z = k if turn == 0 else depth - 1 - k
                    if state[x, y, z] == TOUCHED:
                        far[x, y, z] = 0
                        continue
                    least = np.int64(far[x, y, z])
                    for n in range(13):  # the half of the neighbours that came before
                        dx, dy, dz = n // 9 - 1, n // 3 % 3 - 1, n % 3 - 1
                        if turn == 1:
                            dx, dy, dz = -dx, -dy, -dz
                        u, v, w = x + dx, y + dy, z + dz
                        if 0 <= u < width and 0 <= v < height and 0 <= w < depth:
                            cost = 2 + abs(dx) + abs(dy) + abs(dz)
                            least = min(least, np.int64(far[u, v, w]) + cost)
                    far[x, y, z] = least
    return far


@kernel
def _decide(state, way, inside, open_share):
    """Each connected space of enclosed cells becomes filled, or outside again.

    ``way`` is OUTSIDE where the middle of a ball that comes from outside may be; ``inside`` are the
    flat indices of the enclosed cells.
    """
    width, height, depth = state.shape
    stride = (height * depth, depth, 1)
    cells, ways = state.reshape(-1), way.reshape(-1)
    space = np.empty(inside.shape[0], np.int64)
    for seed in inside:
        if cells[seed] != ENCLOSED:
            continue
        space[0] = seed
        cells[seed] = FILLED
        head, tail = 0, 1
        lids, walls = 0, 0
        passed = False
        while head < tail:
            at = space[head]
            head += 1
            x, y, z = at // stride[0], at // depth % height, at % depth
            rim = x == 0 or y == 0 or z == 0
            if rim or x == width - 1 or y == height - 1 or z == depth - 1:
                passed = True  # what reaches the border of the grid is open
                continue
            passed = passed or ways[at] == OUTSIDE
            for axis in range(3):
                for step in (-stride[axis], stride[axis]):
                    there = cells[at + step]
                    if there == ENCLOSED:
                        cells[at + step] = FILLED
                        space[tail] = at + step
                        tail += 1
                    elif there == OUTSIDE:
                        lids += 1
                    elif there != FILLED:
                        walls += 1
        if passed or lids > open_share * (lids + walls):
            for i in range(tail):
                cells[space[i]] = OUTSIDE
