"""Extensions of glTF: which are understood, and which change nothing that we keep."""

from engine.readers.gltf_file import GltfFile, Json, unsupported
from engine.readers.gltf_old import TECHNIQUES

UNDERSTOOD = {
    "EXT_mesh_gpu_instancing",
    "EXT_meshopt_compression",
    "EXT_texture_avif",
    "EXT_texture_webp",
    "KHR_draco_mesh_compression",
    "KHR_materials_emissive_strength",
    "KHR_materials_pbrSpecularGlossiness",
    "KHR_materials_transmission",
    "KHR_materials_unlit",
    "KHR_mesh_quantization",
    "KHR_meshopt_compression",
    "KHR_node_visibility",
    "KHR_texture_transform",
    "CESIUM_RTC",
    *TECHNIQUES,
}
MATERIALS = {
    "KHR_materials_anisotropy": "anisotropy",
    "KHR_materials_clearcoat": "a clear coat",
    "KHR_materials_diffuse_transmission": "diffuse transmission",
    "KHR_materials_dispersion": "dispersion",
    "KHR_materials_iridescence": "iridescence",
    "KHR_materials_sheen": "sheen",
    "KHR_materials_specular": "a specular level",
    "KHR_materials_subsurface": "subsurface scattering",
    "KHR_materials_volume": "a volume",
    "KHR_materials_volume_scatter": "scattering in a volume",
}
"""Layers of materials for which there is no place in ours."""
HARMLESS = {
    *MATERIALS,
    *("KHR_materials_ior", "KHR_materials_variants", "KHR_texture_basisu", "MSFT_texture_dds"),
    *("KHR_lights_punctual", "KHR_animation_pointer", "KHR_xmp_json_ld", "KHR_xmp"),
    *("KHR_audio_emitter", "KHR_interactivity", "KHR_node_selectability", "KHR_node_hoverability"),
    *("KHR_physics_rigid_bodies", "KHR_implicit_shapes", "OMI_physics_body", "OMI_physics_shape"),
    *("OMI_collider", "EXT_lights_ies", "EXT_lights_image_based", "EXT_mesh_features"),
    *("EXT_structural_metadata", "EXT_instance_features", "EXT_mesh_manifold"),
    *("EXT_primitive_voxels", "FB_geometry_metadata", "MSFT_lod"),
    *("MSFT_packing_normalRoughnessMetallic", "MSFT_packing_occlusionRoughnessMetallic"),
    *(
        "CESIUM_primitive_outline",
        "AGI_articulations",
        "AGI_stk_metadata",
        "ADOBE_materials_thin_transparency",
    ),
    *("ADOBE_materials_clearcoat_specular", "ADOBE_materials_clearcoat_tint", "NV_materials_mdl"),
    *("GRIFFEL_bim_data", "MPEG_media", "VRM", "VRMC_vrm", "VRMC_materials_mtoon"),
    *("VRMC_springBone", "VRMC_node_constraint", "VRMC_vrm_animation", "GODOT_single_root"),
    *("EXT_mesh_primitive_restart", "KHR_mesh_primitive_restart"),
}
"""Animation, light, sound, physics and notes: what they add is left out, and the rest is right."""


def check_extensions(file: GltfFile) -> None:
    """Refuse a document that needs what is not understood.

    Raises:
        EngineError: ``mesh_unsupported``, with the extension's name.
    """
    for name in file.document.get("extensionsRequired", []):
        if name not in UNDERSTOOD and name not in HARMLESS:
            raise unsupported(file.source, str(name)[:80])


def note_left_out(file: GltfFile) -> None:
    """Count what a document has beside surfaces."""
    document, source = file.document, file.source
    source.leave_out("animation", file.count("animations"))
    source.leave_out("camera", file.count("cameras"))
    extensions: Json = document.get("extensions", {})
    source.leave_out("lamp", len(extensions.get("KHR_lights_punctual", {}).get("lights", [])))
    variants = extensions.get("KHR_materials_variants", {}).get("variants", [])
    source.leave_out("material variant", len(variants))
