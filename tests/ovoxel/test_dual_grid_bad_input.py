"""Mesh to O-Voxels with what real files hold: errors that name the fault, or right results."""

import tracemalloc
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.ovoxel import DualGrid, dual_grid_to_mesh, mesh_to_dual_grid
from protocol.errors import EngineError
from tests.ovoxel.oracle import around

CORNERS = np.array([[-0.3, -0.2, 0.01], [0.4, -0.3, 0.1], [0.1, 0.35, -0.2]])
FACE = np.array([[0, 1, 2]])
WEIGHTS = ("face_weight", "boundary_weight", "regularization_weight")


def _assert_sound(grid: DualGrid, grid_size: int) -> None:
    """What every grid holds to, whatever it was made from."""
    n = len(grid.coords)
    assert grid.coords.shape == grid.dual_vertices.shape == grid.intersected.shape == (n, 3)
    assert grid.coords.dtype == np.int32
    assert grid.dual_vertices.dtype == np.float32
    assert grid.intersected.dtype == np.bool_
    assert grid.grid_size == grid_size
    cells = [(int(x), int(y), int(z)) for x, y, z in grid.coords]
    assert cells == sorted(set(cells))
    if n:
        assert grid.coords.min() >= 0
        assert grid.coords.max() < grid_size
    assert ((grid.dual_vertices >= 0) & (grid.dual_vertices <= 1)).all()  # so it is finite, too
    needed: set[tuple[int, int, int]] = set()
    for row, axis in np.argwhere(grid.intersected):
        needed.update(around(cells[row], int(axis)))
    assert needed == set(cells), "the voxels are those around the intersected edges"


def _code(*args, **options) -> str:
    with pytest.raises(EngineError) as error:
        mesh_to_dual_grid(*args, **{"grid_size": 8, **options})
    assert error.value.message
    assert error.value.hint
    return error.value.code


def test_nothing() -> None:
    assert _code(np.empty((0, 3)), np.empty((0, 3), int)) == "mesh_empty"
    assert _code(CORNERS, np.empty((0, 3), int)) == "mesh_empty"
    assert _code(np.empty((0, 3)), FACE) == "mesh_empty"


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e39, -1e300])
def test_vertices_that_are_not_finite(value: float) -> None:
    vertices = CORNERS.copy()
    vertices[1, 2] = value
    assert _code(vertices, FACE) == "mesh_not_finite"
    with pytest.raises(EngineError, match="Vertex 1 "):
        mesh_to_dual_grid(vertices, FACE, grid_size=8)


@pytest.mark.parametrize(
    "faces",
    [
        np.array([[0, 1, 3]]),
        np.array([[0, 1, -1]]),
        np.array([[0, 1, 2**31]]),
        np.array([[0, 1, 2**63]], np.uint64),
        FACE.astype(float),
        FACE.astype(bool),
        FACE.astype(object),
    ],
    ids=["3", "-1", "2^31", "2^63", "float", "bool", "object"],
)
def test_indices_that_name_nothing(faces: np.ndarray) -> None:
    assert _code(CORNERS, faces) == "mesh_index"


@pytest.mark.parametrize(
    ("vertices", "faces"),
    [
        (CORNERS[:, :2], FACE),
        (CORNERS.reshape(-1), FACE),
        (CORNERS, np.array([[0, 1, 2, 0]])),
        (CORNERS, np.array([0, 1, 2])),
    ],
)
def test_shapes(vertices: np.ndarray, faces: np.ndarray) -> None:
    assert _code(vertices, faces) == "mesh_shape"


@pytest.mark.parametrize("grid_size", [0, -1, 4097, 10**12, True, np.True_, 8.0, 8.5, "8", None])
def test_impossible_resolutions(grid_size) -> None:
    assert _code(CORNERS, FACE, grid_size=grid_size) == "grid_size"


@pytest.mark.parametrize(
    "aabb",
    [
        ((0.5, -0.5, -0.5), (-0.5, 0.5, 0.5)),
        ((-0.5, 0, -0.5), (0.5, 0, 0.5)),
        ((-0.5, -0.5, np.nan), (0.5, 0.5, 0.5)),
        ((-0.5, -0.5, -0.5), (0.5, np.inf, 0.5)),
        ((-0.5, -0.5), (0.5, 0.5)),
        ((1.0, 0.0, 0.0), (1.0 + 1e-9, 1.0, 1.0)),
        ((0.0, 0.0, 0.0), (1e-45, 1.0, 1.0)),
        ((-3e38,) * 3, (3e38,) * 3),
        ((0.0, 0.0, 0.0), (1e39, 1.0, 1.0)),
    ],
    ids=["inverted", "flat", "nan", "inf", "2D", "flat in float32", "denormal", "huge", "1e39"],
)
def test_impossible_boxes(aabb) -> None:
    assert _code(CORNERS, FACE, aabb=aabb) == "aabb"


