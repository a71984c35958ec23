"""Readers in a process of their own: what they answer, and what becomes of their failures."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.readers import apart, libraries, load
from engine.readers.apart import read_apart
from engine.readers.headers import check_header
from engine.readers.load import load_mesh
from engine.readers.source import Source
from protocol.errors import EngineError

SCENE = Path(__file__).resolve().parents[1] / "data" / "scene"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "größe.odd"
    made.write_bytes(b"something")
    return made


def reading(path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> Any:
    read = read_apart(f"tests.readers.crashing:{name}")
    monkeypatch.setitem(load.READERS, ".odd", read)
    return load_mesh(path)


def refusal(*args: Any) -> EngineError:
    with pytest.raises(EngineError) as caught:
        reading(*args)
    return caught.value


def test_the_answer_is_what_the_reader_gave(path: Path) -> None:
    source = Source(path, b"something")
    parts, materials = read_apart("tests.readers.crashing:sound")(source)
    assert [material.name for material in materials] == ["one"]
    np.testing.assert_array_equal(parts[0].vertices, np.eye(3))
    assert parts[0].vertices is parts[1].vertices  # shared vertices stay shared
    assert source.notes == ["a note"]
    assert (source.left_out, source.unit) == ({"light": 2}, "metres")


@pytest.mark.parametrize(
    ("name", "code", "words"),
    [
        ("crash", "mesh_broken", "broke down"),
        ("broken", "mesh_broken", "it has no end"),
        ("refused", "mesh_unsupported", "It is folded."),
        ("wrong", "mesh_broken", "damaged"),
        ("hungry", "mesh_broken", "memory"),
    ],
)
def test_failures_are_sentences(
    path: Path, monkeypatch: pytest.MonkeyPatch, name: str, code: str, words: str
) -> None:
    error = refusal(path, monkeypatch, name)
    assert error.code == code
    assert words in error.message
    assert "words of a library" not in str(error)
    assert error.hint


def test_a_reader_that_hangs_is_stopped(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apart, "_SECONDS", 3.0)
    error = refusal(path, monkeypatch, "hang")
    assert error.code == "mesh_broken"
    assert "3 seconds" in error.message


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limit")
def test_a_reader_that_works_without_end_is_stopped(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(apart, "_CPU_SECONDS", 2.0)
    error = refusal(path, monkeypatch, "busy")
    assert error.code == "mesh_broken"
    assert "far longer" in error.message


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits memory")
def test_memory_is_limited_by_the_size_of_the_file(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "memory" in refusal(path, monkeypatch, "greedy").message


@pytest.mark.parametrize("suffix", [".fbx", ".usd", ".usda", ".usdc", ".usdz"])
def test_a_missing_library_is_named_with_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    found = libraries.importlib.util.find_spec
    monkeypatch.setattr(
        libraries.importlib.util,
        "find_spec",
        lambda name, *more: None if name in ("pxr", "ufbx") else found(name, *more),
    )
    path = tmp_path / f"a{suffix}"
    path.write_bytes(b"something")
    for reads in (load_mesh, check_header):
        with pytest.raises(EngineError) as caught:
            reads(path)
        assert caught.value.code == "reader_missing"
        assert ("maquette[fbx]" if suffix == ".fbx" else "maquette[usd]") in caught.value.hint
        assert "Blender" in caught.value.hint


@pytest.mark.parametrize("suffix", [".fbx", ".usd", ".usda", ".usdc", ".usdz"])
def test_what_can_be_seen_by_the_first_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    monkeypatch.setattr(libraries.importlib.util, "find_spec", lambda name: name)
    if suffix != ".usd":
        check_header(SCENE / f"scene{suffix}")
    path = tmp_path / f"a{suffix}"
    path.write_bytes(b"something")
    with pytest.raises(EngineError) as caught:
        check_header(path)
    assert caught.value.code == "mesh_broken"


def test_no_library_is_loaded_before_a_file_wants_it() -> None:
    code = "import sys, engine.readers.load; print({'pxr', 'ufbx'} & set(sys.modules))"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "set()"
