"""glTF 2.0 and GLB: the meshes of the scene that is shown, each where its node puts it."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from engine.mesh import Material
from engine.meshing.parts import Part
from engine.readers.gltf_copies import copied
from engine.readers.gltf_extensions import check_extensions, note_left_out
from engine.readers.gltf_file import GltfFile, Json
from engine.readers.gltf_geometry import Placement, parts_of_mesh
from engine.readers.gltf_levels import without_levels
from engine.readers.gltf_materials import GltfMaterials
from engine.readers.source import Broken, Source, too_many

INSTANCES = "EXT_mesh_gpu_instancing"
_MOST_COPIED = 8_000_000
"""Triangles and vertices beyond one for each byte that was read: so many are copies."""
_MOST_COPIES = 1_000_000
"""Of one mesh."""


def read_gltf(source: Source) -> tuple[list[Part], list[Material]]:
    """The scene of a .gltf or .glb file, transforms applied, Z up, colours sRGB-encoded.

    Of skinned meshes the joints stand as the file's nodes have them; of morph targets the default
    weights count. Animations are left out.
    """
    file = GltfFile(source)
    check_extensions(file)
    file.document = without_levels(source, file.document)
    note_left_out(file)
    source.unit = "metres"
    materials = GltfMaterials(file)
    parts: list[Part] = []
    total = 0
    for placement in _placements(file):
        count = 1 if placement.copies is None else len(placement.copies)
        shared: dict[int, np.ndarray] = {}
        for part in parts_of_mesh(file, placement, materials):
            # Vertices may be those of another part, and faces alone are too few to matter then.
            total += count * max(len(part.faces), len(part.vertices) if count > 1 else 0)
            if total > _MOST_COPIED + file.size:
                raise too_many(source, f"{_MOST_COPIED:,} triangles in copies")
            if placement.copies is not None:
                part = copied(part, placement.copies, shared)
            parts.append(replace(part, object=placement.object))
    return parts, materials.used()


def _placements(file: GltfFile) -> Iterator[Placement]:
    """The meshes of the scene with the transforms of their nodes."""
    nodes: list[Json] = file.document.get("nodes", [])
    world = _world_transforms(file)
    shown = _shown(file)
    if not nodes and file.count("meshes"):
        file.source.note("It has no scene; all of its meshes were read as they are.")
        for mesh in range(file.count("meshes")):
            yield Placement(mesh, np.eye(4), object=(mesh, _name(file, {"mesh": mesh})))
    for index in shown:
        node = nodes[index]
        if "mesh" not in node:
            continue
        weights = tuple(node.get("weights", ()))
        named = index, _name(file, node)
        if "skin" in node:
            joints = _joint_transforms(file, node["skin"], world)
            yield Placement(node["mesh"], world[index], weights, joints, object=named)
            continue
        copies = _instances(file, node)
        if copies is None:
            yield Placement(node["mesh"], world[index], weights, object=named)
        elif len(copies):
            placed = world[index] @ copies
            yield Placement(node["mesh"], np.eye(4), weights, copies=placed, object=named)


def _name(file: GltfFile, node: Json) -> str:
    """Of a node, or else of its mesh."""
    mesh = file.entry("meshes", node["mesh"])
    return str(node.get("name") or mesh.get("name") or f"mesh_{node['mesh']}")


def _world_transforms(file: GltfFile) -> list[np.ndarray]:
    """(4, 4) float64 of each node, whether it is shown or not."""
    nodes: list[Json] = file.document.get("nodes", [])
    origin = np.eye(4)
    center = file.document.get("extensions", {}).get("CESIUM_RTC", {}).get("center")
    if center is not None:
        origin[:3, 3] = center
    parents = [-1] * len(nodes)
    for index, node in enumerate(nodes):
        for child in node.get("children", []):
            file.entry("nodes", child)
            if parents[child] >= 0 or child == index:
                raise Broken(f"its node {child} hangs on two others")
            parents[child] = index
    world: list[np.ndarray | None] = [None] * len(nodes)
    for index in range(len(nodes)):
        above: list[int] = []
        at = index
        while at >= 0 and world[at] is None:
            above.append(at)
            at = parents[at]
            if len(above) > len(nodes):
                raise Broken("its nodes hang on each other in a circle")
        for at in reversed(above):
            up = world[parents[at]] if parents[at] >= 0 else origin
            assert up is not None
            world[at] = up @ _local_transform(nodes[at])
    return [transform for transform in world if transform is not None]


def _local_transform(node: Json) -> np.ndarray:
    if "matrix" in node:
        matrix = np.asarray(node["matrix"], np.float64)
        if matrix.shape != (16,):
            raise Broken("a node's matrix does not have sixteen numbers")
        return matrix.reshape(4, 4).T
    return _transforms(
        np.asarray([node.get("translation", [0, 0, 0])], np.float64),
        np.asarray([node.get("rotation", [0, 0, 0, 1])], np.float64),
        np.asarray([node.get("scale", [1, 1, 1])], np.float64),
    )[0]


def _transforms(translations: np.ndarray, rotations: np.ndarray, scales: np.ndarray) -> np.ndarray:
    """(N, 4, 4) of translations (N, 3), quaternions (N, 4) x y z w, and scales (N, 3)."""
    if translations.shape[1:] != (3,) or rotations.shape[1:] != (4,) or scales.shape[1:] != (3,):
        raise Broken("a node's translation, rotation or scale has too few numbers")
    lengths = np.linalg.norm(rotations, axis=1, keepdims=True)
    turned = np.where(lengths > 0, rotations / np.where(lengths > 0, lengths, 1), (0, 0, 0, 1))
    x, y, z, w = turned.T
    turn = np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )
    transforms = np.zeros((len(translations), 4, 4))
    transforms[:, :3, :3] = turn.transpose(2, 0, 1) * scales[:, None]
    transforms[:, :3, 3] = translations
    transforms[:, 3, 3] = 1.0
    return transforms


def _instances(file: GltfFile, node: Json) -> np.ndarray | None:
    """(N, 4, 4) node_from_copy of the copies of a node's mesh; None without."""
    given = node.get("extensions", {}).get(INSTANCES, {}).get("attributes", {})
    found = {
        name: np.asarray(file.values(given[name]), np.float64)
        for name in ("TRANSLATION", "ROTATION", "SCALE")
        if name in given
    }
    if not found:
        return None
    count = min(len(values) for values in found.values())
    if count > _MOST_COPIES:
        raise too_many(file.source, f"{_MOST_COPIES:,} copies of one mesh")
    return _transforms(
        found.get("TRANSLATION", np.zeros((count, 3)))[:count],
        found.get("ROTATION", np.tile([0.0, 0.0, 0.0, 1.0], (count, 1)))[:count],
        found.get("SCALE", np.ones((count, 3)))[:count],
    )


