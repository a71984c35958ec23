"""glTF and GLB: geometry and placement through trimesh, materials from the document itself.

trimesh rounds factors to 8 bits, forgets samplers and drops textures that it cannot read, so the
material part of the document is read here, exactly and with an error for what is missing.
"""

import io
import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import trimesh
from trimesh.resolvers import FilePathResolver

from engine.host.color import srgb_from_linear
from engine.mesh import Material
from engine.meshing.axes import Z_UP_FROM_Y_UP
from engine.meshing.gltf_frames import corner_normals, corner_tangents
from engine.meshing.gltf_levels import without_levels
from engine.meshing.gltf_materials import GltfMaterials
from engine.meshing.parts import Part
from protocol.errors import EngineError

Json = dict[str, Any]

GLB_HEADER = struct.Struct("<4sII")
CHUNK_HEADER = struct.Struct("<I4s")

# Compressed geometry would come out of trimesh as zeros when it has no decoder for it.
COMPRESSED = ("KHR_draco_mesh_compression", "EXT_meshopt_compression", "KHR_meshopt_compression")

# Custom names are what trimesh hands over untouched, so attributes travel under these.
RAW_UV, RAW_COLOR, METALLIC_ROUGHNESS = "_MAQUETTE_UV", "_MAQUETTE_COLOR", "_METALLIC_ROUGHNESS"
RAW_NORMAL, RAW_TANGENT = "_MAQUETTE_NORMAL", "_MAQUETTE_TANGENT"


def read_gltf(path: Path, data: bytes, allow_missing: bool) -> tuple[list[Part], list[Material]]:
    """The scene of a .gltf or .glb file, transforms applied, Z up, colours sRGB-encoded."""
    is_binary = path.suffix.lower() == ".glb"
    document, chunks = _split_glb(path, data) if is_binary else (json.loads(data), b"")
    _refuse_compressed(path, document)
    document = without_levels(path.name, document)
    materials = GltfMaterials(path, document, chunks[CHUNK_HEADER.size :], allow_missing)
    stripped = _strip(document, materials)
    scene = trimesh.load_scene(
        io.BytesIO(_join_glb(stripped, chunks) if is_binary else json.dumps(stripped).encode()),
        file_type=path.suffix[1:].lower(),
        resolver=FilePathResolver(str(path)),
        process=False,
    )
    parts: list[Part] = []
    for node in scene.graph.nodes_geometry:
        world_from_node, name = scene.graph[node]
        geometry = scene.geometry[name]
        if isinstance(geometry, trimesh.Trimesh):
            parts.append(_part(geometry, Z_UP_FROM_Y_UP @ world_from_node[:3], materials))
    return parts, materials.used()


def _split_glb(path: Path, data: bytes) -> tuple[Json, bytes]:
    """The JSON document and all chunks behind it."""
    magic, version, length = GLB_HEADER.unpack_from(data)
    if magic != b"glTF" or version != 2:
        raise ValueError("no glTF 2.0 header")
    if length > len(data):
        raise ValueError(f"{len(data)} of {length} bytes")
    size, kind = CHUNK_HEADER.unpack_from(data, GLB_HEADER.size)
    if kind != b"JSON":
        raise ValueError("no document in it")
    start = GLB_HEADER.size + CHUNK_HEADER.size
    return json.loads(data[start : start + size]), data[start + size : length]


def _join_glb(document: Json, chunks: bytes) -> bytes:
    text = json.dumps(document).encode()
    text += b" " * (-len(text) % 4)
    length = GLB_HEADER.size + CHUNK_HEADER.size + len(text) + len(chunks)
    return (
        GLB_HEADER.pack(b"glTF", 2, length) + CHUNK_HEADER.pack(len(text), b"JSON") + text + chunks
    )


def _refuse_compressed(path: Path, document: Json) -> None:
    for name in document.get("extensionsRequired", []):
        if name in COMPRESSED:
            raise EngineError(
                "mesh_unsupported",
                f"{path.name} holds geometry compressed by {name}, which is not supported.",
                "Export it again without mesh compression.",
            )


def _strip(document: Json, materials: GltfMaterials) -> Json:
    """The document with bare materials whose names are their indices, and raw UVs and colours."""
    stripped = {k: v for k, v in document.items() if k not in ("textures", "images", "samplers")}
    stripped["materials"] = [{"name": str(i)} for i in range(len(document.get("materials", [])))]
    if not stripped["materials"]:
        del stripped["materials"]
    stripped["meshes"] = [
        {
            **{k: v for k, v in mesh.items() if k != "extras"},
            "primitives": [_strip_primitive(p, materials) for p in mesh["primitives"]],
        }
        for mesh in document.get("meshes", [])
    ]
    return stripped


def _strip_primitive(primitive: Json, materials: GltfMaterials) -> Json:
    given = primitive["attributes"]
    kept = {k: given[k] for k in ("POSITION", METALLIC_ROUGHNESS) if k in given}
    raw = {"COLOR_0": RAW_COLOR, "NORMAL": RAW_NORMAL, "TANGENT": RAW_TANGENT}
    kept.update({raw[name]: given[name] for name in raw if name in given})
    if "material" in primitive:
        uv_set = f"TEXCOORD_{materials.uv_set(primitive['material'])}"
        if uv_set in given:
            kept[RAW_UV] = given[uv_set]
    return {**primitive, "attributes": kept}


def _part(
    geometry: trimesh.Trimesh, object_from_node: np.ndarray, materials: GltfMaterials
) -> Part:
    """A geometry placed by a (3, 4) transform."""
    faces = np.asarray(geometry.faces)
    if np.linalg.det(object_from_node[:, :3]) < 0:
        # A mirror turns front faces into back faces; glTF 2.0 section 3.7.4 keeps the front.
        faces = faces[:, ::-1]
    vertices = np.asarray(geometry.vertices) @ object_from_node[:, :3].T + object_from_node[:, 3]
    name = getattr(getattr(geometry.visual, "material", None), "name", None)
    index = int(name) if name is not None and name.isdecimal() else None
    attributes = geometry.vertex_attributes
    uvs = colors = normals = tangents = None
    sound = len(faces) > 0 and faces.min() >= 0 and faces.max() < len(vertices)
    if RAW_UV in attributes and index is not None:
        uv = materials.transform_uv(index, _normalised(attributes[RAW_UV]))
        # glTF has the origin at the top left, we at the bottom left.
        uv[:, 1] = 1.0 - uv[:, 1]
        if sound:
            uvs = uv[faces]
    if RAW_COLOR in attributes:
        linear = _normalised(attributes[RAW_COLOR])
        colors = np.ones((len(linear), 4))
        colors[:, :3] = srgb_from_linear(linear[:, :3])
        colors[:, 3:] = linear[:, 3:4] if linear.shape[1] == 4 else 1.0
    if RAW_NORMAL in attributes and sound:
        normals = corner_normals(attributes[RAW_NORMAL], vertices, faces, object_from_node)
    if RAW_TANGENT in attributes and normals is not None:
        tangents = corner_tangents(attributes[RAW_TANGENT], faces, object_from_node)
    return Part(
        vertices,
        faces,
        uvs,
        colors,
        attributes.get(METALLIC_ROUGHNESS, None),
        None if index is None else materials.use(index),
        normals,
        tangents,
    )


def _normalised(values: np.ndarray) -> np.ndarray:
    """Float64 values; integers are fractions of their type's largest value, as glTF says."""
    values = np.asarray(values)
    if values.dtype.kind in "iu":
        return np.maximum(values / np.iinfo(values.dtype).max, -1.0)
    return values.astype(np.float64)
