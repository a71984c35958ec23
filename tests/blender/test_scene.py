"""Deliveries into scenes as users have them: modes, collections, view layers, saved files."""

import hashlib
import json
import resource
from pathlib import Path
from typing import Any

import bpy
import numpy as np
import pytest

from tests.blender import addon, parts
from tests.export.gltf_validator import assert_valid

pytestmark = pytest.mark.usefixtures("blank")


def _link(thing: Any) -> Any:
    bpy.context.scene.collection.objects.link(thing)
    bpy.context.view_layer.update()
    return thing


def _box() -> Any:
    mesh = bpy.data.meshes.new("Box")
    points = [(x, y, z) for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)]
    faces = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    mesh.from_pydata(points, [], faces)
    mesh.uv_layers.new()
    return _link(bpy.data.objects.new("Box", mesh))


MODES = ["EDIT", "SCULPT", "TEXTURE_PAINT", "WEIGHT_PAINT", "VERTEX_PAINT", "POSE"]


@pytest.mark.parametrize("mode", MODES)
def test_a_new_object_comes_in_every_mode(mode: str) -> None:
    """Report 12: another object is being worked on; undo and redo 20 times."""
    if mode == "POSE":
        own = _link(bpy.data.objects.new("Rig", bpy.data.armatures.new("Rig")))
    else:
        own = _box()
    bpy.context.view_layer.objects.active = own
    own.select_set(True)
    bpy.ops.ed.undo_push(message="Own")
    bpy.ops.object.mode_set(mode=mode)
    bpy.ops.ed.undo_push(message="Mode")
    name = own.name
    placed = parts.deliver()
    assert placed.outcome == "placed"
    assert bpy.data.objects[name].mode == mode
    assert bpy.context.view_layer.objects.active.name == name
    assert [o.name for o in bpy.context.selected_objects] in ([name], [])
    for _ in range(20):
        bpy.ops.ed.undo()
        assert "Chair" not in bpy.data.objects and name in bpy.data.objects
        bpy.ops.ed.redo()
        assert "Chair" in bpy.data.objects and bpy.data.objects[name].mode == mode
    assert len(bpy.data.objects["Chair"].data.polygons) > 1000


@pytest.mark.parametrize("mode", ["EDIT", "SCULPT", "TEXTURE_PAINT"])
def test_the_object_that_is_worked_on_is_left_alone(mode: str) -> None:
    uid = parts.deliver("structure").object
    thing = bpy.data.objects["Chair"]
    bpy.context.view_layer.objects.active = thing
    if mode == "TEXTURE_PAINT":
        thing.data.uv_layers.new()
    bpy.ops.object.mode_set(mode=mode)
    before = len(thing.data.polygons)
    placed = parts.deliver("mesh", object=uid)
    assert placed.outcome == "later" and placed.sentence.startswith("Waits until Chair leaves")
    assert len(thing.data.polygons) == before
    bpy.ops.object.mode_set(mode="OBJECT")
    assert parts.deliver("mesh", object=uid).outcome == "placed"


def test_a_mesh_that_another_object_edits() -> None:
    uid = parts.deliver("structure").object
    other = _link(bpy.data.objects.new("Other", bpy.data.objects["Chair"].data))
    bpy.context.view_layer.objects.active = other
    bpy.ops.object.mode_set(mode="EDIT")
    placed = parts.deliver("mesh", object=uid)
    assert placed.outcome == "later" and "another object" in placed.sentence


def test_an_excluded_collection_hides_nothing() -> None:
    layer = bpy.context.view_layer
    own = bpy.data.collections.new("Mine")
    bpy.context.scene.collection.children.link(own)
    layer.active_layer_collection = layer.layer_collection.children["Mine"]
    layer.layer_collection.children["Mine"].exclude = True
    assert parts.deliver().outcome == "placed"
    layer.layer_collection.children["Maquette"].exclude = True
    assert parts.deliver(job="cd" * 16).outcome == "placed"
    layer.update()
    assert bpy.data.objects["Chair"].users_collection[0].name == "Maquette"
    assert bpy.data.objects["Chair.001"].visible_get()


def test_a_second_view_layer_and_a_scene_that_is_not_shown() -> None:
    other = bpy.data.scenes.new("Other")
    other.view_layers.new("Second")
    placed = parts.deliver(scene=other.session_uid)
    assert placed.outcome == "placed"
    for layer in other.view_layers:
        assert "Chair" in layer.objects
    assert not bpy.context.scene.objects


def test_without_a_3d_viewport() -> None:
    for area in bpy.context.screen.areas:
        area.type = "TEXT_EDITOR"
    assert parts.deliver().outcome == "placed"
    bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)


def test_in_local_view_it_is_seen() -> None:
    own = _box()
    area = next(a for a in bpy.context.screen.areas if a.type == "VIEW_3D")
    region = next(r for r in area.regions if r.type == "WINDOW")
    own.select_set(True)
    with bpy.context.temp_override(area=area, region=region):
        bpy.ops.view3d.localview(frame_selected=False)
    if not own.local_view_get(area.spaces.active):
        pytest.skip("this Blender has no local view without a window")
    parts.deliver()
    assert bpy.data.objects["Chair"].local_view_get(area.spaces.active)


