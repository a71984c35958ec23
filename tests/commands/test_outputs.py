"""What is there already is replaced only by what was made from the same source, or by --force."""

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import trimesh
from typer.testing import CliRunner, Result

from engine.cli import app
from engine.commands.outputs import MOST_ENTRIES, Outputs, files_of
from engine.export.mesh_file import save_mesh
from engine.export.obj_names import files_beside
from engine.mesh import Material, Texture
from engine.render.picture_files import picture_files
from protocol.finishes import FinishChoice
from tests.finishing.shapes import box

A, B = b"one picture", b"another"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MAQUETTE_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def made(home: Path, target: Path, source: Path, *, force: bool = False) -> Path:
    with Outputs(home, force=force).claimed([target], [[source]]) as (place,):
        place.write_bytes(b"made from " + source.read_bytes())
    return place


def test_the_same_source_replaces_and_another_gets_a_number(home: Path, tmp_path: Path) -> None:
    a, b, target = tmp_path / "a.png", tmp_path / "b.png", tmp_path / "out.glb"
    a.write_bytes(A)
    b.write_bytes(B)
    assert made(home, target, a) == target
    assert made(home, target, a) == target
    assert made(home, target, b) == tmp_path / "out_2.glb"
    assert made(home, target, b) == tmp_path / "out_2.glb"
    assert target.read_bytes() == b"made from " + A
    b.write_bytes(A)  # other contents at the same place, and the contents of another place
    assert made(home, target, b) == target
    assert made(home, target, b, force=True) == target


def test_what_somebody_else_wrote_or_changed_stays(home: Path, tmp_path: Path) -> None:
    a, target = tmp_path / "a.png", tmp_path / "out.glb"
    a.write_bytes(A)
    target.write_bytes(b"not ours")
    assert made(home, target, a) == tmp_path / "out_2.glb"
    (tmp_path / "out_2.glb").write_bytes(b"edited since")
    assert made(home, target, a) == tmp_path / "out_3.glb"
    assert target.read_bytes() == b"not ours"


def test_the_folder_of_an_asset_counts(home: Path, tmp_path: Path) -> None:
    a = tmp_path / "a.png"
    a.write_bytes(A)
    folder = tmp_path / "out.maquette"
    folder.mkdir()
    (folder / "asset.vxz").write_bytes(b"of something else")
    with Outputs(home).claimed([tmp_path / "out.glb"], [[a]], folders=True) as (place,):
        assert place == tmp_path / "out_2.glb"


