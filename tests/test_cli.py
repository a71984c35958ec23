"""The command line: what it prints, where, and how it ends."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from engine import __version__, cli
from engine.cli import app
from engine.finishing import given_mesh

ROOT = Path(__file__).resolve().parents[1]
TRIANGLE = "v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n"


@pytest.fixture
def triangle(tmp_path: Path) -> Path:
    path = tmp_path / "t.obj"
    path.write_text(TRIANGLE)
    return path


def run(*arguments: str | Path):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_version_as_a_module() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "engine", "--version"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (0, f"maquette {__version__}\n")


def test_compiled_kernels_are_kept_at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The processes that the command line starts see the same folder."""
    seen: list[str] = []
    monkeypatch.setattr(cli, "app", lambda **_: seen.append(os.environ["TRITON_CACHE_DIR"]))
    monkeypatch.setenv("MAQUETTE_HOME", str(tmp_path))
    monkeypatch.setenv("TRITON_CACHE_DIR", "mine")  # put back at the end
    cli.main()
    monkeypatch.delenv("TRITON_CACHE_DIR")
    cli.main()
    assert seen == ["mine", str(tmp_path / "triton")]


def test_convert_says_what_it_did(triangle: Path) -> None:
    result = run("convert", triangle, triangle.with_suffix(".vxz"), "--resolution", "16")
    assert result.exit_code == 0
    assert "3 vertices, 1 faces" in result.stdout
    assert "16^3" in result.stdout
    assert "scale 0.99999, centre (0.5, 0, 0.5)" in result.stdout
    assert triangle.with_suffix(".vxz").exists()
    result = run("convert", triangle.with_suffix(".vxz"), triangle.with_suffix(".glb"))
    assert result.exit_code == 0
    assert triangle.with_suffix(".glb").exists()


def test_an_error_of_the_user_has_a_remedy_and_no_traceback(tmp_path: Path) -> None:
    result = run("convert", tmp_path / "no.glb", tmp_path / "x.vxz")
    assert result.exit_code == 2
    assert "no.glb" in result.stderr
    assert "Check the path" in result.stderr
    assert "Traceback" not in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize("before", [False, True])
def test_debug_shows_the_traceback(tmp_path: Path, before: bool) -> None:
    words = ["convert", tmp_path / "no.glb", tmp_path / "x.vxz"]
    result = run("--debug", *words) if before else run(*words, "--debug")
    assert result.exit_code == 2
    assert "Traceback" in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["convert"],
        ["convert", "a.obj"],
        ["convert", "a.obj", "b.vxz", "--resolution", "many"],
        ["convert", "a.obj", "b.vxz", "--no-such-option"],
        ["no-such-command"],
        ["convert", "a.obj", "b.ply"],
        ["convert", "a.vxz", "b.vxz"],
        ["convert", "a.vxz", "b.stl"],
        ["convert", "a.obj", "b.vxz", "--resolution", "0"],
        ["convert", "a.obj", "b.vxz", "--resolution", "5000"],
        ["convert", "a.vxz", "b.ply"],
        ["convert", "a.xyz", "b.vxz"],
    ],
)
def test_wrong_use_ends_with_2(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = run(*arguments)
    assert result.exit_code == 2
    assert result.stderr
    assert "Traceback" not in result.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="there a process cannot signal itself so")
@pytest.mark.parametrize(("ignored", "status"), [(False, 130), (True, 0)])
def test_ctrl_c_while_modules_are_imported(ignored: bool, status: int) -> None:
    """As if it were pressed in the first moment, and a library swallowed exceptions."""
    script = (
        "import os, signal, sys\n"
        # Set either way: a process that was started in the background inherits "ignored".
        f"signal.signal(signal.SIGINT, signal.SIG_IGN if {ignored} else "
        "signal.default_int_handler)\n"
        "class Finder:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'engine.cli':\n"
        "            try: os.kill(os.getpid(), signal.SIGINT)\n"
        "            except BaseException: pass\n"
        "sys.meta_path.insert(0, Finder())\n"
        "sys.argv = ['maquette', '--version']\n"
        "from engine.__main__ import main\n"
        "main()\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == status
    assert done.stderr == ""
    assert ("maquette" in done.stdout) is ignored


def test_ctrl_c_ends_with_130(triangle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*args: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(given_mesh, "mesh_to_dual_grid", interrupted)
    result = run("convert", triangle, triangle.with_suffix(".vxz"))
    assert result.exit_code == 130
    assert result.stderr.strip().endswith("Stopped.")
    assert "Traceback" not in result.stderr
    assert [p.name for p in triangle.parent.iterdir()] == ["t.obj"]


def test_textures_can_be_required(tmp_path: Path) -> None:
    (tmp_path / "t.obj").write_text(f"mtllib lost.mtl\n{TRIANGLE}")
    words = ["convert", tmp_path / "t.obj", tmp_path / "t.vxz", "--resolution", "8"]
    result = run(*words)
    assert result.exit_code == 0
    assert "lost.mtl" in result.stderr
    result = run(*words, "--require-textures")
    assert result.exit_code == 2
    assert "lost.mtl" in result.stderr


def test_every_verb_that_reads_a_mesh_can_require_its_textures() -> None:
    verbs = list(_verbs(get_command(app), ""))
    reading = [
        name for name, words in verbs if "MESH" in words or name in ("convert", "data build")
    ]
    requiring = [name for name, words in verbs if "--require-textures" in words]
    assert sorted(reading) == sorted(requiring)
    assert {"texture", "upscale", "finish", "render", "submit texture", "submit finish"} <= {
        *requiring
    }


def _verbs(group: Any, before: str) -> Iterator[tuple[str, str]]:
    """Names of verbs, and the words of their arguments and options."""
    for name, verb in group.commands.items():
        if hasattr(verb, "commands"):
            yield from _verbs(verb, f"{before}{name} ")
        else:
            named = [option for param in verb.params for option in param.opts]
            words = [str(param.metavar) for param in verb.params]
            yield f"{before}{name}", " ".join([*named, *words])


def test_convert_refuses_a_resolution_on_the_way_back(tmp_path: Path) -> None:
    (tmp_path / "a.vxz").write_bytes(b"")
    source, target = str(tmp_path / "a.vxz"), str(tmp_path / "a.glb")
    result = CliRunner().invoke(app, ["convert", source, target, "--resolution", "64"])
    assert result.exit_code == 2
    assert "has its resolution already" in result.output
