"""A mesh as the shading kernels read it, and its material at a point of a triangle."""

from typing import NamedTuple

import numpy as np

from engine.kernels import tight
from engine.mesh import Material, Mesh
from engine.meshing.normals import corner_normals
from engine.meshing.tangents import corner_tangents
from engine.ovoxel.textures import TexturePool, pack_textures, sample_texture
from protocol.errors import EngineError

_ALPHA_MODES = {"opaque": 0, "mask": 1, "blend": 2}
# Columns of a material row.
_METALLIC, _ROUGHNESS, _ALPHA, _MODE, _CUTOFF = 3, 4, 5, 6, 7
_BASE_PICTURE, _ROUGH_PICTURE, _NORMAL_PICTURE = 8, 9, 10
_BYTE = np.float32(1 / 255)


class Surface(NamedTuple):
    """All that shading asks of a mesh; a plain tuple, so that kernels can take it.

    What a mesh lacks is an array of no rows.

    Args:
        faces: (F, 3) int32.
        normals: (F, 3, 3) float32.
        uvs: (F, 3, 2) float32.
        tangents: (F, 3, 4) float32, only with normal maps.
        colors: (V, 4) float32.
        metallic_roughness: (V, 2) float32.
        face_material: (F,) int32.
        materials: (M, 11) float32, columns as named above; pictures are -1 where there is none.
        pool: all pictures.
    """

    faces: np.ndarray
    normals: np.ndarray
    uvs: np.ndarray
    tangents: np.ndarray
    colors: np.ndarray
    metallic_roughness: np.ndarray
    face_material: np.ndarray
    materials: np.ndarray
    pool: TexturePool


def surface_of(mesh: Mesh, threads: int | None = None) -> Surface:
    """Bring a mesh into the form that kernels read.

    Normals are the mesh's own or, without, those of `corner_normals`.

    Raises:
        EngineError: ``mesh_empty`` without triangles, ``mesh_broken`` when they point nowhere or a
            vertex is not finite, ``texture`` for an invalid picture.
    """
    faces = np.ascontiguousarray(mesh.faces, np.int32)
    vertices = np.ascontiguousarray(mesh.vertices, np.float32)
    if len(faces) == 0:
        raise EngineError("mesh_empty", "The mesh has no triangles.", "Check the input.")
    if faces.min() < 0 or faces.max() >= len(vertices) or not np.isfinite(vertices).all():
        raise EngineError(
            "mesh_broken",
            "The mesh has triangles without corners or vertices that are not finite.",
            "Clean the mesh first.",
        )
    normals = mesh.normals
    if normals is None:
        normals = corner_normals(vertices, faces, threads=threads)
    materials = mesh.materials or (Material(),)
    pool, table = _pack(materials, with_textures=mesh.uvs is not None)
    uvs = _array(mesh.uvs, (0, 3, 2))
    tangents = np.zeros((0, 3, 4), np.float32)
    if (table[:, _NORMAL_PICTURE] >= 0).any():
        tangents = mesh.tangents
        if tangents is None:
            tangents = corner_tangents(vertices, faces, uvs, normals)
    face_material = mesh.face_material
    if face_material is None:
        face_material = np.zeros(len(faces), np.int32)
    return Surface(
        faces,
        _array(normals, (0, 3, 3)),
        uvs,
        _array(tangents, (0, 3, 4)),
        _array(mesh.colors, (0, 4)),
        _array(mesh.metallic_roughness, (0, 2)),
        np.ascontiguousarray(face_material, np.int32),
        table,
        pool,
    )


def _array(values: np.ndarray | None, absent: tuple[int, ...]) -> np.ndarray:
    if values is None:
        return np.zeros(absent, np.float32)
    return np.ascontiguousarray(values, np.float32)


def _pack(
    materials: tuple[Material, ...], *, with_textures: bool
) -> tuple[TexturePool, np.ndarray]:
    """All pictures in one pool, each once, and a row for each material."""
    pictures: dict[int, int] = {}
    textures = []

    def number(texture) -> int:
        if texture is None or not with_textures:
            return -1
        if id(texture) not in pictures:
            pictures[id(texture)] = len(textures)
            textures.append(texture)
        return pictures[id(texture)]

    rows = [
        [
            *material.base_color_factor,
            material.metallic_factor,
            material.roughness_factor,
            material.alpha_factor,
            _ALPHA_MODES[material.alpha_mode],
            material.alpha_cutoff,
            number(material.base_color_texture),
            number(material.metallic_roughness_texture),
            number(material.normal_texture),
        ]
        for material in materials
    ]
    return pack_textures(textures), np.array(rows, np.float32)


