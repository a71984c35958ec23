"""The lines of an OBJ file as arrays, in two passes of a kernel."""

from dataclasses import dataclass

import numpy as np

from engine.kernels import kernel, tight
from engine.readers.source import Broken
from engine.readers.text import (
    is_end,
    line_end,
    read_number,
    skip_spaces,
    skip_value,
    skip_word,
)

OTHER, VERTEX, UV, FACE, MATERIAL, LIBRARY, LINE, POINT, SURFACE = range(9)
_COUNTS = 12
"""Of each kind of line above, then: corners of faces, vertices with a colour, UVs of corners."""
_CORNERS, _COLOURED, _CORNER_UVS = 9, 10, 11

_ZERO, _BAD_NUMBER, _BAD_CORNER = 1, 2, 3
_NO_INDEX = -(1 << 62)
_BEYOND = 1 << 40
"""Stands for an index that no file has, so that it is found out."""


@dataclass(frozen=True)
class ObjText:
    """What an OBJ file says.

    Args:
        vertices: (V, 3) float64.
        colors: (V, 3) float64 as written behind the positions, NaN where there is none; None.
        uvs: (T, 2) float64.
        counts: (P,) int32, the corners of each polygon.
        corners: (C,) int64 into vertices; may be out of range.
        corner_uvs: (C,) int64 into uvs, -1 where a corner has none; may be out of range.
        materials: names and the first polygon that has each, in order.
        libraries: what stands behind each mtllib.
        left_out: how many lines, points and parts of free-form surfaces there are.
    """

    vertices: np.ndarray
    colors: np.ndarray | None
    uvs: np.ndarray
    counts: np.ndarray
    corners: np.ndarray
    corner_uvs: np.ndarray
    materials: list[tuple[bytes, int]]
    libraries: list[bytes]
    left_out: dict[str, int]


def read_obj_text(data: bytes) -> ObjText:
    """The contents of an OBJ file in UTF-8 or any encoding that shares its first half.

    Raises:
        Broken: a line that cannot be read, by its number.
    """
    data = _joined_lines(data)
    text = np.frombuffer(data, np.uint8)
    counts = np.zeros(_COUNTS, np.int64)
    count_lines(text, counts)
    vertices = np.empty((counts[VERTEX], 3))
    colors = np.full((counts[VERTEX] if counts[_COLOURED] else 0, 3), np.nan)
    uvs = np.zeros((counts[UV], 2))
    polygons = np.empty(counts[FACE], np.int32)
    corners = np.empty((counts[_CORNERS], 2), np.int64)
    marks = np.empty((counts[MATERIAL] + counts[LIBRARY], 4), np.int64)
    fault, at = fill_arrays(text, vertices, colors, uvs, polygons, corners, marks)
    if fault:
        raise Broken(_fault(data, fault, at))
    words = [(kind, data[a:b].strip(), face) for kind, a, b, face in marks.tolist()]
    return ObjText(
        vertices,
        colors if len(colors) else None,
        uvs,
        polygons,
        corners[:, 0],
        corners[:, 1],
        [(word, face) for kind, word, face in words if kind == MATERIAL],
        [word for kind, word, _ in words if kind == LIBRARY],
        {
            "line": int(counts[LINE]),
            "point": int(counts[POINT]),
            "part of a free-form surface": int(counts[SURFACE]),
        },
    )


def _joined_lines(data: bytes) -> bytes:
    """A line that ends in a backslash goes on in the next one; comments end where they end."""
    if b"\\" not in data:
        return data
    pieces: list[bytes] = []
    begin = 0
    for line_break in (b"\\\r\n", b"\\\n", b"\\\r"):
        pieces, begin = [], 0
        at = data.find(line_break)
        while at >= 0:
            start = max(data.rfind(b"\n", 0, at), data.rfind(b"\r", 0, at)) + 1
            if not data[start:at].lstrip().startswith(b"#"):
                # As many bytes as before, so that places stay; the line number does not matter.
                pieces += [data[begin:at], b" " * len(line_break)]
                begin = at + len(line_break)
            at = data.find(line_break, at + len(line_break))
        data = b"".join([*pieces, data[begin:]])
    return data


def _fault(data: bytes, fault: int, at: int) -> str:
    before = data[:at].replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    line = before.count(b"\n") + 1
    what = {
        _ZERO: "has a face with the index 0, and OBJ counts from 1",
        _BAD_NUMBER: "has a word where a number is expected, or too few numbers",
        _BAD_CORNER: "has a face whose corners cannot be read",
    }
    return f"line {line} {what[fault]}"


@tight
def _is_word(text, at, end, word):
    """Whether the word at a place is this one, in any case."""
    if end - at != len(word):
        return False
    same = True
    for k in range(len(word)):
        same = same and text[at + k] | 32 == word[k]
    return same


_USEMTL = np.frombuffer(b"usemtl", np.uint8)
_MTLLIB = np.frombuffer(b"mtllib", np.uint8)
_SURF = np.frombuffer(b"surf", np.uint8)
_CURV = np.frombuffer(b"curv", np.uint8)


