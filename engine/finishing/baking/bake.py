"""Textures of a simplified mesh from what it was made from: O-Voxels or a mesh of a file."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from engine.finishing.baking.atlas import BAND_ROWS, bands_of, fill_atlas, place_corners
from engine.finishing.baking.edges import has_open_edges
from engine.finishing.baking.fill import fill_unknown
from engine.finishing.baking.found import Found
from engine.host.parallel import map_chunks
from engine.kernels import kernel
from engine.mesh import AlphaMode, Material, Mesh, Texture
from engine.meshing.alpha import choose_alpha_mode, solid_faces
from engine.meshing.edges import face_areas
from engine.meshing.normals import corner_normals
from engine.meshing.tangents import corner_tangents
from protocol.errors import EngineError


class BakeSource(Protocol):
    """A detailed surface with materials, in units of its own."""

    @property
    def occlusion(self) -> bool:
        """Whether it knows how much of the sky its points see."""
        ...

    def in_units(self, vertices: np.ndarray) -> np.ndarray:
        """(V, 3) float32 in its units, of vertices in the box of the simplified mesh."""
        ...

    def find(
        self, points: np.ndarray, facing: np.ndarray, objects: np.ndarray | None, texel: float
    ) -> Found:
        """What it has at the points nearest to points of the simplified mesh.

        Args:
            points: (P, 3) float32 in its units; may be overwritten.
            facing: (P, 3) float32 normals there.
            objects: (P,) int32 object of each; None where the mesh has only one.
            texel: how long a texel is about, in its units.
        """
        ...


@dataclass(frozen=True)
class Baked:
    """A textured mesh and what was noticed while it was made.

    Args:
        mesh: the simplified mesh with materials, normals and, with a normal map, tangents.
        alpha_mode: of the materials; with "blend", faces that are solid all over have an opaque
            material of their own, so that viewers need not sort them.
        lost: texels that found no surface near; they are padded like the background.
    """

    mesh: Mesh
    alpha_mode: AlphaMode
    lost: int


def bake(
    mesh: Mesh,
    source: BakeSource,
    *,
    size: int = 2048,
    normal_map: bool = False,
    name: str = "material",
    on_progress: Callable[[int, int], None] | None = None,
    threads: int | None = None,
) -> Baked:
    """Bake base colour with alpha, ORM, and on demand a normal map.

    Each texel takes what the source has at the nearest point of its detailed surface. ORM has in R
    how much of the sky the detailed surface sees, roughness in G, metallic in B. Normals are in
    tangent space by MikkTSpace, green upwards, as glTF wants them. All texels outside of charts are
    padding.

    Args:
        mesh: simplified, with UVs inside 0..1 that do not overlap, in the box of the source;
            its own ``normals`` are kept if there are any.
        source: what it was made from.
        size: side of the square textures in texels, 16 to 8192.
        normal_map: whether to bake the detailed surface's normals.
        name: of the material.
        on_progress: called with (bands done, bands in all); may raise to stop.
        threads: all cores when None; the result does not depend on it.

    Raises:
        EngineError: ``mesh_empty``, ``mesh_broken``, ``texture_size``, ``uvs_missing``,
            ``uvs_outside``, ``uvs_flat``.
    """
    _check(mesh)
    corners = place_corners(np.zeros(0) if mesh.uvs is None else mesh.uvs, size)
    bands = bands_of(corners, size)
    vertices = np.ascontiguousarray(mesh.vertices, np.float32)
    faces = np.ascontiguousarray(mesh.faces, np.int32)
    normals = mesh.normals
    if normals is None:
        normals = corner_normals(vertices, faces, threads=threads)
    tangents = None
    if normal_map and mesh.uvs is not None:
        tangents = corner_tangents(vertices, faces, mesh.uvs, normals)
    in_units = np.ascontiguousarray(source.in_units(vertices), np.float32)
    texel = _texel_length(in_units, faces, mesh.uvs, size)
    objects = mesh.face_object

    base, orm = np.zeros((size, size, 4), np.uint8), np.zeros((size, size, 3), np.uint8)
    relief = np.zeros((size, size, 3) if tangents is not None else (0, 0, 3), np.uint8)
    face, known = np.empty((size, size), np.int32), np.zeros((size, size), bool)

    def one_band(band: int) -> None:
        some = slice(band * BAND_ROWS, (band + 1) * BAND_ROWS)
        weights = np.zeros((*face[some].shape, 3), np.float32)
        fill_atlas(corners, bands.start, bands.faces, band, face[some], weights)
        inside = np.flatnonzero(face[some] >= 0)
        if len(inside) == 0:
            return
        owner, weights = face[some].ravel()[inside], weights.reshape(-1, 3)[inside]
        points, facing = _on_mesh(in_units, faces, normals, owner, weights)
        found = source.find(points, facing, None if objects is None else objects[owner], texel)
        _write(found, inside, base[some], orm[some], known[some])
        if tangents is not None:
            _write_normals(normals, tangents, owner, weights, found, inside, relief[some])

    map_chunks(one_band, range(len(bands.start) - 1), threads=threads, on_done=on_progress)
    lost = int(((face >= 0) & ~known).sum())
    pictures = (base, orm) if tangents is None else (base, orm, relief)
    # A band each would be too little to fill from, a picture each is not.
    map_chunks(lambda pixels: fill_unknown(pixels, known), pictures, threads=threads)
    alpha_mode = choose_alpha_mode(base[known, 3])
    baked = replace(
        mesh,
        normals=normals,
        tangents=tangents,
        colors=None,
        metallic_roughness=None,
        **_materials_of(mesh, name, alpha_mode, face, base, orm, relief, source.occlusion),
    )
    return Baked(baked, alpha_mode, lost)


def _texel_length(
    points: np.ndarray, faces: np.ndarray, uvs: np.ndarray | None, size: int
) -> float:
    """How long a texel is on the mesh, in the mean over its area."""
    if uvs is None:
        return 1.0
    a, b = uvs[:, 1] - uvs[:, 0], uvs[:, 2] - uvs[:, 0]
    laid_out = np.abs(a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).sum(dtype=np.float64) / 2
    area = face_areas(points, faces).sum(dtype=np.float64)
    return float(np.sqrt(area / max(laid_out, 1e-12)) / size)


def _check(mesh: Mesh) -> None:
    faces = np.asarray(mesh.faces)
    if len(faces) == 0:
        raise EngineError("mesh_empty", "There are no triangles to bake on.", "Check the input.")
    if faces.min() < 0 or faces.max() >= len(mesh.vertices) or not np.isfinite(mesh.vertices).all():
        raise EngineError(
            "mesh_broken",
            "The mesh has triangles without corners or vertices that are not finite.",
            "Clean the mesh first.",
        )


def _materials_of(
    mesh: Mesh,
    name: str,
    alpha_mode: AlphaMode,
    face: np.ndarray,
    base: np.ndarray,
    orm: np.ndarray,
    relief: np.ndarray,
    occlusion: bool,
) -> dict:
    """One material, or two where only some faces are see-through."""
    solid = Material(
        name=name,
        metallic_factor=1.0,
        base_color_texture=Texture(np.ascontiguousarray(base[..., :3]), wrap="clamp"),
        metallic_roughness_texture=Texture(orm, wrap="clamp"),
        occlusion=occlusion,
        normal_texture=Texture(relief, wrap="clamp") if relief.size else None,
        double_sided=has_open_edges(mesh.vertices, mesh.faces),
    )
    if alpha_mode == "opaque":
        return {"materials": (solid,), "face_material": None}
    with_alpha = Texture(base, wrap="clamp")
    thin = replace(solid, alpha_mode=alpha_mode, base_color_texture=with_alpha)
    if alpha_mode == "mask":
        return {"materials": (thin,), "face_material": None}
    is_solid = solid_faces(face, np.ascontiguousarray(base[..., 3]), len(mesh.faces))
    if is_solid.all() or not is_solid.any():
        return {"materials": (thin,), "face_material": None}
    # One picture for both: an opaque material ignores its alpha.
    materials = (
        replace(solid, base_color_texture=with_alpha),
        replace(thin, name=f"{name}_see_through"),
    )
    return {"materials": materials, "face_material": (~is_solid).astype(np.int32)}


@kernel
def _on_mesh(vertices, faces, normals, owner, weights):
    """Points and normals of the mesh at corner weights."""
    points = np.empty((len(owner), 3), np.float32)
    facing = np.empty((len(owner), 3), np.float32)
    for p in range(len(owner)):
        f = owner[p]
        for i in range(3):
            x, n = np.float32(0), np.float32(0)
            for k in range(3):
                x += weights[p, k] * vertices[faces[f, k], i]
                n += weights[p, k] * normals[f, k, i]
            points[p, i], facing[p, i] = x, n
    return points, facing


@kernel
def _write(found, inside, base, orm, known):
    values, open_to_sky, near = found.values, found.open_to_sky, found.near
    size = base.shape[1]
    for p in range(len(inside)):
        if not near[p]:
            continue
        y, x = inside[p] // size, inside[p] % size
        known[y, x] = True
        orm[y, x, 0] = np.uint8(np.rint(min(max(open_to_sky[p], 0.0), 1.0) * 255))
        for channel in range(6):
            byte = np.uint8(np.rint(min(max(values[p, channel], 0.0), 1.0) * 255))
            if channel < 3:
                base[y, x, channel] = byte
            elif channel == 3:
                orm[y, x, 2] = byte
            elif channel == 4:
                orm[y, x, 1] = byte
            else:
                base[y, x, 3] = byte


@kernel
def _write_normals(normals, tangents, owner, weights, found, inside, relief):
    """The detail's normal in the frame that a viewer will make of normal, tangent and sign."""
    detail, near = found.normals, found.near
    size = relief.shape[1]
    out = np.empty(3)
    for p in range(len(owner)):
        f = owner[p]
        nx = ny = nz = tx = ty = tz = 0.0
        for k in range(3):
            weight = weights[p, k]
            nx += weight * normals[f, k, 0]
            ny += weight * normals[f, k, 1]
            nz += weight * normals[f, k, 2]
            tx += weight * tangents[f, k, 0]
            ty += weight * tangents[f, k, 1]
            tz += weight * tangents[f, k, 2]
        sign = tangents[f, 0, 3]
        bx = (ny * tz - nz * ty) * sign
        by = (nz * tx - nx * tz) * sign
        bz = (nx * ty - ny * tx) * sign
        dx = np.float64(detail[p, 0])
        dy = np.float64(detail[p, 1])
        dz = np.float64(detail[p, 2])
        # Solve x t + y b + z n = d by Cramer's rule; the frame is not quite at right angles.
        bnx, bny, bnz = by * nz - bz * ny, bz * nx - bx * nz, bx * ny - by * nx
        volume = tx * bnx + ty * bny + tz * bnz
        out[0], out[1], out[2] = 0.0, 0.0, 1.0
        if near[p] and abs(volume) > 1e-6:
            ntx, nty, ntz = ny * tz - nz * ty, nz * tx - nx * tz, nx * ty - ny * tx
            tbx, tby, tbz = ty * bz - tz * by, tz * bx - tx * bz, tx * by - ty * bx
            x = (dx * bnx + dy * bny + dz * bnz) / volume
            y = (dx * ntx + dy * nty + dz * ntz) / volume
            z = (dx * tbx + dy * tby + dz * tbz) / volume
            length = np.sqrt(x * x + y * y + z * z)
            # A normal that points into the surface is the other side of a thin wall.
            if z > 0.0 and length > 1e-6:
                out[0], out[1], out[2] = x / length, y / length, z / length
        row, column = inside[p] // size, inside[p] % size
        for i in range(3):
            relief[row, column, i] = np.uint8(np.rint((out[i] * 0.5 + 0.5) * 255))