def test_another_file_and_a_deleted_target() -> None:
    place, open_file = addon.module("bl.place"), addon.module("bl.open_file")
    delivery = parts.delivery()
    open_file.renew()
    placed = place.deliver(delivery)
    assert placed.outcome == "lost" and "file was closed" in placed.sentence
    placed = parts.deliver(object=1234567, object_name="Gone", purpose="replace")
    assert placed.outcome == "lost" and "Gone was deleted" in placed.sentence
    placed = parts.deliver(scene=1234567)
    assert placed.outcome == "lost" and "scene was deleted" in placed.sentence
    assert not bpy.data.objects and not bpy.data.meshes


def test_two_million_faces() -> None:
    both = {"finished": parts.mesh_part(faces=2_000_000), "textures": parts.textures_part()}
    assert parts.deliver(parts=both).outcome == "placed"
    mesh = bpy.data.objects["Chair"].data
    assert len(mesh.polygons) > 1_990_000 and mesh.validate() is False


def test_memory_is_level_over_ten_builds_and_deletes() -> None:
    both = {"finished": parts.mesh_part(faces=200_000), "textures": parts.textures_part(256)}
    used: list[int] = []
    for number in range(13):
        parts.deliver(parts=both, job=f"{number:032x}")
        bpy.data.batch_remove([*bpy.data.objects, *bpy.data.meshes, *bpy.data.materials])
        bpy.data.batch_remove([*bpy.data.images, *bpy.data.collections])
        bpy.ops.ed.undo_push(message="Deleted")
        bpy.context.preferences.edit.undo_steps = 2
        with open("/proc/self/statm") as file:
            used.append(int(file.read().split()[1]) * resource.getpagesize() >> 20)
    mesh = 200_000 * 3 * (4 + 4 + 8) + 100_000 * 12 >> 20
    assert max(used[3:]) - used[2] < 3 * mesh, used


def _hashes() -> dict[str, str]:
    found: dict[str, str] = {}
    for image in bpy.data.images:
        if image.users and image.size[0]:
            pixels = np.empty(len(image.pixels), np.float32)
            image.pixels.foreach_get(pixels)
            found[image.name] = hashlib.sha256(pixels.tobytes()).hexdigest()
    return found


def test_saved_moved_and_reopened_it_looks_the_same(tmp_path: Path) -> None:
    """Report 14: everything is packed, two results do not share a name."""
    for number in range(2):
        both = {
            "finished": parts.mesh_part(),
            "textures": parts.textures_part(32, noise=bool(number)),
        }
        parts.deliver(parts=both, job=f"{number:032x}")
    before = _hashes()
    assert len(before) == 4
    first, second = tmp_path / "a" / "x.blend", tmp_path / "b" / "y.blend"
    first.parent.mkdir()
    second.parent.mkdir()
    bpy.ops.wm.save_as_mainfile(filepath=str(first))
    first.rename(second)
    bpy.ops.wm.open_mainfile(filepath=str(second))
    assert all(image.packed_file for image in bpy.data.images if image.users)
    assert _hashes() == before
    recipe = json.loads(bpy.data.objects["Chair"]["maquette"])
    assert recipe["kind"] == "generate"
    assert addon.module("bl.recipe").job_of(bpy.data.objects["Chair"]) == "0" * 32


@pytest.mark.parametrize("kind", ["plain", "everything"])
def test_blenders_gltf_of_it_is_valid(tmp_path: Path, kind: str) -> None:
    bpy.ops.preferences.addon_enable(module="io_scene_gltf2")
    textures = parts.textures_part(alpha=True, normal=True) if kind == "everything" else None
    both = {"finished": parts.mesh_part(), "textures": textures or parts.textures_part()}
    parts.deliver(parts=both, height=2.0)
    file = tmp_path / "chair.glb"
    # A normal map without tangents is a warning of the validator: off by default in Blender.
    bpy.ops.export_scene.gltf(filepath=str(file), export_tangents=kind == "everything")
    report = assert_valid(file)
    assert report["info"]["materialCount"] == 1
    data = file.read_bytes()
    material = json.loads(data[20 : 20 + int.from_bytes(data[12:16], "little")])["materials"][0]
    assert {"baseColorTexture", "metallicRoughnessTexture"} <= set(material["pbrMetallicRoughness"])
    assert material.get("doubleSided") is True
    assert ("normalTexture" in material) == (kind == "everything")
    assert (material.get("alphaMode", "OPAQUE") != "OPAQUE") == (kind == "everything")
    # The very bytes of our PNG.
    assert bytes(addon.module("bl.build").arrays_of(both["textures"])["metallic_roughness"]) in data


