"""Deliveries into the scene: geometry, material, place, undo."""

import json
from typing import Any

import bpy
import numpy as np
import pytest

from tests.blender import addon, parts

pytestmark = pytest.mark.usefixtures("blank")


def _object(placed: Any) -> Any:
    assert placed.outcome == "placed", placed
    return next(o for o in bpy.data.objects if o.session_uid == placed.object)


def _world(thing: Any) -> Any:
    """(V, 3) points of a mesh in the world, after modifiers."""
    bpy.context.view_layer.update()
    return np.array([thing.matrix_world @ v.co for v in thing.data.vertices])


def _node(thing: Any, kind: str, label: str = "") -> Any:
    nodes = thing.material_slots[0].material.node_tree.nodes
    return next(n for n in nodes if n.bl_idname == kind and n.label == label)


def test_a_finished_object_stands_on_the_cursor_as_high_as_asked() -> None:
    bpy.context.scene.cursor.location = (3, -2, 0.5)
    matrix = addon.module("bl.place").at_cursor(bpy.context.scene)
    thing = _object(parts.deliver(matrix=matrix, height=2.0))
    points = _world(thing)
    assert thing.name == "Chair" and thing.type == "MESH"
    assert thing.users_collection[0].name == "Maquette"
    assert points[:, 2].min() == pytest.approx(0.5, abs=1e-5)
    assert np.ptp(points[:, 2]) == pytest.approx(2.0, abs=1e-5)
    assert (points.min(axis=0) + points.max(axis=0))[:2] / 2 == pytest.approx([3, -2], abs=1e-5)
    assert tuple(thing.location) == (3, -2, 0.5) and tuple(thing.scale) == (1, 1, 1)


def test_the_mesh_is_what_was_sent() -> None:
    points, triangles, uvs, _ = parts.ball()
    thing = _object(parts.deliver())
    mesh = thing.data
    assert mesh.validate(verbose=True) is False
    corner = np.empty(len(mesh.loops), np.int32)
    mesh.loops.foreach_get("vertex_index", corner)
    assert (corner.reshape(-1, 3) == triangles).all()
    flat = np.empty(2 * len(mesh.loops), np.float32)
    mesh.uv_layers[0].uv.foreach_get("vector", flat)
    assert np.array_equal(flat.reshape(-1, 3, 2), uvs.astype(np.float32))
    assert len(mesh.edges) == len(points) + len(triangles) - 2  # Euler
    assert all(len(p.vertices) == 3 for p in mesh.polygons)
    assert all(p.use_smooth for p in mesh.polygons)


@pytest.mark.parametrize("mirrored", [False, True])
def test_two_triangles_of_one_polygon_are_a_quad(mirrored: bool) -> None:
    points = np.array([[x, y, z] for x in (0, 1) for y in (0, 1) for z in (0, 1)], float)
    quads = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    faces = np.array([[q[i] for i in t] for q in quads for t in ((0, 1, 2), (0, 2, 3))])
    polygons = np.repeat(np.arange(6), 2)
    polygons[-1] = 6  # of the last side two triangles
    uvs = points[faces][..., :2].reshape(-1, 2) / 2 + points[faces][..., 2:].reshape(-1, 1) / 4
    pack = addon.module("protocol.parts").pack_mesh
    part = parts.fetched("m", pack(points, faces, corner_uv=uvs, face_polygon=polygons))
    build = addon.module("bl.build")
    arrays = build.arrays_of(part)
    if mirrored:
        arrays = build.turned(arrays, np.diag([-1.0, 1, 1]))
    mesh = build.mesh_of_arrays("Box", arrays, build.Fit(), exact=False)
    assert mesh.validate(verbose=True) is False
    assert sorted(len(p.vertices) for p in mesh.polygons) == [3, 3, 4, 4, 4, 4, 4]
    assert len(mesh.edges) == 13 and len(mesh.vertices) == 8
    assert sum(p.normal.dot(p.center) * p.area for p in mesh.polygons) / 3 == pytest.approx(1)
    flat = np.array([item.vector for item in mesh.uv_layers[0].uv])
    corner = np.array([loop.vertex_index for loop in mesh.loops])
    assert flat == pytest.approx(points[corner][:, :2] / 2 + points[corner][:, 2:] / 4)


