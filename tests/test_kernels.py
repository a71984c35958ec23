"""Where the machine code of kernels is kept."""

import os
from pathlib import Path

import pytest
from numba import config

from engine import kernels


@pytest.fixture
def package(tmp_path, monkeypatch) -> Path:
    folder = tmp_path / "package"
    folder.mkdir()
    (folder / "a.py").write_text("from engine.kernels import kernel\n")
    monkeypatch.setattr(kernels, "_PACKAGE", folder)
    monkeypatch.setattr(config, "CACHE_DIR", "")
    monkeypatch.setattr(Path, "home", lambda: tmp_path / "home")
    return folder


def _cache() -> Path:
    kernels._choose_cache()
    return Path(getattr(config, "CACHE_DIR"))  # noqa: B009 (numba declares its settings late)


def test_the_stamp_changes_with_the_sources(package):
    before = kernels._stamp()
    (package / "a.py").write_text("from engine.kernels import tight\n")
    assert kernels._stamp() != before


def test_the_cache_is_beside_the_package(package):
    assert _cache().parent == package / "__pycache__"


def test_the_folder_that_the_user_chose_is_used(package, tmp_path, monkeypatch):
    monkeypatch.setattr(config, "CACHE_DIR", str(tmp_path / "mine"))
    assert _cache().parent == tmp_path / "mine"


def test_without_rights_the_home_folder_is_used(package, tmp_path):
    (package / "__pycache__").write_text("a file where the folder would be")
    assert _cache().parent == tmp_path / "home" / ".cache" / "maquette"


def test_the_newest_few_stay(package):
    root = package / "__pycache__"
    for age in range(6):
        folder = root / f"kernels-{age}"
        folder.mkdir(parents=True)
        os.utime(folder, (1000 - age, 1000 - age))
    mine = _cache()
    assert {f.name for f in root.iterdir()} == {mine.name, "kernels-0", "kernels-1", "kernels-2"}
