"""The primitives of a glTF mesh as parts: morphed, skinned, placed, turned to Z up."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from engine.host.color import srgb_from_linear
from engine.meshing.axes import Z_UP_FROM_Y_UP
from engine.meshing.parts import Part
from engine.readers.gltf_attributes import Attributes, attributes_of
from engine.readers.gltf_file import GltfFile, Json, as_numbers
from engine.readers.gltf_frames import corner_normals, placed_normals, placed_tangents
from engine.readers.gltf_materials import GltfMaterials
from engine.readers.polygons import check_corners, fans, strips
from engine.readers.source import Broken

_POINTS, _TRIANGLES, _STRIP, _FAN = 0, 4, 5, 6
METALLIC_ROUGHNESS = "_METALLIC_ROUGHNESS"
"""A custom attribute that our own export writes."""


@dataclass(frozen=True)
class Placement:
    """A mesh of the document and where it stands.

    Args:
        mesh: its index.
        world: (4, 4) float64 world_from_node, Y up; does not count for a skinned mesh.
        weights: of morph targets, instead of the mesh's own.
        joints: (J, 4, 4) float64 world_from_bound of a skin's joints; None without.
        copies: (N, 4, 4) float64 world_from_node of each of several copies, beside which ``world``
            does nothing; None without.
        object: number and name of the node.
    """

    mesh: int
    world: np.ndarray
    weights: tuple[float, ...] = ()
    joints: np.ndarray | None = None
    copies: np.ndarray | None = None
    object: tuple[int, str] | None = None


@dataclass(frozen=True)
class _Vertices:
    """Vertices that several primitives may share.

    Args:
        placed: (V, 3) in object space.
        turn: (3, 3) object_from_node without its translation; (V, 3, 3) for a skin.
        mirrored: whether front faces became back faces.
        colors, metallic_roughness: as in ``Part``.
        frames: normals and tangents placed so far, by their accessors.
    """

    placed: np.ndarray
    turn: np.ndarray
    mirrored: bool
    colors: np.ndarray | None
    metallic_roughness: np.ndarray | None
    frames: dict[object, np.ndarray | None] = field(default_factory=dict)


def parts_of_mesh(file: GltfFile, placement: Placement, materials: GltfMaterials) -> Iterator[Part]:
    """A part for each primitive that has triangles; primitives on the same arrays share them."""
    mesh = file.entry("meshes", placement.mesh)
    weights = placement.weights or tuple(mesh.get("weights", ()))
    shared: dict[tuple, _Vertices] = {}
    for primitive in mesh.get("primitives", []):
        mode = primitive.get("mode", _TRIANGLES)
        if mode < _TRIANGLES:
            file.source.leave_out("set of points" if mode == _POINTS else "set of lines")
            continue
        attributes = attributes_of(file, primitive)
        if attributes is None:
            continue
        key = attributes.key
        if key not in shared:
            shared[key] = _vertices(attributes, primitive, placement, weights)
        faces = _faces(attributes, mode, len(shared[key].placed))
        if len(faces):
            yield _part(attributes, primitive, weights, shared[key], faces, materials)


def _faces(attributes: Attributes, mode: int, vertices: int) -> np.ndarray:
    """(F, 3) triangles of a primitive."""
    indices = attributes.indices
    if indices is None:
        indices, restart = np.arange(vertices), -1
    else:
        restart = np.iinfo(indices.dtype).max if indices.dtype.kind == "u" else -1
        indices = indices.astype(np.int64)
    if mode == _TRIANGLES:
        faces = indices[: len(indices) // 3 * 3].reshape(-1, 3)
    elif mode == _STRIP:
        faces = strips(indices, restart)
    elif mode == _FAN:
        faces = fans(indices, restart)
    else:
        raise Broken(f"it has a primitive of mode {mode}, which glTF 2.0 does not know")
    check_corners(faces.reshape(-1), vertices)
    return faces


def _vertices(
    attributes: Attributes, primitive: Json, placement: Placement, weights: tuple[float, ...]
) -> _Vertices:
    positions = attributes.morphed("POSITION", primitive, weights)
    if positions is None or positions.shape[1] != 3:
        raise Broken("it has a primitive whose positions are no points")
    if placement.joints is not None and attributes.has("JOINTS_0"):
        blended = _blended(attributes, placement.joints, len(positions))
        placed = np.einsum("vij,vj->vi", blended[:, :, :3], positions) + blended[:, :, 3]
        turn = blended[:, :, :3]
        mirrored = float(np.linalg.det(turn[:1])[0]) < 0 if len(turn) else False
    else:
        object_from_node = Z_UP_FROM_Y_UP @ placement.world[:3]
        turn = object_from_node[:, :3]
        placed = positions @ turn.T
        placed += object_from_node[:, 3]
        mirrored = float(np.linalg.det(turn)) < 0
    colors, metallic_roughness = _colors(attributes, primitive, weights), _mr(attributes)
    for values in (colors, metallic_roughness):
        if values is not None and len(values) != len(placed):
            raise Broken("its colours do not fit its vertices")
    return _Vertices(placed, turn, mirrored, colors, metallic_roughness)


def _blended(attributes: Attributes, joints: np.ndarray, vertices: int) -> np.ndarray:
    """(V, 3, 4) object_from_bound of each vertex: the mean of its joints by their weights."""
    object_from_bound = Z_UP_FROM_Y_UP @ joints[:, :3]
    blended = np.zeros((vertices, 3, 4))
    total = np.zeros(vertices)
    for k in range(8):
        of_set, weights = attributes.raw(f"JOINTS_{k}"), attributes.raw(f"WEIGHTS_{k}")
        if of_set is None or weights is None:
            break
        shares = np.asarray(as_numbers(weights, True), np.float64)
        if len(of_set) != vertices or len(shares) != vertices or of_set.shape != shares.shape:
            raise Broken("its joints do not fit its vertices")
        for column in range(of_set.shape[1]):
            joint, share = of_set[:, column].astype(np.int64), shares[:, column]
            used = share != 0
            if used.any() and int(joint[used].max()) >= len(joints):
                raise Broken("it has vertices bound to joints that its skin lacks")
            blended += object_from_bound[np.where(used, joint, 0)] * share[:, None, None]
            total += share
    bound = np.abs(total) > 1e-6
    blended[bound] /= total[bound, None, None]
    blended[~bound] = object_from_bound[0]
    return blended


def _part(
    attributes: Attributes,
    primitive: Json,
    weights: tuple[float, ...],
    vertices: _Vertices,
    faces: np.ndarray,
    materials: GltfMaterials,
) -> Part:
    given = primitive.get("material")
    index = None if given is None else materials.use(given)
    uvs = None
    if given is not None and materials.has_texture(given):
        uv = attributes.morphed(f"TEXCOORD_{materials.uv_set(given)}", primitive, weights)
        if uv is not None and uv.shape == (len(vertices.placed), 2):
            uvs = _from_bottom(materials.transform_uv(given, uv.take(faces, axis=0)))
        else:
            materials.lacks_uvs(given)
    elif (uv := attributes.morphed("TEXCOORD_0", primitive, weights)) is not None and (
        uv.shape == (len(vertices.placed), 2)
    ):
        uvs = _from_bottom(uv.take(faces, axis=0))
    normals, tangents = _frames(attributes, primitive, weights, vertices, faces)
    if vertices.mirrored:
        # A mirror turns front faces into back faces; glTF 2.0 section 3.7.4 keeps the front.
        faces = faces[:, ::-1]
        uvs, normals, tangents = (
            None if values is None else values[:, ::-1] for values in (uvs, normals, tangents)
        )
    return Part(
        vertices.placed,
        faces,
        uvs,
        vertices.colors,
        vertices.metallic_roughness,
        index,
        normals,
        tangents,
    )


def _from_bottom(uvs: np.ndarray) -> np.ndarray:
    """UVs of ours: glTF has the origin at the top left, we at the bottom left."""
    uvs[..., 1] = 1 - uvs[..., 1]
    return uvs


def _frames(
    attributes: Attributes,
    primitive: Json,
    weights: tuple[float, ...],
    vertices: _Vertices,
    faces: np.ndarray,
) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Normals (F, 3, 3) and tangents (F, 3, 4) of face corners; None without."""
    given = attributes.morphed("NORMAL", primitive, weights)
    if given is None or given.shape != vertices.placed.shape:
        return None, None
    key = attributes.name_of("NORMAL")
    if key not in vertices.frames:
        vertices.frames[key] = placed_normals(given, vertices.turn)
    normals = vertices.frames[key]
    if normals is None:
        return None, None
    corners = corner_normals(normals, vertices.placed, faces, vertices.mirrored)
    along = attributes.morphed("TANGENT", primitive, weights)
    if along is None or along.shape != (len(given), 4):
        return corners, None
    tangents = placed_tangents(along, vertices.turn, vertices.mirrored)
    return corners, None if tangents is None else tangents.take(faces, axis=0)


def _colors(
    attributes: Attributes, primitive: Json, weights: tuple[float, ...]
) -> np.ndarray | None:
    """(V, 4) sRGB-encoded."""
    linear = attributes.morphed("COLOR_0", primitive, weights)
    if linear is None or linear.shape[1] not in (3, 4):
        return None
    colors = np.ones((len(linear), 4), np.float32)
    colors[:, :3] = srgb_from_linear(linear[:, :3])
    if linear.shape[1] == 4:
        colors[:, 3] = linear[:, 3]
    return colors


def _mr(attributes: Attributes) -> np.ndarray | None:
    given = attributes.raw(METALLIC_ROUGHNESS)
    return None if given is None or given.shape[1] != 2 else as_numbers(given, True)