def test_a_ball_is_smooth_and_a_box_has_hard_edges() -> None:
    smooth = _object(parts.deliver())
    assert "sharp_edge" not in smooth.data.attributes
    points = np.array([[x, y, z] for x in (0, 1) for y in (0, 1) for z in (0, 1)], float)
    quads = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    faces = np.array([[q[i] for i in t] for q in quads for t in ((0, 1, 2), (0, 2, 3))])
    sides = points[faces]
    flat = np.cross(sides[:, 1] - sides[:, 0], sides[:, 2] - sides[:, 0])
    normals = np.repeat(flat / np.linalg.norm(flat, axis=1, keepdims=True), 3, axis=0)
    pack = addon.module("protocol.parts").pack_mesh
    part = parts.fetched("finished", pack(points, faces, corner_normal=normals))
    box = _object(parts.deliver(title="Box", parts={"finished": part}))
    hard = [e.use_edge_sharp for e in box.data.edges]
    assert sum(hard) == 12 and len(hard) == 18
    shown = np.array([corner.vector for corner in box.data.corner_normals])
    assert np.abs(shown - normals).max() < 1e-3


def test_exact_normals_where_there_is_a_normal_map() -> None:
    _, _, _, normals = parts.ball()
    bent = normals.reshape(-1, 3) + np.array([0.3, 0, 0])
    bent /= np.linalg.norm(bent, axis=1, keepdims=True)
    both = {
        "finished": parts.mesh_part(corner_normal=bent),
        "textures": parts.textures_part(normal=True),
    }
    thing = _object(parts.deliver(parts=both))
    shown = np.array([corner.vector for corner in thing.data.corner_normals])
    # Blender keeps custom normals as two 16-bit numbers each: a fifth of a degree at worst.
    assert np.abs(shown - bent).max() < 4e-3
    relief = _node(thing, "ShaderNodeNormalMap")
    assert relief.inputs["Color"].links[0].from_node.label == "Normal"
    assert relief.inputs["Color"].links[0].from_node.image.colorspace_settings.name == "Non-Color"


@pytest.mark.parametrize("alpha", [False, True])
def test_the_material_is_wired_by_name(alpha: bool) -> None:
    """Report 17."""
    both = {"finished": parts.mesh_part(), "textures": parts.textures_part(alpha=alpha)}
    thing = _object(parts.deliver(parts=both))
    shader = _node(thing, "ShaderNodeBsdfPrincipled")
    shown = thing.material_slots[0].material.diffuse_color
    assert tuple(shown) == pytest.approx((*parts.MEAN, 1.0))  # Solid shading is not grey
    base = shader.inputs["Base Color"].links[0].from_node
    assert base.image.colorspace_settings.name == "sRGB"
    separate = shader.inputs["Roughness"].links[0]
    assert separate.from_socket.name == "Green"
    assert shader.inputs["Metallic"].links[0].from_socket.name == "Blue"
    orm = separate.from_node.inputs["Color"].links[0].from_node.image
    assert orm.colorspace_settings.name == "Non-Color"
    assert shader.inputs["Alpha"].is_linked == alpha
    assert not shader.inputs["Normal"].is_linked
    for image in (base.image, orm):
        assert image.packed_file is not None and tuple(image.size) == (16, 16)
    assert [round(x * 255) for x in base.image.pixels[:3]] == [200, 120, 40]
    assert [round(x * 255) for x in orm.pixels[:3]] == [0, 180, 30]


def test_block_in_mesh_finished_are_one_object() -> None:
    """Transform, parent, modifiers, selection and slots of the user stay."""
    first = parts.deliver("structure", height=1.0)
    thing = _object(first)
    uid = thing.session_uid
    assert json.loads(thing["maquette"])["stage"] == "structure"
    parent = bpy.data.objects.new("Parent", None)
    bpy.context.scene.collection.objects.link(parent)
    thing.parent = parent
    thing.location, thing.rotation_euler, thing.scale = (1, 2, 3), (0.1, 0.2, 0.3), (2, 2, 2)
    modifier = thing.modifiers.new("Bevel", "BEVEL")
    own = bpy.data.materials.new("Own")
    thing.data.materials.append(own)
    thing.select_set(True)
    bpy.context.view_layer.objects.active = thing
    for stage in ("mesh", "finished"):
        again = parts.deliver(stage, object=uid, height=1.0)
        assert again.object == uid
    thing = _object(again)
    assert [o.name for o in bpy.data.objects] == ["Chair", "Parent"]
    assert [m.name for m in bpy.data.meshes] == ["Chair"]
    assert [m.name for m in bpy.data.materials] == ["Chair", "Own"]
    assert [s.material.name for s in thing.material_slots] == ["Chair", "Own"]
    assert thing.parent == parent and thing.modifiers[0] == modifier
    assert tuple(thing.location) == (1, 2, 3) and tuple(thing.scale) == (2, 2, 2)
    assert thing.select_get() and bpy.context.view_layer.objects.active == thing
    assert json.loads(thing["maquette"])["kind"] == "generate"
    points = np.array([v.co for v in thing.data.vertices])
    assert np.ptp(points[:, 2]) == pytest.approx(1.0, abs=1e-5)


