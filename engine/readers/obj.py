"""OBJ: polygons with the materials of its MTL files and the colours behind its positions."""

import re

import numpy as np

from engine.mesh import Material
from engine.meshing.axes import Z_UP_FROM_Y_UP
from engine.meshing.parts import Part
from engine.readers.mtl import UvTransform, mtl_material, read_library
from engine.readers.obj_text import ObjText, read_obj_text
from engine.readers.polygons import triangles_of, triangulate
from engine.readers.source import Source, name_of, text_as_utf8
from protocol.errors import EngineError


def read_obj(source: Source) -> tuple[list[Part], list[Material]]:
    """One part with all faces of an OBJ file, and the materials that they use.

    Vertices are those of the file. Faces without UVs beside others get (0, 0); a face may have any
    material, or none.
    """
    text = read_obj_text(text_as_utf8(source.data))
    for what, count in text.left_out.items():
        source.leave_out(what, count)
    if not len(text.counts) and not source.left_out:
        source.leave_out("point", len(text.vertices))
    corners, triangle_polygon = triangulate(text.vertices, text.corners, text.counts)
    source.leave_out("face of fewer than three corners", int((text.counts < 3).sum()))
    names, polygon_name = _face_names(text)
    library = _libraries(source, text)
    materials, transforms, material_of_name = _materials(source, names, library)
    face_material = material_of_name[polygon_name[triangle_polygon]]
    part = Part(
        text.vertices @ Z_UP_FROM_Y_UP.T,
        triangles_of(text.corners, text.counts, corners),
        uvs=_corner_uvs(source, text, corners, face_material, transforms),
        colors=_colors(source, text.colors),
        material=face_material,
    )
    return [part], materials


def _face_names(text: ObjText) -> tuple[list[bytes], np.ndarray]:
    """Names of materials, and (P,) which of them each polygon has; -1 for none."""
    polygon_name = np.full(len(text.counts), -1, np.int64)
    names: dict[bytes, int] = {}
    begins = [first for _, first in text.materials] + [len(text.counts)]
    for (name, first), end in zip(text.materials, begins[1:], strict=True):
        if end > first:
            polygon_name[first:end] = names.setdefault(b" ".join(name.split()), len(names))
    return list(names), polygon_name


def _libraries(source: Source, text: ObjText) -> dict[str, dict[str, bytes]]:
    """What all material files say, by the name of the material; of two with one name, the last."""
    library: dict[str, dict[str, bytes]] = {}
    seen: set[bytes] = set()
    for line in text.libraries:
        if line in seen:
            continue
        seen.add(line)
        for name in _library_names(source, line):
            path = source.find(name)
            try:
                found = None if path is None else path.read_bytes()
            except OSError:
                found = None
            if found is None:
                source.lacks(_library_missing(name, source))
                continue
            library |= read_library(found)
    return library


def _library_names(source: Source, line: bytes) -> list[str]:
    """The files of a line: a name may have spaces, also after a backslash; there may be several."""
    line = line.replace(b"\\ ", b" ")
    pieces = re.findall(rb"\S.*?\.mtl[\"']?(?=\s|$)", line, re.I)
    for words in ([line], pieces, line.split()):
        names = [source.spelled(word.strip(b"\"'")) for word in words]
        if any(source.find(name) is not None for name in names):
            return names
    return [name_of(word.strip(b"\"'")) for word in pieces or [line]]


def _library_missing(name: str, source: Source) -> EngineError:
    return EngineError(
        "material_missing",
        f"The material file {name}, which {source.name} asks for, was not found.",
        "Put it beside the mesh.",
    )


def _materials(
    source: Source, names: list[bytes], library: dict[str, dict[str, bytes]]
) -> tuple[list[Material], list[UvTransform], np.ndarray]:
    """Materials in use, where their maps lie, and (N + 1,) the material of each name, -1: none."""
    materials: list[Material] = []
    transforms: list[UvTransform] = []
    # One more for faces before the first name: -1 counts from the end.
    material_of_name = np.full(len(names) + 1, -1, np.int64)
    folded = {name.casefold(): name for name in library}
    unknown: list[str] = []
    for k, word in enumerate(names):
        tried = (name_of(word), name_of(word.partition(b" #")[0].strip()))
        name = next((name for name in tried if name in library), None)
        name = name or next((folded[n.casefold()] for n in tried if n.casefold() in folded), None)
        if name is None:
            unknown.append(tried[0])
            continue
        material, transform = mtl_material(source, name, library[name])
        material_of_name[k] = len(materials)
        materials.append(material)
        transforms.append(transform)
    if unknown and library:
        more = f" and {len(unknown) - 1} more" if len(unknown) > 1 else ""
        source.note(f"The material {unknown[0]}{more} stands in no material file; it is plain.")
    return materials, transforms, material_of_name


def _corner_uvs(
    source: Source,
    text: ObjText,
    corners: np.ndarray,
    face_material: np.ndarray,
    transforms: list[UvTransform],
) -> np.ndarray | None:
    """(F, 3, 2) float32; None when no corner has any."""
    given = text.corner_uvs[corners]
    absent = (given < 0) | (given >= len(text.uvs))
    if absent.all():
        return None
    if (given >= len(text.uvs)).any():
        source.note("Some faces point to UVs that the file does not have; they count as (0, 0).")
    padded = np.concatenate([text.uvs, np.zeros((1, 2))])
    uvs = padded[np.where(absent, len(text.uvs), given)]
    for index, transform in enumerate(transforms):
        if transform != UvTransform():
            chosen = face_material == index
            uvs[chosen] = uvs[chosen] * transform.scale + transform.offset
    faces = int(absent.any(axis=1).sum())
    if faces:
        source.note(f"{faces:,} of {len(corners):,} triangles have no UVs beside others that have.")
    return uvs.astype(np.float32)


def _colors(source: Source, given: np.ndarray | None) -> np.ndarray | None:
    """(V, 4) in [0, 1]; vertices without a colour beside others are white."""
    if given is None:
        return None
    colors = np.ones((len(given), 4))
    colors[:, :3] = np.where(np.isnan(given), 1.0, given)
    largest = float(np.nan_to_num(given).max())
    if largest > 1.0:
        # Some programs write bytes there.
        colors[:, :3] = np.where(np.isnan(given), 1.0, given / (255.0 if largest <= 255 else 65535))
        source.note("Colours of vertices go beyond 1; they are taken for whole numbers up to 255.")
    return colors
