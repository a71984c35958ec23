"""Writes tests/data/scene: one rich scene by all of Blender's exporters. Run in an environment
with bpy 5.2 (``python -m tests.blender.environments 5.2.3`` makes one):

    <its python> tests/readers/make_scene.py tests/data/scene

What is right of it stands in test_scene.py.
"""

# The description of bpy knows no state: in it everything may be None, and nodes are of one kind.
# pyright: reportAttributeAccessIssue=none, reportOptionalMemberAccess=none

import math
import sys
from pathlib import Path
from typing import Any

import bpy
import numpy as np

CORNERS = [(0, 0), (4, 0), (4, 4), (3, 4), (3, 1), (1, 1), (1, 4), (0, 4)]
"""Of a U: one polygon with eight corners, concave, of area 10."""


def main(target: Path) -> None:
    bpy.ops.wm.read_factory_settings(use_empty=True)
    pictures = save_pictures(target / "textures")
    u_shape(pictures)
    mirrored()
    pair()
    row()
    leaf(pictures)
    lamp()
    bpy.context.scene.collection.objects.link(
        bpy.data.objects.new("camera", bpy.data.cameras.new("camera"))
    )
    bpy.context.scene.collection.objects.link(
        bpy.data.objects.new("sun", bpy.data.lights.new("sun", "SUN"))
    )
    bpy.ops.wm.save_as_mainfile(filepath=str(target / "scene.blend"))
    export(target)
    (target / "scene.blend").unlink()
    _forget_place(target)


def _forget_place(target: Path) -> None:
    """An .fbx names its folder absolutely: one of nobody's, of the same length, takes its place."""
    place, file = str(target).encode(), target / "scene.fbx"
    nobody = b"/home/nobody/".ljust(len(place), b"x")[: len(place)]
    file.write_bytes(file.read_bytes().replace(place, nobody))


def save_pictures(folder: Path) -> dict[str, Any]:
    folder.mkdir(parents=True, exist_ok=True)
    quarters = np.zeros((2, 2, 4))
    quarters[..., 3] = 1
    # Blender's first row is the lowest.
    quarters[1, 0, :3], quarters[1, 1, :3] = (1, 0, 0), (0, 1, 0)
    quarters[0, 0, :3], quarters[0, 1, :3] = (0, 0, 1), (1, 1, 1)
    surface = np.zeros((2, 2, 4))
    surface[..., 3] = 1
    surface[:, 0, 1], surface[:, 1, 1] = 0.2, 0.8  # roughness, left and right
    surface[0, :, 2], surface[1, :, 2] = 0.0, 1.0  # metallic, bottom and top
    flat = np.broadcast_to([0.5, 0.5, 1.0, 1.0], (2, 2, 4))
    cut = np.ones((2, 2, 4))
    cut[..., :3] = (0, 1, 0)
    cut[:, 1, 3] = 0  # the right half is clear
    made: dict[str, Any] = {}
    drawn = {"quarters": quarters, "surface": surface, "flat": flat, "cut": cut}
    for name, pixels in drawn.items():
        image = bpy.data.images.new(name, 16, 16, alpha=True)
        image.colorspace_settings.name = "Non-Color" if name in ("surface", "flat") else "sRGB"
        image.pixels = pixels.repeat(8, axis=0).repeat(8, axis=1).ravel().tolist()
        image.filepath_raw = str(folder / f"{name}.png")
        image.file_format = "PNG"
        image.save()
        made[name] = image
    return made


def add(name: str, vertices: Any, faces: Any, material: Any = None) -> Any:
    mesh = bpy.data.meshes.new(name)
    mesh.from_pydata([list(v) for v in vertices], [], [list(f) for f in faces])
    mesh.update()
    if material is not None:
        mesh.materials.append(material)
    made = bpy.data.objects.new(name, mesh)
    bpy.context.scene.collection.objects.link(made)
    return made


def plain(name: str, color: Any, **inputs: float) -> Any:
    material = bpy.data.materials.new(name)
    if not material.node_tree:
        material.use_nodes = True
    shader = material.node_tree.nodes["Principled BSDF"]
    shader.inputs["Base Color"].default_value = (*color, 1)
    for key, value in inputs.items():
        shader.inputs[key.replace("_", " ")].default_value = value
    return material


def picture(material: Any, image: Any) -> Any:
    node = material.node_tree.nodes.new("ShaderNodeTexImage")
    node.image = image
    return node


def layer(mesh: Any, name: str, uv: Any) -> None:
    """A UV layer with ``uv`` of each corner's vertex."""
    made = mesh.uv_layers.new(name=name)
    for loop in mesh.loops:
        made.data[loop.index].uv = uv(mesh.vertices[loop.vertex_index].co)


def box(size: Any = (1, 1, 1), at: Any = (0, 0, 0)) -> tuple[Any, Any]:
    corners = [
        (at[0] + x * size[0], at[1] + y * size[1], at[2] + z * size[2])
        for x in (0, 1)
        for y in (0, 1)
        for z in (0, 1)
    ]
    faces = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    return corners, faces


def u_shape(pictures: dict[str, Any]) -> None:
    """Textured by the first of two UV layers, with a normal map."""
    material = plain("painted", (1, 1, 1))
    nodes, links = material.node_tree.nodes, material.node_tree.links
    shader = nodes["Principled BSDF"]
    links.new(picture(material, pictures["quarters"]).outputs["Color"], shader.inputs["Base Color"])
    separate = nodes.new("ShaderNodeSeparateColor")
    links.new(picture(material, pictures["surface"]).outputs["Color"], separate.inputs["Color"])
    links.new(separate.outputs["Green"], shader.inputs["Roughness"])
    links.new(separate.outputs["Blue"], shader.inputs["Metallic"])
    bump = nodes.new("ShaderNodeNormalMap")
    links.new(picture(material, pictures["flat"]).outputs["Color"], bump.inputs["Color"])
    links.new(bump.outputs["Normal"], shader.inputs["Normal"])
    made = add("u", [(x, y, 0) for x, y in CORNERS], [range(8)], material)
    layer(made.data, "UVMap", lambda co: (co.x / 4, co.y / 4))
    layer(made.data, "light", lambda co: (0.25 - co.x / 100, 0.75))


