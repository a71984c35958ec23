"""Data folders: what gets into them, what does not and why, stops and resumption."""

import errno
import multiprocessing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from engine.export.mesh_file import save_mesh
from engine.finishing.convert import mesh_file_to_ovoxels, mesh_to_ovoxels
from engine.ovoxel.ovoxel_file import load_ovoxels, save_ovoxels
from engine.ovoxel.placement import Placement
from engine.report import Report
from engine.training.data import make_asset
from engine.training.data.build import build
from engine.training.data.dataset import Dataset
from engine.training.data.make_asset import BuildSettings
from engine.training.data.sources import find_sources
from engine.training.toybox import make_toy
from protocol.errors import EngineError
from tests.finishing.shapes import box
from tests.training.folders import SMALL, assert_whole, build_toys, entries_of, files_of


@pytest.fixture
def meshes(tmp_path: Path) -> Path:
    """Two good files, a broken one, one that cannot be read and one that is no mesh."""
    folder = tmp_path / "meshes"
    (folder / "things").mkdir(parents=True)
    save_mesh(box((2, 1, 1), (5, 0, 0)), folder / "box.ply")
    save_mesh(box((1, 1, 3)), folder / "things" / "box.ply")
    (folder / "broken.glb").write_bytes(b"glTF\2\0\0\0 and then nothing")
    (folder / "gone.stl").symlink_to(tmp_path / "nowhere.stl")
    (folder / "notes.txt").write_text("no mesh")
    return folder


def test_a_folder_of_files(meshes: Path, tmp_path: Path) -> None:
    out = tmp_path / "data"
    seen: list[tuple[int, int, int]] = []
    report = build(
        find_sources(str(meshes), "train"),
        out,
        SMALL,
        processes=1,
        on_progress=lambda *numbers: seen.append(numbers),
    )
    assert (report.made, report.skipped) == (2, 0)
    assert [entry.name.rpartition("-")[0] for entry in report.failed] == ["broken", "gone"]
    assert "broken.glb cannot be read as glb" in report.failed[0].reason
    assert "gone.stl: No such file" in report.failed[1].reason
    assert [done for done, _, _ in seen] == [1, 2, 3, 4]
    assert seen[-1] == (4, 4, 2)
    assert_whole(out)

    data = Dataset(out)
    assert sorted(data.families) == ["", "things"]
    plain = data.families.index("")
    converted = tmp_path / "box.vxz"
    mesh_file_to_ovoxels(meshes / "box.ply", converted, Report(), resolution=32)
    place = out / "assets" / data.names[plain] / "32.vxz"
    assert place.read_bytes() == converted.read_bytes()
    assert data.voxel_count(plain, 32) == len(load_ovoxels(converted).grid.coords)
    picture = data.picture(plain, 1)
    assert picture.shape == (24, 24, 4)
    assert 0.2 < (picture[..., 3] > 0).mean() < 0.9
    assert data.camera(plain, 0) != data.camera(plain, 1)


def test_toys(tmp_path: Path) -> None:
    build_toys(tmp_path, "4-5")
    entries = entries_of(tmp_path)
    assert list(entries) == ["toy-000004", "toy-000005"]
    for seed in (4, 5):
        toy = make_toy(seed)
        entry = entries[f"toy-{seed:06d}"]
        assert entry.family == toy.family
        stored = load_ovoxels(tmp_path / "assets" / entry.name / "16.vxz")
        direct = mesh_to_ovoxels(toy.mesh, Placement(), 16, Report())
        assert stored.placement == Placement()
        assert np.array_equal(stored.grid.coords, direct.grid.coords)
        assert np.abs(stored.materials - direct.materials).max() <= 0.5 / 255 + 1e-6


