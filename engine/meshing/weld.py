"""Vertices in the same place become one."""

import numpy as np

from engine.kernels import tight


def weld_positions(vertices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which vertices to keep so that each position occurs once: the first of each, in order.

    Args:
        vertices: (V, 3) float; exactly equal positions count as one, NaN equals nothing.

    Returns:
        (W,) int64 ``kept`` and (V,) int64 ``new_index``: the welded mesh has the vertices
        ``vertices[kept]`` and the faces ``new_index[faces]``.
    """
    kind = np.float32 if vertices.dtype == np.float32 else np.float64
    points = np.add(vertices, 0.0, order="C", dtype=kind)  # a negative zero becomes zero
    bits = points.view(np.uint32 if kind is np.float32 else np.uint64)
    places = np.full(1 << (2 * len(points)).bit_length(), -1, np.int32)
    kept, new_index = np.empty(len(points), np.int64), np.empty(len(points), np.int64)
    count = _weld(points, bits, places, kept, new_index)
    return kept[:count].copy(), new_index


_MIX = np.uint64(0x9E3779B97F4A7C15)


@tight
def _weld(points, bits, places, kept, new_index):
    """A hash table by open addressing: a quarter of the time of sorting, or less.

    Args:
        points, bits: (V, 3) positions and the same bytes as unsigned integers.
        places: (P,) int32 -1, a power of two above V: the table.
        kept, new_index: (V,) are filled.

    Returns:
        How many of ``kept`` count.
    """
    last = np.uint64(len(places) - 1)
    count = 0
    for i in range(len(points)):
        x, y, z = points[i, 0], points[i, 1], points[i, 2]
        place = np.uint64(0)
        for k in range(3):
            place = (place ^ np.uint64(bits[i, k])) * _MIX
            place ^= place >> np.uint64(32)
        place &= last
        found = np.int32(-1)
        if x == x and y == y and z == z:
            found = places[place]
            while found >= 0:
                j = kept[found]
                if points[j, 0] == x and points[j, 1] == y and points[j, 2] == z:
                    break
                place = (place + np.uint64(1)) & last
                found = places[place]
            if found < 0:
                places[place] = count
        if found < 0:
            kept[count] = i
            found = np.int32(count)
            count += 1
        new_index[i] = found
    return count


def weld_near(vertices: np.ndarray, distance: float) -> tuple[np.ndarray, np.ndarray]:
    """As ``weld_positions``, but joining what lies up to about ``distance`` apart.

    Two vertices are joined when they fall into the same cube of a grid of that spacing, or of the
    same grid moved by half a cube: all nearer than half the distance are, none farther than two
    cube diagonals is.
    """
    if distance <= 0 or len(vertices) == 0:
        return weld_positions(vertices)
    kept = np.arange(len(vertices))
    new_index = kept
    for shift in (0.0, 0.5):
        points = vertices[kept].astype(np.float64)
        with np.errstate(invalid="ignore"):
            cells = np.floor(points / distance + shift)
        still, joined = weld_positions(cells)
        kept, new_index = kept[still], joined[new_index]
    return kept, new_index
