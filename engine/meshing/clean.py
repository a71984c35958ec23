"""A raw mesh made fit for use: welded, closed, consistently wound, without crumbs."""

import logging
from dataclasses import dataclass, replace

import numpy as np

from engine.kernels import kernel
from engine.meshing.duplicates import has_repeated_corner, is_repeated
from engine.meshing.edges import face_areas, find_edges, parts_by_edges, parts_of
from engine.meshing.fins import is_fin
from engine.meshing.holes import close_holes
from engine.meshing.orient import orient_faces, turn_sheets
from engine.meshing.report import MeshReport, flipped_pairs, report_mesh
from engine.meshing.t_junctions import split_t_junctions
from engine.meshing.visibility import hidden_parts, look_from_outside
from engine.meshing.weld import weld_near
from protocol.errors import EngineError

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class CleanSettings:
    """How far cleaning goes. Lengths are in object space, where the asset fills the unit cube.

    Args:
        weld_distance: vertices no farther apart become one; 0 joins equal positions only.
        floater_area: parts with less than this share of the largest part's area are dropped,
        floater_diagonal: and parts whose bounding box has less than this share of the whole one's.
            A part is what edges hold together: crumbs that hang on a vertex go too.
        hole_perimeter: loops of open edges shorter than this are filled (the reference's limit),
            and stray flaps with a shorter outline dropped.
        remove_inner: drop parts that nobody outside can see, such as the inner of two shells.
    """

    weld_distance: float = 1e-6
    floater_area: float = 1e-4
    floater_diagonal: float = 1e-2
    hole_perimeter: float = 3e-2
    remove_inner: bool = True


@dataclass(frozen=True)
class CleanResult:
    """The clean mesh and what became of the old one.

    Args:
        vertices: (W, 3) float32, all of them used.
        faces: (G, 3) int32.
        source: (W,) int64 the old vertex that each one is, or lies beside where a hole was filled:
            ``attributes[source]`` carries attributes over.
        before: what the mesh was like; its ``inner_faces`` counts the faces that were found
            hidden, whether they were removed or not.
        removed: how many faces, parts or holes each step dealt with, for the recipe.
        one_sided_parts: parts that no winding makes consistent, such as Moebius strips; each keeps
            a seam of flipped edges and is otherwise left alone.
    """

    vertices: np.ndarray
    faces: np.ndarray
    source: np.ndarray
    before: MeshReport
    removed: dict[str, int]
    one_sided_parts: int


def clean_mesh(
    vertices: np.ndarray,
    faces: np.ndarray,
    settings: CleanSettings | None = None,
    *,
    see_through: np.ndarray | None = None,
    model: tuple[np.ndarray, np.ndarray] | None = None,
) -> CleanResult:
    """Weld, drop, repair, orient and close, in this order.

    Faces at vertices that are not finite are dropped like those without area. Edges of three or
    more faces stay, except those of stray flaps; O-Voxel meshes have walls.

    Args:
        vertices: (V, 3) float32.
        faces: (F, 3) int into vertices.
        settings: the defaults when None.
        see_through: (V,) bool, vertices of glass: it hides nothing, and is never dropped as hidden.
        model: vertices and faces of what the mesh was made from, where it is known; see
            ``turn_sheets``.

    Raises:
        EngineError: ``mesh_empty`` if no face is left, ``mesh_broken`` if faces point nowhere.
    """
    # Long, but a list of steps that each say what they removed, in an order that matters.
    settings = settings or CleanSettings()
    vertices, faces = checked_mesh(vertices, faces)
    removed: dict[str, int] = {}

    def drop(name: str, gone: np.ndarray) -> None:
        nonlocal faces
        removed[name] = int(gone.sum())
        if removed[name]:
            faces = faces[~gone]
        if len(faces) == 0:
            raise EngineError(
                "mesh_empty",
                f"The mesh has no usable face: {removed[name]:,} were {name.replace('_', ' ')}.",
                "Try another seed, a clearer picture or another mesh file.",
            )

    before = report_mesh(vertices, faces)
    drop("not_finite", _is_not_finite(vertices, faces))
    source, faces = _compact(faces, len(vertices))
    kept, new_index = weld_near(vertices[source], settings.weld_distance)
    source, faces = source[kept], new_index[faces].astype(np.int32)
    vertices = vertices[source]
    drop("degenerate", is_degenerate(vertices, faces, settings.weld_distance))
    drop("duplicate", is_repeated(faces, len(vertices)))
    faces, removed["t_junctions"] = split_t_junctions(vertices, faces, settings.weld_distance)
    drop("duplicate_split", is_repeated(faces, len(vertices)))
    drop("fin", is_fin(vertices, faces, settings.hole_perimeter))
    part_of_face, _ = parts_by_edges(faces, len(vertices))
    floater = _is_floater(vertices, faces, part_of_face, settings)
    removed["floater_parts"] = int(floater.sum())
    drop("floater", floater[part_of_face])
    looked = look_from_outside(vertices, faces)
    votes = looked.votes
    part_of_face, _ = parts_of(faces, len(vertices))
    if see_through is not None and see_through.any():
        hidden = _hidden_behind_solid(vertices, faces, part_of_face, see_through[source])
    else:
        hidden = hidden_parts(vertices, faces, part_of_face, looked)
    before = replace(before, inner_faces=int(hidden[part_of_face].sum()))
    if settings.remove_inner:
        removed["inner_parts"] = int(hidden.sum())
        votes = votes[~hidden[part_of_face]]
        drop("inner", hidden[part_of_face])
    oriented = orient_faces(vertices, faces, votes=votes)
    if model is not None:
        votes = np.where((oriented == faces).all(axis=1), votes, -votes)
        oriented = turn_sheets(vertices, oriented, votes, model)
    faces = oriented
    vertices, faces, beside, removed["holes"] = close_holes(
        vertices, faces, settings.hole_perimeter
    )
    # Where three faces meet, a filling may already exist.
    faces = faces[~is_repeated(faces, len(vertices))]
    source = np.concatenate([source, source[beside]])
    used, faces = _compact(faces, len(vertices))
    vertices, source = vertices[used], source[used]
    one_sided = _one_sided_parts(vertices, faces)
    logger.info("Cleaned: %s", {name: count for name, count in removed.items() if count})
    return CleanResult(vertices, faces, source, before, removed, one_sided)


