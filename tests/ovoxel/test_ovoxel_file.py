"""O-Voxel files keep what they are given and refuse what contradicts itself."""

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.ovoxel.grid import DualGrid
from engine.ovoxel.ovoxel_file import HEADER_KEY, load_ovoxels, save_ovoxels
from engine.ovoxel.ovoxels import OVoxels
from engine.ovoxel.placement import Placement, fit_unit_cube
from engine.ovoxel.vxz import read_vxz, write_vxz
from protocol.errors import EngineError


def some_voxels(grid_size: int = 300) -> OVoxels:
    rng = np.random.default_rng(7)
    coords = np.unique(rng.integers(0, grid_size, (500, 3)), axis=0).astype(np.int32)
    grid = DualGrid(
        coords,
        rng.random((len(coords), 3), dtype=np.float32),
        rng.random((len(coords), 3)) < 0.5,
        grid_size,
        ((-1.0, -2.0, -3.0), (1.0, 2.0, 3.5)),
    )
    materials = rng.random((len(coords), 6), dtype=np.float32)
    return OVoxels(grid, materials, Placement(0.125, (1.5, -2.25, 1e-3)))


def test_round_trip(tmp_path: Path) -> None:
    given = some_voxels()
    save_ovoxels(tmp_path / "a.vxz", given)
    found = load_ovoxels(tmp_path / "a.vxz")
    np.testing.assert_array_equal(found.grid.coords, given.grid.coords)
    np.testing.assert_array_equal(found.grid.intersected, given.grid.intersected)
    assert (found.grid.grid_size, found.grid.aabb) == (given.grid.grid_size, given.grid.aabb)
    assert found.placement == given.placement
    lost = given.grid.dual_vertices - found.grid.dual_vertices
    assert lost.min() >= -1e-6
    assert lost.max() <= 1 / 255 + 1e-6
    np.testing.assert_allclose(found.materials, given.materials, atol=0.5 / 255 + 1e-6)


def test_bytes_are_the_references(tmp_path: Path) -> None:
    grid = DualGrid(
        np.array([[1, 2, 3]], np.int32),
        np.array([[0.5, 1.25, -0.25]], np.float32),
        np.array([[True, False, True]]),
        4,
    )
    materials = np.array([[0, 0.5, 1, 0.25, 2, -1]], np.float32)
    save_ovoxels(tmp_path / "a.vxz", OVoxels(grid, materials, Placement()))
    attributes = read_vxz(tmp_path / "a.vxz").attributes
    assert attributes["dual_vertices"].tolist() == [[127, 255, 0]]
    assert attributes["intersected"].tolist() == [[1 + 4]]
    assert attributes["base_color"].tolist() == [[0, 128, 255]]
    assert [attributes[name].item() for name in ("metallic", "roughness", "alpha")] == [64, 255, 0]


def plain_attributes(count: int) -> dict[str, np.ndarray]:
    return {
        "dual_vertices": np.full((count, 3), 51, np.uint8),
        "intersected": np.full((count, 1), 2, np.uint8),
    }


def test_a_file_of_the_reference(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    coords = np.array([[0, 0, 0], [32, 5, 6]], np.int32)
    write_vxz(tmp_path / "a.vxz", coords, plain_attributes(2))
    with caplog.at_level(logging.WARNING):
        found = load_ovoxels(tmp_path / "a.vxz")
    assert found.grid.grid_size == 64
    assert found.grid.intersected.tolist() == [[False, True, False]] * 2
    np.testing.assert_allclose(found.grid.dual_vertices, 0.2, atol=1e-6)
    assert found.materials.tolist() == [[1, 1, 1, 0, 1, 1]] * 2
    assert found.placement == Placement()
    assert "grid size; taking 64" in caplog.text
    assert "base_color" in caplog.text


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("dual_vertices", None),
        ("intersected", None),
        ("dual_vertices", np.zeros((2, 1), np.uint8)),
        ("intersected", np.zeros((2, 3), np.uint8)),
        ("intersected", np.full((2, 1), 8, np.uint8)),
        ("base_color", np.zeros((2, 4), np.uint8)),
    ],
)
def test_attributes_that_make_no_ovoxels(
    tmp_path: Path, name: str, values: np.ndarray | None
) -> None:
    attributes = {**plain_attributes(2), name: values}
    kept = {name: value for name, value in attributes.items() if value is not None}
    write_vxz(tmp_path / "a.vxz", np.array([[0, 0, 0], [1, 0, 0]]), kept)
    with pytest.raises(EngineError) as caught:
        load_ovoxels(tmp_path / "a.vxz")
    assert caught.value.code == "ovoxel_attributes"
    assert name in caught.value.message