def mirrored() -> None:
    """A box whose object turns it inside out by a negative scale."""
    made = add(
        "mirrored", *box((1, 1, 2)), plain("red", (0.5, 0.02, 0.02), Roughness=0.3, Metallic=0.6)
    )
    made.location, made.scale = (-1, 0, 0), (-1, 2, 1)


def pair() -> None:
    """Two objects of one mesh under a parent that turns and scales them."""
    parent = bpy.data.objects.new("parent", None)
    bpy.context.scene.collection.objects.link(parent)
    parent.location, parent.scale = (0, 8, 0), (2, 2, 2)
    parent.rotation_euler = (0, 0, math.pi / 2)
    first = add("first", *box(), plain("blue", (0, 0, 1), Roughness=0.5))
    second = bpy.data.objects.new("second", first.data)
    bpy.context.scene.collection.objects.link(second)
    for k, child in enumerate((first, second)):
        child.parent = parent
        child.location = (0, -3 * k - 1, 0)


def row() -> None:
    """Three boxes of an array modifier, with colours of vertices: black below and white above."""
    material = plain("coloured", (1, 1, 1))
    source = material.node_tree.nodes.new("ShaderNodeVertexColor")
    source.layer_name = "Color"
    shader = material.node_tree.nodes["Principled BSDF"]
    material.node_tree.links.new(source.outputs["Color"], shader.inputs["Base Color"])
    made = add("row", *box(), material)
    made.location = (6, 0, 0)
    colors = made.data.color_attributes.new("Color", "BYTE_COLOR", "CORNER")
    for loop in made.data.loops:
        above = made.data.vertices[loop.vertex_index].co.z > 0.5
        colors.data[loop.index].color = (1, 1, 0, 1) if above else (0, 0, 0, 1)
    modifier = made.modifiers.new("array", "ARRAY")
    modifier.count = 3
    modifier.use_relative_offset = False
    modifier.use_constant_offset = True
    modifier.constant_offset_displace = (0, 2, 0)


def leaf(pictures: dict[str, Any]) -> None:
    """A square that its texture's alpha cuts."""
    material = plain("leaf", (1, 1, 1))
    node = picture(material, pictures["cut"])
    links, shader = material.node_tree.links, material.node_tree.nodes["Principled BSDF"]
    links.new(node.outputs["Color"], shader.inputs["Base Color"])
    links.new(node.outputs["Alpha"], shader.inputs["Alpha"])
    corners = [(0, 0, 0), (2, 0, 0), (2, 0, 2), (0, 0, 2)]
    made = add("leaf", corners, [range(4)], material)
    made.location = (0, 6, 0)
    layer(made.data, "UVMap", lambda co: (co.x / 2, co.z / 2))


def lamp() -> None:
    """A pyramid whose four sides give off light; its base is blue."""
    material = plain("lamp", (0, 0, 0), Emission_Strength=1.0)
    shader = material.node_tree.nodes["Principled BSDF"]
    shader.inputs["Emission Color"].default_value = (1, 0, 1, 1)
    corners = [(0, 0, 0), (2, 0, 0), (2, 2, 0), (0, 2, 0), (1, 1, 1)]
    faces = [(0, 3, 2, 1), (0, 1, 4), (1, 2, 4), (2, 3, 4), (3, 0, 4)]
    made = add("lamp", corners, faces, material)
    made.location = (4, 6, 0)
    made.data.materials.append(bpy.data.materials["blue"])
    made.data.polygons[0].material_index = 1


def export(target: Path) -> None:
    gltf: dict[str, Any] = {"export_apply": True}
    bpy.ops.export_scene.gltf(filepath=str(target / "scene.glb"), export_format="GLB", **gltf)
    bpy.ops.export_scene.gltf(
        filepath=str(target / "scene.gltf"),
        export_format="GLTF_SEPARATE",
        export_texture_dir="textures",
        export_keep_originals=True,
        **gltf,
    )
    bpy.ops.wm.obj_export(
        filepath=str(target / "scene.obj"),
        path_mode="RELATIVE",
        export_pbr_extensions=True,
        export_colors=True,
        apply_modifiers=True,
    )
    bpy.ops.wm.ply_export(
        filepath=str(target / "scene.ply"),
        export_colors="SRGB",
        export_uv=False,  # of objects without UVs it writes what lay in memory
    )
    bpy.ops.wm.stl_export(filepath=str(target / "scene.stl"))
    bpy.ops.export_scene.fbx(
        filepath=str(target / "scene.fbx"),
        path_mode="COPY",
        embed_textures=True,
        bake_anim=False,
        use_mesh_modifiers=True,
    )
    for suffix in ("usdc", "usda", "usdz"):
        bpy.ops.wm.usd_export(
            filepath=str(target / f"scene.{suffix}"),
            export_textures_mode="KEEP" if suffix != "usdz" else "NEW",
            relative_paths=True,
            export_materials=True,
            generate_preview_surface=True,
            export_lights=True,
            convert_world_material=False,
        )


if __name__ == "__main__":
    main(Path(sys.argv[-1]).absolute())
