"""What a mesh says of its surface at a point of a face: factors, textures and vertex values."""

from typing import NamedTuple

import numpy as np

from engine.kernels import tight
from engine.mesh import Material, Mesh
from engine.ovoxel.textures import TexturePool, pack_textures, sample_texture
from protocol.errors import EngineError

_ALPHA_MODES = {"opaque": 0, "mask": 1, "blend": 2}
_FLAT_UV = np.float32(1e-6)
"""Below this area in UV space a triangle has no texture scale."""


class FaceMaterials(NamedTuple):
    """The materials of a mesh as kernels read them; what the mesh lacks is an empty array.

    Args:
        uvs: (F, 3, 2) float32.
        colors: (V, 4) float32.
        metallic_roughness: (V, 2) float32.
        face_material: (F,) int32 rows of ``table``.
        table: (M, 10) float32: the columns that ``material_at`` reads.
        pool: base colours, metallic and roughness.
    """

    uvs: np.ndarray
    colors: np.ndarray
    metallic_roughness: np.ndarray
    face_material: np.ndarray
    table: np.ndarray
    pool: TexturePool


def face_materials_of(mesh: Mesh) -> FaceMaterials:
    """Check the materials of a mesh and lay them out.

    Raises:
        EngineError: ``mesh_shape``, ``mesh_material``, ``mesh_not_finite``, ``texture``.
    """
    faces, vertices = len(mesh.faces), len(mesh.vertices)
    materials = mesh.materials or (Material(),)
    face_material = _checked_face_material(mesh, len(materials))
    uvs = _checked(mesh.uvs, "uvs", (faces, 3, 2))
    colors = _checked(mesh.colors, "colors", (vertices, 4))
    metallic_roughness = _checked(mesh.metallic_roughness, "metallic_roughness", (vertices, 2))
    # Without UVs a texture cannot be placed: then the factors alone count.
    pool, table = _pack(materials, with_textures=uvs is not None)
    return FaceMaterials(
        np.empty((0, 3, 2), np.float32) if uvs is None else uvs,
        np.empty((0, 4), np.float32) if colors is None else colors,
        np.empty((0, 2), np.float32) if metallic_roughness is None else metallic_roughness,
        face_material,
        table,
        pool,
    )


def _checked(array: np.ndarray | None, name: str, shape: tuple[int, ...]) -> np.ndarray | None:
    if array is None:
        return None
    if array.shape != shape:
        raise EngineError(
            "mesh_shape",
            f"The mesh has {name} of shape {array.shape} where {shape} is needed.",
            "Export the mesh again; its attributes do not fit its faces.",
        )
    array = np.ascontiguousarray(array, dtype=np.float32)
    # Bad UVs only misplace a texture; they are common, and read as (0, 0).
    if name != "uvs" and not np.isfinite(array).all():
        raise EngineError(
            "mesh_not_finite",
            f"The mesh has {name} that are not finite numbers.",
            "Export the mesh again; its attributes are damaged.",
        )
    return array


def _checked_face_material(mesh: Mesh, count: int) -> np.ndarray:
    if mesh.face_material is None:
        return np.zeros(len(mesh.faces), np.int32)
    ids = mesh.face_material
    if ids.shape != (len(mesh.faces),) or ids.min() < 0 or ids.max() >= count:
        raise EngineError(
            "mesh_material",
            f"Faces name materials that do not exist; there are {count}.",
            "Export the mesh again; its material indices are damaged.",
        )
    return np.ascontiguousarray(ids, dtype=np.int32)