@tight
def _kind(text, at, end):
    """What the line that begins with the word between two places is."""
    first = text[at] | 32
    if end - at == 1:
        if first == 118:
            return VERTEX
        if first == 102:
            return FACE
        if first == 108:
            return LINE
        if first == 112:
            return POINT
    elif end - at == 2:
        if first == 118 and text[at + 1] | 32 == 116:
            return UV
        if first == 102 and text[at + 1] | 32 == 111:
            return FACE  # an older word for it
    elif _is_word(text, at, end, _USEMTL):
        return MATERIAL
    elif _is_word(text, at, end, _MTLLIB):
        return LIBRARY
    elif _is_word(text, at, end, _SURF) or _is_word(text, at, end, _CURV):
        return SURFACE
    return OTHER


@tight
def _words(text, at, end):
    """How many words are left on the line before a comment."""
    count = 0
    at = skip_spaces(text, at, end)
    while at < end and not is_end(text[at]) and text[at] != 35:
        count += 1
        at = skip_spaces(text, skip_value(text, at, end), end)
    return count


@kernel
def count_lines(text, counts):
    """Fill ``counts`` with how many lines of each kind there are, and corners of faces."""
    at, end = 0, len(text)
    while at < end:
        at = skip_spaces(text, at, end)
        if at < end and not is_end(text[at]):
            close = skip_word(text, at, end)
            kind = _kind(text, at, close)
            counts[kind] += 1
            if kind == FACE:
                counts[_CORNERS] += _words(text, close, end)
            elif kind == VERTEX and counts[_COLOURED] == 0:
                # Only the first files with colours have them at each vertex; one is enough.
                counts[_COLOURED] += _words(text, close, end) >= 6
            at = line_end(text, close, end)
        at += 1


@kernel
def fill_arrays(text, vertices, colors, uvs, polygons, corners, marks):
    """Read all lines into arrays that have the right sizes.

    Args:
        marks: (M, 4) gets kind, begin and end of the name, and the polygons before, of each line
            that names a material or a library.

    Returns:
        What is wrong, 0 when nothing is, and the place of it.
    """
    at, end = 0, len(text)
    v = t = p = c = m = 0
    numbers = np.empty(6)
    while at < end:
        at = skip_spaces(text, at, end)
        if at >= end or is_end(text[at]):
            at += 1
            continue
        close = skip_word(text, at, end)
        kind = _kind(text, at, close)
        if kind == VERTEX:
            found = _numbers(text, close, end, numbers)
            if found < 3:
                return _BAD_NUMBER, at
            for k in range(3):
                vertices[v, k] = numbers[k]
            if found == 6 and len(colors):
                for k in range(3):
                    colors[v, k] = numbers[3 + k]
            v += 1
        elif kind == UV:
            found = _numbers(text, close, end, numbers)
            if found < 1:
                return _BAD_NUMBER, at
            for k in range(min(found, 2)):
                uvs[t, k] = numbers[k]
            t += 1
        elif kind == FACE:
            fault, behind = _fill_face(text, close, end, v, t, corners, c)
            if fault:
                return fault, at
            polygons[p] = behind - c
            p, c = p + 1, behind
        elif kind in (MATERIAL, LIBRARY):
            marks[m, 0], marks[m, 1], marks[m, 3] = kind, close, p
            marks[m, 2] = line_end(text, close, end)
            m += 1
        at = line_end(text, close, end) + 1
    return 0, 0


@tight
def _numbers(text, at, end, out):
    """Read up to six numbers of the line; how many there are, -1 for a word that is none."""
    count = 0
    at = skip_spaces(text, at, end)
    while count < 6 and at < end and not is_end(text[at]) and text[at] != 35:
        value, at, good = read_number(text, at, end)
        if not good:
            return -1 if count < 3 else count
        out[count] = value
        count += 1
        at = skip_spaces(text, at, end)
    return count


@tight
def _fill_face(text, at, end, vertices, uvs, corners, c):
    """Read the corners of a face; what is wrong, and how many corners there are then."""
    at = skip_spaces(text, at, end)
    while at < end and not is_end(text[at]) and text[at] != 35:
        close = skip_value(text, at, end)
        for part in range(2):
            index, at, fault = _index(text, at, close, vertices if part == 0 else uvs)
            if fault or (part == 0 and index == _NO_INDEX):
                return (fault or _BAD_CORNER), c
            if index == _NO_INDEX:
                index = -1
            elif index < 0:
                index = _BEYOND
            corners[c, part] = index
            if at < close:
                at += 1  # the slash
        if at < close:
            _, at, fault = _index(text, at, close, 1)
            if fault:
                return fault, c
            if at < close:
                return _BAD_CORNER, c
        c += 1
        at = skip_spaces(text, close, end)
    return 0, c


@tight
def _index(text, at, end, before):
    """An index up to a slash or the end of its word, counted from 0; the place behind; a fault.

    Args:
        before: how many of what it counts have been defined, for indices from the last one.
    """
    start = at
    negative = at < end and text[at] == 45
    if negative:
        at += 1
    value = np.int64(0)
    digits = 0
    while at < end and 48 <= text[at] <= 57:
        value = min(value * 10 + (text[at] - 48), np.int64(_BEYOND))
        digits += 1
        at += 1
    if at < end and text[at] != 47:
        return _NO_INDEX, at, _BAD_CORNER
    if digits == 0:
        return _NO_INDEX, at, (_BAD_CORNER if at > start else 0)
    if value == 0:
        return _NO_INDEX, at, _ZERO
    return (before - value if negative else value - 1), at, 0