GOOD = {
    "grid_size": 8,
    "aabb": [[0, 0, 0], [1, 1, 1]],
    "placement": {"scale": 1.0, "centre": [0, 0, 0]},
}


@pytest.mark.parametrize(
    "change",
    [
        {"grid_size": 7},
        {"grid_size": 0},
        {"grid_size": -8},
        {"grid_size": 8.0},
        {"grid_size": True},
        {"grid_size": 1 << 40},
        {"grid_size": "8"},
        {"aabb": [[0, 0, 0], [1, 1, 0]]},
        {"aabb": [[0, 0], [1, 1]]},
        {"aabb": 3},
        {"placement": {"scale": 0, "centre": [0, 0, 0]}},
        {"placement": {"scale": 1, "centre": [0, 0, "x"]}},
        {"placement": {"scale": 10**400, "centre": [0, 0, 0]}},
        {"placement": None},
    ],
)
def test_headers_that_contradict(tmp_path: Path, change: dict[str, Any]) -> None:
    coords = np.array([[0, 0, 0], [7, 0, 0]])
    write_vxz(tmp_path / "a.vxz", coords, plain_attributes(2), extra={"maquette": GOOD})
    load_ovoxels(tmp_path / "a.vxz")
    header = {"maquette": {**GOOD, **change}}
    write_vxz(tmp_path / "a.vxz", coords, plain_attributes(2), extra=header)
    with pytest.raises(EngineError) as caught:
        load_ovoxels(tmp_path / "a.vxz")
    assert caught.value.code == "ovoxel_header"


def test_fit_uses_only_what_faces_use() -> None:
    vertices = np.array([[1, 1, 1], [3, 1, 1], [1, 2, 1], [99, 99, 99]], np.float32)
    placement = fit_unit_cube(vertices, np.array([[0, 1, 2]]))
    assert placement.centre == (2, 1.5, 1)
    unit = placement.to_unit(vertices[:3])
    assert np.ptp(unit, axis=0).max() == pytest.approx(0.99999)
    assert np.abs(unit).max() < 0.5
    np.testing.assert_allclose(placement.to_object(unit), vertices[:3], atol=1e-6)


def test_a_changed_value_is_noticed(tmp_path: Path) -> None:
    """The container has no checksum, so a file whose values were altered is a valid container."""
    coords = np.array([[0, 0, 0], [0, 1, 2], [3, 1, 0]], np.int32)
    grid = DualGrid(coords, np.full((3, 3), 0.5, np.float32), np.ones((3, 3), bool), 4)
    path = tmp_path / "a.vxz"
    save_ovoxels(path, OVoxels(grid, np.full((3, 6), 0.5, np.float32), Placement()))
    load_ovoxels(path)
    file = read_vxz(path)
    file.attributes["metallic"][1] ^= 1
    extra = {HEADER_KEY: file.header[HEADER_KEY]}
    write_vxz(path, file.coords, file.attributes, extra=extra)
    with pytest.raises(EngineError) as caught:
        load_ovoxels(path)
    assert caught.value.code == "vxz_damaged"
