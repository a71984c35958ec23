"""A mesh as a source of textures: its own surface, materials, pictures and normal maps."""

import numpy as np

from engine.finishing.baking.detail import Detail, move_onto
from engine.finishing.baking.found import Found
from engine.finishing.baking.occlusion import sky_of_vertices
from engine.finishing.baking.project import source_of
from engine.kernels import kernel
from engine.mesh import Mesh
from engine.meshing.edges import face_areas
from engine.meshing.normals import corner_normals
from engine.meshing.tangents import corner_tangents
from engine.ovoxel.face_materials import face_materials_of, material_at
from engine.ovoxel.textures import CHANNELS, TexturePool, pack_textures, sample_texture

_UNITS = 256.0
"""Of the unit cube: "near" and "thin" mean for a mesh what they mean for O-Voxels of 256^3."""


class MeshSource:
    """A ``BakeSource`` in 256ths of the unit cube.

    A point takes what the mesh shows at the nearest point of its own object: colours never come
    from another one that lies nearer. Occlusion comes from all objects together.

    Args:
        mesh: in the unit cube, at least one face.
        points, faces: (V, 3) float32 and (F, 3) int32, the same faces over vertices that seams do
            not repeat; those of an object belong to it alone.
        occlusion: whether the mesh hides the sky from itself; else it is open everywhere.
        threads: all cores when None.

    Raises:
        EngineError: what is wrong with the mesh's materials, as in ``face_materials_of``.
    """

    def __init__(
        self,
        mesh: Mesh,
        points: np.ndarray,
        faces: np.ndarray,
        *,
        occlusion: bool,
        threads: int | None = None,
    ) -> None:
        self.occlusion = occlusion
        self._faces = np.ascontiguousarray(mesh.faces, np.int32)
        self._materials = face_materials_of(mesh)
        self._density = _uv_density(mesh)
        points = np.ascontiguousarray(self.in_units(points), np.float32)
        normals = mesh.normals
        if normals is None:
            normals = corner_normals(points, faces, welded=True, threads=threads)
        self._normal_maps = _normal_maps_of(mesh, normals)
        sky = np.ones((len(points), 2), np.float32)
        if occlusion:
            sky = sky_of_vertices(points, faces, normals, threads=threads)
        self._objects: dict[int, tuple[np.ndarray, Detail]] = {}
        for number in range(max(1, len(mesh.objects))):
            own = np.arange(len(faces))
            if mesh.face_object is not None:
                own = np.flatnonzero(mesh.face_object == number)
            if len(own):
                surface = source_of(points, faces[own], normals[own], threads=threads)
                self._objects[number] = own[surface.order], Detail(surface, sky, occlusion)

    def in_units(self, vertices: np.ndarray) -> np.ndarray:
        return (vertices + 0.5) * _UNITS

    def find(
        self, points: np.ndarray, facing: np.ndarray, objects: np.ndarray | None, texel: float
    ) -> Found:
        if objects is None:
            (number,) = self._objects
            return self._find(number, points, facing, texel)
        count = len(points)
        whole = Found(
            np.zeros((count, 6), np.float32),
            np.zeros((count, 3), np.float32),
            np.ones(count, np.float32),
            np.zeros(count, bool),
        )
        for number in np.unique(objects):
            some = np.flatnonzero(objects == number)
            found = self._find(int(number), points[some], facing[some], texel)
            for all_values, values in zip(whole, found, strict=True):
                all_values[some] = values
        return whole

    def _find(self, number: int, points: np.ndarray, facing: np.ndarray, texel: float) -> Found:
        order, detail = self._objects[number]
        met = move_onto(detail, points, facing)
        near = met.triangle >= 0
        face = np.where(near, order[met.triangle], -1)
        values = np.zeros((len(points), 6), np.float32)
        length = np.float32(texel / _UNITS)
        _materials_at(
            self._faces, *self._materials, self._density, length, face, met.weights, values
        )
        if self._normal_maps is not None:
            tangents, pictures, pool = self._normal_maps
            _turn_normals(
                self._materials.uvs,
                tangents,
                self._materials.face_material,
                pictures,
                pool,
                self._density,
                length,
                face,
                met.weights,
                met.normals,
            )
        return Found(values, met.normals, met.open_to_sky, near)


