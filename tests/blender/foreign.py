"""Objects of users: meshes with everything that has to stay, and what the engine makes of them."""

import hashlib
from typing import Any

import bpy
import numpy as np
from mathutils import Matrix

from tests.blender import addon, parts

JOB = "cd" * 16


def quads(uvs: str = "none") -> Any:
    """A mesh of 6 quads, with one UV map: "good" (a strip for each) or "overlap" (all at one)."""
    points = [(x, y, z) for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)]
    faces = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    mesh = bpy.data.meshes.new("Box")
    mesh.from_pydata(points, [], faces)
    if uvs != "none":
        layer = mesh.uv_layers.new(name="Own")
        for face in mesh.polygons:
            left = face.index / 6 if uvs == "good" else 0.0
            square = [(left, 0), (left + 0.15, 0), (left + 0.15, 0.9), (left, 0.9)]
            for loop, uv in zip(face.loop_indices, square, strict=True):
                layer.uv[loop].vector = uv
    return mesh


def ngons() -> Any:
    """A prism with two faces of seven corners."""
    turn = np.arange(7) * 2 * np.pi / 7
    ring = np.stack([np.cos(turn), np.sin(turn)], 1)
    points = [(*p, z) for z in (-1.0, 1.0) for p in ring]
    sides = [(i, (i + 1) % 7, 7 + (i + 1) % 7, 7 + i) for i in range(7)]
    mesh = bpy.data.meshes.new("Prism")
    mesh.from_pydata(points, [], [tuple(range(6, -1, -1)), tuple(range(7, 14)), *sides])
    return mesh


def thing_of(mesh: Any, **more: Any) -> Any:
    thing = bpy.data.objects.new(more.pop("name", "Thing"), mesh)
    bpy.context.scene.collection.objects.link(thing)
    for name, value in more.items():
        setattr(thing, name, value)
    bpy.context.view_layer.update()
    return thing


def plain(thing: Any) -> None:
    del thing


def mirror_subsurf(thing: Any) -> None:
    thing.modifiers.new("Mirror", "MIRROR").use_axis = (True, False, False)
    thing.modifiers.new("Subdivision", "SUBSURF").levels = 2
    thing.data.transform(Matrix.Translation((2, 0, 0)))


def shape_keys(thing: Any) -> None:
    thing.shape_key_add(name="Basis")
    key = thing.shape_key_add(name="Long")
    key.data[0].co.x -= 1
    key.value = 0.5


def two_users(thing: Any) -> None:
    thing_of(thing.data, name="Other")


def scaled(thing: Any) -> None:
    thing.scale = (1, 2, -0.5)


def custom_normals(thing: Any) -> None:
    thing.data.normals_split_custom_set([(0, 0, 1)] * len(thing.data.loops))


def eight_uv_maps(thing: Any) -> None:
    for number in range(8 - len(thing.data.uv_layers)):
        thing.data.uv_layers.new(name=f"More {number}")


def turned_parent(thing: Any) -> None:
    parent = bpy.data.objects.new("Parent", None)
    bpy.context.scene.collection.objects.link(parent)
    parent.rotation_euler = (0.4, 0.5, 0.6)
    thing.parent = parent
    thing.rotation_euler = (1, 0, 0)


def with_materials(thing: Any) -> None:
    for name in ("Wood", "Iron"):
        thing.data.materials.append(bpy.data.materials.new(name))
    thing.data.polygons[2].material_index = 1


CASES = [
    plain, mirror_subsurf, shape_keys, two_users, scaled, custom_normals, turned_parent,
    with_materials,
]  # fmt: skip


def all_bytes(thing: Any) -> dict[str, Any]:
    """Everything of an object that must stay, as hashes and plain values."""
    mesh = thing.data
    found: dict[str, Any] = {}
    for attribute in mesh.attributes:
        name = {"FLOAT_VECTOR": "vector", "FLOAT2": "vector"}.get(attribute.data_type, "value")
        if attribute.data_type in ("FLOAT_COLOR", "BYTE_COLOR"):
            name = "color"
        values = [getattr(item, name) for item in attribute.data]
        flat = [tuple(v) if hasattr(v, "__len__") else v for v in values]
        found[attribute.name] = hashlib.sha256(repr(flat).encode()).hexdigest()
    found["normals"] = [tuple(c.vector) for c in mesh.corner_normals]
    if mesh.shape_keys:
        found["keys"] = [[tuple(p.co) for p in k.data] for k in mesh.shape_keys.key_blocks]
    found["modifiers"] = [(m.name, m.type, m.show_viewport) for m in thing.modifiers]
    found["users"] = mesh.users
    found["world"] = [tuple(row) for row in thing.matrix_world]
    found["parent"] = thing.parent and thing.parent.name
    found["slots of the mesh"] = [m.name if m else None for m in mesh.materials]
    found["active map"] = mesh.uv_layers.active.name if mesh.uv_layers else None
    return found


def made_by_engine(thing: Any, *, keep_uvs: bool = True) -> Any:
    """What the engine makes of a mesh that is sent: the same mesh, with UVs that do not cut it."""
    sent = addon.module("bl.mesh_out").gather(thing, keep_uvs=keep_uvs)
    attached = sent.attached()
    assert {"position", "corner_vert", "face_polygon"} <= set(attached)
    faces = sent.corner_vert.reshape(-1, 3)
    uv = sent.corner_uv
    if uv is None:
        # Every polygon flat on a cell of its own, so that shared corners agree.
        count = int(sent.face_polygon.max()) + 1
        side = int(np.ceil(count**0.5))
        uv = np.empty((len(sent.corner_vert), 2), np.float32)
        for polygon in range(count):
            rows = np.repeat(sent.face_polygon == polygon, 3)
            points = sent.position[sent.corner_vert[rows]].astype(float)
            points = points - points.mean(axis=0)
            axes = np.linalg.svd(points, full_matrices=False)[2][:2]
            flat = points @ axes.T
            flat = (flat - flat.min(0)) / max(np.ptp(flat, axis=0).max(), 1e-9) * 0.9
            uv[rows] = (flat + np.array([polygon % side, polygon // side])) / side
    pack_mesh = addon.module("protocol.parts").pack_mesh
    made = pack_mesh(sent.position, faces, corner_uv=uv)
    return {"finished": parts.fetched("finished", made), "textures": parts.textures_part()}, sent


def retextured(thing: Any, *, keep_uvs: bool = True, **more: Any) -> Any:
    made, _ = made_by_engine(thing, keep_uvs=keep_uvs)
    more.setdefault("job", JOB)
    more.setdefault("recipe", {"kind": "texture", "job": more["job"]})
    return parts.deliver(
        purpose="retexture", object=thing.session_uid, object_name=thing.name, parts=made,
        keep_uvs=keep_uvs, **more,
    )  # fmt: skip


def shown(thing: Any) -> list[str]:
    return [slot.material.name if slot.material else "" for slot in thing.material_slots]


def box_in_world(thing: Any) -> Any:
    """Lowest and highest corner in the world, with modifiers."""
    bpy.context.view_layer.update()
    shown = thing.evaluated_get(bpy.context.evaluated_depsgraph_get())
    mesh = shown.to_mesh()
    points = np.array([thing.matrix_world @ v.co for v in mesh.vertices])
    shown.to_mesh_clear()
    return np.stack([points.min(0), points.max(0)])
