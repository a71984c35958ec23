"""O-Voxels to a mesh: quads by hand, their cut, and invalid grids."""

import numpy as np
import pytest

from engine.ovoxel import DualGrid, dual_grid_to_mesh
from protocol.errors import EngineError

# The four voxels around the edge that voxel (1, 1, 1) has along each axis, in walking order.
QUADS = {
    0: [(1, 1, 1), (1, 1, 2), (1, 2, 2), (1, 2, 1)],
    1: [(1, 1, 1), (2, 1, 1), (2, 1, 2), (1, 1, 2)],
    2: [(1, 1, 1), (1, 2, 1), (2, 2, 1), (2, 1, 1)],
}


def _quad_grid(axis: int, dual: dict | None = None, **changes) -> DualGrid:
    """One intersected edge; ``dual`` gives dual vertices other than the centre."""
    cells = sorted(QUADS[axis])
    flags = np.zeros((4, 3), bool)
    flags[cells.index((1, 1, 1)), axis] = True
    places = np.full((4, 3), 0.5, np.float32)
    for cell, place in (dual or {}).items():
        places[cells.index(cell)] = place
    fields = {
        "coords": np.array(cells, np.int32),
        "dual_vertices": places,
        "intersected": flags,
        "grid_size": 4,
    }
    return DualGrid(**{**fields, **changes})


def _faces_as_cells(grid: DualGrid, faces: np.ndarray) -> set[tuple]:
    """Each face as its voxels, from the lowest on, which keeps the winding."""
    found = set()
    for face in faces:
        cells = [tuple(grid.coords[row].tolist()) for row in face]
        start = cells.index(min(cells))
        found.add((*cells[start:], *cells[:start]))
    return found


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_one_quad(axis: int) -> None:
    grid = _quad_grid(axis)
    mesh = dual_grid_to_mesh(grid)
    a, b, c, d = QUADS[axis]
    assert _faces_as_cells(grid, mesh.faces) == {(a, b, c), (a, c, d)}
    np.testing.assert_allclose(mesh.vertices, (grid.coords + 0.5) / 4 - 0.5)
    assert (mesh.vertices.dtype, mesh.faces.dtype) == (np.float32, np.int32)
    p, q, r = mesh.vertices[mesh.faces[0]]
    normal = np.cross(q - p, r - p)
    assert np.flatnonzero(normal).tolist() == [axis]
    assert normal[axis] < 0  # towards the negative side, as the reference leaves it


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_missing_neighbour_gives_no_quad(axis: int) -> None:
    whole = _quad_grid(axis)
    for gone in range(1, 4):
        keep = np.array([tuple(c) != QUADS[axis][gone] for c in whole.coords.tolist()])
        grid = DualGrid(whole.coords[keep], whole.dual_vertices[keep], whole.intersected[keep], 4)
        mesh = dual_grid_to_mesh(grid)
        assert mesh.faces.shape == (0, 3)
        assert len(mesh.vertices) == 3


def test_edges_at_the_far_side_of_the_grid_are_left_out() -> None:
    coords = np.array([[3, 3, 3]], np.int32)
    mesh = dual_grid_to_mesh(
        DualGrid(coords, np.zeros((1, 3), np.float32), np.ones((1, 3), bool), 4)
    )
    assert mesh.faces.shape == (0, 3)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_cut_that_bends_less(axis: int) -> None:
    """Of random quads both cuts occur, and always the one whose two triangles bend less."""
    random = np.random.default_rng(axis)
    a, b, c, d = cells = QUADS[axis]
    chosen: list[int] = []
    for _ in range(40):
        grid = _quad_grid(axis, {cell: random.random(3) for cell in cells})
        mesh = dual_grid_to_mesh(grid)
        place = dict(zip(map(tuple, grid.coords.tolist()), mesh.vertices, strict=True))
        cuts = [((a, b, c), (a, c, d)), ((a, b, d), (d, b, c))]
        bends = [
            _cosine(*(np.array([place[cell] for cell in face]) for face in cut)) for cut in cuts
        ]
        if abs(bends[0] - bends[1]) < 1e-5:
            continue
        best = int(bends[1] > bends[0])
        assert _faces_as_cells(grid, mesh.faces) == _turned(*cuts[best])
        chosen.append(best)
    assert 5 < sum(chosen) < len(chosen) - 5