def _pack(materials: tuple[Material, ...], *, with_textures: bool):
    """The texture pool and one row for each material: the columns that ``material_at`` reads."""
    textures = []
    table = np.zeros((len(materials), 10), np.float32)
    for row, material in zip(table, materials, strict=True):
        pictures = [-1, -1]
        for slot, texture in enumerate(
            (material.base_color_texture, material.metallic_roughness_texture)
        ):
            if with_textures and texture is not None:
                pictures[slot] = len(textures)
                textures.append(texture)
        row[:] = (
            *material.base_color_factor,
            material.metallic_factor,
            material.roughness_factor,
            material.alpha_factor,
            _ALPHA_MODES[material.alpha_mode],
            material.alpha_cutoff,
            *pictures,
        )
        if not ((row[:6] >= 0) & (row[:6] <= 1)).all():
            raise EngineError(
                "mesh_material",
                f"The material {material.name} has factors outside of 0 to 1.",
                "Correct its colours, metallic, roughness and alpha.",
            )
    return pack_textures(textures), table


@tight
def mip_length_of(vertices, faces, uvs, f, voxel_size):
    """Length in UV space that a voxel covers on the triangle."""
    if uvs.shape[0] == 0:
        return np.float32(0)
    u1, v1 = uvs[f, 1, 0] - uvs[f, 0, 0], uvs[f, 1, 1] - uvs[f, 0, 1]
    u2, v2 = uvs[f, 2, 0] - uvs[f, 0, 0], uvs[f, 2, 1] - uvs[f, 0, 1]
    area = u1 * v2 - u2 * v1
    along_u, along_v = np.float32(1e6), np.float32(1e6)
    if abs(area) >= _FLAT_UV:
        square_u, square_v = np.float32(0), np.float32(0)
        for i in range(3):
            e1 = vertices[faces[f, 1], i] - vertices[faces[f, 0], i]
            e2 = vertices[faces[f, 2], i] - vertices[faces[f, 0], i]
            du, dv = (e1 * v2 - e2 * v1) / area, (e2 * u1 - e1 * u2) / area
            square_u += du * du
            square_v += dv * dv
        along_u, along_v = np.sqrt(square_u), np.sqrt(square_v)
    return voxel_size[0] / np.sqrt(along_u * along_v)


@tight
def material_at(
    f,
    faces,
    uvs,
    colors,
    metallic_roughness,
    material,
    table,
    pool,
    mip_length,
    mip_offset,
    b0,
    b1,
    b2,
    texel,
    value,
):
    """Material of face f at barycentrics (b0, b1, b2), in the columns of ``sample_materials``."""
    byte = np.float32(1) / np.float32(255)
    for c in range(6):
        value[c] = table[material, c]
    mode = table[material, 6]
    base_picture, mr_picture = int(table[material, 8]), int(table[material, 9])
    u, v = np.float32(0), np.float32(0)
    if base_picture >= 0 or mr_picture >= 0:
        u = b0 * uvs[f, 0, 0] + b1 * uvs[f, 1, 0] + b2 * uvs[f, 2, 0]
        v = b0 * uvs[f, 0, 1] + b1 * uvs[f, 1, 1] + b2 * uvs[f, 2, 1]
    if base_picture >= 0:
        sample_texture(pool, base_picture, u, v, mip_length, mip_offset, texel)
        for c in range(3):
            value[c] *= texel[c] * byte
        value[5] *= texel[3] * byte
    if mr_picture >= 0:
        sample_texture(pool, mr_picture, u, v, mip_length, mip_offset, texel)
        value[3] *= texel[2] * byte
        value[4] *= texel[1] * byte
    i0, i1, i2 = faces[f, 0], faces[f, 1], faces[f, 2]
    zero, one = np.float32(0), np.float32(1)
    # Barycentrics may leave the triangle by a voxel; colours may not leave their range.
    if colors.shape[0] > 0:
        for c in range(4):
            tint = b0 * colors[i0, c] + b1 * colors[i1, c] + b2 * colors[i2, c]
            value[c if c < 3 else 5] *= min(max(tint, zero), one)
    if metallic_roughness.shape[0] > 0:
        for c in range(2):
            mean = (
                b0 * metallic_roughness[i0, c]
                + b1 * metallic_roughness[i1, c]
                + b2 * metallic_roughness[i2, c]
            )
            value[3 + c] = min(max(mean, zero), one)
    if mode == np.float32(0):
        value[5] = one
    elif mode == np.float32(1):
        value[5] = zero if value[5] < table[material, 7] else one
