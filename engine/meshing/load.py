"""Mesh files to our mesh, through trimesh."""

import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np

from engine.mesh import Material, Mesh
from engine.meshing.gltf_reader import read_gltf
from engine.meshing.parts import Part, join_parts
from engine.meshing.plain_readers import read_obj, read_ply, read_stl
from protocol.errors import EngineError

Reader = Callable[[Path, bytes, bool], tuple[list[Part], list[Material]]]
READERS: dict[str, Reader] = {
    ".glb": read_gltf,
    ".gltf": read_gltf,
    ".obj": read_obj,
    ".ply": read_ply,
    ".stl": read_stl,
}


def load_mesh(path: str | Path, *, allow_missing_textures: bool = False) -> Mesh:
    """All triangles of a file in object space (Z up), with their materials.

    Axes: glTF is Y-up by its specification, OBJ is taken as Y-up, as Blender and most programs
    write it; both become Z-up by (x, y, z) -> (x, -z, y). PLY and STL have no convention and are
    not turned.

    Vertices stay as in the file, in its order, with two exceptions: STL repeats every
    vertex for every triangle and trimesh splits OBJ vertices at seams, so in these two formats
    equal positions become one vertex, or each edge would look like an open border.

    Colours: glTF factors and COLOR_0 are linear and are sRGB-encoded here, once; MTL colours and
    the colours of PLY and OBJ vertices are taken as sRGB, as programs write them.

    Of glTF, normals, tangents and normal maps come along, and of a mesh with levels of detail and
    collision hulls (``X_LOD0``, ``X_LOD1``, ``UCX_X``) only the finest level, which is logged.

    Args:
        path: a .glb, .gltf, .obj, .ply or .stl file.
        allow_missing_textures: log a warning and continue without a texture that is missing or
            cannot be read, instead of raising.

    Raises:
        EngineError: ``mesh_absent``, ``mesh_format``, ``mesh_broken``, ``mesh_empty``,
            ``mesh_not_finite``, ``mesh_unsupported``, ``texture_missing``, ``texture_broken``.
    """
    path = Path(path)
    if path.is_dir():
        raise EngineError(
            "mesh_absent",
            f"{path} is a folder, not a mesh file.",
            f"Give a file of one of {', '.join(READERS)}.",
        )
    reader = READERS.get(path.suffix.lower())
    if reader is not None and path.is_file() and path.stat().st_size == 0:
        raise EngineError("mesh_broken", f"{path.name} is empty.", "Export it again.")
    if reader is None:
        raise EngineError(
            "mesh_format",
            f"{path.name} does not have the suffix of a mesh format that can be read.",
            f"Use one of {', '.join(READERS)}; from Blender: File > Export > glTF 2.0.",
        )
    parts, materials = _read(path, reader, allow_missing_textures)
    parts = [part for part in parts if len(part.faces)]
    if not parts:
        raise EngineError(
            "mesh_empty",
            f"{path.name} has no triangles.",
            "Export it again with its surfaces; points and lines alone make no shape.",
        )
    _check(path, parts)
    return join_parts(parts, materials)


def _read(path: Path, reader: Reader, allow_missing: bool) -> tuple[list[Part], list[Material]]:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise EngineError(
            "mesh_absent",
            f"Cannot read {path}: {error.strerror or error}.",
            "Check the path and that you may read the file.",
        ) from error
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            # numpy's text parser warns about rubbish and drops the rest; that is a broken file.
            warnings.filterwarnings("error", message="string or file could not be read")
            return reader(path, data, allow_missing)
    except EngineError:
        raise
    except Exception as error:
        # A parser may meet a broken file anywhere, and so raise anything.
        reason = str(error).strip().splitlines()
        raise EngineError(
            "mesh_broken",
            f"{path.name} is not a whole {path.suffix[1:].lower()} file "
            f"({reason[0][:120] if reason else type(error).__name__}).",
            "Export or download it again.",
        ) from error


def _check(path: Path, parts: list[Part]) -> None:
    for part in parts:
        faces = np.asarray(part.faces)
        if faces.min() < 0 or faces.max() >= len(part.vertices):
            raise EngineError(
                "mesh_broken",
                f"{path.name} has triangles that point to vertices it does not have.",
                "Export it again.",
            )
        # Written so that NaN fails too; our vertices are float32.
        if not np.abs(part.vertices).max() <= np.finfo(np.float32).max:
            raise EngineError(
                "mesh_not_finite",
                f"{path.name} has vertices whose place is not a finite number.",
                "Remove these vertices in a 3D program and export it again.",
            )
