"""Meshes from parts, by attributes and with their edges given: a million faces in a tenth of a
second, where ``from_pydata`` takes seconds.

The arrays were checked when they came (``protocol.parts.check_part``); Blender checks nothing.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import bpy  # pyright: ignore[reportMissingImports]
import numpy as np

from ..protocol.layout import views

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..protocol.client import Fetched

UV_NAME, COLOR_NAME, METALLIC_ROUGHNESS_NAME = "UVMap", "Color", "Metallic Roughness"
MOST_EXACT_NORMALS = 400_000
"""Corners for which custom normals are set one by one (0.3 s); above, hard edges say the same."""
HARD_COSINE = 0.94
"""Two corners at one end of an edge whose normals differ by 20 degrees meet in a hard edge."""


@dataclass(frozen=True)
class Fit:
    """From the space of a part to that of the object: ``(point - origin) * scale``."""

    scale: float = 1.0
    origin: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def apply(self, points: "NDArray[Any]") -> "NDArray[np.float32]":
        """(N, 3) points as new contiguous float32."""
        moved = np.subtract(points, np.asarray(self.origin, np.float32), dtype=np.float32)
        moved *= np.float32(self.scale)
        return moved


def standing(points: "NDArray[Any]", height: float = 0.0) -> Fit:
    """A fit that puts the middle of the base at the origin.

    Args:
        points: (N, 3), Z up.
        height: along Z in metres; 0: as it is. What is flat gets it along its longest side.
    """
    if not len(points):
        return Fit()
    low, high = points.min(axis=0), points.max(axis=0)
    size = high - low
    long = float(size[2]) if size[2] > 1e-6 * size.max() else float(size.max())
    scale = height / long if height > 0 and long > 0 else 1.0
    middle = (low + high) / 2
    return Fit(scale, (float(middle[0]), float(middle[1]), float(low[2])))


def arrays_of(part: "Fetched") -> dict[str, "NDArray[Any]"]:
    """The arrays of a part in their shapes, without a copy."""
    layout = part.head.layout
    flat = views(layout, part.data)
    return {a.name: np.asarray(flat[a.name]).reshape(a.shape) for a in layout.arrays}


def turned(arrays: "dict[str, NDArray[Any]]", turn: "NDArray[Any]") -> "dict[str, NDArray[Any]]":
    """The same mesh turned, scaled or mirrored; a mirrored one keeps its outside outside.

    Args:
        turn: (3, 3), not singular.
    """
    new = dict(arrays)
    new["position"] = arrays["position"] @ turn.T.astype(np.float32)
    if "corner_normal" in arrays:
        normals = arrays["corner_normal"] @ np.linalg.inv(turn).astype(np.float32)
        normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
        new["corner_normal"] = normals.astype(np.float32)
    if np.linalg.det(turn) < 0:
        # Corners a, b, c become a, c, b; the edge after each of them is then another one.
        for name in ("corner_vert", "corner_uv", "corner_normal"):
            if name in new:
                new[name] = _reordered(new[name], (0, 2, 1))
        if "corner_edge" in new:
            new["corner_edge"] = _reordered(new["corner_edge"], (2, 1, 0))
    return new


def mesh_of_arrays(name: str, arrays: "dict[str, NDArray[Any]]", fit: Fit, *, exact: bool) -> Any:
    """A new mesh of triangles, with UVs, colours and hard edges where the arrays have them.

    Args:
        name: of the data-block; Blender makes it unique.
        arrays: of ``protocol.parts.MESH_ARRAYS``.
        fit: of its points.
        exact: take the very normals of the corners, which a normal map refers to.
    """
    hard = None
    if "corner_normal" in arrays and "corner_edge" in arrays:
        normals = arrays["corner_normal"]
        if not exact or len(normals) > MOST_EXACT_NORMALS:
            hard = hard_edges(arrays["corner_edge"], normals, len(arrays["edge_verts"]))
    starts = np.arange(0, len(arrays["corner_vert"]), 3, dtype=np.int32)
    if "face_polygon" in arrays and "corner_edge" in arrays:
        arrays, starts, kept = joined_quads(arrays)
        hard = None if hard is None else hard[kept]
    edges = (arrays["edge_verts"], arrays["corner_edge"]) if "edge_verts" in arrays else None
    mesh = new_mesh(name, fit.apply(arrays["position"]), arrays["corner_vert"], starts, edges)
    if "corner_uv" in arrays:
        set_uvs(mesh, UV_NAME, arrays["corner_uv"])
    if "color_srgb" in arrays:
        colors = mesh.attributes.new(COLOR_NAME, "BYTE_COLOR", "POINT")
        colors.data.foreach_set("color_srgb", arrays["color_srgb"].reshape(-1))
    if "metallic_roughness" in arrays:
        values = mesh.attributes.new(METALLIC_ROUGHNESS_NAME, "FLOAT2", "POINT")
        values.data.foreach_set("vector", arrays["metallic_roughness"].reshape(-1))
    if hard is not None and hard.any():
        attribute = mesh.attributes.new("sharp_edge", "BOOLEAN", "EDGE")
        attribute.data.foreach_set("value", hard)
    elif hard is None and exact and "corner_normal" in arrays:
        mesh.normals_split_custom_set(arrays["corner_normal"])
    return mesh


def joined_quads(
    arrays: "dict[str, NDArray[Any]]",
) -> "tuple[dict[str, NDArray[Any]], NDArray[np.int32], NDArray[np.bool_]]":
    """Triangles with one face_polygon that follow each other become quads.

    Args:
        arrays: of a mesh with its edges; mirrored ones (``turned``) too.

    Returns:
        The arrays with fewer corners and edges, (F,) first corner of each face, and (E,) bool which
        of the edges are left.
    """
    vert = arrays["corner_vert"].reshape(-1, 3)
    polygon = arrays["face_polygon"]
    one, other = vert[:-1], vert[1:]
    same = (polygon[:-1] == polygon[1:]) & (one[:, 0] == other[:, 0])
    straight = same & (one[:, 2] == other[:, 1])
    mirrored = same & (one[:, 1] == other[:, 2]) & ~straight
    pair = straight | mirrored
    pair[1:] &= ~pair[:-1]
    first = np.flatnonzero(pair)
    # The corners of a quad lie in the one of its triangles, and the last in the other.
    a = 3 * np.where(straight[first], first, first + 1)
    b = 3 * np.where(straight[first], first + 1, first)
    alone = np.ones(len(vert), bool)
    alone[first] = alone[first + 1] = False
    single = 3 * np.flatnonzero(alone)
    quads = np.stack([a, a + 1, a + 2, b + 2], axis=1)
    sides = np.stack([a, a + 1, b + 1, b + 2], axis=1)  # the edges that follow these corners
    rest = single[:, None] + np.arange(3)
    corners = np.concatenate([quads.reshape(-1), rest.reshape(-1)])
    following = np.concatenate([sides.reshape(-1), rest.reshape(-1)])
    new = {name: v for name, v in arrays.items() if not name.startswith("face_")}
    new |= {name: v[corners] for name, v in arrays.items() if name.startswith("corner_")}
    kept = np.ones(len(arrays["edge_verts"]), bool)
    kept[arrays["corner_edge"][a + 2]] = False
    number = np.cumsum(kept, dtype=np.int32) - 1
    new["edge_verts"] = arrays["edge_verts"][kept]
    new["corner_edge"] = number[arrays["corner_edge"][following]].astype(np.int32)
    begins = [4 * np.arange(len(quads)), 4 * len(quads) + 3 * np.arange(len(single))]
    return new, np.concatenate(begins).astype(np.int32), kept


def new_mesh(
    name: str,
    position: "NDArray[np.float32]",
    corner_vert: "NDArray[np.int32]",
    starts: "NDArray[np.int32]",
    edges: "tuple[NDArray[np.int32], NDArray[np.int32]] | None" = None,
) -> Any:
    """A new smooth mesh.

    Args:
        position: (V, 3).
        corner_vert: (C,) vertex of each corner.
        starts: (F,) first corner of each face, rising.
        edges: (E, 2) vertices of each edge, and (C,) the edge that follows each corner; None:
            Blender finds them, which takes ten times as long.
    """
    mesh = bpy.data.meshes.new(name)
    mesh.vertices.add(len(position))
    mesh.loops.add(len(corner_vert))
    mesh.polygons.add(len(starts))
    # Attributes are looked up each time: adding one makes references to others worthless.
    mesh.attributes["position"].data.foreach_set("vector", position.reshape(-1))
    _set_ints(mesh, ".corner_vert", "CORNER", corner_vert)
    mesh.polygons.foreach_set("loop_start", starts)
    if edges is not None:
        mesh.edges.add(len(edges[0]))
        mesh.attributes[".edge_verts"].data.foreach_set("value", edges[0].reshape(-1))
        _set_ints(mesh, ".corner_edge", "CORNER", edges[1])
    mesh.update()
    return mesh


def set_uvs(mesh: Any, name: str, corner_uv: "NDArray[np.float32]") -> str:
    """A new UV map of all corners; its name, which Blender may have made unique.

    Args:
        corner_uv: (C, 2) float32, contiguous.
    """
    name = mesh.uv_layers.new(name=name, do_init=False).name
    mesh.attributes[name].data.foreach_set("vector", corner_uv.reshape(-1))
    return name


def _reordered(values: "NDArray[Any]", order: tuple[int, int, int]) -> "NDArray[Any]":
    """Values of corners with those of each face in another order."""
    triples = values.reshape(-1, 3, *values.shape[1:])
    return np.ascontiguousarray(triples[:, order]).reshape(values.shape)


def _set_ints(mesh: Any, name: str, domain: str, values: "NDArray[np.int32]") -> None:
    attribute = mesh.attributes.get(name) or mesh.attributes.new(name, "INT", domain)
    attribute.data.foreach_set("value", values)


def hard_edges(
    corner_edge: "NDArray[np.int32]", normals: "NDArray[np.float32]", count: int
) -> "NDArray[np.bool_]":
    """(count,) whether the two faces of an edge have different normals at an end of it.

    Args:
        corner_edge: (3 F,) the edge that follows each corner.
        normals: (3 F, 3) unit vectors.
    """
    corners = np.arange(len(corner_edge), dtype=np.int32)
    one, other = np.zeros(count, np.int32), np.zeros(count, np.int32)
    # Of two writes to one place the last counts: forwards one side of an edge, backwards the other.
    one[corner_edge] = corners
    other[corner_edge[::-1]] = corners[::-1]
    following = corners + 1
    following[2::3] -= 3
    # Equal normals, nearly all, are told by one number each; the others are looked at in full.
    mixed = normals @ np.array([0.37, 0.59, 0.72], np.float32)
    hard = np.zeros(count, bool)
    for a, b in ((one, following[other]), (following[one], other)):
        some = np.flatnonzero(np.abs(mixed[a] - mixed[b]) > 1e-4)
        hard[some] |= np.einsum("ij,ij->i", normals[a[some]], normals[b[some]]) < HARD_COSINE
    hard &= one != other
    return hard
