"""Kernels of the .vxz chunk: morton order, the sparse voxel octree, and the two value filters.

Inside a chunk of ``2**depth`` cells per axis a voxel's code is the morton number of its place, x
most significant: three bits (4x + 2y + z) for each level, the root's first. The octree is one byte
for each inner node, depth first with the parent before its children; bit i says that child i
exists. Rows are in code order, which is also the order in which the octree meets its leaves.
"""

import numpy as np
from numba import njit

from engine.kernels import kernel

# 21 bits an axis fill the 63 bits of a sort key; the reference's codes are 32 bits wide.
AXIS_BITS = 21
MAX_DEPTH = 10


@njit(inline="always")
def _spread(value):
    """Move the bits of a number below 2**10 three places apart."""
    value = (value | (value << 16)) & 0x030000FF
    value = (value | (value << 8)) & 0x0300F00F
    value = (value | (value << 4)) & 0x030C30C3
    return (value | (value << 2)) & 0x09249249


@njit(inline="always")
def _gather(code):
    """Undo ``_spread``: collect every third bit."""
    code &= 0x09249249
    code = (code | (code >> 2)) & 0x030C30C3
    code = (code | (code >> 4)) & 0x0300F00F
    code = (code | (code >> 8)) & 0x030000FF
    return (code | (code >> 16)) & 0x3FF


@kernel
def sort_keys(coords, depth):
    """(N,) int64 keys that order voxels by chunk (x, y, z) and by morton code inside it.

    Args:
        coords: (N, 3) int32 in [0, 2**21).
        depth: log2 of the chunk size; the low ``3 * depth`` bits of a key are the code.
    """
    keys = np.empty(len(coords), np.int64)
    mask = (1 << depth) - 1
    width = AXIS_BITS - depth
    for row in range(len(coords)):
        x, y, z = np.int64(coords[row, 0]), np.int64(coords[row, 1]), np.int64(coords[row, 2])
        chunk = ((((x >> depth) << width) | (y >> depth)) << width) | (z >> depth)
        code = (_spread(x & mask) << 2) | (_spread(y & mask) << 1) | _spread(z & mask)
        keys[row] = (chunk << (3 * depth)) | code
    return keys


@kernel
def place_codes(codes, origin_x, origin_y, origin_z, out):
    """Write the coordinates of ``codes``, moved by the chunk's origin, into ``out`` (n, 3)."""
    for row in range(len(codes)):
        out[row, 0] = _gather(codes[row] >> 2) + origin_x
        out[row, 1] = _gather(codes[row] >> 1) + origin_y
        out[row, 2] = _gather(codes[row]) + origin_z


@njit(inline="always")
def _shared_levels(code, before, depth):
    """How many levels from the root two different codes have in common."""
    difference = code ^ before
    levels = depth - 1
    while difference >= 8:
        difference >>= 3
        levels -= 1
    return levels


@kernel
def encode_octree(codes, depth):
    """The octree bytes, (nodes,) uint8, of (n,) ascending distinct codes."""
    nodes = np.zeros(len(codes) * depth, np.uint8)
    path = np.zeros(depth, np.int64)  # the node of each level that is being filled
    count = 1
    for row in range(len(codes)):
        code = codes[row]
        shared = 0 if row == 0 else _shared_levels(code, codes[row - 1], depth)
        for level in range(shared, depth):
            if level > shared:
                path[level] = count
                count += 1
            nodes[path[level]] |= 1 << ((code >> (3 * (depth - 1 - level))) & 7)
    return nodes[:count].copy()


@kernel
def decode_octree(nodes, depth, codes):
    """Write the leaves' codes into ``codes`` and return their number; -1 for a damaged octree.

    With an empty ``codes`` the leaves are only counted, so that a caller knows how many to expect
    before it makes room. Damaged means: a node without children, too few nodes, or too many.
    """
    write = len(codes) > 0
    masks = np.zeros(depth, np.int64)
    prefix = np.zeros(depth, np.int64)
    if len(nodes) == 0 or nodes[0] == 0:
        return -1
    masks[0] = nodes[0]
    used, level, leaves = 1, 0, 0
    while level >= 0:
        if masks[level] == 0:
            level -= 1
            continue
        child = 0
        while not (masks[level] >> child) & 1:
            child += 1
        masks[level] &= masks[level] - 1
        code = (prefix[level] << 3) | child
        if level == depth - 1:
            if write:
                if leaves == len(codes):
                    return -1
                codes[leaves] = code
            leaves += 1
            continue
        if used == len(nodes) or nodes[used] == 0:
            return -1
        level += 1
        prefix[level] = code
        masks[level] = nodes[used]
        used += 1
    return leaves if used == len(nodes) else -1


