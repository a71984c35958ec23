"""Closed surfaces around anything."""

import numpy as np
import pytest

from engine.meshing.edges import face_normals
from engine.meshing.remesh import remesh
from engine.meshing.report import report_mesh
from protocol.errors import EngineError
from tests import meshes
from tests.meshing.test_clean import hausdorff

RESOLUTION = 64


@pytest.mark.parametrize(
    ("name", "shells"),
    [("sphere", 1), ("cloth", 1), ("nested", 1), ("moebius", 1), ("punched", 1), ("two", 2)],
)
def test_it_is_closed_and_in_place(name: str, shells: int) -> None:
    sphere = meshes.sphere(20)
    arrays = {
        "sphere": lambda: sphere,
        "cloth": lambda: meshes.grid(30, 30, 0.1),
        "nested": lambda: meshes.nested_shells(),
        "moebius": lambda: meshes.moebius(),
        "punched": lambda: meshes.punched(meshes.sphere(60), 200),
        "two": lambda: meshes.joined(
            meshes.sphere(10, 0.15), (sphere[0] * 0.4 + np.float32(0.5), sphere[1])
        ),
    }[name]()
    result = remesh(*arrays, RESOLUTION)
    report = report_mesh(result.vertices, result.faces)
    assert report.open_edges == report.non_manifold_edges == report.flipped_edges == 0
    assert report.components == shells
    assert signed_volume(result.vertices, result.faces) > 0
    # Only what could be seen counts: of nested shells, the outer one.
    visible = sphere if name == "nested" else arrays
    assert hausdorff((result.vertices, result.faces), visible) < 1.8 * cell_of(arrays)


def cell_of(arrays: meshes.Arrays) -> float:
    vertices, faces = arrays
    return float(np.ptp(vertices[faces], axis=(0, 1)).max()) / RESOLUTION


def signed_volume(vertices: np.ndarray, faces: np.ndarray) -> float:
    first = vertices[faces[:, 0]].astype(np.float64)
    return float((first * face_normals(vertices, faces)).sum() / 6)


@pytest.mark.parametrize("thickness", [0.05, 0.004])
def test_thin_plates_do_not_swell(thickness: float) -> None:
    top = meshes.grid(8, 8)
    bottom = (top[0] - np.array([0, 0, thickness], np.float32), top[1][:, ::-1])
    plate = meshes.joined(top, bottom)
    result = remesh(*plate, RESOLUTION)
    extent = np.ptp(result.vertices[:, 2])
    assert abs(extent - thickness) < 0.1 * cell_of(plate)
    assert report_mesh(result.vertices, result.faces).open_edges == 0


def test_random_dust_still_gives_a_manifold() -> None:
    """Cells that meet in edges and corners in every way."""
    random = np.random.default_rng(3)
    centers = random.integers(0, 12, (300, 1, 3)) / 12
    corners = centers + 0.01 + 0.02 * random.random((300, 3, 3))
    vertices = corners.reshape(-1, 3).astype(np.float32)
    result = remesh(vertices, np.arange(900).reshape(-1, 3), 12)
    report = report_mesh(result.vertices, result.faces)
    assert report.open_edges == report.non_manifold_edges == report.flipped_edges == 0


def test_bad_input() -> None:
    vertices, faces = meshes.sphere(4)
    for bad_vertices, bad_faces, resolution, code in (
        (vertices, faces[:0], 64, "mesh_empty"),
        (vertices * np.nan, faces, 64, "mesh_not_finite"),
        (vertices, faces, 4, "remesh_resolution"),
        (vertices, faces, 1024, "remesh_resolution"),
    ):
        with pytest.raises(EngineError) as error:
            remesh(bad_vertices, bad_faces, resolution)
        assert error.value.code == code
    flat = remesh(np.eye(3, dtype=np.float32), np.array([(0, 1, 2)]), 16)
    assert report_mesh(flat.vertices, flat.faces).open_edges == 0