@pytest.mark.parametrize("name", WEIGHTS)
@pytest.mark.parametrize("weight", [-1.0, -1e-9, 1e7, 1e39, np.nan, np.inf])
def test_impossible_weights(name: str, weight: float) -> None:
    assert _code(CORNERS, FACE, **{name: weight}) == "weight"


@pytest.mark.parametrize("grid_size", [1, 2, 3, 31, 4096])
def test_single_triangle(grid_size: int) -> None:
    small = CORNERS if grid_size < 100 else CORNERS / 64
    grid = mesh_to_dual_grid(small, FACE, grid_size=grid_size)
    _assert_sound(grid, grid_size)
    if grid_size == 1:  # there are no lines inside of the box
        assert len(grid.coords) == 0
    if grid_size >= 31:
        assert len(grid.coords) > 100


def test_finest_grid_takes_little_memory() -> None:
    """Work space grows with the grid's side, not with its volume. A slab of 16 x 4096^2 bytes would
    show; nothing is measured of threads' stacks or of compiled code."""
    tracemalloc.start()
    try:
        mesh_to_dual_grid(CORNERS / 64, FACE, grid_size=4096, threads=2)
        assert tracemalloc.get_traced_memory()[1] < 200e6
    finally:
        tracemalloc.stop()


def test_faces_without_area_add_nothing() -> None:
    clean = mesh_to_dual_grid(CORNERS, FACE, grid_size=16, boundary_weight=0.0)
    extra = np.array([[0, 0, 0], [1, 1, 2], [0, 1, 2], [2, 0, 2]])
    dirty = mesh_to_dual_grid(CORNERS, extra, grid_size=16, boundary_weight=0.0)
    _assert_sound(dirty, 16)
    assert {tuple(c) for c in clean.coords.tolist()} <= {tuple(c) for c in dirty.coords.tolist()}


@pytest.mark.parametrize(
    "corners",
    [
        np.zeros((3, 3)),
        np.full((3, 3), 0.125),
        np.array([[-0.4, -0.4, -0.4], [0, 0, 0], [0.4, 0.4, 0.4]]),
        np.array([[-0.4, 0.125, 0.125], [0, 0.125, 0.125], [0.4, 0.125, 0.125]]),
    ],
    ids=["point", "point on a line", "segment", "segment on a line"],
)
def test_nothing_but_faces_without_area(corners: np.ndarray) -> None:
    _assert_sound(mesh_to_dual_grid(corners, np.repeat(FACE, 3, axis=0), grid_size=8), 8)


@pytest.mark.parametrize("far", [1e6, 0.9e9])
def test_what_lies_far_outside(far: float) -> None:
    """Far triangles neither stop nor spoil what is in the box."""
    near = mesh_to_dual_grid(CORNERS, FACE, grid_size=16)
    away = np.array([[far, far, far], [far, far, 0.9 * far], [far, 0.9 * far, far]])
    both = mesh_to_dual_grid(
        np.concatenate([CORNERS, away]), np.array([[0, 1, 2], [3, 4, 5]]), grid_size=16
    )
    np.testing.assert_array_equal(near.coords, both.coords)
    np.testing.assert_array_equal(near.dual_vertices, both.dual_vertices)
    # One that reaches from the box to there.
    long = np.array([[0.1, 0.1, 0.1], [far, -far / 2, 0.3], [-far / 3, far, 0.2]])
    _assert_sound(mesh_to_dual_grid(long, FACE, grid_size=16), 16)


@pytest.mark.parametrize("far", [1e10, 1e30, 3e38])
def test_what_lies_too_far_outside(far: float) -> None:
    vertices = np.array([[0.1, 0.1, 0.1], [far, -far / 2, 0.3], [-far / 3, far, 0.2]])
    assert _code(vertices, FACE) == "mesh_extent"


@pytest.mark.parametrize("weight", [0.0, 1e-30, 1.0, 1e6])
@pytest.mark.parametrize("name", WEIGHTS)
def test_extreme_weights_give_finite_vertices(name: str, weight: float) -> None:
    # Two triangles in one plane: without regularisation the error has many minima.
    flat = np.array([[-0.3, -0.3, 0.01], [0.3, -0.3, 0.01], [0.3, 0.3, 0.01], [-0.3, 0.3, 0.01]])
    faces = np.array([[0, 1, 2], [0, 2, 3]])
    options: dict[str, Any] = {name: weight}
    _assert_sound(mesh_to_dual_grid(flat, faces, grid_size=9, **options), 9)


def test_no_weights_at_all() -> None:
    grid = mesh_to_dual_grid(
        CORNERS,
        FACE,
        grid_size=16,
        face_weight=0.0,
        boundary_weight=0.0,
        regularization_weight=0.0,
    )
    _assert_sound(grid, 16)