@kernel
def parent_plan(codes, depth, nodes):
    """Filter ``parent``: where each row's value is stored, and from which row it is subtracted.

    A node has the value of its first child, so of its first leaf. The stream begins with the
    root's value; then every inner node, in octree order, gives each child but the first as its
    difference to the child before. A row is thus stored once: where its leaf is the first of a
    child that is not the first.

    Args:
        nodes: the number of bytes that the octree of ``codes`` has.

    Returns:
        slot (n,) int32, place of row i in the stream; base (n,) int32, the row whose value is
        subtracted (it comes earlier in the stream), -1 for row 0.
    """
    rows = len(codes)
    slot = np.zeros(rows, np.int32)
    base = np.full(rows, -1, np.int32)
    node_of = np.zeros(rows, np.int32)
    later_children = np.zeros(nodes, np.int32)  # of each node, all but the first
    path = np.zeros(depth, np.int64)
    newest = np.zeros(depth, np.int64)  # first leaf of the newest child of each level's node
    count = 0
    for row in range(rows):
        shared = -1 if row == 0 else _shared_levels(codes[row], codes[row - 1], depth)
        if row > 0:
            node = path[shared]
            node_of[row] = node
            slot[row] = later_children[node]
            later_children[node] += 1
            base[row] = newest[shared]
            newest[shared] = row
        for level in range(shared + 1, depth):
            path[level] = count
            newest[level] = row
            count += 1
    start = 1
    for node in range(count):
        width = later_children[node]
        later_children[node] = start
        start += width
    for row in range(1, rows):
        slot[row] += later_children[node_of[row]]
    return slot, base


@kernel
def _find(codes, end, code):
    """Row of ``code`` among the ascending ``codes[:end]``, -1 where it is not."""
    low, high = 0, end
    while low < high:
        middle = (low + high) >> 1
        if codes[middle] < code:
            low = middle + 1
        else:
            high = middle
    return low if low < end and codes[low] == code else -1


@kernel
def neighbor_plan(codes):
    """Filter ``neighbor``: (n,) int32, the row that is subtracted from each row, -1 for none.

    It is the last that exists of the lower neighbours -x, -y, -z, -xy, -xz, -yz, -xyz inside the
    chunk; each of them has a smaller code, so an earlier row.
    """
    base = np.full(len(codes), -1, np.int32)
    for row in range(len(codes)):
        code = codes[row]
        x, y, z = _gather(code >> 2), _gather(code >> 1), _gather(code)
        # The axes moved, as bits 4x + 2y + z, from the last of the list to the first.
        for axes in (7, 3, 5, 6, 1, 2, 4):
            i, j, k = x - (axes >> 2), y - ((axes >> 1) & 1), z - (axes & 1)
            if i < 0 or j < 0 or k < 0:
                continue
            found = _find(codes, row, (_spread(i) << 2) | (_spread(j) << 1) | _spread(k))
            if found >= 0:
                base[row] = found
                break
    return base


@kernel
def filter_values(values, slot, base):
    """The stream, (n, C) uint8: row i minus row ``base[i]``, modulo 256, at ``slot[i]``."""
    stream = np.empty_like(values)
    for row in range(len(values)):
        for channel in range(values.shape[1]):
            value = values[row, channel]
            if base[row] >= 0:
                value = np.uint8(value - values[base[row], channel])
            stream[slot[row], channel] = value
    return stream


@kernel
def unfilter_values(stream, slot, base, out):
    """Undo ``filter_values`` into ``out`` (n, C) uint8. A base is an earlier row than its own."""
    for row in range(len(stream)):
        for channel in range(stream.shape[1]):
            value = stream[slot[row], channel]
            if base[row] >= 0:
                value = np.uint8(value + out[base[row], channel])
            out[row, channel] = value
