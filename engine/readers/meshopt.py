"""Data that EXT_meshopt_compression or KHR_meshopt_compression packed: bitstreams and filters."""

import numpy as np

from engine.kernels import kernel, tight
from engine.readers.source import Broken

_DAMAGED = "its data compressed by meshopt are damaged"
_WORD = 0xFFFFFFFF
_GROUP = 16
"""Elements of which each byte is stored together."""
_BLOCK = 256
"""Elements of a block at most."""
_FILTERS = {"OCTAHEDRAL": (4, 8), "QUATERNION": (8,), "COLOR": (4, 8)}
"""Bytes that an element may have."""


def decode_meshopt(data: memoryview, count: int, stride: int, mode: str, filter: str) -> np.ndarray:
    """The bytes of a bufferView.

    Args:
        data: one whole stream.
        count: elements.
        stride: bytes of an element.
        mode: "ATTRIBUTES", "TRIANGLES" or "INDICES".
        filter: "NONE", "OCTAHEDRAL", "QUATERNION", "EXPONENTIAL" or "COLOR".

    Returns:
        (count * stride,) uint8, made only if the stream is long enough to hold so many elements:
        at most 1,024 times its size.

    Raises:
        Broken: a damaged stream, or a layout that its mode or filter cannot have.
    """
    _check_layout(count, stride, mode, filter)
    packed = np.frombuffer(data, np.uint8)
    if mode == "ATTRIBUTES":
        return _filtered(_attributes(packed, count, stride), stride, filter)
    # A triangle has a code of one byte and 16 bytes follow; an index has a byte, and four follow.
    head, fewest = (0xE1, 17 + count // 3) if mode == "TRIANGLES" else (0xD1, 5 + count)
    if len(packed) < fewest or packed[0] != head:
        raise Broken(_DAMAGED)
    indices = np.empty(count, np.uint32)
    read = _read_triangles if mode == "TRIANGLES" else _read_indices
    if not read(packed, indices):
        raise Broken(_DAMAGED)
    return indices.astype("<u2" if stride == 2 else "<u4").view(np.uint8)


def _check_layout(count: int, stride: int, mode: str, filter: str) -> None:
    fits = isinstance(count, int) and isinstance(stride, int) and count >= 0
    if fits and mode == "ATTRIBUTES":
        fits = 4 <= stride <= 256 and stride % 4 == 0
        fits = fits and (filter in ("NONE", "EXPONENTIAL") or stride in _FILTERS.get(filter, ()))
    elif fits:
        fits = mode == "INDICES" or (mode == "TRIANGLES" and count % 3 == 0)
        fits = fits and stride in (2, 4) and filter == "NONE"
    if not fits:
        raise Broken("it has data compressed by meshopt in a layout that is not known")


def _attributes(packed: np.ndarray, count: int, stride: int) -> np.ndarray:
    """(count * stride,) uint8 before any filter."""
    if len(packed) < 1 or packed[0] not in (0xA0, 0xA1):
        raise Broken(_DAMAGED)
    newer = bool(packed[0] == 0xA1)
    tail = stride + (stride // 4 if newer else 0)
    end = len(packed) - max(tail, 24 if newer else 32)
    block = min((8192 // stride) & -_GROUP, _BLOCK)
    # Two bits for each byte position of a block (newer), or of a group of sixteen elements.
    if newer:
        fewest = -(-count // block) * (stride // 4)
    else:
        fewest = -(-count // (4 * _GROUP)) * stride
    if end < 1 + fewest:
        raise Broken(_DAMAGED)
    out = np.empty((count, stride), np.uint8)
    if not _read_attributes(packed, end, newer, block, packed[len(packed) - tail :], out):
        raise Broken(_DAMAGED)
    return out.reshape(-1)


@kernel
def _read_attributes(packed, end, newer, block, tail, out):
    """Fill ``out`` (count, stride); whether the stream is sound and ends at ``end``.

    Args:
        block: elements of a block at most, a multiple of 16.
        tail: the element before the first, then the modes of each four bytes (newer).
    """
    count, stride = out.shape
    deltas = np.zeros((stride, _BLOCK), np.uint8)
    before = tail[:stride].copy()
    at = 1
    for first in range(0, count, block):
        size = min(block, count - first)
        groups = (size + _GROUP - 1) // _GROUP
        control = at
        if newer:
            at += stride // 4
            if at > end:
                return False
        for k in range(stride):
            way = (packed[control + k // 4] >> (2 * (k % 4))) & 3 if newer else -1
            at = _read_deltas(packed, at, end, way, size, groups, deltas[k])
            if at < 0:
                return False
        for k in range(0, stride, 4):
            channel = int(tail[stride + k // 4]) if newer else 0
            if channel & 15 > 2 or (channel & 15 < 2 and channel > 15):
                return False
            _add_deltas(deltas[k : k + 4], channel, before[k : k + 4], out[first : first + size], k)
    return at == end


@tight
def _read_deltas(packed, at, end, way, size, groups, deltas):
    """The deltas of one byte position in a block; where the next begin, -1 for beyond the end.

    Args:
        way: -1 as in version 0, 0 and 1 for fewer and more bits, 2 for zeros, 3 for plain bytes.
    """
    if way == 2:
        deltas[:size] = 0
        return at
    if way == 3:
        if at + size > end:
            return -1
        for i in range(size):
            deltas[i] = packed[at + i]
        return at + size
    head = at
    at += (groups + 3) // 4
    if at > end:
        return -1
    for group in range(groups):
        # Bits are 0, 1, 2, 4 in way 0; 1, 2, 4, 8 in way 1; 0, 2, 4, 8 in version 0.
        step = (packed[head + group // 4] >> (2 * (group % 4))) & 3
        if way == 1 or (way == -1 and step > 0):
            step += 1
        bits = (1 << step) >> 1
        at = _read_group(packed, at, end, bits, deltas[_GROUP * group : _GROUP * (group + 1)])
        if at < 0:
            return -1
    return at


@tight
def _read_group(packed, at, end, bits, deltas):
    """Sixteen deltas; where the next begin, -1 for beyond the end."""
    if bits == 0:
        deltas[:] = 0
        return at
    behind = at + 2 * bits
    if behind > end:
        return -1
    full = (1 << bits) - 1
    in_byte = 8 // bits
    for i in range(_GROUP):
        place = i % in_byte
        # Single bits begin at the lowest, others at the highest.
        shift = place if bits == 1 else 8 - bits * (place + 1)
        delta = (packed[at + i // in_byte] >> shift) & full
        if delta == full and bits < 8:  # a whole byte stands behind
            if behind >= end:
                return -1
            delta = packed[behind]
            behind += 1
        deltas[i] = delta
    return behind


@tight
def _add_deltas(deltas, channel, before, out, k):
    """Four bytes of each element out of their deltas (4, 256); ``before`` becomes the last."""
    mode, turn = channel & 15, channel >> 4
    for i in range(out.shape[0]):
        if mode == 0:
            for j in range(4):
                delta = int(deltas[j, i])
                before[j] = (before[j] + ((delta >> 1) ^ -(delta & 1))) & 255
        elif mode == 1:
            for j in range(0, 4, 2):
                delta = int(deltas[j, i]) | int(deltas[j + 1, i]) << 8
                value = int(before[j]) | int(before[j + 1]) << 8
                value += (delta >> 1) ^ -(delta & 1)
                before[j], before[j + 1] = value & 255, (value >> 8) & 255
        else:
            delta = 0
            for j in range(4):
                delta |= int(deltas[j, i]) << (8 * j)
            delta = (delta << (32 - turn) | delta >> turn) & _WORD
            for j in range(4):
                before[j] ^= (delta >> (8 * j)) & 255
        for j in range(4):
            out[i, k + j] = before[j]


@tight
def _read_number(packed, at, end):
    """An unsigned number of 32 bits in one to five bytes, and what follows (-1: it is damaged)."""
    value = 0
    for i in range(5):
        if at >= end:
            break
        byte = int(packed[at])
        at += 1
        value |= (byte & 127) << (7 * i)
        if byte < 128:
            return value & _WORD, at
    return 0, -1


@kernel
def _read_indices(packed, out):
    """Fill ``out`` (count,); whether the stream is sound."""
    last = np.zeros(2, np.int64)
    at, end = 1, len(packed) - 4
    for i in range(len(out)):
        number, at = _read_number(packed, at, end)
        if at < 0:
            return False
        line, number = number & 1, number >> 1
        last[line] = (last[line] + ((number >> 1) ^ -(number & 1))) & _WORD
        out[i] = last[line]
    return at == end


@kernel
def _read_triangles(packed, out):
    """Fill ``out`` (count,) corners; whether the stream is sound."""
    end = len(packed) - 16
    table = packed[end:]
    for i in range(16):
        if table[i] >> 4 == 15 or table[i] & 15 == 15 or (i > 13 and table[i] != 0):
            return False
    edges, recent = np.zeros((16, 2), np.int64), np.zeros(16, np.int64)
    # Place in the stream, next new vertex, last vertex that was written out, edges, vertices.
    state = np.zeros(5, np.int64)
    triangles = len(out) // 3
    state[0] = 1 + triangles
    for i in range(triangles):
        code = int(packed[1 + i])
        corners = out[3 * i : 3 * i + 3]
        if code < 0xF0:
            sound = _beside_edge(packed, end, code, edges, recent, state, corners)
        else:
            sound = _of_its_own(packed, end, code & 15, table, edges, recent, state, corners)
        if not sound:
            return False
    return state[0] == end


@tight
def _beside_edge(packed, end, code, edges, recent, state, corners):
    """A triangle at an edge of one before."""
    back, low = code >> 4, code & 15
    if back >= state[3]:
        return False
    edge = (state[3] - 1 - back) & 15
    a, b = edges[edge, 0], edges[edge, 1]
    if 0 < low < 13:
        if low >= state[4]:
            return False
        c = recent[(state[4] - 1 - low) & 15]
    else:
        if low == 0:
            c = _new_vertex(state)
        elif low < 15:
            c = (state[2] + (1 if low == 14 else -1)) & _WORD
            state[2] = c
        else:
            c = _written_vertex(packed, end, state)
            if c < 0:
                return False
        _push_vertex(recent, state, c)
    _push_edge(edges, state, c, b)
    _push_edge(edges, state, a, c)
    corners[0], corners[1], corners[2] = a, b, c
    return True


@tight
def _of_its_own(packed, end, low, table, edges, recent, state, corners):
    """A triangle at no edge of those before."""
    if low < 14:
        pair = int(table[low])
    else:
        if state[0] >= end:
            return False
        pair = int(packed[state[0]])
        state[0] += 1
        if pair == 0:
            state[1] = 0
    a = _written_vertex(packed, end, state) if low == 15 else _new_vertex(state)
    second, third = pair >> 4, pair & 15
    b = _vertex(packed, end, second, recent, state)
    c = _vertex(packed, end, third, recent, state)
    if a < 0 or b < 0 or c < 0:
        return False
    _push_edge(edges, state, b, a)
    _push_edge(edges, state, c, b)
    _push_edge(edges, state, a, c)
    _push_vertex(recent, state, a)
    if second == 0 or second == 15:
        _push_vertex(recent, state, b)
    if third == 0 or third == 15:
        _push_vertex(recent, state, c)
    corners[0], corners[1], corners[2] = a, b, c
    return True


@tight
def _vertex(packed, end, code, recent, state):
    """A vertex by four bits; -1 for one that there is not."""
    if code == 0:
        return _new_vertex(state)
    if code == 15:
        return _written_vertex(packed, end, state)
    return recent[(state[4] - code) & 15] if code <= state[4] else -1


@tight
def _new_vertex(state):
    vertex = state[1]
    state[1] = (vertex + 1) & _WORD
    return vertex


@tight
def _written_vertex(packed, end, state):
    """A vertex by its distance from the last such; -1 beyond the end."""
    if state[0] < 0:
        return -1
    number, state[0] = _read_number(packed, state[0], end)
    state[2] = (state[2] + ((number >> 1) ^ -(number & 1))) & _WORD
    return state[2] if state[0] >= 0 else -1


@tight
def _push_edge(edges, state, a, b):
    edges[state[3] & 15, 0] = a
    edges[state[3] & 15, 1] = b
    state[3] += 1


@tight
def _push_vertex(recent, state, vertex):
    recent[state[4] & 15] = vertex
    state[4] += 1


def _filtered(data: np.ndarray, stride: int, filter: str) -> np.ndarray:
    """(N,) uint8 of elements after a filter (appendix B)."""
    if filter == "NONE":
        return data
    if filter == "EXPONENTIAL":
        words = data.view("<i4")
        exponents = words >> 24
        if (abs(exponents) > 100).any():  # what there may be
            raise Broken(_DAMAGED)
        made = np.ldexp(((words << 8) >> 8).astype(np.float32), exponents).astype("<f4")
    elif filter == "OCTAHEDRAL":
        made = _octahedral(data.view("<i2" if stride == 8 else "i1").reshape(-1, 4))
    elif filter == "QUATERNION":
        made = _quaternion(data.view("<i2").reshape(-1, 4))
    else:
        made = _color(data.view("<u2" if stride == 8 else "u1").reshape(-1, 4))
    return made.reshape(-1).view(np.uint8)


def _octahedral(given: np.ndarray) -> np.ndarray:
    """Unit vectors: x and y on the octahedron in units of the third, the fourth as it is."""
    one = _ones(given[:, 2].astype(np.int32))
    x, y = (given[:, k] / one for k in (0, 1))
    z = 1 - abs(x) - abs(y)
    below = np.minimum(z, 0)
    xyz = np.stack([x - np.copysign(below, x), y - np.copysign(below, y), z], axis=1)
    xyz /= np.linalg.norm(xyz, axis=1, keepdims=True)
    made = given.copy()
    made[:, :3] = _rounded(xyz * np.iinfo(given.dtype).max)
    return made


def _quaternion(given: np.ndarray) -> np.ndarray:
    """Unit quaternions: three components by root 2, and which one, the largest, is left out."""
    last = given[:, 3].astype(np.int32)
    rest = given[:, :3] / _ones(last | 3)[:, None] / np.sqrt(2)
    largest = np.sqrt(np.maximum(1 - (rest * rest).sum(axis=1), 0))
    values = _rounded(np.concatenate([largest[:, None], rest], axis=1) * 32767)
    places = ((last & 3)[:, None] + np.arange(4)) % 4
    made = np.empty_like(given)
    np.put_along_axis(made, places, np.clip(values, -32767, 32767).astype(made.dtype), axis=1)
    return made


def _color(given: np.ndarray) -> np.ndarray:
    """Red, green, blue, alpha of luma, two chromas and alpha, whose highest bit tells the scale."""
    most = np.iinfo(given.dtype).max
    luma, alpha = given[:, 0].astype(np.int32), given[:, 3].astype(np.int32)
    if (alpha < 1).any():
        raise Broken(_DAMAGED)
    orange, green = given[:, 1:3].astype(f"i{given.itemsize}").astype(np.int32).T
    scale = (2 << np.log2(alpha).astype(np.int32)) - 1
    alpha &= scale >> 1
    values = (luma + orange - green, luma + green, luma - orange - green, alpha << 1 | alpha & 1)
    return np.clip(_rounded(np.stack(values, axis=1) * (most / scale)[:, None]), 0, most).astype(
        given.dtype
    )


def _ones(values: np.ndarray) -> np.ndarray:
    """Values that must be one less than a power of two."""
    if (values < 1).any() or (values & (values + 1)).any():
        raise Broken(_DAMAGED)
    return values


def _rounded(values: np.ndarray) -> np.ndarray:
    """The nearest whole numbers, halves away from zero."""
    return np.trunc(values + np.copysign(0.5, values))
