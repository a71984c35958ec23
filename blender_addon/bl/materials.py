"""Materials: of the block-in, of colours by vertex, and of the finished textures.

Sockets are found by name: their numbers change with Blender's versions.
"""

from typing import TYPE_CHECKING, Any

import bpy  # pyright: ignore[reportMissingImports]
import numpy as np

from ..protocol.layout import views
from .build import COLOR_NAME, METALLIC_ROUGHNESS_NAME

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..protocol.client import Fetched
    from ..protocol.layout import Image

OURS = "maquette_job"
"""Custom property of every material of ours: the job that it came with."""
_IMAGE_NAMES = {
    "base_color": "Base Color",
    "metallic_roughness": "Roughness Metallic",
    "normal": "Normal",
}


def is_ours(material: Any) -> bool:
    """Whether Maquette made a material."""
    return material is not None and OURS in material


def has_textures(thing: Any) -> bool:
    """Whether an object shows textures that Maquette made."""
    return any(
        node.bl_idname == "ShaderNodeTexImage"
        for slot in thing.material_slots
        if is_ours(slot.material)
        for node in slot.material.node_tree.nodes
    )


def plain_material(name: str, job: str, attribute: str, colors: "NDArray[Any] | None") -> Any:
    """A new material that shows a colour attribute, and metal and roughness where they are known.

    Args:
        attribute: name of the attribute.
        colors: (N, 4) linear colours, whose mean Solid shading shows.
    """
    material, nodes, links, shader = _new(name, job)
    if colors is not None and len(colors):
        mean = colors[:, :3].mean(axis=0)
        material.diffuse_color = (*(float(x) for x in mean), 1.0)
    if attribute == COLOR_NAME:
        color = _node(nodes, "ShaderNodeVertexColor", (-300, 300))
        color.layer_name = attribute
        values = _node(nodes, "ShaderNodeAttribute", (-500, 50))
        values.attribute_name = METALLIC_ROUGHNESS_NAME
        parts = _node(nodes, "ShaderNodeSeparateXYZ", (-300, 50))
        links.new(values.outputs["Vector"], parts.inputs["Vector"])
        links.new(parts.outputs["X"], shader.inputs["Metallic"])
        links.new(parts.outputs["Y"], shader.inputs["Roughness"])
    else:
        color = _node(nodes, "ShaderNodeAttribute", (-300, 300))
        color.attribute_name = attribute
        shader.inputs["Roughness"].default_value = 0.8
    links.new(color.outputs["Color"], shader.inputs["Base Color"])
    return material


def textured_material(name: str, job: str, textures: "Fetched", uv_map: str = "") -> Any:
    """A new material of packed images.

    Args:
        textures: the part: base_color, and metallic_roughness and normal where there are any.
        uv_map: name of the UV map, where it is not the object's active one.
    """
    material, nodes, links, shader = _new(name, job)
    data = views(textures.head.layout, textures.data)
    uvs = None
    if uv_map:
        uvs = _node(nodes, "ShaderNodeUVMap", (-900, 0))
        uvs.uv_map = uv_map
    for place, image in enumerate(textures.head.layout.images):
        if image.name not in _IMAGE_NAMES:
            continue
        node = _node(nodes, "ShaderNodeTexImage", (-650, 300 - 300 * place))
        node.image = packed_image(f"{name} {_IMAGE_NAMES[image.name]}", image, data[image.name])
        node.label = _IMAGE_NAMES[image.name]
        if uvs is not None:
            links.new(uvs.outputs["UV"], node.inputs["Vector"])
        color = node.outputs["Color"]
        if image.name == "base_color":
            links.new(color, shader.inputs["Base Color"])
            if image.mean:  # what Solid shading shows
                material.diffuse_color = (*image.mean, 1.0)
            if image.alpha_used:
                links.new(node.outputs["Alpha"], shader.inputs["Alpha"])
                material.surface_render_method = "DITHERED"
        elif image.name == "metallic_roughness":
            parts = _node(nodes, "ShaderNodeSeparateColor", (-300, 0))
            links.new(color, parts.inputs["Color"])
            links.new(parts.outputs["Green"], shader.inputs["Roughness"])
            links.new(parts.outputs["Blue"], shader.inputs["Metallic"])
        else:
            relief = _node(nodes, "ShaderNodeNormalMap", (-300, -300))
            relief.uv_map = uv_map
            links.new(color, relief.inputs["Color"])
            links.new(relief.outputs["Normal"], shader.inputs["Normal"])
    return material


def packed_image(name: str, image: "Image", data: "memoryview[Any]") -> Any:
    """A new image data-block that holds the bytes of a PNG or JPEG file.

    Nobody asks for its size: Blender would decode it at once, for half a second.
    """
    block = bpy.data.images.new(name, 1, 1)
    block.pack(data=bytes(data), data_len=len(data))
    block.source = "FILE"
    if image.name != "base_color":
        block.colorspace_settings.name = "Non-Color"
    elif image.alpha_used:
        # Colours stay as they are where alpha is small.
        block.alpha_mode = "CHANNEL_PACKED"
    return block


def remove_unused(material: Any) -> None:
    """Remove a material of ours that nothing uses any more, and its images."""
    if not is_ours(material) or material.users or material.use_fake_user:
        return
    tree = material.node_tree
    nodes = tree.nodes if tree else ()
    images = {n.image for n in nodes if n.bl_idname == "ShaderNodeTexImage" and n.image}
    bpy.data.materials.remove(material)
    for image in images:
        if not image.users:
            bpy.data.images.remove(image)


def name_after(material: Any, name: str) -> None:
    """Give a material and its images their names, once what had them before is gone."""
    material.name = name
    for node in material.node_tree.nodes:
        if node.bl_idname == "ShaderNodeTexImage" and node.image is not None:
            node.image.name = f"{name} {node.label}"


def linear_colors(srgb: "NDArray[Any]") -> "NDArray[np.float32]":
    """sRGB-encoded RGBA in [0, 1] as linear RGBA."""
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    linear[:, 3] = srgb[:, 3]
    return linear.astype(np.float32)


def _new(name: str, job: str) -> tuple[Any, Any, Any, Any]:
    """A material with an output and a Principled BSDF, its nodes, its links, and the shader."""
    material = bpy.data.materials.new(name)
    material[OURS] = job
    if material.node_tree is None:  # from 5.0 on it has one, and use_nodes is deprecated
        material.use_nodes = True
    nodes, links = material.node_tree.nodes, material.node_tree.links
    nodes.clear()
    shader = _node(nodes, "ShaderNodeBsdfPrincipled", (0, 300))
    output = _node(nodes, "ShaderNodeOutputMaterial", (320, 300))
    links.new(shader.outputs["BSDF"], output.inputs["Surface"])
    return material, nodes, links, shader


def _node(nodes: Any, kind: str, place: tuple[float, float]) -> Any:
    node = nodes.new(kind)
    node.location = place
    return node
