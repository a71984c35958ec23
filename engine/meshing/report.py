"""What is wrong with a mesh, in numbers."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np

from engine.meshing.distortion import distortion
from engine.meshing.duplicates import has_repeated_corner, is_repeated
from engine.meshing.edges import Edges, face_areas, find_edges, parts_of, side_ends
from engine.meshing.weld import weld_positions


@dataclass(frozen=True)
class MeshReport:
    """Counts over a whole mesh, in the order they are shown.

    Args:
        open_edges: edges of one face; ``boundary_loops`` counts their connected groups.
        non_manifold_edges: edges of three or more faces.
        components: parts that share no vertex.
        flipped_edges: edges of two faces that walk them in the same direction.
        degenerate_faces: with a corner twice or no area; the former count nowhere else.
        duplicate_faces: with the same corners as an earlier face.
        inner_faces: that cleaning found behind others; None where it did not look.
        charts: connected pieces of the UV layout; None without UVs.
        texel_density: median over charts of UV length per length of surface; times the side of the
            texture gives texels per unit. None without UVs.
        texel_density_spread: densest over thinnest chart, without 5 % of the area at either end.
        area_distortion, area_distortion_95, angle_distortion, angle_distortion_95: of the layout,
            see ``Distortion``; 1 is none. None without UVs.
    """

    vertices: int
    faces: int
    open_edges: int
    boundary_loops: int
    non_manifold_edges: int
    components: int
    flipped_edges: int
    degenerate_faces: int
    duplicate_faces: int
    inner_faces: int | None = None
    charts: int | None = None
    texel_density: float | None = None
    texel_density_spread: float | None = None
    area_distortion: float | None = None
    area_distortion_95: float | None = None
    angle_distortion: float | None = None
    angle_distortion_95: float | None = None

    def to_dict(self) -> dict[str, int | float]:
        """For a recipe: what was counted, without what was not looked for or is infinite."""
        return {
            name: value
            for name, value in asdict(self).items()
            if value is not None and np.isfinite(value)
        }

    def __str__(self) -> str:
        return in_words(self.to_dict())


def in_words(numbers: Mapping[str, int | float]) -> str:
    """Named numbers for people: "open edges 1,234, texel density 56.78"."""
    return ", ".join(
        f"{name.replace('_', ' ')} {value:,.4g}"
        if isinstance(value, float)
        else f"{name.replace('_', ' ')} {value:,}"
        for name, value in numbers.items()
    )


def report_mesh(
    vertices: np.ndarray,
    faces: np.ndarray,
    uvs: np.ndarray | None = None,
) -> MeshReport:
    """Examine a mesh without welding: vertices at equal positions stay separate.

    Args:
        vertices: (V, 3) float32.
        faces: (F, 3) int32.
        uvs: (F, 3, 2) float32 per corner.
    """
    repeats = has_repeated_corner(faces)
    proper = np.ascontiguousarray(faces[~repeats] if repeats.any() else faces, dtype=np.int32)
    edges = find_edges(proper, len(vertices))
    counts = edges.counts
    starts, ends = side_ends(proper, edges.sides_of_open_edges())
    _, loops = parts_of(np.stack([starts, ends], axis=1), len(vertices))
    _, parts = parts_of(proper, len(vertices))
    areas = face_areas(vertices, proper)
    charts, density, spread = (None, None, None)
    area, area_95, angle, angle_95 = (None, None, None, None)
    if uvs is not None and len(faces):
        charts, density, spread = _layout(uvs, faces, face_areas(vertices, faces))
        area, area_95, angle, angle_95 = distortion(vertices, faces, uvs)
    return MeshReport(
        vertices=len(vertices),
        faces=len(faces),
        open_edges=int((counts == 1).sum()),
        boundary_loops=loops,
        non_manifold_edges=int((counts > 2).sum()),
        components=parts,
        flipped_edges=len(flipped_pairs(proper, edges)),
        degenerate_faces=int(repeats.sum()) + int((~(areas > 0)).sum()),
        duplicate_faces=int(is_repeated(proper, len(vertices)).sum()),
        charts=charts,
        texel_density=density,
        texel_density_spread=spread,
        area_distortion=area,
        area_distortion_95=area_95,
        angle_distortion=angle,
        angle_distortion_95=angle_95,
    )


def flipped_pairs(faces: np.ndarray, edges: Edges) -> np.ndarray:
    """(N, 2) int32: both sides of the edges of two faces that walk them in the same direction."""
    pairs = edges.pairs()
    return pairs[side_ends(faces, pairs[:, 0])[0] == side_ends(faces, pairs[:, 1])[0]]


def _layout(uvs: np.ndarray, faces: np.ndarray, areas: np.ndarray) -> tuple[int, float, float]:
    """Charts, median density and spread of density."""
    corners = np.column_stack([faces.reshape(-1, 1), uvs.reshape(-1, 2)]).astype(np.float64)
    _, corner = weld_positions(corners)
    chart_of_face, charts = parts_of(corner.reshape(-1, 3), int(corner.max()) + 1)
    a, b = uvs[:, 1] - uvs[:, 0], uvs[:, 2] - uvs[:, 0]
    uv_areas = np.abs(a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).astype(np.float64) / 2
    chart_area = np.bincount(chart_of_face, weights=areas, minlength=charts)
    chart_uv = np.bincount(chart_of_face, weights=uv_areas, minlength=charts)
    some = chart_area > 0
    density = np.sqrt(chart_uv[some] / chart_area[some])
    if not len(density):
        return charts, 0.0, 1.0
    order = np.argsort(density)
    share = np.cumsum(chart_area[some][order]) / chart_area.sum()
    low = density[order][min(np.searchsorted(share, 0.05), len(order) - 1)]
    high = density[order][min(np.searchsorted(share, 0.95), len(order) - 1)]
    return charts, float(np.median(density)), float(high / low) if low > 0 else float("inf")
