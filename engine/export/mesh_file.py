"""A mesh with vertex colours to a file, through trimesh."""

import logging
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import trimesh
from trimesh.exchange.gltf import export_glb
from trimesh.exchange.obj import export_obj
from trimesh.exchange.ply import export_ply
from trimesh.visual.material import PBRMaterial
from trimesh.visual.texture import TextureVisuals

from engine.color import linear_from_srgb
from engine.errors import EngineError
from engine.files import write_bytes_atomic
from engine.mesh import Mesh
from engine.meshing.axes import Y_UP_FROM_Z_UP

log = logging.getLogger(__name__)

SUFFIXES = (".glb", ".ply", ".obj")


def save_mesh(mesh: Mesh, path: str | Path) -> None:
    """Write vertices, faces, normals and the values of each vertex, all or nothing.

    - .glb: Y-up; linear 16-bit COLOR_0; one two-sided material whose metallic and roughness are
      the mean over the vertices, since glTF has no such attribute; the values of each vertex go
      into the custom attribute _METALLIC_ROUGHNESS, which `load_mesh` reads back.
    - .ply: axes as they are; 8-bit sRGB colours; metallic and roughness as two more properties.
    - .obj: Y-up; sRGB colours behind the positions, as Blender and MeshLab read them.

    Args:
        mesh: at least one face; its UVs and textures are not written.
        path: file whose suffix chooses the format.

    Raises:
        EngineError: ``mesh_format``, ``mesh_empty``, ``unwritable``.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise EngineError(
            "mesh_format",
            f"{path.name} has no suffix of a mesh format that can be written.",
            f"Use one of {', '.join(SUFFIXES)}.",
        )
    if len(mesh.faces) == 0:
        raise EngineError(
            "mesh_empty", f"There are no triangles to write to {path.name}.", "Check the input."
        )
    if mesh.uvs is not None:
        log.warning("%s: UVs and textures are not written, only vertex colours", path.name)
    writers = {".glb": _glb, ".ply": _ply, ".obj": _obj}
    write_bytes_atomic(path, writers[suffix](mesh))


def vertex_normals(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """(V, 3) float32 unit normals, weighted by area; (0, 0, 1) where no area says otherwise."""
    corners = np.asarray(vertices, np.float64)[faces]
    face_normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    weights = np.repeat(face_normals, 3, axis=0)
    flat = np.asarray(faces).ravel()
    normals = np.column_stack(
        [np.bincount(flat, weights[:, axis], minlength=len(vertices)) for axis in range(3)]
    )
    lengths = np.linalg.norm(normals, axis=1)
    normals[lengths == 0] = (0.0, 0.0, 1.0)
    lengths[lengths == 0] = 1.0
    return (normals / lengths[:, None]).astype(np.float32)


def _trimesh(mesh: Mesh, turn: np.ndarray, **kwargs: Any) -> trimesh.Trimesh:
    return trimesh.Trimesh(
        vertices=np.asarray(mesh.vertices, np.float64) @ turn.T,
        faces=mesh.faces,
        vertex_normals=vertex_normals(mesh.vertices, mesh.faces) @ turn.T,
        process=False,
        **kwargs,
    )


def _bytes_of_colors(mesh: Mesh) -> np.ndarray | None:
    return None if mesh.colors is None else np.rint(mesh.colors * 255).astype(np.uint8)


def _glb(mesh: Mesh) -> bytes:
    attributes: dict[str, np.ndarray] = {}
    metallic, roughness = 0.0, 1.0
    alpha_mode = "OPAQUE"
    if mesh.colors is not None:
        linear = np.column_stack([linear_from_srgb(mesh.colors[:, :3]), mesh.colors[:, 3]])
        # 16 bits: dark colours in linear light need more than the 8 that trimesh would write.
        attributes["_COLOR_0"] = np.rint(linear * 65535).astype(np.uint16)
        if mesh.colors[:, 3].min() < 1.0:
            alpha_mode = "BLEND"
    if mesh.metallic_roughness is not None:
        attributes["_METALLIC_ROUGHNESS"] = np.asarray(mesh.metallic_roughness, np.float32)
        metallic, roughness = mesh.metallic_roughness.mean(axis=0).tolist()
    material = PBRMaterial(
        name="material",
        metallicFactor=metallic,
        roughnessFactor=roughness,
        alphaMode=alpha_mode,
        doubleSided=True,
    )
    visual = TextureVisuals(material=material)
    shape = _trimesh(mesh, Y_UP_FROM_Z_UP, visual=visual, vertex_attributes=attributes)
    scene = trimesh.Scene(OrderedDict(mesh=shape))
    return export_glb(scene, include_normals=True, tree_postprocessor=_name_color)


def _name_color(tree: dict[str, Any]) -> None:
    """Give the colours, which travelled as a custom attribute, their name in glTF."""
    for mesh in tree["meshes"]:
        for primitive in mesh["primitives"]:
            attributes = primitive["attributes"]
            if "_COLOR_0" in attributes:
                attributes["COLOR_0"] = attributes.pop("_COLOR_0")
                list(_accessors(tree))[attributes["COLOR_0"]]["normalized"] = True


def _accessors(tree: dict[str, Any]) -> list[dict[str, Any]]:
    accessors = tree["accessors"]
    return list(accessors.values()) if isinstance(accessors, dict) else accessors


def _ply(mesh: Mesh) -> bytes:
    attributes = {}
    if mesh.metallic_roughness is not None:
        metallic, roughness = np.asarray(mesh.metallic_roughness, np.float32).T.copy()
        attributes = {"metallic": metallic, "roughness": roughness}
    colors = _bytes_of_colors(mesh)
    shape = _trimesh(mesh, np.eye(3), vertex_colors=colors, vertex_attributes=attributes)
    return export_ply(shape, vertex_normal=True)


def _obj(mesh: Mesh) -> bytes:
    shape = _trimesh(mesh, Y_UP_FROM_Z_UP, vertex_colors=_bytes_of_colors(mesh))
    text = export_obj(shape, include_normals=True, include_texture=False, header="Maquette")
    return text.encode()
