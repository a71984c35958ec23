"""Consistent winding: neighbours walk their common edge in opposite directions."""

from collections import Counter

import numpy as np
import pytest
import trimesh

from engine.meshing.orient import orient_faces


def _flipped(faces: np.ndarray, seed: int) -> np.ndarray:
    """Half of the faces turned over, and all with another first corner."""
    random = np.random.default_rng(seed)
    turned = np.where(random.random(len(faces))[:, None] < 0.5, faces[:, ::-1], faces)
    shift = random.integers(0, 3, len(faces))[:, None]
    return np.take_along_axis(turned, (np.arange(3) + shift) % 3, axis=1).astype(np.int32)


def _walked_twice(faces: np.ndarray) -> int:
    """Edges that two faces walk in the same direction."""
    walks = Counter((int(f[i]), int(f[(i + 1) % 3])) for f in faces for i in range(3))
    return sum(count > 1 for count in walks.values())


def _volume(vertices: np.ndarray, faces: np.ndarray) -> float:
    a, b, c = vertices[faces].transpose(1, 0, 2)
    return float(np.einsum("ij,ij->i", a, np.cross(b, c)).sum() / 6)


def _assert_same_faces(before: np.ndarray, after: np.ndarray) -> None:
    assert after.dtype == np.int32
    np.testing.assert_array_equal(np.sort(before, axis=1), np.sort(after, axis=1))


SHAPES = {
    "box": lambda: trimesh.creation.box(),
    "sphere": lambda: trimesh.creation.icosphere(subdivisions=3),
    "torus": lambda: trimesh.creation.torus(1.0, 0.3),
}


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("seed", range(3))
def test_closed_shapes_face_outwards(name: str, seed: int) -> None:
    shape = SHAPES[name]()
    vertices = np.asarray(shape.vertices) + np.array([100.0, -40.0, 7.0])  # far from the origin
    faces = _flipped(np.asarray(shape.faces), seed)
    assert _walked_twice(faces) > 0
    result = orient_faces(vertices, faces)
    _assert_same_faces(faces, result)
    assert _walked_twice(result) == 0
    np.testing.assert_allclose(_volume(vertices, result), shape.volume, rtol=1e-6)


def test_several_parts_each_for_itself() -> None:
    parts = [SHAPES["box"](), SHAPES["sphere"](), SHAPES["torus"]()]
    offsets = np.cumsum([0, *(len(part.vertices) for part in parts)])
    vertices = np.concatenate([np.asarray(p.vertices) + 5 * i for i, p in enumerate(parts)])
    faces = np.concatenate([np.asarray(p.faces) + o for p, o in zip(parts, offsets, strict=False)])
    shuffled = _flipped(faces, 1)[np.random.default_rng(2).permutation(len(faces))]
    result = orient_faces(vertices, shuffled)
    _assert_same_faces(shuffled, result)
    assert _walked_twice(result) == 0
    for part, low, high in zip(parts, offsets, offsets[1:], strict=False):
        own = result[(result[:, 0] >= low) & (result[:, 0] < high)]
        np.testing.assert_allclose(_volume(vertices, own), part.volume, rtol=1e-6)


def test_what_is_right_stays() -> None:
    sphere = SHAPES["sphere"]()
    faces = np.asarray(sphere.faces, np.int32)
    before = faces.copy()
    np.testing.assert_array_equal(orient_faces(np.asarray(sphere.vertices), faces), before)
    np.testing.assert_array_equal(faces, before)


def test_open_sheet_becomes_consistent() -> None:
    x, y = (axis.ravel() for axis in np.meshgrid(np.arange(12), np.arange(12), indexing="ij"))
    vertices = np.stack([x, y, 0.1 * np.sin(x)], axis=1)
    corner = (12 * np.arange(11)[:, None] + np.arange(11)).ravel()
    faces = np.concatenate(
        [
            np.stack([corner, corner + 12, corner + 13], axis=1),
            np.stack([corner, corner + 13, corner + 1], axis=1),
        ]
    )
    result = orient_faces(vertices, _flipped(faces, 4))
    assert _walked_twice(result) == 0


def test_moebius_strip_keeps_one_seam() -> None:
    count = 40
    angle = np.linspace(0, 2 * np.pi, count, endpoint=False)
    edge = [
        np.stack(
            [
                (1 + w * np.cos(angle / 2)) * np.cos(angle),
                (1 + w * np.cos(angle / 2)) * np.sin(angle),
                w * np.sin(angle / 2),
            ],
            axis=1,
        )
        for w in (-0.3, 0.3)
    ]
    vertices = np.concatenate(edge)
    quads = [(i, i + 1, i + count + 1, i + count) for i in range(count - 1)]
    quads.append((count - 1, count, 0, 2 * count - 1))  # with the half turn
    faces = np.array([t for a, b, c, d in quads for t in ((a, b, c), (a, c, d))], np.int32)
    result = orient_faces(vertices, _flipped(faces, 0))
    _assert_same_faces(faces, result)
    # Every edge but those of the seam is consistent; a strip one face wide has a seam of one edge.
    assert _walked_twice(result) == 1


def test_t_junction_does_not_join_sheets() -> None:
    """Three faces at an edge say nothing about each other; each sheet is consistent by itself."""
    vertices = np.array(
        [[0, 0, 0], [0, 1, 0], [1, 0, 0], [1, 1, 0], [-1, 0, 0], [-1, 1, 0], [0, 0, 1], [0, 1, 1]],
        float,
    )
    faces = np.array([[0, 1, 2], [2, 1, 3], [0, 1, 4], [1, 4, 5], [0, 1, 6], [6, 1, 7]], np.int32)
    result = orient_faces(vertices, faces)
    _assert_same_faces(faces, result)
    for sheet in (result[:2], result[2:4], result[4:]):
        assert _walked_twice(sheet) == 0


def test_nothing_and_faces_without_area() -> None:
    vertices = np.zeros((3, 3))
    assert orient_faces(vertices, np.empty((0, 3), np.int32)).shape == (0, 3)
    faces = np.array([[0, 0, 0], [0, 1, 1], [0, 1, 2], [0, 1, 2], [2, 1, 0]], np.int32)
    _assert_same_faces(faces, orient_faces(vertices, faces))


@pytest.mark.timeout(60)
def test_hub_of_a_fan_is_quick() -> None:
    """Many faces at one vertex; comparing all with all would take minutes."""
    count = 400_000
    angle = np.linspace(0, 2 * np.pi, count, endpoint=False)
    rim = np.stack([np.cos(angle), np.sin(angle), np.zeros(count)], axis=1)
    vertices = np.concatenate([[[0, 0, 1]], rim])
    faces = np.stack(
        [np.zeros(count, int), 1 + np.arange(count), 1 + (np.arange(count) + 1) % count], axis=1
    )
    faces = _flipped(faces, 3)
    result = orient_faces(vertices, faces)
    # Every face has the hub once; turned to start there, all have to go around the same way.
    at_hub = (result == 0).argmax(axis=1)[:, None]
    _, start, end = np.take_along_axis(result, (at_hub + np.arange(3)) % 3, axis=1).T
    assert len(set(((end - start) % count).tolist())) == 1
