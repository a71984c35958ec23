"""Datasets and batches of them."""

from pathlib import Path

import numpy as np
import pytest
import torch

from engine.ovoxel.ovoxel_file import load_ovoxels
from engine.training.data.dataset import Dataset, Voxels, collate
from engine.training.data.index import INDEX
from engine.training.toybox import split_of
from protocol.errors import EngineError
from tests.training.folders import build_toys, files_of

SEEDS = "0-23"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    build_toys(folder, SEEDS)
    return folder


def test_splits_do_not_overlap(folder: Path) -> None:
    splits = {name: set(Dataset(folder, name).names) for name in ("train", "held_out")}
    for name, assets in splits.items():
        assert assets == {f"toy-{s:06d}" for s in range(24) if split_of(s) == name}
    assert splits["held_out"]


def test_voxels_are_those_of_the_file(folder: Path) -> None:
    data = Dataset(folder)
    assert (data.resolutions, data.views, len(data)) == ((16, 32), 2, len(data.names))
    for resolution in data.resolutions:
        voxels = data.voxels(1, resolution)
        stored = load_ovoxels(folder / "assets" / data.names[1] / f"{resolution}.vxz")
        assert [array.dtype for array in voxels] == [np.uint16, np.uint8, np.bool_, np.uint8]
        assert np.array_equal(voxels.coords, stored.grid.coords)
        assert np.array_equal(voxels.dual(), stored.grid.dual_vertices)
        assert np.array_equal(voxels.intersected, stored.grid.intersected)
        assert np.array_equal(voxels.materials.astype(np.float32) / 255, stored.materials)
        assert data.voxel_count(1, resolution) == len(voxels.coords)


def test_files_are_read_once_while_there_is_room(folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    for name, data in files_of(folder).items():
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        (copy / name).write_bytes(data)
    (copy / INDEX).write_bytes((folder / INDEX).read_bytes())
    whole = Dataset(copy)
    room = whole.voxels(0, 16).nbytes + whole.voxels(1, 16).nbytes
    tight = Dataset(copy, cache_bytes=room)
    for index in range(3):
        tight.voxels(index, 16)
    seen = whole.picture(0, 1)
    for path in copy.glob("assets/*/*"):
        path.unlink()
    assert np.array_equal(whole.picture(0, 1), seen)
    assert tight.voxels(0, 16) is tight.voxels(0, 16)
    assert np.array_equal(tight.voxels(1, 16).coords, whole.voxels(1, 16).coords)
    with pytest.raises(EngineError) as error:
        tight.voxels(2, 16)
    assert error.value.code == "vxz_unreadable"
    with pytest.raises(EngineError) as error:
        whole.picture(3, 0)
    assert error.value.code == "dataset_damaged"


def test_a_batch(folder: Path) -> None:
    data = Dataset(folder)
    parts = [data.voxels(index, 16) for index in (2, 0, 2)]
    batch = collate(parts, "cpu")
    assert batch.topology.batch_size == 3
    assert (batch.dual_vertices.dtype, batch.materials.dtype) == (torch.float32, torch.float32)
    assert batch.intersected.dtype == torch.bool
    for number, (rows, part) in enumerate(zip(batch.topology.slices, parts, strict=True)):
        coords = batch.topology.coords[rows].numpy()
        assert (coords[:, 0] == number).all()
        assert np.array_equal(coords[:, 1:], part.coords)
        assert np.array_equal(batch.dual_vertices[rows].numpy(), part.dual())
        assert np.array_equal(batch.intersected[rows].numpy(), part.intersected)
        materials = batch.materials[rows].numpy()
        assert np.array_equal(np.rint(materials * 255).astype(np.uint8), part.materials)
        assert materials.max() <= 1


def test_an_empty_asset_keeps_its_place_in_a_batch() -> None:
    def voxels(count: int) -> Voxels:
        zeros = np.zeros((count, 3), np.uint8)
        coords = np.arange(3 * count, dtype=np.uint16).reshape(-1, 3)
        return Voxels(coords, zeros, zeros > 0, np.zeros((count, 6), np.uint8))

    batch = collate([voxels(2), voxels(0), voxels(1), voxels(0)])
    assert batch.topology.offsets == [0, 2, 2, 3, 3]


def test_what_is_not_there_is_said(folder: Path, tmp_path: Path) -> None:
    codes = []
    for action in (
        lambda: Dataset(tmp_path),
        lambda: Dataset(folder, "test"),
        lambda: Dataset(folder).voxels(0, 64),
    ):
        with pytest.raises(EngineError) as error:
            action()
        codes.append(error.value.code)
    assert codes == ["dataset_missing", "dataset_empty", "dataset_resolution"]
    (tmp_path / INDEX).write_bytes(b"this is no database, " * 50)
    with pytest.raises(EngineError) as error:
        Dataset(tmp_path)
    assert error.value.code == "dataset_damaged"