@tight
def material_at(surface, f, wa, wb, wc, points_per_face, texel, value):
    """Material of triangle ``f`` at corner weights: sRGB colour, metallic, roughness, alpha.

    Args:
        points_per_face: how many points of the picture the triangle would cover.
        texel: (CHANNELS,) float32 to work in.
        value: (6,) float32, receives the values.

    Returns:
        (u, v, mip length) of the point, for more pictures.
    """
    row = surface.materials[surface.face_material[f]]
    for i in range(6):
        value[i] = row[i]
    u, v, length = np.float32(0), np.float32(0), np.float32(0)
    if len(surface.uvs) > 0:
        uv = surface.uvs[f]
        u = np.float32(wa * uv[0, 0] + wb * uv[1, 0] + wc * uv[2, 0])
        v = np.float32(wa * uv[0, 1] + wb * uv[1, 1] + wc * uv[2, 1])
        area = abs(
            (uv[1, 0] - uv[0, 0]) * (uv[2, 1] - uv[0, 1])
            - (uv[2, 0] - uv[0, 0]) * (uv[1, 1] - uv[0, 1])
        )
        length = np.float32(np.sqrt(0.5 * area / max(points_per_face, 1e-9)))
        if row[_BASE_PICTURE] >= 0:
            sample_texture(
                surface.pool, int(row[_BASE_PICTURE]), u, v, length, np.float32(0), texel
            )
            for c in range(3):
                value[c] *= texel[c] * _BYTE
            value[_ALPHA] *= texel[3] * _BYTE
        if row[_ROUGH_PICTURE] >= 0:
            sample_texture(
                surface.pool, int(row[_ROUGH_PICTURE]), u, v, length, np.float32(0), texel
            )
            value[_METALLIC] *= texel[2] * _BYTE
            value[_ROUGHNESS] *= texel[1] * _BYTE
    a, b, c = surface.faces[f, 0], surface.faces[f, 1], surface.faces[f, 2]
    if len(surface.colors) > 0:
        for i in range(4):
            tint = wa * surface.colors[a, i] + wb * surface.colors[b, i] + wc * surface.colors[c, i]
            value[i if i < 3 else _ALPHA] *= tint
    if len(surface.metallic_roughness) > 0:
        mr = surface.metallic_roughness
        for i in range(2):
            value[_METALLIC + i] = wa * mr[a, i] + wb * mr[b, i] + wc * mr[c, i]
    if row[_MODE] == 0:
        value[_ALPHA] = 1
    elif row[_MODE] == 1:
        value[_ALPHA] = 0 if value[_ALPHA] < row[_CUTOFF] else 1
    return u, v, length


@tight
def normal_at(surface, f, wa, wb, wc, u, v, length, texel, normal):
    """The unit normal of triangle ``f`` at corner weights, in object space, normal map included."""
    for i in range(3):
        n = surface.normals[f]
        normal[i] = wa * n[0, i] + wb * n[1, i] + wc * n[2, i]
    row = surface.materials[surface.face_material[f]]
    if row[_NORMAL_PICTURE] >= 0 and len(surface.tangents) > 0:
        sample_texture(surface.pool, int(row[_NORMAL_PICTURE]), u, v, length, np.float32(0), texel)
        x, y, z = texel[0] / 127.5 - 1, texel[1] / 127.5 - 1, texel[2] / 127.5 - 1
        t = surface.tangents[f]
        tx = wa * t[0, 0] + wb * t[1, 0] + wc * t[2, 0]
        ty = wa * t[0, 1] + wb * t[1, 1] + wc * t[2, 1]
        tz = wa * t[0, 2] + wb * t[1, 2] + wc * t[2, 2]
        sign = t[0, 3]
        nx, ny, nz = normal[0], normal[1], normal[2]
        normal[0] = x * tx + y * sign * (ny * tz - nz * ty) + z * nx
        normal[1] = x * ty + y * sign * (nz * tx - nx * tz) + z * ny
        normal[2] = x * tz + y * sign * (nx * ty - ny * tx) + z * nz
    size = np.sqrt(normal[0] ** 2 + normal[1] ** 2 + normal[2] ** 2)
    if size > 1e-12:
        for i in range(3):
            normal[i] /= size