def test_o_voxels_are_taken_where_their_resolution_fits(meshes: Path, tmp_path: Path) -> None:
    folder = tmp_path / "voxels"
    folder.mkdir()
    for resolution in (16, 32, 64):
        target = folder / f"grid{resolution}.vxz"
        mesh_file_to_ovoxels(meshes / "box.ply", target, Report(), resolution=resolution)
    out = tmp_path / "data"
    report = build(find_sources(str(folder), "train"), out, SMALL, processes=1)
    assert report.made == 2
    assert "grid16.vxz is a grid of 16^3, which 32^3" in report.failed[0].reason
    assert_whole(out)
    (same,) = out.glob("assets/grid32-*/32.vxz")
    assert same.read_bytes() == (folder / "grid32.vxz").read_bytes()
    counts = {n.partition("-")[0]: e.voxels for n, e in entries_of(out).items() if e.ok}
    # A box of 32 x 16 x 16 cells; its surface, and that of the surface of its finer O-Voxels.
    assert counts["grid64"][32] == pytest.approx(counts["grid32"][32], rel=0.2)
    assert counts["grid32"][16] == pytest.approx(counts["grid32"][32] / 4, rel=0.35)


def test_a_stopped_build_goes_on(tmp_path: Path) -> None:
    def stop(done: int, total: int, failed: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_toys(tmp_path, on_progress=stop)
    assert len(entries_of(tmp_path)) == 2
    assert_whole(tmp_path)
    ages = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.vxz")}
    # Left by a process that was killed: files of an asset that the index does not know.
    for half in (tmp_path / "assets" / "toy-000002", tmp_path / "unfinished" / "toy-000003"):
        half.mkdir(parents=True)
        (half / "16.vxz").write_bytes(b"half")
    report = build_toys(tmp_path)
    assert (report.made, report.skipped) == (2, 2)
    assert_whole(tmp_path)
    assert {path: path.stat().st_mtime_ns for path in ages} == ages
    assert build_toys(tmp_path).made == 0


def test_two_processes_make_what_one_makes(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    build_toys(one, "0-15")

    def stop(done: int, total: int, failed: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_toys(two, "0-15", processes=2, on_progress=stop)
    assert 3 <= len(entries_of(two)) < 16
    assert_whole(two)
    build_toys(two, "0-15", processes=2)
    assert files_of(one) == files_of(two)
    assert entries_of(one) == entries_of(two)
    assert multiprocessing.active_children() == []


def test_a_killed_worker_is_told_and_the_build_goes_on_later(tmp_path: Path) -> None:
    def kill(done: int, total: int, failed: int) -> None:
        for child in multiprocessing.active_children():
            child.kill()

    with pytest.raises(EngineError, match="ended from outside") as error:
        build_toys(tmp_path, "0-11", processes=2, on_progress=kill)
    assert error.value.code == "build_worker"
    assert_whole(tmp_path)
    build_toys(tmp_path, "0-11")
    assert_whole(tmp_path)
    assert len(entries_of(tmp_path)) == 12


@pytest.mark.parametrize("where", ["voxels", "pictures"])
def test_a_full_disk_stops_and_the_build_goes_on_later(
    where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = 0
    full = OSError(errno.ENOSPC, "No space left on device")

    def write(path: Path, data: bytes) -> int:
        nonlocal written
        written += 1
        if written > 5:  # in the middle of an asset
            path.touch()
            raise full
        path.touch()
        with path.open("wb") as file:
            return file.write(data)

    def save(path: Path, voxels) -> None:
        nonlocal written
        written += 1
        if written > 5:
            raise make_asset.unwritable(path, full)
        save_ovoxels(path, voxels)

    with monkeypatch.context() as patch:
        if where == "voxels":
            patch.setattr(make_asset, "save_ovoxels", save)
        else:
            patch.setattr(Path, "write_bytes", write)
        with pytest.raises(EngineError) as error:
            build_toys(tmp_path)
    assert error.value.code == "disk_full"
    assert str(tmp_path) in error.value.message
    assert len(entries_of(tmp_path)) == 2
    assert_whole(tmp_path)
    assert build_toys(tmp_path).made == 2
    assert_whole(tmp_path)


def test_failures_are_tried_again_only_when_asked(meshes: Path, tmp_path: Path) -> None:
    out = tmp_path / "data"
    sources = find_sources(str(meshes), "train")
    build(sources, out, SMALL, processes=1)
    save_mesh(box((1, 2, 3)), meshes / "broken.glb")
    report = build(sources, out, SMALL, processes=1)
    assert (report.made, len(report.failed)) == (0, 2)
    report = build(sources, out, SMALL, processes=1, retry=True)
    assert (report.made, len(report.failed)) == (1, 1)
    assert_whole(out)


def test_an_unforeseen_error_costs_one_asset(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def make(seed: int):
        if seed == 1:
            raise ZeroDivisionError("one over none")
        return make_toy(seed)

    monkeypatch.setattr(make_asset, "make_toy", make)
    report = build_toys(tmp_path, "0-2")
    assert report.made == 2
    assert "ZeroDivisionError: one over none" in report.failed[0].reason
    assert "Traceback" in caplog.text


@pytest.mark.parametrize(
    ("other", "difference"),
    [
        (replace(SMALL, resolutions=(16,)), "resolutions [16, 32] there, [16] asked for"),
        (replace(SMALL, views=3, picture=9), "views 2 there, 3 asked for; picture 24 there, 9"),
    ],
)
def test_other_settings_are_refused(other: BuildSettings, difference: str, tmp_path: Path) -> None:
    build_toys(tmp_path, "0-0")
    with pytest.raises(EngineError) as error:
        build(find_sources("toybox:0-1"), tmp_path, other, processes=1)
    assert error.value.code == "build_differs"
    assert difference in error.value.message


def test_names_belong_to_one_source(meshes: Path, tmp_path: Path) -> None:
    out = tmp_path / "data"
    build(find_sources(str(meshes), "train"), out, SMALL, processes=1)
    meshes.rename(tmp_path / "others")
    with pytest.raises(EngineError, match="was made from") as error:
        build(find_sources(str(tmp_path / "others"), "train"), out, SMALL, processes=1)
    assert error.value.code == "build_name"


def test_a_folder_is_built_by_one_at_a_time(tmp_path: Path) -> None:
    codes: list[str] = []

    def intrude(done: int, total: int, failed: int) -> None:
        for action in (lambda: build_toys(tmp_path), lambda: Dataset(tmp_path)):
            with pytest.raises(EngineError) as error:
                action()
            codes.append(error.value.code)

    build_toys(tmp_path, "0-0", on_progress=intrude)
    assert codes == ["dataset_busy", "dataset_busy"]


@pytest.mark.parametrize(
    ("wanted", "split", "code"),
    [
        ("toybox:5-3", None, "source_seeds"),
        ("toybox:many", None, "source_seeds"),
        ("toybox:0-3", "train", "source_split"),
        ("nowhere", None, "source_missing"),
        (".", None, "source_empty"),
    ],
)
def test_sources_that_are_none(
    wanted: str, split, code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(EngineError) as error:
        find_sources(wanted, split)
    assert error.value.code == code


def test_files_are_split_by_their_names(tmp_path: Path) -> None:
    for number in range(200):
        (tmp_path / f"{number} of 200.stl").touch()
    sources = find_sources(str(tmp_path))
    held_out = sum(source.split == "held_out" for source in sources)
    assert 4 <= held_out <= 26
    assert {s.split for s in find_sources(str(tmp_path), "held_out")} == {"held_out"}
    assert len({source.name for source in sources}) == 200
    assert all(" " not in source.name for source in sources)


@pytest.mark.parametrize(
    "settings",
    [BuildSettings((), 1, 8), BuildSettings((0,), 1, 8), BuildSettings((8,), -1, 8),
     BuildSettings((8,), 1, 0)],
)  # fmt: skip
def test_settings_that_are_impossible(settings: BuildSettings, tmp_path: Path) -> None:
    with pytest.raises(EngineError) as error:
        build(find_sources("toybox:0-0"), tmp_path / "data", settings)
    assert error.value.code == "build_settings"