def test_files_of_levels_of_detail_count(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    a, b = tmp_path / "a.png", tmp_path / "b.png"
    a.write_bytes(A)
    b.write_bytes(B)
    choice = FinishChoice(finish="game", levels=3, lods="files")
    target = tmp_path / "out.glb"
    expected = [target, *(tmp_path / f"out_LOD{i}.glb" for i in range(3))]
    assert files_of([target], choice) == expected
    assert files_of([target], None) == files_of([target], FinishChoice(lods="files")) == [target]

    def written(source: Path) -> Path:
        with Outputs(home).claimed([target], [[source]], choice=choice) as (place,):
            for file in files_of([place], choice)[1:]:
                file.write_bytes(source.read_bytes())
        return place

    assert written(a) == written(a) == target
    assert written(b) == tmp_path / "out_2.glb"
    told = "".join(capsys.readouterr().err.split())
    assert f"{expected[1]}isthere" in told and f"theresultis{tmp_path / 'out_2_LOD0.glb'}" in told
    assert expected[1].read_bytes() == A and not target.exists()
    expected[3].write_bytes(b"edited")
    assert written(a) == tmp_path / "out_3.glb"
    assert expected[3].read_bytes() == b"edited"


def test_every_frame_of_a_turntable_counts(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    a, target = tmp_path / "a.glb", tmp_path / "e#.png"
    a.write_bytes(A)
    (tmp_path / "e2.png").write_bytes(b"not ours")
    (tmp_path / "e3.png").write_bytes(b"not ours, and in nobody's way")

    def written(frames: int) -> list[str]:
        with Outputs(home).claimed([target], [[a]], frames=frames) as (place,):
            files = picture_files(place, frames)
            for file in files:
                file.write_bytes(A)
        return [file.name for file in files]

    expected = ["e0_2.png", "e1_2.png", "e2_2.png"]
    assert written(3) == written(3) == expected
    told = "".join(capsys.readouterr().err.split())
    assert f"{tmp_path / 'e2.png'}isthere" in told
    assert f"theresultis{tmp_path / 'e0_2.png'}" in told
    assert written(2) == ["e0.png", "e1.png"]
    assert (tmp_path / "e2.png").read_bytes() == b"not ours"


@pytest.mark.parametrize("taken", ["x.mtl", "x_base_color.png", "x_normal_3.png"])
def test_files_beside_an_obj_count(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], taken: str
) -> None:
    a, target = tmp_path / "a.glb", tmp_path / "x.obj"
    a.write_bytes(A)
    (tmp_path / "x_normal_map.png").write_bytes(b"of another name")

    def written() -> str:
        with Outputs(home).claimed([target], [[a]]) as (place,):
            place.write_bytes(A)
            for end in (".mtl", "_base_color.png", "_normal_3.png"):
                place.with_name(place.stem + end).write_bytes(A)
        return place.name

    assert written() == written() == "x.obj" and not capsys.readouterr().err
    (tmp_path / taken).write_bytes(b"edited since")
    assert written() == written() == "x_2.obj"
    assert (tmp_path / taken).read_bytes() == b"edited since"
    told = "".join(capsys.readouterr().err.split())
    assert f"{tmp_path / taken}isthere" in told and f"theresultis{tmp_path / 'x_2.obj'}" in told


def test_long_names_of_obj_files_are_numbered_with_all_beside_them(
    home: Path, tmp_path: Path
) -> None:
    a, target = tmp_path / "a.glb", tmp_path / f"{'x' * 240}.obj"
    a.write_bytes(A)
    files_beside(target)[0].write_bytes(b"not ours")
    with Outputs(home).claimed([target], [[a]]) as (place,):
        assert place.stem == f"{target.stem}_2" and not files_beside(place)[0].exists()


def test_two_targets_of_one_run_do_not_meet(home: Path, tmp_path: Path) -> None:
    a, target = tmp_path / "a.png", tmp_path / "out.glb"
    a.write_bytes(A)
    with Outputs(home).claimed([target, target], [[a], [a]]) as places:
        assert places == [target, tmp_path / "out_2.glb"]


def test_a_record_that_is_damaged_or_cannot_be_written(home: Path, tmp_path: Path) -> None:
    a, target = tmp_path / "a.png", tmp_path / "out.glb"
    a.write_bytes(A)
    home.mkdir()
    for text in ("nonsense", "[]"):
        (home / "outputs.json").write_text(text)
        target.unlink(missing_ok=True)
        assert made(home, target, a) == target
    home_file = tmp_path / "file"
    home_file.touch()
    target.unlink()
    assert made(home_file, target, a) == target


def test_the_record_is_bounded(home: Path, tmp_path: Path) -> None:
    a = tmp_path / "a.png"
    a.write_bytes(A)
    home.mkdir()
    old = {f"/x/{number}": {"state": [1, 1]} for number in range(MOST_ENTRIES)}
    (home / "outputs.json").write_text(json.dumps(old))
    made(home, tmp_path / "out.glb", a)
    record = json.loads((home / "outputs.json").read_text())
    assert len(record) == MOST_ENTRIES and str(tmp_path / "out.glb") in record


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_verbs_say_where_the_result_is(home: Path, tmp_path: Path) -> None:
    for name, size in (("a", 1.0), ("b", 2.0)):
        trimesh.creation.box((size, 1, 1)).export(tmp_path / f"{name}.ply")
    target = tmp_path / "out.vxz"
    words = ("--resolution", "16")
    assert run("convert", tmp_path / "a.ply", target, *words).exit_code == 0
    before = target.read_bytes()
    shown = run("convert", tmp_path / "b.ply", target, *words)
    assert shown.exit_code == 0, shown.output
    assert "out_2.vxz" in shown.stdout and "--force" in shown.stderr
    assert target.read_bytes() == before and (tmp_path / "out_2.vxz").is_file()
    shown = run("convert", tmp_path / "b.ply", target, *words, "--force")
    assert shown.exit_code == 0 and target.read_bytes() != before
    picture, few = tmp_path / "out.png", ("--frames", "2")
    picture.write_bytes(b"mine")
    shown = run("render", tmp_path / "a.ply", "-o", picture, "--size", "32")
    assert shown.exit_code == 0 and picture.read_bytes() == b"mine"
    assert (tmp_path / "out_2.png").is_file()
    for asked, theirs in (("a#b##.png", "a1b01.png"), ("c#.webp", "c#.webp")):
        (tmp_path / theirs).write_bytes(b"mine")
        shown = run("render", tmp_path / "a.ply", "-o", tmp_path / asked, "--size", "16", *few)
        assert shown.exit_code == 0 and (tmp_path / theirs).read_bytes() == b"mine"
        assert (tmp_path / theirs.replace(".", "_2.")).is_file()
    textured = tmp_path / "t.glb"
    material = Material(base_color_texture=Texture(np.full((4, 4, 3), 90, np.uint8)))
    shape = box((1, 1, 1))
    uvs = np.zeros((len(shape.faces), 3, 2), np.float32)
    save_mesh(replace(shape, uvs=uvs, materials=(material,)), textured)
    (tmp_path / "x_base_color.png").write_bytes(b"mine")
    shown = run("finish", textured, "-o", tmp_path / "x.obj")
    assert shown.exit_code == 0 and (tmp_path / "x_base_color.png").read_bytes() == b"mine"
    ours = ("x_2.mtl", "x_2.obj", "x_2_base_color.png")
    assert tuple(sorted(path.name for path in tmp_path.glob("x_2*"))) == ours
    os.utime(target)
    assert run("convert", tmp_path / "b.ply", target, *words).stdout.count("out_2.vxz")
