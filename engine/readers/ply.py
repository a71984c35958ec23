"""PLY: faces and strips with colours, UVs at vertices or face corners, and their textures."""

from dataclasses import dataclass, field

import numpy as np

from engine.mesh import Material
from engine.meshing.parts import Part
from engine.readers.ply_body import Element, Ragged, read_body
from engine.readers.polygons import strips, triangles_of, triangulate
from engine.readers.source import Broken, Source, name_of, text_as_utf8

_KINDS = {
    **dict.fromkeys(("char", "int8"), "i1"),
    **dict.fromkeys(("uchar", "uint8"), "u1"),
    **dict.fromkeys(("short", "int16"), "i2"),
    **dict.fromkeys(("ushort", "uint16"), "u2"),
    **dict.fromkeys(("int", "int32"), "i4"),
    **dict.fromkeys(("uint", "uint32"), "u4"),
    **dict.fromkeys(("long", "int64"), "i8"),
    **dict.fromkeys(("ulong", "uint64"), "u8"),
    **dict.fromkeys(("float", "float32"), "f4"),
    **dict.fromkeys(("double", "float64"), "f8"),
}
_ORDERS = {"ascii": "", "binary_little_endian": "<", "binary_big_endian": ">"}
_INDICES = ("vertex_indices", "vertex_index", "vertexindices", "vertex_indexs", "indices")
_PLACES = (("x", "y", "z"), ("px", "py", "pz"), ("posx", "posy", "posz"))
_UVS = (
    *(("s", "t"), ("u", "v"), ("texture_u", "texture_v"), ("texture_s", "texture_t")),
    *(("texcoord_u", "texcoord_v"), ("texcoord_x", "texcoord_y"), ("tx", "ty")),
)
_COLORS = (
    ("red", "green", "blue", "alpha"),
    ("r", "g", "b", "a"),
    ("diffuse_red", "diffuse_green", "diffuse_blue", "diffuse_alpha"),
)
_SILENT = ("vertex", "face", "tristrips", "material")


@dataclass
class _Header:
    order: str = ""
    textures: list[bytes] = field(default_factory=list)
    elements: list[Element] = field(default_factory=list)
    size: int = 0


def read_ply(source: Source) -> tuple[list[Part], list[Material]]:
    """One part with all faces and strips of a PLY file."""
    header = _header(source.data)
    data = source.data
    if not header.elements:
        data = text_as_utf8(data)
        header = _header(data)
    body = read_body(memoryview(data)[header.size :], header.elements, header.order, source.note)
    for element in header.elements:
        if element.name not in _SILENT:
            source.leave_out(f"{element.name} element", element.count)
    vertex = body.get("vertex", {})
    place = _columns(vertex, _PLACES, 3)
    if place is None:
        raise Broken("it has no vertices with x, y and z")
    vertices = np.stack(place, axis=1)
    faces, owner, corner_values = _faces(source, body, vertices)
    if not len(faces):
        source.leave_out("point", len(vertices))
    face = body.get("face", {})
    part = Part(
        vertices,
        faces,
        uvs=_uvs(vertex, face, faces, corner_values),
        colors=_colors(vertex),
        metallic_roughness=_metallic_roughness(vertex),
        material=_materials_of_faces(face, owner, len(header.textures)),
    )
    if part.colors is None and (colors := _colors(face)) is not None and (owner >= 0).all():
        # A colour for each face needs vertices of its own.
        part = Part(
            vertices[faces].reshape(-1, 3),
            np.arange(faces.size).reshape(-1, 3),
            uvs=part.uvs,
            colors=np.repeat(colors[owner], 3, axis=0),
            material=part.material,
        )
    materials = [
        Material(
            source.path.stem,
            base_color_texture=source.texture(
                source.spelled(name), alpha=True, by_profile=True, wrap="repeat"
            ),
        )
        for name in header.textures
    ]
    return [part], materials or [Material(source.path.stem)]


def _header(data: bytes) -> _Header:
    header = _Header()
    if data[:3].lower() != b"ply":
        if data[1:2] == b"\0" or data[:1] > b"~":
            return header  # perhaps in UTF-16
        raise Broken("it does not begin as one")
    # Line by line: behind the header there are bytes of any kind, and lines may end in \r alone.
    at = 0
    while True:
        ends = [end for end in (data.find(b"\n", at), data.find(b"\r", at)) if end >= 0]
        if not ends:
            raise Broken("its header does not end")
        end = min(ends)
        line = data[at:end]
        at = end + (2 if data[end : end + 2] == b"\r\n" else 1)
        words = line.split()
        if not words:
            continue
        keyword = words[0].lower()
        if keyword == b"end_header":
            header.size = at
            return header
        if keyword == b"comment" and len(words) > 2 and words[1].lower() == b"texturefile":
            header.textures.append(line.split(None, 2)[2].strip().strip(b'"'))
        elif keyword == b"format":
            if len(words) < 2 or name_of(words[1]) not in _ORDERS:
                raise Broken("its format is not known")
            header.order = _ORDERS[name_of(words[1])]
        elif keyword in (b"element", b"property"):
            _declare(header, [name_of(word).lower() for word in words])


