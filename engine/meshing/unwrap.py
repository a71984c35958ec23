"""UVs for a mesh that has none, in bounded time."""

import time
from dataclasses import dataclass

import numpy as np

from engine.kernels import kernel
from engine.meshing.charts import connected, cut_into_charts, of_polygons
from engine.meshing.clean import checked_mesh
from engine.meshing.edges import face_normals, faces_across
from engine.meshing.flatten import flatten_charts
from engine.meshing.pack import pack_charts
from protocol.errors import EngineError
from protocol.finishes import check_texture_size

MAX_SHARES = (1.0, 1 / 25)
"""Charts may be as large as this share of the surface; smaller ones, which pack better, are tried
when large ones leave much of the texture empty."""
GOOD_COVER = 0.65
MANY_CHARTS = 300
_MOST_FLAT, _MOST_OVERLAP, _SAMPLES = 0.05, 0.02, 2048
"""Of UVs that are given: the share of faces without area, the share of the samples that are covered
by several faces, and samples along each side of the unit square."""


@dataclass(frozen=True)
class UnwrapSettings:
    """How to unwrap.

    Args:
        texture_size: side of the texture in texels, 16 to 8192.
        padding: least distance between charts in texels: 2 keep linear filtering apart (about 4
            lie between them on average); filling the gaps is left to baking.
        time_limit: processor seconds of this process after which blocks of faces take the place of
            charts. By the clock a busy machine would give other UVs for the same job.
    """

    texture_size: int = 2048
    padding: float = 2.0
    time_limit: float = 120.0


@dataclass(frozen=True)
class Unwrapped:
    """A mesh whose vertices are split along the seams.

    Args:
        vertices: (W, 3) float32.
        faces: (F, 3) int32, the same faces in the same order.
        uvs: (W, 2) float32 per vertex in [0, 1], origin at the bottom left.
        source: (W,) int64 the old vertex of each.
        chart_of_face: (F,) int32 from 0.
        method: ``charts``, or ``blocks`` when time ran out or no face has an area.
        seconds: how long it took.
        out_of_time: whether that is why there are blocks.
    """

    vertices: np.ndarray
    faces: np.ndarray
    uvs: np.ndarray
    source: np.ndarray
    chart_of_face: np.ndarray
    method: str
    seconds: float
    out_of_time: bool = False

    @property
    def corner_uvs(self) -> np.ndarray:
        """(F, 3, 2) float32, as ``Mesh.uvs`` holds them."""
        return self.uvs[self.faces]


def unwrap_mesh(
    vertices: np.ndarray,
    faces: np.ndarray,
    settings: UnwrapSettings | None = None,
    *,
    polygons: np.ndarray | None = None,
) -> Unwrapped:
    """Cut a mesh into charts, lay them flat without overlap or mirroring, and pack them.

    The same mesh and settings give the same UVs, unless the time runs out in between: then each
    pair of faces gets a square block of its own, which is valid but wastes texture on seams.

    Args:
        vertices: (V, 3) float32.
        faces: (F, 3) int32, wound consistently; faces without area get a place too.
        settings: the defaults when None.
        polygons: (F,) whole numbers, the polygon that each triangle is a piece of: no seam cuts it
            (but when the time runs out). One that is not flat may overlap itself. None: triangles.

    Raises:
        EngineError: ``mesh_empty``, ``mesh_broken``, ``mesh_not_finite``, ``texture_size``.
    """
    settings = settings or UnwrapSettings()
    vertices, faces = checked_mesh(vertices, faces)
    _check(vertices, settings)
    begin, spent = time.monotonic(), time.process_time()

    def out_of_time() -> bool:
        return time.process_time() - spent >= settings.time_limit

    normals = face_normals(vertices, faces)
    neighbours = faces_across(vertices, faces)
    piece_of = None if polygons is None else np.unique(polygons, return_inverse=True)[1]
    best, best_cover, late = None, 0.0, False
    for max_share in MAX_SHARES if normals.any() else ():
        made = _in_charts(
            vertices, faces, normals, neighbours, piece_of, settings, max_share, out_of_time
        )
        if made is None:
            late = True
            break
        flat, uvs = made
        cover = uv_area(uvs[flat.faces])
        if cover > best_cover:
            best, best_cover = made, cover
        if cover >= GOOD_COVER or flat.chart_of_face.max() >= MANY_CHARTS:
            break
    if best is None:
        return _in_blocks(vertices, faces, settings, begin, late)
    flat, uvs = best
    return Unwrapped(
        vertices[flat.source],
        flat.faces,
        uvs,
        flat.source,
        flat.chart_of_face,
        "charts",
        time.monotonic() - begin,
    )


def uv_area(corner_uvs: np.ndarray) -> float:
    """Area of all faces in the UV square, from (F, 3, 2) corners."""
    a, b = (corner_uvs[:, k].astype(np.float64) - corner_uvs[:, 0] for k in (1, 2))
    return float(np.abs(a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).sum() / 2)


