"""Counts known by hand."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from engine.meshing.edges import find_edges, parts_of
from engine.meshing.nearest import nearest_on_surface
from engine.meshing.report import report_mesh
from tests import meshes


def test_counts_of_a_broken_sheet() -> None:
    vertices, faces = meshes.grid(2, 2)
    faces = np.concatenate([faces, faces[:1, [1, 2, 0]], [[0, 0, 1]], [[0, 4, 5]]]).astype(np.int32)
    report = report_mesh(vertices, faces)
    assert report.faces == 11
    assert report.duplicate_faces == 1
    assert report.degenerate_faces == 1
    assert report.non_manifold_edges > 0
    assert "open edges" in str(report)
    assert report.to_dict()["faces"] == 11
    assert "inner_faces" not in report.to_dict()


def test_charts_and_texel_density() -> None:
    vertices, faces = meshes.grid(4, 4)
    uvs = (vertices[faces][..., :2] + 0.5) / 2
    report = report_mesh(vertices, faces, uvs)
    assert report.charts == 1
    assert report.texel_density is not None
    assert report.texel_density_spread is not None
    np.testing.assert_allclose([report.texel_density, report.texel_density_spread], [0.5, 1])
    apart = uvs.copy()
    apart[0] += 0.5
    assert report_mesh(vertices, faces, apart).charts == 2
    assert report_mesh(vertices, faces, uvs * 0).texel_density == 0


def test_an_empty_mesh_has_a_report() -> None:
    report = report_mesh(np.zeros((0, 3), np.float32), np.zeros((0, 3), np.int32))
    assert set(report.to_dict().values()) == {0}


@given(st.integers(3, 9), st.integers(1, 40), st.integers(0, 2**32 - 1))
def test_edges_and_parts_match_a_dictionary(nodes: int, count: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    faces = np.array([random.permutation(nodes)[:3] for _ in range(count)], dtype=np.int32)
    expected: dict[tuple[int, int], list[int]] = {}
    for side, (a, b) in enumerate(np.stack([faces, np.roll(faces, -1, 1)], 2).reshape(-1, 2)):
        expected.setdefault((min(a, b), max(a, b)), []).append(side)
    edges = find_edges(faces, nodes)
    groups = [sorted(g.tolist()) for g in np.split(edges.sides, edges.first[1:-1])]
    assert groups == [expected[key] for key in sorted(expected)]
    parts, part_count = parts_of(faces, nodes)
    assert part_count == len(np.unique(parts))
    for i in range(count):
        for j in range(count):
            if set(faces[i]) & set(faces[j]):
                assert parts[i] == parts[j]


def test_nearest_points_match_dense_samples() -> None:
    surface = meshes.sphere(6)
    points = np.random.default_rng(1).uniform(-0.9, 0.9, (60, 3))
    nearest, face = nearest_on_surface(*surface, points)
    dense = meshes.sampled(surface, 60_000)
    least = np.linalg.norm(dense[None] - points[:, None], axis=2).min(axis=1)
    found = np.linalg.norm(nearest - points, axis=1)
    assert (found <= least + 1e-9).all()
    assert (least - found < 0.01).all()
    corners = surface[0][surface[1][face]].astype(np.float64)
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    assert np.abs(((nearest - corners[:, 0]) * normal).sum(axis=1)).max() < 1e-6
