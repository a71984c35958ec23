"""Latents of a data folder."""

from pathlib import Path

import numpy as np
import pytest

from engine.training.data.latents import LatentStore
from protocol.errors import EngineError

COUNTS = (5, 0, 64)
NAMES = ("a", "b", "c")


@pytest.fixture
def given() -> tuple[list[np.ndarray], list[np.ndarray]]:
    random = np.random.default_rng(0)
    coords = [random.integers(0, 256, (count, 3)) for count in COUNTS]
    feats = [random.normal(100, 0.5, (count, 4)).astype(np.float32) for count in COUNTS]
    return coords, feats


def test_they_come_back(given, tmp_path: Path) -> None:
    coords, feats = given
    store = LatentStore(tmp_path, "embedded-v1")
    assert not store.has("shape_64")
    store.write("shape_64", NAMES, coords, feats)
    assert store.has("shape_64")
    packed = LatentStore(tmp_path, "embedded-v1").read("shape_64")
    assert packed.names == NAMES
    assert (packed.coords.dtype, packed.feats.dtype) == (np.uint8, np.float16)
    for index in range(3):
        cells, values = packed.of(index)
        assert np.array_equal(cells, coords[index])
        assert np.array_equal(values, feats[index].astype(np.float16))
    assert packed.indices(["c", "a"]).tolist() == [2, 0]
    assert not LatentStore(tmp_path, "other").has("shape_64")


def test_statistics_are_those_of_the_assets_asked_for(given, tmp_path: Path) -> None:
    coords, feats = given
    store = LatentStore(tmp_path, "x")
    store.write("shape_64", NAMES, coords, feats)
    packed = store.read("shape_64")
    for chosen in ([0, 1, 2], [2, 1], [0]):
        rows = np.concatenate([feats[i].astype(np.float16).astype(np.float64) for i in chosen])
        mean, std = packed.statistics(chosen)
        assert mean == pytest.approx(rows.mean(axis=0), rel=1e-6)
        assert std == pytest.approx(rows.std(axis=0), rel=1e-5)
    with pytest.raises(ValueError, match="no latents"):
        packed.statistics([1])


def test_a_failed_write_leaves_the_old_ones(
    given, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    coords, feats = given
    store = LatentStore(tmp_path, "x")
    store.write("shape_64", NAMES, coords, feats)
    feats[0][0, 0] = 1e6
    with pytest.raises(ValueError, match="not finite as float16"):
        store.write("shape_64", NAMES, coords, feats)
    with pytest.raises(ValueError, match="b has coords"):
        store.write("shape_64", NAMES, coords, [feats[0], feats[0], feats[2]])
    with pytest.raises(ValueError, match="distinct"):
        store.write("shape_64", ("a", "a", "b"), coords, feats)
    assert len(store.read("shape_64")) == 3
    assert [path.name for path in store.folder.iterdir()] == ["shape_64.safetensors"]


def test_what_is_not_there_is_said(given, tmp_path: Path) -> None:
    store = LatentStore(tmp_path, "x")
    with pytest.raises(EngineError) as error:
        store.read("shape_64")
    assert error.value.code == "latents_missing"
    store.write("shape_64", NAMES, *given)
    with pytest.raises(EngineError, match="1 of 2 assets have no latents, such as d"):
        store.read("shape_64").indices(["a", "d"])
    path = store.folder / "shape_64.safetensors"
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(EngineError) as error:
        store.read("shape_64")
    assert error.value.code == "latents_damaged"
    with pytest.raises(ValueError, match="name of a file"):
        LatentStore(tmp_path, "../x")