def _joint_transforms(file: GltfFile, index: int, world: list[np.ndarray]) -> np.ndarray:
    """(J, 4, 4): where each joint of a skin takes what is bound to it."""
    skin = file.entry("skins", index)
    joints = skin.get("joints", [])
    for joint in joints:
        file.entry("nodes", joint)
    if not joints:
        raise Broken("it has a skin without joints")
    placed = np.stack([world[joint] for joint in joints])
    if "inverseBindMatrices" not in skin:
        return placed
    inverse = np.asarray(file.values(skin["inverseBindMatrices"]), np.float64)
    if inverse.shape[1] != 16 or len(inverse) < len(joints):
        raise Broken("a skin has fewer matrices than joints")
    return placed @ inverse[: len(joints)].reshape(-1, 4, 4).transpose(0, 2, 1)


def _shown(file: GltfFile) -> list[int]:
    """The nodes of the scene, without those that are hidden, parents first."""
    nodes: list[Json] = file.document.get("nodes", [])
    scenes: list[Json] = file.document.get("scenes", [])
    if scenes:
        scene = file.document.get("scene", 0)
        roots = file.entry("scenes", scene).get("nodes", [])
        if len(scenes) > 1:
            file.source.leave_out("other scene", len(scenes) - 1)
    else:
        children = {child for node in nodes for child in node.get("children", [])}
        roots = [index for index in range(len(nodes)) if index not in children]
    shown: list[int] = []
    waiting = list(reversed(roots))
    while waiting:
        index = waiting.pop()
        node = file.entry("nodes", index)
        if node.get("extensions", {}).get("KHR_node_visibility", {}).get("visible", True):
            shown.append(index)
            waiting += reversed(node.get("children", []))
        elif "mesh" in node:
            file.source.leave_out("hidden object")
    return list(dict.fromkeys(shown))
