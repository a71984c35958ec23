"""Mesh to O-Voxels and back at 256^3: what was open stays open, what was two stays two.

A grid edge has one flag however often it is crossed. Where a surface bends sharply some edges are
crossed twice, and there the result has a few slivers with a free edge although the original is
closed; so "closed" is tested away from creases. It is how the reference does it.
"""

from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest
import trimesh

from engine.ovoxel import dual_grid_to_mesh, mesh_to_dual_grid
from tests.ovoxel import distances
from tests.ovoxel.oracle import open_edges

SIZE = 256
VOXEL = 1 / SIZE
Soup = tuple[np.ndarray, np.ndarray]


def _turn(x: float, y: float, z: float) -> np.ndarray:
    return trimesh.transformations.euler_matrix(x, y, z)[:3, :3]


def _tilted(shape: trimesh.Trimesh, x: float, y: float, z: float) -> Soup:
    vertices = np.asarray(shape.vertices)
    return vertices @ _turn(x, y, z).T, np.asarray(shape.faces)


def _joined(*soups: Soup) -> Soup:
    offsets = np.cumsum([0, *(len(vertices) for vertices, _ in soups)])
    faces = [faces + offset for (_, faces), offset in zip(soups, offsets, strict=False)]
    return np.concatenate([vertices for vertices, _ in soups]), np.concatenate(faces)


def _sheet(half: float = 0.35) -> trimesh.Trimesh:
    """A square whose plane and diagonal avoid the grid's points.

    On them rounding decides which voxel owns a crossing, and by the reference's rule a crossing
    exactly on the edge between two triangles may belong to neither: a hole of one voxel.
    """
    corners = half * np.array([[-1, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]])
    corners = corners + VOXEL * np.array([0.3, 0.41, 0.37])
    return trimesh.Trimesh(corners, [[0, 1, 2], [0, 2, 3]], process=False)


def _open_box() -> Soup:
    """A box without its lid."""
    box = trimesh.creation.box(extents=(0.5, 0.4, 0.3))
    lid = np.asarray(box.face_normals)[:, 2] > 0.5
    return _tilted(trimesh.Trimesh(box.vertices, box.faces[~lid], process=False), 0.3, 0.2, 0.1)


def _t_junction() -> Soup:
    """Three sheets that meet in one edge, sharing its vertices."""
    corners = np.array([[0, -0.3, 0], [0, 0.3, 0], [0.3, -0.3, 0.02], [0.3, 0.3, 0.02]])
    corners = np.vstack([corners, [[-0.31, -0.3, 0.05], [-0.31, 0.3, 0.05]]])
    corners = np.vstack([corners, [[0.01, -0.3, 0.33], [0.01, 0.3, 0.33]]]) + 0.0013
    return corners, np.array([f for i in (2, 4, 6) for f in ((0, i, i + 1), (0, i + 1, 1))])


def _plate(thickness: float) -> Soup:
    plate = trimesh.creation.box(extents=(0.5, 0.35, thickness * VOXEL))
    return _tilted(plate, 0.21, -0.33, 0.4)


def _shells() -> Soup:
    """A ball in a ball, four voxels apart."""
    return _joined(
        *(
            _tilted(trimesh.creation.icosphere(subdivisions=1, radius=radius), 0.1, 0.2, 0.3)
            for radius in (0.3, 0.3 - 4 * VOXEL)
        )
    )


def _interpenetrating() -> Soup:
    return _joined(
        _tilted(trimesh.creation.box(extents=(0.5, 0.2, 0.2)), 0.3, 0.4, 0.1),
        _tilted(trimesh.creation.box(extents=(0.15, 0.55, 0.25)), -0.2, 0.1, 0.3),
    )


SOUPS: dict[str, Callable[[], Soup]] = {
    "sheet along the grid": lambda: _tilted(_sheet(), 0, 0, 0),
    "tilted sheet": lambda: _tilted(_sheet(), 0.4, -0.3, 0.25),
    "open box": _open_box,
    "T-junction": _t_junction,
    "nested shells": _shells,
    "plate of a third of a voxel": lambda: _plate(0.3),
    "plate of 2.5 voxels": lambda: _plate(2.5),
    "interpenetrating boxes": _interpenetrating,
}


def _there_and_back(name: str) -> tuple[Soup, Soup]:
    vertices, faces = SOUPS[name]()
    back = dual_grid_to_mesh(mesh_to_dual_grid(vertices, faces, grid_size=SIZE), orient=True)
    return (vertices, faces), (back.vertices, back.faces)


