"""Mesh files to our mesh, a reader for each format."""

import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np

from engine.mesh import Material, Mesh, drop_unused_vertices
from engine.meshing.parts import Part, join_parts
from engine.readers.apart import read_apart
from engine.readers.gltf import read_gltf
from engine.readers.headers import SUFFIXES, foreign_kind, mesh_format
from engine.readers.obj import read_obj
from engine.readers.ply import read_ply
from engine.readers.source import Broken, Source
from engine.readers.stl import read_stl
from engine.readers.threemf import read_3mf
from protocol.errors import EngineError

log = logging.getLogger(__name__)

Reader = Callable[[Source], tuple[list[Part], list[Material]]]
_read_fbx = read_apart("engine.readers.fbx:read_fbx")
_read_usd = read_apart("engine.readers.usd:read_usd")
_APART = (_read_fbx, _read_usd)
_READ_BY: tuple[Reader, ...] = (read_gltf, read_gltf, read_obj, read_ply, read_stl, read_3mf)
_READ_BY += (_read_fbx, *(_read_usd,) * 4)
READERS: dict[str, Reader] = dict(zip(SUFFIXES, _READ_BY, strict=True))


def load_mesh(
    path: str | Path,
    *,
    require_textures: bool = False,
    tell: Callable[[str], None] | None = None,
) -> Mesh:
    """All triangles of a file in object space (Z up), with their materials.

    Axes: glTF is Y-up by its specification, OBJ is taken as Y-up, as Blender and most programs
    write it; both become Z-up by (x, y, z) -> (x, -z, y). PLY, STL and 3MF are not turned. FBX and
    USD state their axes and their unit: they become Z-up and metres.

    Vertices that faces use stay as in the file, in its order, in double precision; STL repeats
    every vertex for every triangle, so there equal positions become one.

    Colours: glTF factors and COLOR_0 are linear and are sRGB-encoded here, once; MTL colours and
    the colours of vertices in other formats are taken as sRGB, as programs write them.

    Of glTF, normals, tangents and normal maps come along, and of a mesh with levels of detail and
    collision hulls (``X_LOD0``, ``X_LOD1``, ``UCX_X``) only the finest level.

    Args:
        path: a file with a suffix of ``READERS``.
        require_textures: raise for a picture or material file that is missing or broken; else a
            neutral value stands in its place.
        tell: gets a sentence on all that was found, and one on each thing that could not be kept;
            None: the log gets them.

    Raises:
        EngineError: ``mesh_absent``, ``mesh_format``, ``mesh_broken``, ``mesh_empty``,
            ``mesh_not_finite``, ``mesh_unsupported``, ``mesh_material``, ``mesh_too_large``,
            ``reader_missing``;
            ``texture_missing``, ``texture_broken``, ``material_missing`` where they are required.
    """
    path = Path(path)
    reader = _reader(path)
    # A reader in a process of its own has the file read there.
    data = _bytes(path, 1 if reader in _APART else -1)
    if foreign := foreign_kind(path.suffix.lower(), data):
        raise EngineError(
            "mesh_broken",
            f"{path.name} cannot be read as {path.suffix[1:].lower()}: {foreign}.",
            "Give it the suffix of what it is, or choose another file.",
        )
    source = Source(path, data, require_textures=require_textures)
    mesh = _read(source, reader)
    for note in source.notes:
        (log.warning if tell is None else tell)(f"{source.name}: {note}" if tell is None else note)
    (log.info if tell is None else tell)(_found(source, mesh))
    return mesh


def _reader(path: Path) -> Reader:
    if path.is_dir():
        raise EngineError(
            "mesh_absent",
            f"{path} is a folder, not a mesh file.",
            f"Give a file of one of {', '.join(READERS)}.",
        )
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise mesh_format(path)
    return reader


def _bytes(path: Path, most: int) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(most)
    except OSError as error:
        raise EngineError(
            "mesh_absent",
            f"Cannot read {path}: {error.strerror or error}.",
            "Check the path and that you may read the file.",
        ) from error
    if not data:
        raise EngineError("mesh_broken", f"{path.name} is empty.", "Export it again.")
    return data


def _read(source: Source, reader: Reader) -> Mesh:
    try:
        with np.errstate(all="ignore"):
            parts, materials = reader(source)
            parts = [part for part in parts if len(part.faces)]
            if not parts:
                raise _empty(source)
            mesh = drop_unused_vertices(join_parts(parts, materials, note=source.note))
    except EngineError:
        raise
    except Exception as error:
        # A parser may meet a broken file anywhere, and so raise anything; only words of ours are
        # for the user.
        log.debug("%s", source.path, exc_info=True)
        reason = str(error) if isinstance(error, Broken) else "it is damaged, or something else"
        raise EngineError(
            "mesh_broken",
            f"{source.name} cannot be read as {source.path.suffix[1:].lower()}: {reason}.",
            "Export or download it again.",
        ) from error
    # Not so for a NaN either.
    if not (mesh.vertices.min() >= -_LARGEST and mesh.vertices.max() <= _LARGEST):
        raise EngineError(
            "mesh_not_finite",
            f"{source.name} has vertices whose place is not a finite number.",
            "Remove these vertices in a 3D program and export it again.",
        )
    return mesh


_LARGEST = float(np.finfo(np.float32).max)


def _empty(source: Source) -> EngineError:
    found = source.listed()
    return EngineError(
        "mesh_empty",
        f"{source.name} has no triangles{f', only {found}' if found else ''}.",
        "Export it again with its surfaces; points and lines alone make no shape.",
    )


def _found(source: Source, mesh: Mesh) -> str:
    """One line on what a file held and what was left out."""
    textures = {id(texture) for material in mesh.materials for texture in material.textures}
    words = [
        f"{len(mesh.faces):,} faces",
        _count(len(mesh.materials), "material"),
        _count(len(textures), "texture"),
        "no UVs" if mesh.uvs is None else "UVs",
        *(["colours of vertices"] if mesh.colors is not None else []),
        "no unit of length" if source.unit is None else f"lengths in {source.unit}",
    ]
    left_out = source.listed()
    return f"{source.name}: {', '.join(words)}{f'; left out: {left_out}' if left_out else ''}."


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}" if number else f"no {what}s"
