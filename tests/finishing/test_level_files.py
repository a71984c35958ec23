"""Levels of detail in files of their own."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from engine.cli import app
from engine.commands.arguments import check_fits
from engine.export.gltf import NamedMesh
from engine.export.mesh_file import save_scene
from engine.readers.load import load_mesh
from protocol.errors import EngineError
from protocol.finishes import Finish, FinishChoice
from tests.finishing.baking.scenes import uv_sphere

GAME = ("--finish", "game", "--faces", "400", "--texture", "32", "--resolution", "32")


def finish(source: Path, target: Path, *words: str):
    return CliRunner().invoke(app, ["finish", str(source), "-o", str(target), *words])


def test_the_command_writes_and_tells_all_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAQUETTE_HOME", str(tmp_path / "home"))
    source, target = tmp_path / "ball.glb", tmp_path / "made" / "toy.glb"
    save_scene([NamedMesh("ball", uv_sphere(20, 40))], source)
    done = finish(source, target, *GAME, "--levels", "2", "--lods", "files")
    assert done.exit_code == 0, done.output
    names = {file.name for file in target.parent.iterdir()}
    assert names == {"toy_LOD0.glb", "toy_LOD1.glb"}
    counts = [len(load_mesh(target.with_name(f"toy_LOD{i}.glb")).faces) for i in range(2)]
    assert counts[0] <= 400 and 0.9 * counts[0] / 2 <= counts[1] <= counts[0] / 2
    assert all(done.output.count(f"{name}: ") == 1 for name in names)
    (target.parent / "toy_LOD1.glb").write_bytes(b"mine")
    again = finish(source, target, *GAME, "--levels", "2", "--lods", "files")
    assert again.exit_code == 0 and "toy_2_LOD0.glb" in again.output
    assert (target.parent / "toy_LOD1.glb").read_bytes() == b"mine"
    one = finish(source, tmp_path / "one.glb", *GAME, "--levels", "1", "--lods", "files")
    assert one.exit_code == 0 and (tmp_path / "one.glb").is_file()
    assert "There is one level of detail" in " ".join(one.output.split())
    obj = finish(source, tmp_path / "toy.obj", *GAME, "--lods", "files")
    assert obj.exit_code == 2 and "Only .glb files hold levels of detail" in obj.output


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(EngineError) as caught:
        FinishChoice(lods="both")  # pyright: ignore[reportArgumentType]
    assert caught.value.code == "lods" and "files" in caught.value.hint
    for name in ("a.obj", "a.stl"):
        with pytest.raises(EngineError) as caught:
            check_fits(Path(name), None, "nodes")
        assert caught.value.code == "lods" and name in caught.value.message
    check_fits(Path("a.GLB"), None, "files")
    check_fits(None, "jpeg", "files")


def test_only_glb_files_have_levels() -> None:
    game = Finish(faces=400, texture_size=32, lod_shares=(1.0, 0.5), lods="files")
    assert game.level_files(Path("x/a.glb")) == (Path("x/a_LOD0.glb"), Path("x/a_LOD1.glb"))
    assert game.fitting("a.obj")[0].level_files(Path("a.obj")) == ()