def _uv_density(mesh: Mesh) -> np.ndarray:
    """(F,) float32 length in UV space of a length on each face; 0 without UVs or area."""
    if mesh.uvs is None:
        return np.zeros(len(mesh.faces), np.float32)
    a, b = mesh.uvs[:, 1] - mesh.uvs[:, 0], mesh.uvs[:, 2] - mesh.uvs[:, 0]
    laid_out = np.abs(a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]) / 2
    area = face_areas(mesh.vertices, mesh.faces)
    with np.errstate(divide="ignore", invalid="ignore"):
        density = np.sqrt(laid_out / area)
    return np.where(np.isfinite(density), density, 0).astype(np.float32)


def _normal_maps_of(
    mesh: Mesh, normals: np.ndarray
) -> tuple[np.ndarray, np.ndarray, TexturePool] | None:
    """Tangents (F, 3, 4), the picture of each material (-1: none), and the pictures."""
    textures = [material.normal_texture for material in mesh.materials]
    if mesh.uvs is None or not any(textures):
        return None
    pictures, used = np.full(len(textures), -1, np.int32), []
    for number, texture in enumerate(textures):
        if texture is not None:
            pictures[number] = len(used)
            used.append(texture)
    tangents = mesh.tangents
    if tangents is None:
        tangents = corner_tangents(mesh.vertices, mesh.faces, mesh.uvs, normals)
    return np.ascontiguousarray(tangents, np.float32), pictures, pack_textures(used)


@kernel
def _materials_at(
    faces,
    uvs,
    colors,
    metallic_roughness,
    face_material,
    table,
    pool,
    density,
    length,
    face,
    weights,
    values,
):
    """Fill ``values`` with the materials of faces at weights of their corners."""
    texel = np.empty(CHANNELS, np.float32)
    value = np.empty(6, np.float32)
    zero, one = np.float32(0), np.float32(1)
    for p in range(len(face)):
        f = face[p]
        if f < 0:
            continue
        material_at(
            f,
            faces,
            uvs,
            colors,
            metallic_roughness,
            face_material[f],
            table,
            pool,
            length * density[f],
            zero,
            weights[p, 0],
            weights[p, 1],
            weights[p, 2],
            texel,
            value,
        )
        for c in range(6):
            values[p, c] = min(max(value[c], zero), one)


@kernel
def _turn_normals(
    uvs, tangents, face_material, pictures, pool, density, length, face, weights, normals
):
    """Turn smooth ``normals`` as the normal map of each face's material says."""
    texel = np.empty(CHANNELS, np.float32)
    tangent = np.empty(3, np.float32)
    for p in range(len(face)):
        f = face[p]
        if f < 0 or pictures[face_material[f]] < 0:
            continue
        u, v = np.float32(0), np.float32(0)
        tangent[:] = 0
        for k in range(3):
            u += weights[p, k] * uvs[f, k, 0]
            v += weights[p, k] * uvs[f, k, 1]
            for i in range(3):
                tangent[i] += weights[p, k] * tangents[f, k, i]
        picture = pictures[face_material[f]]
        sample_texture(pool, picture, u, v, length * density[f], np.float32(0), texel)
        x, y, z = texel[0] / 127.5 - 1, texel[1] / 127.5 - 1, texel[2] / 127.5 - 1
        nx, ny, nz = normals[p, 0], normals[p, 1], normals[p, 2]
        sign = tangents[f, 0, 3]
        bx = (ny * tangent[2] - nz * tangent[1]) * sign
        by = (nz * tangent[0] - nx * tangent[2]) * sign
        bz = (nx * tangent[1] - ny * tangent[0]) * sign
        nx = x * tangent[0] + y * bx + z * nx
        ny = x * tangent[1] + y * by + z * ny
        nz = x * tangent[2] + y * bz + z * nz
        size = np.sqrt(nx * nx + ny * ny + nz * nz)
        if size > 1e-6:
            normals[p, 0], normals[p, 1], normals[p, 2] = nx / size, ny / size, nz / size