def test_the_block_in_has_the_sides_that_show() -> None:
    pack = addon.module("protocol.parts").pack_structure
    cells = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0]])
    both = {"structure": parts.fetched("structure", pack(cells, 4))}
    thing = _object(parts.deliver("structure", parts=both))
    mesh = thing.data
    assert len(mesh.polygons) == 14 and len(mesh.vertices) == 16
    assert mesh.validate(verbose=True) is False
    assert sum(p.area for p in mesh.polygons) == pytest.approx(14 / 16)
    volume = sum(p.normal.dot(p.center) * p.area for p in mesh.polygons) / 3
    assert volume == pytest.approx(3 / 64)  # of three boxes, so all sides face outwards
    assert not any(p.use_smooth for p in mesh.polygons)


def test_colours_of_the_raw_mesh_arrive() -> None:
    points, _, _, _ = parts.ball()
    thing = _object(parts.deliver("mesh"))
    color = thing.data.color_attributes["Color"]
    flat = np.empty(4 * len(color.data), np.float32)
    color.data.foreach_get("color_srgb", flat)
    assert np.abs(flat.reshape(-1, 4)[:, :3] - (points + 0.5)).max() < 1 / 255
    shader = _node(thing, "ShaderNodeBsdfPrincipled")
    assert shader.inputs["Base Color"].is_linked and shader.inputs["Roughness"].is_linked


def test_levels_of_detail_and_the_hull_are_hidden_children() -> None:
    level, hull = parts.mesh_part("finished_lod1", 500), parts.mesh_part("hull", 100)
    both = {
        "finished": parts.mesh_part(),
        "textures": parts.textures_part(),
        "finished_lod1": level,
        "textures_lod1": parts.textures_part(8),
        "hull": hull,
    }
    thing = _object(parts.deliver(parts=both, height=3.0))
    names = {child.name: child for child in thing.children}
    assert set(names) == {"Chair_LOD1", "UCX_Chair"}
    assert all(c.hide_viewport and c.hide_render for c in thing.children)
    assert names["UCX_Chair"].display_type == "WIRE" and not names["UCX_Chair"].material_slots
    heights = [np.ptp([v.co.z for v in c.data.vertices]) for c in thing.children]
    assert heights == pytest.approx([3.0, 3.0], rel=0.02)
    again = parts.deliver(object=thing.session_uid, purpose="replace")
    assert not _object(again).children and len(bpy.data.meshes) == 1


def test_names_that_are_taken() -> None:
    for name in ("Chair", "Maquette"):
        bpy.data.objects.new(name, None)
        bpy.data.meshes.new(name)
        bpy.data.materials.new(name)
        bpy.data.collections.new(name)
    one, two = parts.deliver(), parts.deliver(job="cd" * 16)
    things = _object(one), _object(two)
    assert things[0].name == "Chair.001" and things[1].name == "Chair.002"
    images = [_node(t, "ShaderNodeTexImage", "Base Color").image for t in things]
    assert images[0] != images[1]


def test_each_delivery_is_one_step_that_can_be_undone_twenty_times() -> None:
    """Report 3: counts return exactly, and the user's own last step stays."""
    own = bpy.data.objects.new("Own", None)
    bpy.context.scene.collection.objects.link(own)
    bpy.ops.ed.undo_push(message="Own")
    uid = 0
    for stage in ("structure", "mesh", "finished", "again"):
        before = _state()
        if stage == "again":
            placed = parts.deliver(object=uid, purpose="replace", job="cd" * 16)
        else:
            placed = parts.deliver(stage, object=uid)
        uid = placed.object
        after = _state()
        assert before != after
        for _ in range(20):
            assert bpy.ops.ed.undo() == {"FINISHED"}
            assert _state() == before
            assert bpy.ops.ed.redo() == {"FINISHED"}
            assert _state() == after
        assert "Own" in bpy.data.objects


def _state() -> dict[str, Any]:
    things = sorted(bpy.data.objects, key=lambda o: o.name)
    return {
        "objects": [(o.name, o.data.name if o.data else "", o.get("maquette")) for o in things],
        "meshes": sorted((m.name, len(m.polygons), m.users) for m in bpy.data.meshes),
        "materials": sorted((m.name, m.users) for m in bpy.data.materials),
        "images": sorted((i.name, i.users, i.packed_file is not None) for i in bpy.data.images),
        "collections": sorted(c.name for c in bpy.data.collections),
    }
