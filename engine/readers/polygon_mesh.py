"""Meshes of polygons with values at their corners, as USD and FBX have them, made into parts."""

from dataclasses import dataclass

import numpy as np

from engine.meshing.parts import Part
from engine.readers.gltf_frames import corner_normals, placed_normals
from engine.readers.polygons import triangulate
from engine.readers.source import Broken

MOST_FACES = 50_000_000
"""Triangles of all copies of meshes together: a file of a few bytes may ask for any number."""

BYTES_OF_FACE = 4
"""Of a file, for which one of its triangles stands where time and memory go by the bytes."""


@dataclass(frozen=True)
class PolygonMesh:
    """Triangles in a mesh's own space, to be placed once or more.

    Args:
        vertices: (V, 3) float64.
        faces: (F, 3) integer, counter-clockwise from outside.
        uvs: (F, 3, 2) float, origin at the bottom left; None without.
        colors: (V, 4) float, sRGB-encoded; None without.
        normals: (F, 3, 3) float of any length; None without.
        material: (F,) integer, -1 for none.
    """

    vertices: np.ndarray
    faces: np.ndarray
    uvs: np.ndarray | None
    colors: np.ndarray | None
    normals: np.ndarray | None
    material: np.ndarray

    def placed(self, object_from_mesh: np.ndarray) -> Part:
        """The triangles under a transform (4, 4); a mirror keeps front faces in front."""
        turn = object_from_mesh[:3, :3]
        vertices = self.vertices @ turn.T + object_from_mesh[:3, 3]
        mirrored = float(np.linalg.det(turn)) < 0
        normals = None
        if self.normals is not None:
            normals = placed_normals(self.normals.reshape(-1, 3), turn)
        if normals is not None:
            corners = np.arange(self.faces.size).reshape(-1, 3)
            ends = vertices[self.faces].reshape(-1, 3)
            normals = corner_normals(normals, ends, corners, mirrored)
        faces, uvs = self.faces, self.uvs
        if mirrored:
            faces = faces[:, ::-1]
            uvs, normals = (None if v is None else v[:, ::-1] for v in (uvs, normals))
        return Part(vertices, faces, uvs, self.colors, material=self.material, normals=normals)


def polygon_mesh(
    points: np.ndarray,
    corners: np.ndarray,
    counts: np.ndarray,
    *,
    material: np.ndarray,
    uvs: np.ndarray | None = None,
    colors: np.ndarray | None = None,
    normals: np.ndarray | None = None,
    clockwise: bool = False,
    kept: np.ndarray | None = None,
) -> PolygonMesh:
    """The triangles of polygons.

    Args:
        points: (V, 3) float64.
        corners: (C,) integer, the points of all polygons one after the other.
        counts: (P,) integer, how many corners each polygon has.
        material: (P,) integer.
        uvs, colors, normals: (C, 2), (C, 4) and (C, 3) of corners; None without.
        clockwise: whether polygons show their front where they run clockwise.
        kept: (P,) bool, which polygons count; None for all.

    Raises:
        Broken: counts that do not fit the corners, or corners that are no points.
    """
    if (counts < 0).any() or int(counts.sum()) != len(corners):
        raise Broken("it has a mesh whose faces do not fit their corners")
    places, owner = triangulate(points, corners, counts)
    if kept is not None:
        places, owner = places[kept[owner]], owner[kept[owner]]
    if clockwise:
        places = places[:, ::-1]
    vertices, faces, of_vertices = points, corners[places], None
    if colors is not None:
        points_of_corner, vertex, of_vertices = _split(corners, colors)
        vertices, faces = points[points_of_corner], vertex[places]
    return PolygonMesh(
        vertices,
        faces,
        None if uvs is None else uvs[places],
        of_vertices,
        None if normals is None else normals[places],
        material[owner],
    )


def _split(corners: np.ndarray, colors: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Vertices of which each has one colour: point of each, vertex of each corner, colours."""
    steps = np.rint(np.clip(np.nan_to_num(colors), 0, 1) * 255).astype(np.uint64)
    shifts = np.array([24, 16, 8, 0], np.uint64)
    key = (corners.astype(np.uint64) << np.uint64(32)) | (steps << shifts).sum(
        axis=1, dtype=np.uint64
    )
    _, first, vertex = np.unique(key, return_index=True, return_inverse=True)
    return corners[first], vertex.reshape(-1), colors[first]