@pytest.mark.parametrize(
    "scale",
    [1e-2, 1e2, 1e5],
)
def test_scale_of_the_box_does_not_matter(scale: float) -> None:
    unit = mesh_to_dual_grid(CORNERS, FACE, grid_size=16)
    power = 2.0 ** np.round(np.log2(scale))  # exact in binary, so nothing may move
    half = float(0.5 * power)
    grid = mesh_to_dual_grid(
        CORNERS.astype(np.float32) * power,
        FACE,
        grid_size=16,
        aabb=((-half, -half, -half), (half, half, half)),
    )
    _assert_sound(grid, 16)
    np.testing.assert_array_equal(grid.coords, unit.coords)
    np.testing.assert_array_equal(grid.intersected, unit.intersected)


# Places that lie on grid lines, on the box and near both, beside any others.
_PLACES = st.one_of(
    st.sampled_from([-0.5, -0.25, 0.0, 0.125, 0.25, 0.5, 1e-7, -1e-7, 0.49999997, 1.0, -7.5]),
    st.floats(-0.625, 0.625, width=32),
    st.floats(-1e6, 1e6, width=32),
)


@st.composite
def _soups(draw):
    vertices = draw(st.lists(st.tuples(_PLACES, _PLACES, _PLACES), min_size=1, max_size=9))
    index = st.integers(0, len(vertices) - 1)
    faces = draw(st.lists(st.tuples(index, index, index), min_size=1, max_size=8))
    return np.array(vertices, np.float64), np.array(faces, np.int64)


@settings(max_examples=150, deadline=None)
@given(
    soup=_soups(),
    grid_size=st.integers(1, 24),
    weights=st.tuples(
        st.sampled_from([0.0, 1.0]),
        st.sampled_from([0.0, 0.2, 50.0]),
        st.sampled_from([0.0, 1e-6, 1e-2, 50.0]),
    ),
)
def test_any_soup(soup, grid_size: int, weights: tuple[float, float, float]) -> None:
    grid = mesh_to_dual_grid(
        *soup,
        grid_size=grid_size,
        face_weight=weights[0],
        boundary_weight=weights[1],
        regularization_weight=weights[2],
    )
    _assert_sound(grid, grid_size)
    mesh = dual_grid_to_mesh(grid, orient=True)
    assert np.isfinite(mesh.vertices).all()
    assert len(mesh.faces) == 2 * grid.intersected.sum()


@settings(max_examples=60, deadline=None)
@given(soup=_soups(), seed=st.integers(0, 99))
def test_order_of_faces_does_not_matter_for_the_voxels(soup, seed: int) -> None:
    vertices, faces = soup
    order = np.random.default_rng(seed).permutation(len(faces))
    turned = np.roll(faces[order], seed % 3, axis=1)
    one = mesh_to_dual_grid(vertices, faces, grid_size=10)
    other = mesh_to_dual_grid(vertices, faces[order], grid_size=10)
    np.testing.assert_array_equal(one.coords, other.coords)
    np.testing.assert_array_equal(one.intersected, other.intersected)
    _assert_sound(mesh_to_dual_grid(vertices, turned, grid_size=10), 10)


@pytest.mark.parametrize("seed", range(6))
def test_walls_an_ulp_thick_at_a_grid_line(seed: int) -> None:
    """Lines of a grid of 100 are rounded; walls beside them must not spoil the sheet they cut."""
    random = np.random.default_rng(seed)
    grid_size = 100
    aabb = ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    size = np.float32(1) / np.float32(grid_size)
    walls = []
    for line in random.integers(3, 95, 60):
        position = np.float32(line * np.float64(size))
        beside = np.nextafter(position, np.float32(random.integers(0, 2) * 2 - 1))
        y = random.uniform(0.1, 0.9, 3)
        y[2] = y[1] + random.uniform(-1, 1) * 10 ** random.uniform(-6, -1)
        x = np.array([position, beside, beside])
        walls.append(np.stack([x, y, 0.5 + random.uniform(0, 0.02, 3)], axis=1))
    side = np.linspace(0.01, 0.99, 40)
    x, y = np.meshgrid(side, side, indexing="ij")
    sheet = np.stack([x, y, 0.51 + 0.009 * np.sin(40 * x + 31 * y)], axis=2).reshape(-1, 3)
    number = np.arange(1600).reshape(40, 40)
    corner = number[:-1, :-1].ravel()
    sheet_faces = np.concatenate(
        [
            np.stack([corner, corner + 40, corner + 1], 1),
            np.stack([corner + 40, corner + 41, corner + 1], 1),
        ]
    )
    alone = mesh_to_dual_grid(sheet, sheet_faces, grid_size=grid_size, aabb=aabb)
    both = mesh_to_dual_grid(
        np.concatenate([*walls, sheet]),
        np.concatenate([np.arange(180).reshape(-1, 3), sheet_faces + 180]),
        grid_size=grid_size,
        aabb=aabb,
    )
    _assert_sound(both, grid_size)
    missing = set(map(tuple, alone.coords.tolist())) - set(map(tuple, both.coords.tolist()))
    assert not missing
    # Walls lie between z 0.5 and 0.52, and so must all that they add.
    assert both.coords[:, 2].min() >= 48 and both.coords[:, 2].max() <= 53