def _in_charts(vertices, faces, normals, neighbours, piece_of, settings, max_share, out_of_time):
    """Flat charts and (W, 2) float32 UVs of their vertices; None when out of time."""
    areas = np.linalg.norm(normals, axis=1) / 2
    if out_of_time():
        return None
    corners = vertices[faces]
    sides = np.linalg.norm(np.roll(corners, -1, axis=1) - corners, axis=2)
    chart = cut_into_charts(normals, areas, sides, neighbours, max_share, out_of_time)
    if chart is None:
        return None
    if piece_of is not None:
        chart = connected(of_polygons(chart, piece_of), neighbours)
    step = float(np.sqrt(areas.sum() / 0.7)) / (2 * settings.texture_size)
    flat = flatten_charts(vertices, faces, chart, neighbours, step, out_of_time, piece_of)
    if flat is None or out_of_time():
        return None
    uvs = pack_charts(
        flat.points,
        flat.faces,
        flat.chart_of_face,
        flat.chart_of_vertex,
        settings.padding / settings.texture_size,
        out_of_time,
    )
    return None if uvs is None else (flat, uvs.astype(np.float32))


def uvs_are_valid(uvs: np.ndarray | None) -> bool:
    """Whether a texture can be baked into given UVs; see ``uv_fault``."""
    return uv_fault(uvs) is None


def uv_fault(uvs: np.ndarray | None) -> str | None:
    """Why no texture can be baked into given UVs, to be said after "The UVs"; None where it can.

    It can when all lie in 0..1, enough faces have area, and few samples belong to several faces.

    Args:
        uvs: (F, 3, 2) per corner, or None.
    """
    if uvs is None or len(uvs) == 0:
        return "are missing"
    if not np.isfinite(uvs).all():
        return "are not numbers"
    if uvs.min() < -1e-4 or uvs.max() > 1 + 1e-4:
        return "leave the unit square"
    a, b = uvs[:, 1] - uvs[:, 0], uvs[:, 2] - uvs[:, 0]
    if (a[:, 0] * b[:, 1] == a[:, 1] * b[:, 0]).mean() > _MOST_FLAT:
        return "have no area"
    counts = count_cover(uvs, _SAMPLES)
    covered = int((counts > 0).sum())
    if not covered:
        return "have no area"
    return "overlap" if (counts > 1).sum() > _MOST_OVERLAP * covered else None


def count_cover(uvs: np.ndarray, samples: int) -> np.ndarray:
    """(samples, samples) uint8: how many faces cover each texel's middle, row 0 at v = 0."""
    return _count(np.ascontiguousarray(uvs, dtype=np.float64) * samples, samples)


def _check(vertices: np.ndarray, settings: UnwrapSettings) -> None:
    if not np.isfinite(vertices).all():
        raise EngineError(
            "mesh_not_finite", "The mesh has vertices that are not numbers.", "Clean it first."
        )
    check_texture_size(settings.texture_size)


def _in_blocks(vertices, faces, settings, begin, late) -> Unwrapped:
    """Two faces in each block of a square grid, as right triangles with a gap between them."""
    per_row = int(np.ceil(np.sqrt((len(faces) + 1) // 2)))
    block = np.arange(len(faces)) // 2
    corner = np.stack([block % per_row, block // per_row], axis=1)[:, None, :] / per_row
    gap = min(settings.padding / settings.texture_size * per_row, 0.5) / 2
    lower = np.array([[gap, gap], [1 - 2.5 * gap, gap], [gap, 1 - 2.5 * gap]])
    triangle = np.where((np.arange(len(faces)) % 2 == 0)[:, None, None], lower, 1 - lower)
    return Unwrapped(
        vertices[faces.reshape(-1)],
        np.arange(3 * len(faces), dtype=np.int32).reshape(-1, 3),
        (corner + triangle / per_row).reshape(-1, 2).astype(np.float32),
        faces.reshape(-1).astype(np.int64),
        np.arange(len(faces), dtype=np.int32),
        "blocks",
        time.monotonic() - begin,
        late,
    )


@kernel
def _count(uvs, size):
    counts = np.zeros((size, size), np.uint8)
    for f in range(uvs.shape[0]):
        ax, ay = uvs[f, 0, 0], uvs[f, 0, 1]
        bx, by = uvs[f, 1, 0], uvs[f, 1, 1]
        cx, cy = uvs[f, 2, 0], uvs[f, 2, 1]
        area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
        if area == 0.0:
            continue
        x0, x1 = max(0, int(min(ax, bx, cx))), min(size - 1, int(max(ax, bx, cx)))
        y0, y1 = max(0, int(min(ay, by, cy))), min(size - 1, int(max(ay, by, cy)))
        for y in range(y0, y1 + 1):
            for x in range(x0, x1 + 1):
                px, py = x + 0.5, y + 0.5
                u = ((bx - px) * (cy - py) - (by - py) * (cx - px)) / area
                v = ((cx - px) * (ay - py) - (cy - py) * (ax - px)) / area
                # Well inside: float32 UVs move common sides a little.
                if u > 1e-4 and v > 1e-4 and u + v < 1.0 - 1e-4 and counts[y, x] < 255:
                    counts[y, x] += 1
    return counts
