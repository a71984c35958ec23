"""Meshes to files."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import trimesh
from trimesh.exchange.ply import export_ply

from engine.export.gltf import NamedMesh, check_mesh, glb_bytes
from engine.export.obj import obj_files
from engine.host.files import write_bytes_atomic
from engine.mesh import Mesh
from engine.meshing.normals import vertex_normals
from protocol.errors import EngineError
from protocol.limits import ImageFormat

SUFFIXES = (".glb", ".ply", ".obj")
TEXTURED_SUFFIXES = (".glb", ".obj")
"""Of files that can hold a textured asset."""


def save_mesh(mesh: Mesh, path: str | Path, *, image_format: ImageFormat = "png") -> None:
    """Write a mesh with its materials; the suffix chooses the format.

    - .glb: see ``glb_bytes``.
    - .ply: axes as they are; 8-bit sRGB colours of vertices, metallic and roughness as two more
      properties. It has no place for textures.
    - .obj: Y-up, with a .mtl file and pictures beside it; sRGB colours behind the positions, as
      Blender and MeshLab read them.

    Each file is written whole or not at all, the one that names the others last.

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
    write_bytes_atomic(path, glb_bytes(meshes, image_format=image_format))


def _ply(mesh: Mesh) -> bytes:
    attributes = {}
    if mesh.metallic_roughness is not None:
        metallic, roughness = np.asarray(mesh.metallic_roughness, np.float32).T.copy()
        attributes = {"metallic": metallic, "roughness": roughness}
    colors = None if mesh.colors is None else np.rint(mesh.colors * 255).astype(np.uint8)
    shape = trimesh.Trimesh(
        vertices=np.asarray(mesh.vertices, np.float64),
        faces=mesh.faces,
        vertex_normals=vertex_normals(mesh.vertices, mesh.faces),
        vertex_colors=colors,
        vertex_attributes=attributes,
        process=False,
    )
    return export_ply(shape, vertex_normal=True)
