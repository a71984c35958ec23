"""Pieces of a file on their way to one mesh."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from engine.mesh import Material, Mesh

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Part:
    """Triangles of one material, placed in object space.

    Args:
        vertices: (V, 3) float64.
        faces: (F, 3) integer into vertices.
        uvs: (F, 3, 2) float per face corner, origin at the bottom left; None without.
        colors: (V, 4) float sRGB-encoded RGBA in [0, 1]; None without.
        metallic_roughness: (V, 2) float in [0, 1]; None without.
        material: index into the file's materials; None when it has none.
        normals: (F, 3, 3) float unit vectors per face corner; None without.
        tangents: (F, 3, 4) float per face corner, as in ``Mesh``; None without.
    """

    vertices: np.ndarray
    faces: np.ndarray
    uvs: np.ndarray | None = None
    colors: np.ndarray | None = None
    metallic_roughness: np.ndarray | None = None
    material: int | None = None
    normals: np.ndarray | None = None
    tangents: np.ndarray | None = None


def join_parts(parts: Sequence[Part], materials: Sequence[Material]) -> Mesh:
    """One mesh of all parts, in order; what some parts lack is filled with neutral values.

    Beside parts with normals, those without are flat, as glTF asks. Tangents count only when all
    parts whose material has a normal map bring theirs; they can be recomputed.

    Parts with no material get the default `Material()`, once, after the others. ``parts`` must not
    be empty.
    """
    kept = list(materials)
    if any(part.material is None for part in parts):
        kept.append(Material())
    last = len(kept) - 1
    starts = np.cumsum([0, *(len(part.vertices) for part in parts)])
    face_material = np.concatenate(
        [
            np.full(len(part.faces), last if part.material is None else part.material, np.int32)
            for part in parts
        ]
    )
    return Mesh(
        vertices=np.concatenate([part.vertices for part in parts]).astype(np.float32),
        faces=np.concatenate(
            [np.asarray(part.faces) + start for part, start in zip(parts, starts, strict=False)]
        ).astype(np.int32),
        uvs=_corner_uvs(parts),
        colors=_per_vertex("colours", [(part, part.colors) for part in parts], (1, 1, 1, 1)),
        materials=tuple(kept),
        face_material=face_material if len(kept) > 1 else None,
        metallic_roughness=_per_vertex(
            "metallic and roughness", [(part, part.metallic_roughness) for part in parts], (0, 1)
        ),
        normals=_normals(parts),
        tangents=_tangents(parts, materials),
    )


def _corner_uvs(parts: Sequence[Part]) -> np.ndarray | None:
    if all(part.uvs is None for part in parts):
        return None
    corners = [
        np.zeros((len(part.faces), 3, 2)) if part.uvs is None else part.uvs for part in parts
    ]
    return _finite("UVs", np.concatenate(corners).astype(np.float32))


def _normals(parts: Sequence[Part]) -> np.ndarray | None:
    if all(part.normals is None for part in parts):
        return None
    corners = [_flat_normals(part) if part.normals is None else part.normals for part in parts]
    return np.concatenate(corners).astype(np.float32)


def _flat_normals(part: Part) -> np.ndarray:
    a, b, c = (part.vertices[part.faces[:, k]] for k in range(3))
    normals = np.cross(b - a, c - a)
    lengths = np.linalg.norm(normals, axis=1, keepdims=True)
    normals = np.where(lengths > 0, normals / np.where(lengths > 0, lengths, 1), (0.0, 0.0, 1.0))
    return np.repeat(normals[:, None], 3, axis=1)


def _tangents(parts: Sequence[Part], materials: Sequence[Material]) -> np.ndarray | None:
    corners: list[np.ndarray] = []
    for part in parts:
        has_map = part.material is not None and materials[part.material].normal_texture is not None
        if part.tangents is None and has_map:
            return None
        if part.tangents is None:
            corners.append(np.tile(np.array([1.0, 0, 0, 1]), (len(part.faces), 3, 1)))
        else:
            corners.append(part.tangents)
    if all(part.tangents is None for part in parts):
        return None
    return np.concatenate(corners).astype(np.float32)


def _per_vertex(
    name: str, values: Sequence[tuple[Part, np.ndarray | None]], neutral: tuple[float, ...]
) -> np.ndarray | None:
    if all(value is None for _, value in values):
        return None
    rows = [
        np.tile(np.asarray(neutral, np.float32), (len(part.vertices), 1))
        if value is None
        else np.asarray(value, np.float32)
        for part, value in values
    ]
    return np.clip(_finite(name, np.concatenate(rows)), 0.0, 1.0)


def _finite(name: str, values: np.ndarray) -> np.ndarray:
    """Values with NaN and infinity set to 0: a bad UV is no reason to refuse a shape."""
    bad = ~np.isfinite(values)
    if bad.any():
        log.warning("%d values of the mesh's %s are not numbers; they count as 0", bad.sum(), name)
        return np.where(bad, np.float32(0), values)
    return values
