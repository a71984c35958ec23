"""`maquette data build` on the command line."""

from pathlib import Path

from typer.testing import CliRunner

from engine.cli import app

OBJ = "v 0 0 0\nv 1 0 0\nv 0 1 1\nv 1 1 0\nf 1 2 3\nf 2 4 3\n"
BUILD = ("--resolution", "16", "--views", "1", "--picture", "16", "--processes", "1")


def run(*arguments: str | Path):
    return CliRunner().invoke(app, ["data", "build", *map(str, arguments)])


def test_it_says_what_was_made_and_what_was_not(tmp_path: Path) -> None:
    source, target = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    (source / "good.obj").write_text(OBJ)
    (source / "bad.obj").write_text("v 0 0 0\n")
    result = run(source, target, *BUILD, "--split", "train")
    assert result.exit_code == 0, result.stderr
    assert "1 assets made, 0 dealt with before, 1 failed" in result.stdout
    assert "bad.obj" in result.stdout
    assert "has no triangles" in result.stdout
    (source / "bad.obj").write_text(OBJ)
    result = run(source, target, *BUILD, "--split", "train", "--retry")
    assert "1 assets made, 1 dealt with before, 0 failed" in result.stdout


def test_errors_are_shown(tmp_path: Path) -> None:
    result = run("toybox:0-0", tmp_path, *BUILD, "--split", "held_out")
    assert result.exit_code == 2
    assert "follows from its seed" in result.stderr
    assert run("toybox:0-0", tmp_path).exit_code == 2  # no resolution


def test_textures_can_be_required(tmp_path: Path) -> None:
    source, target = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    (source / "lost.obj").write_text("mtllib gone.mtl\n" + OBJ)
    result = run(source, target, *BUILD, "--split", "train", "--require-textures")
    assert "0 assets made, 0 dealt with before, 1 failed" in result.stdout
    assert "gone.mtl" in result.stdout
    # It is no property of the folder: without it the same folder is completed.
    result = run(source, target, *BUILD, "--split", "train", "--retry")
    assert "1 assets made, 0 dealt with before, 0 failed" in result.stdout