def test_first_cut_on_request() -> None:
    """What the reference does without weights: always 0-2, unless triangle 012 has no area."""
    a, b, c, d = QUADS[2]
    random = np.random.default_rng(0)
    for _ in range(10):
        grid = _quad_grid(2, {cell: random.random(3) for cell in QUADS[2]})
        faces = dual_grid_to_mesh(grid, diagonals="first").faces
        assert _faces_as_cells(grid, faces) == {(a, b, c), (a, c, d)}
    # Corners a and b in one place, on the side that their voxels share.
    folded = _quad_grid(2, {a: np.array([0.5, 1, 0.5]), b: np.array([0.5, 0, 0.5])})
    faces = dual_grid_to_mesh(folded, diagonals="first").faces
    assert _faces_as_cells(folded, faces) == _turned((a, b, d), (d, b, c))


def _cosine(first: np.ndarray, second: np.ndarray) -> float:
    n = [np.cross(t[1] - t[0], t[2] - t[0]) for t in (first, second)]
    return float(n[0] @ n[1] / np.linalg.norm(n[0]) / np.linalg.norm(n[1]))


def _turned(*faces: tuple) -> set[tuple]:
    turned = set()
    for face in faces:
        start = face.index(min(face))
        turned.add((*face[start:], *face[:start]))
    return turned


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_learned_weights_choose_the_cut(axis: int) -> None:
    a, b, c, d = QUADS[axis]
    grid = _quad_grid(axis)
    order = [grid.coords.tolist().index(list(cell)) for cell in (a, b, c, d)]
    for values, expected in (
        ((2, 1, 2, 1), {(a, b, c), (a, c, d)}),
        ((1, 2, 1, 2), _turned((a, b, d), (d, b, c))),
        ((9, 2, 1, 2), {(a, b, c), (a, c, d)}),
        ((1, 1, 1, 1), _turned((a, b, d), (d, b, c))),  # equal: as the reference does it
    ):
        weight = np.empty(4, np.float32)
        weight[order] = values
        for shape in ((4,), (4, 1)):
            mesh = dual_grid_to_mesh(grid, weight.reshape(shape))
            assert _faces_as_cells(grid, mesh.faces) == expected


@pytest.mark.parametrize("count", [0, 3, 5])
def test_weights_of_wrong_length(count: int) -> None:
    with pytest.raises(EngineError) as error:
        dual_grid_to_mesh(_quad_grid(0), np.ones(count, np.float32))
    assert error.value.code == "split_weight"


def test_no_voxels_no_mesh() -> None:
    grid = DualGrid(
        np.empty((0, 3), np.int32), np.empty((0, 3), np.float32), np.empty((0, 3), bool), 64
    )
    for orient in (False, True):
        mesh = dual_grid_to_mesh(grid, orient=orient)
        assert mesh.vertices.shape == mesh.faces.shape == (0, 3)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"coords": np.array([(1, 1, 2), (1, 1, 1), (1, 2, 1), (1, 2, 2)])}, "grid_shape"),
        ({"coords": np.array([(1, 1, 1), (1, 1, 1), (1, 2, 1), (1, 2, 2)])}, "grid_shape"),
        ({"coords": np.array([(1, 1, 1), (1, 1, 2), (1, 2, 1), (1, 2, 4)])}, "grid_shape"),
        ({"coords": np.array([(-1, 1, 1), (1, 1, 2), (1, 2, 1), (1, 2, 2)])}, "grid_shape"),
        ({"coords": np.array([(1, 1, 1), (1, 1, 2), (1, 2, 1)])}, "grid_shape"),
        ({"dual_vertices": np.zeros((3, 3), np.float32)}, "grid_shape"),
        ({"intersected": np.zeros((4, 2), bool)}, "grid_shape"),
        ({"grid_size": 2}, "grid_shape"),
        ({"grid_size": 0}, "grid_size"),
        ({"grid_size": 4097}, "grid_size"),
        ({"aabb": ((0.0, 0.0, 0.0), (0.0, 1.0, 1.0))}, "aabb"),
    ],
)
def test_grids_that_are_none(changes: dict, code: str) -> None:
    with pytest.raises(EngineError) as error:
        dual_grid_to_mesh(_quad_grid(0, **changes))
    assert error.value.code == code


def test_vertices_lie_in_the_box_of_the_grid() -> None:
    box = ((-1.0, 10.0, 0.0), (1.0, 14.0, 8.0))
    mesh = dual_grid_to_mesh(_quad_grid(0, aabb=box))
    np.testing.assert_allclose(mesh.vertices[0], [-1 + 1.5 * 0.5, 10 + 1.5, 1.5 * 2])