def _is_not_finite(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """(F,) bool: faces with a corner that is no place."""
    if np.isfinite(vertices).all():
        return np.zeros(len(faces), dtype=bool)
    nowhere = np.asarray(~np.isfinite(vertices).all(axis=1))[faces]
    return nowhere[:, 0] | nowhere[:, 1] | nowhere[:, 2]


def _hidden_behind_solid(
    vertices: np.ndarray, faces: np.ndarray, part_of_face: np.ndarray, see_through: np.ndarray
) -> np.ndarray:
    """(P,) bool: parts without glass that nobody outside sees past what is solid."""
    clear = np.asarray(see_through[faces].any(axis=1))
    solid, part_of_solid = faces[~clear], part_of_face[~clear]
    hidden = np.zeros(int(part_of_face.max()) + 1, dtype=bool)
    if len(solid):
        looked = look_from_outside(vertices, solid)
        found = hidden_parts(vertices, solid, part_of_solid, looked)
        hidden[: len(found)] = found
    hidden[part_of_face[clear]] = False
    return hidden


def checked_mesh(vertices: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The mesh as contiguous float32 and int32.

    Raises:
        EngineError: ``mesh_empty`` without faces, ``mesh_broken`` if faces point nowhere.
    """
    vertices = np.ascontiguousarray(vertices, dtype=np.float32).reshape(-1, 3)
    faces = np.asarray(faces).reshape(-1, 3)
    if len(faces) == 0:
        raise EngineError("mesh_empty", "The mesh has no faces.", "Choose a mesh with a surface.")
    if faces.min() < 0 or faces.max() >= len(vertices):
        raise EngineError(
            "mesh_broken",
            f"A face of the mesh points at a vertex beyond its {len(vertices):,} vertices.",
            "Export the mesh again from the program it was made with.",
        )
    return vertices, np.ascontiguousarray(faces, dtype=np.int32)


def is_degenerate(vertices: np.ndarray, faces: np.ndarray, height: float) -> np.ndarray:
    """(F,) bool: faces with a corner twice, or no higher than ``height`` over a side."""
    return has_repeated_corner(faces) | _is_flat(
        np.ascontiguousarray(vertices), np.ascontiguousarray(faces, dtype=np.int32), height
    )


@kernel
def _is_flat(vertices, faces, height):
    """(F,) bool: no higher than ``height`` over the longest side."""
    flat = np.empty(faces.shape[0], np.bool_)
    sides = np.empty((3, 3))
    for f in range(faces.shape[0]):
        longest2 = 0.0
        for s in range(3):
            a, b = faces[f, s], faces[f, (s + 1) % 3]
            length2 = 0.0
            for k in range(3):
                sides[s, k] = np.float64(vertices[b, k]) - vertices[a, k]
                length2 += sides[s, k] ** 2
            longest2 = max(longest2, length2)
        x = sides[0, 1] * sides[1, 2] - sides[0, 2] * sides[1, 1]
        y = sides[0, 2] * sides[1, 0] - sides[0, 0] * sides[1, 2]
        z = sides[0, 0] * sides[1, 1] - sides[0, 1] * sides[1, 0]
        flat[f] = np.sqrt(x * x + y * y + z * z) <= height * np.sqrt(longest2)
    return flat


def _is_floater(
    vertices: np.ndarray, faces: np.ndarray, part_of_face: np.ndarray, settings: CleanSettings
) -> np.ndarray:
    """(P,) bool: parts too small to matter; never the largest one."""
    area = np.bincount(part_of_face, weights=face_areas(vertices, faces))
    if len(area) == 1:
        return np.zeros(1, dtype=bool)
    low = np.full((len(area), 3), np.inf, dtype=np.float32)
    high = -low
    for k in range(3):
        points = vertices[faces[:, k]]
        np.minimum.at(low, part_of_face, points)
        np.maximum.at(high, part_of_face, points)
    diagonal = np.linalg.norm(high - low, axis=1)
    whole = np.linalg.norm(high.max(axis=0) - low.min(axis=0))
    floater = (area < settings.floater_area * area.max()) | (
        diagonal < settings.floater_diagonal * whole
    )
    floater[area.argmax()] = False
    return floater


def _one_sided_parts(vertices: np.ndarray, faces: np.ndarray) -> int:
    """How many parts have flipped edges."""
    flipped = flipped_pairs(faces, find_edges(faces, len(vertices)))
    if len(flipped) == 0:
        return 0
    part_of_face, _ = parts_of(faces, len(vertices))
    return len(np.unique(part_of_face[flipped[:, 0] // 3]))


def _compact(faces: np.ndarray, vertex_count: int) -> tuple[np.ndarray, np.ndarray]:
    """The vertices that faces use, and the faces renumbered to them."""
    is_used = np.zeros(vertex_count, dtype=bool)
    is_used[faces] = True
    return np.flatnonzero(is_used), (np.cumsum(is_used, dtype=np.int32) - 1)[faces]
