"""STL, ASCII and binary: triangles, and the colours that some programs put beside them."""

import numpy as np

from engine.kernels import kernel
from engine.mesh import Material
from engine.meshing.parts import Part
from engine.meshing.weld import weld_positions
from engine.readers.polygons import triangles_of, triangulate
from engine.readers.source import Broken, Source, text_as_utf8
from engine.readers.text import is_end, is_space, line_end, read_number, skip_spaces, skip_word

_HEADER = 80
_FACET = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attribute", "<u2")])


def read_stl(source: Source) -> tuple[list[Part], list[Material]]:
    """One part with all facets of all solids; equal positions become one vertex."""
    facets = _binary(source)
    colors, materials = None, list[Material]()
    if facets is not None:
        corners = facets["corners"].reshape(-1, 3)
        counts = np.full(len(facets), 3)
        whole = _color_of_all(source.data[:_HEADER])
        if whole is not None and not facets["attribute"].any():
            # Nothing was written there: black everywhere is not meant.
            materials = [Material(source.path.stem, base_color_factor=whole)]
        else:
            colors = _facet_colors(whole, facets["attribute"])
    else:
        corners, counts = _text(text_as_utf8(source.data))
    if colors is not None:
        # A colour for each facet needs vertices of its own.
        faces = np.arange(len(corners)).reshape(-1, 3)
        return [Part(corners.astype(np.float64), faces, colors=np.repeat(colors, 3, axis=0))], []
    kept, new_index = weld_positions(corners)
    vertices = corners[kept].astype(np.float64)
    places, _ = triangulate(vertices, new_index, counts)
    faces = triangles_of(new_index, counts, places)
    return [Part(vertices, faces, material=0 if materials else None)], materials


def _binary(source: Source) -> np.ndarray | None:
    """(F,) facets of a binary file; None for text, whose first word binary files may have too."""
    data = source.data
    head = text_as_utf8(data[:4096]).lower()
    text = head.lstrip()[:5] == b"solid" or (b"\0" not in head and b"vertex" in head)
    if len(data) < _HEADER + 4:
        if text:
            return None
        raise Broken("it ends before its first triangle")
    stated = int.from_bytes(data[_HEADER : _HEADER + 4], "little")
    held, rest = divmod(len(data) - _HEADER - 4, _FACET.itemsize)
    fits = stated > 0 and stated == held and rest == 0
    if text and not fits and (b"\0" not in head or b"facet" in head):
        return None
    if stated > held:
        # A program that could not go back to write the number leaves nothing or all bits there.
        if stated != 0xFFFFFFFF or rest:
            raise Broken(f"it ends after {held:,} of {stated:,} triangles")
    elif stated:
        held = stated
    elif rest:
        raise Broken("it has no triangles, and what follows is none")
    if held and stated != held:
        source.note(f"It states {stated:,} triangles and has {held:,}; all were read.")
    return np.frombuffer(data, _FACET, held, _HEADER + 4)


def _color_of_all(header: bytes) -> tuple[float, float, float] | None:
    """What Materialise Magics says of facets without a colour of their own; None without.

    A fourth byte is alpha by its author's words, but many leave a zero or a space there.
    """
    at = header.find(b"COLOR=")
    if at < 0 or at + 10 > len(header):
        return None
    red, green, blue = header[at + 6 : at + 9]
    return red / 255, green / 255, blue / 255


def _facet_colors(
    whole: tuple[float, float, float] | None, attributes: np.ndarray
) -> np.ndarray | None:
    """(F, 4) colours in 15 bits as Materialise Magics or VisCAM write them; None without.

    Args:
        whole: of facets that have no colour of their own; None: the header says nothing.
    """
    own = attributes & 0x8000 == 0
    if whole is None and own.all():
        return None
    bits = np.stack([(attributes >> shift) & 31 for shift in (0, 5, 10)], axis=1) / 31
    if whole is not None:
        colors = np.tile((*whole, 1.0), (len(attributes), 1))
        colors[own, :3] = bits[own]
        return colors
    # There the bit says that there is a colour, blue comes first; the rest of the surface is white.
    colors = np.ones((len(attributes), 4))
    colors[~own, :3] = bits[~own][:, ::-1]
    return colors


def _text(data: bytes) -> tuple[np.ndarray, np.ndarray]:
    """(C, 3) float64 corners and (P,) corners of each loop."""
    text = np.frombuffer(data, np.uint8)
    corners, loops = np.zeros(2, np.int64), np.zeros(0, np.int64)
    _read_text(text, np.empty((0, 3)), loops, corners)
    vertices, loops = np.empty((corners[0], 3)), np.empty(corners[1], np.int64)
    fault = _read_text(text, vertices, loops, corners)
    if fault >= 0:
        line = data[:fault].replace(b"\r\n", b"\n").replace(b"\r", b"\n").count(b"\n") + 1
        raise Broken(f"line {line} has a corner whose three numbers cannot be read")
    if loops.sum() != len(vertices):
        raise Broken("it ends within a triangle")
    return vertices, loops


_VERTEX = np.frombuffer(b"vertex", np.uint8)
_ENDLOOP = np.frombuffer(b"endloop", np.uint8)


@kernel
def _read_text(text, vertices, loops, counts):
    """Read corners and the ends of loops; only count them where ``loops`` is empty.

    Returns:
        The place of a line that cannot be read; -1 when all can.
    """
    at, end = 0, len(text)
    v = p = begin = 0
    fill = len(loops) > 0
    while at < end:
        at = skip_spaces(text, at, end)
        if at >= end or is_end(text[at]):
            at += 1
            continue
        close = skip_word(text, at, end)
        size = close - at
        if size == 6 or size == 7:
            word = _VERTEX if size == 6 else _ENDLOOP
            same = True
            for k in range(size):
                same = same and text[at + k] | 32 == word[k]
            if same and size == 6:
                if fill:
                    behind = close
                    for k in range(3):
                        behind = skip_spaces(text, behind, end)
                        if behind >= end:
                            return at
                        value, behind, good = read_number(text, behind, end)
                        if not good:
                            return at
                        vertices[v, k] = value
                v += 1
                close = line_end(text, close, end)
            elif same:
                if fill:
                    loops[p] = v - begin
                p += 1
                begin = v
        at = close
        while at < end and not is_space(text[at]) and not is_end(text[at]):
            at += 1
    counts[0], counts[1] = v, p
    return -1