def test_an_asset_with_preview_in_our_catalog(tmp_path: Path) -> None:
    asset = addon.module("bl.asset")
    wire, pack_images = addon.module("protocol.wire"), addon.module("protocol.parts").pack_images
    rgba = np.zeros((128, 128, 4), np.uint8)
    rgba[:64] = (255, 0, 0, 255)
    shaped = wire.Shaped(rgba.tobytes(), "uint8", rgba.shape)
    thumbnail = pack_images({"thumbnail": (parts.png(128), False)}, thumbnail_rgba=shaped)
    catalogs = tmp_path / asset.CATALOG_FILE
    theirs = "VERSION 1\n\n0b0b0b0b-1111-4222-8333-444444444444:Их/Chairs:Chairs"
    catalogs.write_text(theirs, encoding="utf-8")
    both = {
        "finished": parts.mesh_part(),
        "textures": parts.textures_part(),
        "thumbnail": parts.fetched("thumbnail", thumbnail),
    }
    parts.deliver(parts=both, as_asset=True)
    thing = bpy.data.objects["Chair"]
    assert thing.asset_data.catalog_id == asset.CATALOG
    assert tuple(thing.preview.image_size) == (128, 128)
    assert list(thing.preview.image_pixels_float[:4]) == [0, 0, 0, 0]  # its bottom row
    assert list(thing.preview.image_pixels_float[-4:]) == [1, 0, 0, 1]
    assert catalogs.read_text(encoding="utf-8") == theirs
    for _ in range(2):
        bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "a.blend"))
        asset.write_catalog()
    lines = catalogs.read_text(encoding="utf-8").splitlines()
    assert lines[:3] == theirs.splitlines()
    assert lines[3:] == [f"{asset.CATALOG}:Maquette:Maquette"]
    assert not [f.name for f in tmp_path.iterdir() if "maquette" in f.name]  # nothing half-written


def test_a_library_counts_for_the_files_in_it(tmp_path: Path) -> None:
    asset = addon.module("bl.asset")
    inside = tmp_path / "lib" / "deep" / "a.blend"
    libraries = bpy.context.preferences.filepaths.asset_libraries
    assert asset.library_of(inside) == inside.parent
    libraries.new(name="Test", directory=str(tmp_path / "lib"))
    try:
        assert asset.library_of(inside) == tmp_path / "lib"
    finally:
        libraries.remove(libraries["Test"])


@pytest.mark.parametrize("made_here", [True, False])
def test_upscaled_in_place(made_here: bool) -> None:
    """Base on base and as large as before, whatever the object's transform."""
    if made_here:
        parts.deliver(height=3)
        thing = bpy.data.objects["Chair"]
        part, matrix = parts.mesh_part(faces=8000), ()
        thing.rotation_euler, thing.scale = (0.3, 0.4, 0.5), (2, 2, 2)
    else:
        thing = _box()
        thing.rotation_euler, thing.scale = (1.2, 0.4, 0.5), (1, 2, -0.5)
        bpy.context.view_layer.update()
        matrix = tuple(x for row in thing.matrix_world for x in row)
        sent = addon.module("bl.mesh_out").gather(thing, keep_uvs=False)
        finer = sent.position * 0.25 + 7.0  # in another place, at another size
        pack = addon.module("protocol.parts").pack_mesh
        triangles = sent.corner_vert.reshape(-1, 3)
        uv = np.zeros((len(sent.corner_vert), 2), np.float32)
        part = parts.fetched("finished", pack(finer, triangles, corner_uv=uv))
    bpy.context.view_layer.update()
    before = np.array([thing.matrix_world @ v.co for v in thing.data.vertices])
    world = [tuple(row) for row in thing.matrix_world]
    placed = parts.deliver(
        purpose="replace", object=thing.session_uid, matrix=matrix, job="cd" * 16,
        parts={"finished": part, "textures": parts.textures_part()},
    )  # fmt: skip
    assert placed.outcome == "placed"
    bpy.context.view_layer.update()
    after = np.array([thing.matrix_world @ v.co for v in thing.data.vertices])
    assert [tuple(row) for row in thing.matrix_world] == world
    assert np.abs(after.min(0) - before.min(0)).max() < 0.02
    assert np.abs(after.max(0) - before.max(0)).max() < 0.02
    mesh = thing.data
    volume = sum(p.normal.dot(p.center) * p.area for p in mesh.polygons) / 3
    assert volume > 0  # its outside is outside
    assert addon.module("bl.recipe").job_of(thing) == "cd" * 16
    if not made_here:
        assert np.abs(after - before).max() < 1e-4


def test_the_voxels_of_the_stored_result_are_known_but_not_under_a_look() -> None:
    recipe = addon.module("bl.recipe")
    for kind, made, side in (
        ("upscale", {"resolution": 1536}, 1536),
        ("generate", {}, 0),
        ("texture", {"resolution": 512}, 0),
    ):
        job = f"{side:032x}"
        parts.deliver(job=job, recipe={"kind": kind, "job": job, "made": made})
        things = [thing for thing in bpy.data.objects if recipe.job_of(thing) == job]
        assert [recipe.resolution_of(thing) for thing in things] == [side]
        for thing in things:
            bpy.data.objects.remove(thing)
