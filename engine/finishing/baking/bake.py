"""Textures of a simplified mesh from the O-Voxels it was made from."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from engine.finishing.baking.atlas import BAND_ROWS, bands_of, fill_atlas, place_corners
from engine.finishing.baking.detail import Detail, detail_of
from engine.finishing.baking.edges import has_open_edges
from engine.finishing.baking.fill import fill_unknown
from engine.finishing.baking.project import project
from engine.host.parallel import map_chunks
from engine.kernels import kernel
from engine.mesh import AlphaMode, Material, Mesh, Texture
from engine.meshing.alpha import choose_alpha_mode, solid_faces
from engine.meshing.normals import CREASE_DEGREES, corner_normals
from engine.meshing.tangents import corner_tangents
from engine.ovoxel import OVoxels, sample_attributes
from engine.ovoxel.lookup import build_lookup, find_row
from protocol.errors import EngineError

log = logging.getLogger(__name__)

_VOXEL_RINGS = 6
"""How far, in voxels, the nearest voxel is searched where none touches a point."""


@dataclass(frozen=True)
class Baked:
    """A textured mesh and what was noticed while it was made.

    Args:
        mesh: the simplified mesh with materials, normals and, with a normal map, tangents.
        charts: (S, S) bool, texels that belong to a triangle.
        alpha_mode: of the materials; with "blend", faces that are solid all over have an opaque
            material of their own, so that viewers need not sort them.
        lost: texels that found no surface near; they are padded like the background.
    """

    mesh: Mesh
    charts: np.ndarray
    alpha_mode: AlphaMode
    lost: int


def bake(
    mesh: Mesh,
    voxels: OVoxels,
    *,
    size: int = 2048,
    detail: Detail | None = None,
    normal_map: bool = False,
    crease_degrees: float = CREASE_DEGREES,
    name: str = "material",
    on_progress: Callable[[int, int], None] | None = None,
    threads: int | None = None,
) -> Baked:
    """Bake base colour with alpha, ORM, and on demand a normal map.

    Each texel's point on the mesh moves to the nearest point of the detailed surface and takes the
    trilinear mean of the voxels around it, over those that are there (as TRELLIS.2 does); where
    there is none, the nearest voxel's values. ORM has in R how much of the sky the detailed surface
    sees, roughness in G, metallic in B. Normals are in tangent space by MikkTSpace, green upwards,
    as glTF wants them. All texels outside of charts are padding.

    Args:
        mesh: simplified, with UVs inside 0..1 that do not overlap, in the box of the grid;
            its own ``normals`` are kept if there are any.
        voxels: what it was made from, at least one; materials beyond [0, 1] are clamped.
        size: side of the square textures in texels, 16 to 8192.
        detail: of the surface that was simplified; None: of the voxels' own.
        normal_map: whether to bake the detailed surface's normals.
        crease_degrees: which edges of the mesh are hard, see ``corner_normals``.
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
        normals = corner_normals(vertices, faces, crease_degrees=crease_degrees, threads=threads)
    tangents = None
    if normal_map and mesh.uvs is not None:
        tangents = corner_tangents(vertices, faces, mesh.uvs, normals)
    grid = voxels.grid
    if detail is None:
        raw = voxels.grid_surface
        detail = detail_of(grid, raw.vertices, raw.faces, threads=threads)
    lookup = build_lookup(grid.coords)
    # The last column becomes 1 where any voxel was found.
    materials = np.clip(np.asarray(voxels.materials, np.float32), 0, 1)
    feats = np.column_stack([materials, np.ones(len(materials))]).astype(np.float32)
    in_voxels = np.ascontiguousarray(grid.in_voxels(vertices), np.float32)

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
        points, facing = _on_mesh(in_voxels, faces, normals, owner, weights)
        landed = project(detail.surface, points, facing)
        found, open_to_sky = landed.triangle >= 0, np.ones(len(points), np.float32)
        relief_normals = np.zeros_like(points)
        _on_surface(detail, landed, facing, points, relief_normals, open_to_sky)
        values = sample_attributes(grid.coords, feats, points, lookup=lookup, threads=1)
        _nearest_voxels(lookup, feats, points, values)
        values[:, 6] *= found
        _write(values, open_to_sky, inside, base[some], orm[some], known[some])
        if tangents is not None:
            _write_normals(
                normals, tangents, owner, weights, relief_normals, found, inside, relief[some]
            )

    map_chunks(one_band, range(len(bands.start) - 1), threads=threads, on_done=on_progress)
    charts = face >= 0
    lost = int((charts & ~known).sum())
    if lost:
        log.warning("%d texels are too far from the O-Voxels and are filled from around", lost)
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
        **_materials_of(mesh, name, alpha_mode, face, base, orm, relief, detail.occlusion),
    )
    return Baked(baked, charts, alpha_mode, lost)


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
def _on_surface(detail, landed, facing, points, normals, open_to_sky):
    """Move points to where they landed; its unit normals, and the share of the sky that the side
    on which the point lies sees there."""
    surface, sky = detail.surface, detail.sky
    corners, faces, corner_normals = surface.corners, surface.faces, surface.normals
    triangle, weights = landed.triangle, landed.weights
    for p in range(len(points)):
        t = triangle[p]
        if t < 0:
            continue
        size, along = 0.0, 0.0
        for i in range(3):
            x, n = np.float32(0), np.float32(0)
            for k in range(3):
                x += weights[p, k] * corners[t, k, i]
                n += weights[p, k] * corner_normals[t, k, i]
            points[p, i], normals[p, i] = x, n
            size += n * n
            along += n * facing[p, i]
        for i in range(3):
            normals[p, i] /= max(np.sqrt(size), 1e-12)
        side = 0 if along >= 0 else 1
        open_to_sky[p] = 0
        for k in range(3):
            open_to_sky[p] += weights[p, k] * sky[faces[t, k], side]


@kernel
def _nearest_voxels(lookup, feats, points, values):
    """Values of the nearest voxel where trilinear sampling found none (last column 0)."""
    for p in range(len(points)):
        if values[p, 6] > 0.5:
            continue
        x, y, z = points[p, 0], points[p, 1], points[p, 2]
        i, j, k = int(np.floor(x)), int(np.floor(y)), int(np.floor(z))
        nearest, least = np.int64(-1), np.inf
        for a in range(i - _VOXEL_RINGS, i + _VOXEL_RINGS + 1):
            for b in range(j - _VOXEL_RINGS, j + _VOXEL_RINGS + 1):
                for c in range(k - _VOXEL_RINGS, k + _VOXEL_RINGS + 1):
                    away = (a + 0.5 - x) ** 2 + (b + 0.5 - y) ** 2 + (c + 0.5 - z) ** 2
                    if away < least:
                        row = find_row(lookup, 0, a, b, c)
                        if row >= 0:
                            nearest, least = row, away
        if nearest >= 0:
            values[p] = feats[nearest]


@kernel
def _write(values, open_to_sky, inside, base, orm, known):
    size = base.shape[1]
    for p in range(len(inside)):
        if values[p, 6] < 0.5:
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
def _write_normals(normals, tangents, owner, weights, detail, found, inside, relief):
    """The detail's normal in the frame that a viewer will make of normal, tangent and sign."""
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
        if found[p] and abs(volume) > 1e-6:
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