def _edge_counts(faces: np.ndarray) -> Counter:
    sides = np.sort(faces[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1).astype(np.int64)
    keys, counts = np.unique((sides[:, 0] << 32) + sides[:, 1], return_counts=True)
    return Counter(dict(zip(keys.tolist(), counts.tolist(), strict=True)))


def _open_vertices(faces: np.ndarray) -> np.ndarray:
    once = np.array([key for key, count in _edge_counts(faces).items() if count == 1], np.int64)
    return np.unique([once >> 32, once & 0xFFFFFFFF])


@pytest.mark.parametrize("name", SOUPS)
def test_distances_both_ways(name: str) -> None:
    (vertices, faces), (again, quads) = _there_and_back(name)
    assert len(quads) > 10_000
    from_back = distances.to_few(distances.sampled(again, quads, 4000), vertices, faces)
    assert from_back.max() < VOXEL
    points = np.concatenate([distances.sampled(vertices, faces, 4000), vertices[np.unique(faces)]])
    to_back = distances.to_many_small(points, again, quads, 3 * VOXEL)
    assert to_back.max() < VOXEL
    # Mostly it is far better than that; a plate within a layer of voxels becomes its middle.
    usual = 0.17 * VOXEL if name == "plate of a third of a voxel" else 0.02 * VOXEL
    assert np.median(from_back) < usual
    assert np.median(to_back) < usual


def _creases(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """(E, 3) edges between faces that are not in one plane, as triangles without area."""
    mesh = trimesh.Trimesh(vertices, faces, process=False)
    edges = np.asarray(mesh.face_adjacency_edges)[np.asarray(mesh.face_adjacency_angles) > 1e-3]
    return edges[:, [0, 1, 1]]


@pytest.mark.parametrize("name", ["sheet along the grid", "tilted sheet", "open box", "T-junction"])
def test_open_borders_stay(name: str) -> None:
    """The result's free edges follow the original's, all along, and lie nowhere in its faces."""
    (vertices, faces), (again, quads) = _there_and_back(name)
    rim = _open_vertices(quads)
    assert len(rim) > 100
    borders = np.array([(a, b, b) for a, b in open_edges(faces)])
    allowed = np.concatenate([borders, _creases(vertices, faces)])
    if name == "T-junction":
        allowed = np.concatenate([allowed, [[0, 1, 1]]])
    assert distances.to_few(again[rim].astype(np.float64), vertices, allowed).max() < VOXEL
    share = np.linspace(0, 1, 200)[:, None]
    for a, b, _ in borders:
        for point in vertices[a] + share * (vertices[b] - vertices[a]):
            assert np.linalg.norm(again[rim] - point, axis=1).min() < 2 * VOXEL


@pytest.mark.parametrize("name", ["nested shells", "interpenetrating boxes"])
def test_closed_has_no_cracks(name: str) -> None:
    """Free edges are few and at creases: none in faces or between coplanar ones."""
    (vertices, faces), (again, quads) = _there_and_back(name)
    counts = np.array(list(_edge_counts(quads).values()))
    assert (counts == 1).mean() < 2e-3
    rim = again[_open_vertices(quads)].astype(np.float64)
    assert distances.to_few(rim, vertices, _creases(vertices, faces)).max() < VOXEL


def test_open_box_gets_no_lid() -> None:
    """A ray through the opening meets the bottom only: nothing lies near the lid's middle."""
    (vertices, _), (again, _) = _there_and_back("open box")
    turn = _turn(0.3, 0.2, 0.1)
    upright = again @ turn
    middle = (np.abs(upright[:, 0]) < 0.24) & (np.abs(upright[:, 1]) < 0.19)
    assert len(vertices) == 8
    assert middle.sum() > 1000
    assert upright[middle, 2].max() < -0.15 + VOXEL


def _parts(sides: np.ndarray, count: int) -> np.ndarray:
    """(count,) the lowest vertex that each is connected to, along (S, 2) sides."""
    parts = np.arange(count)
    while True:
        lowest = parts.copy()
        for side in (0, 1):
            np.minimum.at(lowest, parts[sides[:, side]], parts[sides[:, 1 - side]])
        lowest = lowest[lowest[parts]]
        if np.array_equal(lowest, parts):
            return parts
        parts = lowest


def test_nested_shells_stay_two() -> None:
    """Two parts, each closed, each at its own radius."""
    (vertices, _), (again, quads) = _there_and_back("nested shells")
    sides = np.concatenate([quads[:, :2], quads[:, 1:]]).astype(np.int64)
    parts = _parts(sides, len(again))
    used = np.unique(quads)
    labels = np.unique(parts[used])
    assert len(labels) == 2
    reach = sorted(
        np.linalg.norm(again[used[parts[used] == part]], axis=1).max() for part in labels
    )
    expected = sorted({round(float(r), 9) for r in np.linalg.norm(vertices, axis=1)})
    np.testing.assert_allclose(reach, [expected[0], expected[-1]], atol=VOXEL)


def test_thick_plate_keeps_both_sides_and_thin_one_has_one() -> None:
    """Vertices above and below the middle: 2.5 voxels are two surfaces, a third of one is one."""
    turn = _turn(0.21, -0.33, 0.4)
    heights = {}
    for name in ("plate of 2.5 voxels", "plate of a third of a voxel"):
        _, (again, quads) = _there_and_back(name)
        upright = again[np.unique(quads)] @ turn
        inner = (np.abs(upright[:, 0]) < 0.24) & (np.abs(upright[:, 1]) < 0.165)
        heights[name] = upright[inner, 2] / VOXEL
    thick, thin = heights.values()
    assert (np.abs(np.abs(thick) - 1.25) < 0.3).mean() > 0.99
    assert 0.4 < (thick > 0).mean() < 0.6
    assert np.abs(thin).max() < 0.65