def _declare(header: _Header, words: list[str]) -> None:
    """A line of the header that begins with ``element`` or ``property``."""
    try:
        if words[0] == "element":
            header.elements.append(Element(words[1], int(words[2]), []))
            if header.elements[-1].count < 0:
                raise ValueError
        elif words[1] == "list":
            count, kind = _KINDS[words[2]], _KINDS[words[3]]
            header.elements[-1].properties.append((words[4], kind, count))
        else:
            header.elements[-1].properties.append((words[2], _KINDS[words[1]], None))
    except (ValueError, IndexError, KeyError) as error:
        raise Broken(f'its header has the line "{" ".join(words)[:80]}"') from error


def _faces(
    source: Source, body: dict[str, dict[str, np.ndarray | Ragged]], vertices: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(F, 3) triangles, (F,) the face that each is of (-1: of a strip), and (F, 3) its corners as
    places among the corners of all faces."""
    faces = np.empty((0, 3), np.int64)
    owner, places = np.empty(0, np.int64), faces
    indices = _list(body.get("face", {}), _INDICES)
    if indices is not None:
        small = indices.values.dtype.kind == "i" and indices.values.itemsize <= 4
        corners = indices.values.astype(np.int32 if small else np.int64, copy=False)
        places, owner = triangulate(vertices, corners, indices.counts)
        faces = triangles_of(corners, indices.counts, places)
        source.leave_out("face of fewer than three corners", int((indices.counts < 3).sum()))
    strip = _list(body.get("tristrips", {}), _INDICES)
    if strip is not None:
        rows = np.split(strip.values.astype(np.int64), np.cumsum(strip.counts)[:-1])
        more = np.concatenate([strips(row, -1) for row in rows])
        if len(more) and not (more.min() >= 0 and more.max() < len(vertices)):
            raise Broken("it has faces that point to vertices it does not have")
        faces = np.concatenate([faces, more])
        owner = np.concatenate([owner, np.full(len(more), -1)])
    return faces, owner, places


def _uvs(
    vertex: dict[str, np.ndarray | Ragged],
    face: dict[str, np.ndarray | Ragged],
    faces: np.ndarray,
    places: np.ndarray,
) -> np.ndarray | None:
    """(F, 3, 2) UVs of face corners, else of vertices; None without."""
    corners = _list(face, ("texcoord", "texcoords", "texture_coordinates", "uv"))
    indices = _list(face, _INDICES)
    if corners is not None and indices is not None:
        # Faces may come without their UVs beside others that have them.
        whole = corners.counts == 2 * indices.counts
        of_corner = np.repeat(whole, indices.counts)
        uvs = np.zeros((len(of_corner), 2))
        uvs[of_corner] = corners.values[np.repeat(whole, corners.counts)].reshape(-1, 2)
        if whole.any():
            found = np.zeros((len(faces), 3, 2))
            found[: len(places)] = uvs[places]
            return found
    pair = _columns(vertex, _UVS, 2)
    return None if pair is None else np.stack(pair, axis=1)[faces]


def _materials_of_faces(
    face: dict[str, np.ndarray | Ragged], owner: np.ndarray, textures: int
) -> np.ndarray | int:
    number = face.get("texnumber")
    if not isinstance(number, np.ndarray) or textures < 2:
        return 0
    number = np.where((number >= 0) & (number < textures), number, -1).astype(np.int64)
    return np.where(owner >= 0, number[owner] if len(number) else -1, -1)


def _colors(element: dict[str, np.ndarray | Ragged]) -> np.ndarray | None:
    """(N, 4) in [0, 1]: whole numbers are shares of the largest of their type."""
    columns = _columns(element, _COLORS, 3)
    if columns is None:
        return None
    channels = [_share(column) for column in columns]
    if len(channels) == 3:
        channels.append(np.ones(len(channels[0])))
    return np.stack(channels[:4], axis=1)


def _share(values: np.ndarray) -> np.ndarray:
    if values.dtype.kind in "iu":
        # Colours in wide types are bytes all the same, unless they go beyond.
        most = np.iinfo(values.dtype).max
        if values.dtype.itemsize > 2 and len(values):
            most = next(m for m in (255, 65535, most) if values.max() <= m)
        return np.clip(values / most, 0.0, 1.0)
    beyond = len(values) > 0 and float(np.nan_to_num(values).max()) > 1.0
    return values.astype(np.float64) / (255.0 if beyond else 1.0)


def _metallic_roughness(vertex: dict[str, np.ndarray | Ragged]) -> np.ndarray | None:
    """The two extra properties that our own export writes."""
    columns = _columns(vertex, (("metallic", "roughness"),), 2)
    return None if columns is None else np.stack(columns, axis=1)


def _columns(
    element: dict[str, np.ndarray | Ragged], names: tuple[tuple[str, ...], ...], needed: int
) -> list[np.ndarray] | None:
    """The first set of properties of which an element has ``needed``, and what it has beyond."""
    for group in names:
        found = [element.get(name) for name in group]
        columns = [column for column in found if isinstance(column, np.ndarray)]
        if all(isinstance(column, np.ndarray) for column in found[:needed]):
            return columns
    return None


def _list(element: dict[str, np.ndarray | Ragged], names: tuple[str, ...]) -> Ragged | None:
    for name in names:
        found = element.get(name)
        if isinstance(found, Ragged):
            return found
    return None
