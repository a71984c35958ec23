"""Meshes to files."""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from engine.export.gltf import NamedMesh, check_mesh, glb_bytes
from engine.export.obj import obj_files
from engine.export.printing import stl_bytes, threemf_bytes
from engine.host.files import write_bytes_atomic
from engine.mesh import Mesh, far_centre
from engine.meshing.normals import vertex_normals
from protocol.errors import EngineError
from protocol.finishes import PRINT_SUFFIXES
from protocol.limits import ImageFormat

SUFFIXES = (".glb", ".ply", ".obj", *PRINT_SUFFIXES)
"""Of files that what is finished can be written to."""


def save_mesh(
    mesh: Mesh,
    path: str | Path,
    *,
    image_format: ImageFormat = "png",
    keep_size: bool = False,
) -> None:
    """Write a mesh with its materials; the suffix chooses the format.

    - .glb: see ``glb_bytes``.
    - .ply: axes as they are; 8-bit sRGB colours of vertices, metallic and roughness as two more
      properties. It has no place for textures.
    - .obj: Y-up, objects by name, a .mtl file and pictures beside it; sRGB colours behind the
      positions, as Blender and MeshLab read them.
    - .stl, .3mf: the triangles alone in millimetres, see ``engine.export.printing``.

    Each file is written whole or not at all, the one that names the others last.

    Args:
        keep_size: whether the shape in a .stl or .3mf file is as large as the mesh in any case.

    Raises:
        EngineError: ``mesh_format``, ``mesh_empty``, ``mesh_broken``, ``unwritable``.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise EngineError(
            "mesh_format",
            f"{path.name} has no suffix of a mesh format that can be written.",
            f"Use one of {', '.join(SUFFIXES)}.",
        )
    check_mesh(mesh, path.name)
    if suffix == ".glb":
        save_scene([NamedMesh(path.stem, mesh)], path, image_format=image_format)
    elif suffix == ".ply":
        write_bytes_atomic(path, _ply(mesh))
    elif suffix == ".stl":
        write_bytes_atomic(path, stl_bytes(mesh, keep_size=keep_size))
    elif suffix == ".3mf":
        write_bytes_atomic(path, threemf_bytes(mesh, keep_size=keep_size))
    else:
        # Beside the file itself, where ``path`` is a symbolic link to it.
        path = Path(os.path.realpath(path))
        files = obj_files(mesh, path)
        for name, data in files.beside.items():
            write_bytes_atomic(path.with_name(name), data)
        write_bytes_atomic(path, files.text)


def save_scene(
    meshes: Sequence[NamedMesh], path: str | Path, *, image_format: ImageFormat = "png"
) -> None:
    """Write several named meshes, such as levels of detail and a hull, into one .glb file.

    Raises:
        EngineError: ``mesh_empty``, ``mesh_broken``, ``unwritable``.
    """
    name = Path(path).stem
    write_bytes_atomic(path, glb_bytes(meshes, name=name, image_format=image_format))


def save_levels(
    meshes: Sequence[NamedMesh], files: Sequence[Path], *, image_format: ImageFormat = "png"
) -> None:
    """Write each level of detail into a .glb file of its own, and the hull beside the first.

    Args:
        meshes: the objects of all levels, and perhaps a hull.
        files: of the levels.

    Raises:
        EngineError: as ``save_scene``.
    """
    for level, file in enumerate(files):
        seen = [replace(m, level=0) for m in meshes if m.level == level and not m.bare]
        if level == 0:
            # Engines find a hull by the name of the mesh that it belongs to.
            hulls = [replace(m, name=f"UCX_{seen[0].name}") for m in meshes if m.bare]
            seen += hulls
        save_scene(seen, file, image_format=image_format)


def _ply(mesh: Mesh) -> bytes:
    """Binary, little-endian: vertices with their normals, and all that is known of each."""
    centre = far_centre(mesh.vertices)
    near = mesh.vertices if centre is None else mesh.vertices - centre
    kind = "f4" if centre is None else "f8"
    pairs = zip(("x", "y", "z"), mesh.vertices.T, strict=True)
    columns: list[tuple[str, str, np.ndarray]] = [(name, kind, values) for name, values in pairs]
    pairs = zip(("nx", "ny", "nz"), vertex_normals(near, mesh.faces).T, strict=True)
    columns += [(name, "f4", values) for name, values in pairs]
    if mesh.colors is not None:
        bytes_of = np.rint(mesh.colors * 255).astype(np.uint8)
        names = ("red", "green", "blue", "alpha")
        columns += [(name, "u1", values) for name, values in zip(names, bytes_of.T, strict=True)]
    if mesh.metallic_roughness is not None:
        pair = zip(("metallic", "roughness"), mesh.metallic_roughness.T, strict=True)
        columns += [(name, "f4", values) for name, values in pair]
    vertices = np.empty(len(mesh.vertices), [(name, f"<{kind}") for name, kind, _ in columns])
    for name, _, values in columns:
        vertices[name] = values
    faces = np.empty(len(mesh.faces), [("count", "u1"), ("corners", "<i4", 3)])
    faces["count"], faces["corners"] = 3, mesh.faces
    kinds = {"f4": "float", "f8": "double", "u1": "uchar"}
    header = [
        *("ply", "format binary_little_endian 1.0", f"element vertex {len(vertices)}"),
        *(f"property {kinds[kind]} {name}" for name, kind, _ in columns),
        *(f"element face {len(faces)}", "property list uchar int vertex_indices", "end_header\n"),
    ]
    return "\n".join(header).encode() + vertices.tobytes() + faces.tobytes()
