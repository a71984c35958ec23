"""Pieces of a file on their way to one mesh."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from engine.mesh import Material, Mesh

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Part:
    """Triangles of a file, placed in object space.

    Args:
        vertices: (V, 3) float64; parts that have the same array share these vertices.
        faces: (F, 3) integer into vertices.
        uvs: (F, 3, 2) float per face corner, origin at the bottom left; None without.
        colors: (V, 4) float sRGB-encoded RGBA in [0, 1]; None without.
        metallic_roughness: (V, 2) float in [0, 1]; None without.
        material: index into the file's materials, None when it has none; or (F,) integer, for each
            face, -1 where that has none.
        normals: (F, 3, 3) float unit vectors per face corner; None without.
        tangents: (F, 3, 4) float per face corner, as in ``Mesh``; None without.
        object: number and name of the object in its file; None where the format has none.
    """

    vertices: np.ndarray
    faces: np.ndarray
    uvs: np.ndarray | None = None
    colors: np.ndarray | None = None
    metallic_roughness: np.ndarray | None = None
    material: int | np.ndarray | None = None
    normals: np.ndarray | None = None
    tangents: np.ndarray | None = None
    object: tuple[int, str] | None = None


def join_parts(
    parts: Sequence[Part],
    materials: Sequence[Material],
    *,
    note: Callable[[str], None] = log.warning,
) -> Mesh:
    """One mesh of all parts, in order; what some parts lack is filled with neutral values.

    Beside parts with normals, those without are flat, as glTF asks. Tangents count only when all
    parts whose material has a normal map bring theirs; they can be recomputed.

    Faces without a material get the default `Material()`, once, after the others. ``parts`` must
    not be empty. Vertices stay in double precision.

    Args:
        note: gets a sentence on values that are not numbers.
    """
    face_material = np.concatenate([_materials_of_faces(part) for part in parts])
    kept = list(materials)
    plain = face_material < 0
    if plain.any():
        face_material[plain] = len(kept)
        kept.append(Material())
    first_of: dict[int, int] = {}
    owners: list[Part] = []
    starts: list[int] = []
    vertices = 0
    for part in parts:
        if id(part.vertices) not in first_of:
            first_of[id(part.vertices)] = vertices
            vertices += len(part.vertices)
            owners.append(part)
        starts.append(first_of[id(part.vertices)])
    objects = dict.fromkeys(part.object for part in parts)
    number = {each: index for index, each in enumerate(objects)}
    return Mesh(
        vertices=_joined([part.vertices for part in owners], np.float64),
        faces=_joined(
            [
                part.faces + start if start else part.faces
                for part, start in zip(parts, starts, strict=True)
            ],
            np.int32,
        ),
        uvs=_corner_uvs(parts, note),
        colors=_per_vertex("colours", [(part, part.colors) for part in owners], (1, 1, 1, 1), note),
        materials=tuple(kept),
        face_material=face_material if len(kept) > 1 else None,
        metallic_roughness=_per_vertex(
            "metallic and roughness",
            [(part, part.metallic_roughness) for part in owners],
            (0, 1),
            note,
        ),
        normals=_normals(parts),
        tangents=_tangents(parts, materials),
        objects=() if None in number else tuple(each[1] for each in objects if each),
        face_object=np.repeat(
            np.array([number[part.object] for part in parts], np.int32),
            [len(part.faces) for part in parts],
        )
        if len(number) > 1 and None not in number
        else None,
    )


def _joined(arrays: Sequence[np.ndarray], dtype: type) -> np.ndarray:
    """All rows of all arrays; the only array itself where it is of that type."""
    if len(arrays) == 1:
        return np.ascontiguousarray(arrays[0], dtype)
    return np.concatenate(arrays, dtype=dtype, casting="unsafe")


def _materials_of_faces(part: Part) -> np.ndarray:
    material = -1 if part.material is None else part.material
    return np.broadcast_to(material, len(part.faces)).astype(np.int32)


def _corner_uvs(parts: Sequence[Part], note: Callable[[str], None]) -> np.ndarray | None:
    if all(part.uvs is None for part in parts):
        return None
    corners = [
        np.zeros((len(part.faces), 3, 2), np.float32) if part.uvs is None else part.uvs
        for part in parts
    ]
    return _finite("UVs", _joined(corners, np.float32), note)


def _normals(parts: Sequence[Part]) -> np.ndarray | None:
    if all(part.normals is None for part in parts):
        return None
    corners = [_flat_normals(part) if part.normals is None else part.normals for part in parts]
    return _joined(corners, np.float32)


def _flat_normals(part: Part) -> np.ndarray:
    a, b, c = (part.vertices[part.faces[:, k]] for k in range(3))
    normals = np.cross(b - a, c - a)
    lengths = np.linalg.norm(normals, axis=1, keepdims=True)
    normals = np.where(lengths > 0, normals / np.where(lengths > 0, lengths, 1), (0.0, 0.0, 1.0))
    return np.repeat(normals[:, None], 3, axis=1)


def _tangents(parts: Sequence[Part], materials: Sequence[Material]) -> np.ndarray | None:
    if all(part.tangents is None for part in parts):
        return None
    corners: list[np.ndarray] = []
    for part in parts:
        used = np.unique(_materials_of_faces(part)).tolist()
        has_map = any(k >= 0 and materials[k].normal_texture is not None for k in used)
        if part.tangents is None and has_map:
            return None
        if part.tangents is None:
            corners.append(np.tile(np.array([1.0, 0, 0, 1]), (len(part.faces), 3, 1)))
        else:
            corners.append(part.tangents)
    return _joined(corners, np.float32)


def _per_vertex(
    name: str,
    values: Sequence[tuple[Part, np.ndarray | None]],
    neutral: tuple[float, ...],
    note: Callable[[str], None],
) -> np.ndarray | None:
    if all(value is None for _, value in values):
        return None
    rows = [
        np.tile(np.asarray(neutral, np.float32), (len(part.vertices), 1))
        if value is None
        else value
        for part, value in values
    ]
    return np.clip(_finite(name, _joined(rows, np.float32), note), 0.0, 1.0)


def _finite(name: str, values: np.ndarray, note: Callable[[str], None]) -> np.ndarray:
    """Values with NaN and infinity set to 0: a bad UV is no reason to refuse a shape."""
    # The least and the largest say so without an array of answers.
    if values.size and not (np.isfinite(values.min()) and np.isfinite(values.max())):
        bad = ~np.isfinite(values)
        note(f"{int(bad.sum()):,} values of the mesh's {name} are not numbers; they count as 0.")
        return np.where(bad, np.float32(0), values)
    return values
