"""The folder where the machine code of kernels is kept."""

from pathlib import Path

import numpy as np
import pytest
from numba import config

from engine import kernels


@pytest.fixture
def package(tmp_path, monkeypatch) -> Path:
    folder = tmp_path / "package"
    folder.mkdir()
    monkeypatch.setattr(kernels, "_PACKAGE", folder)
    monkeypatch.setattr(config, "CACHE_DIR", "")
    monkeypatch.setattr(Path, "home", lambda: tmp_path / "home")
    return folder


def test_the_folder_is_beside_the_package(package):
    assert kernels._choose_folder() == package / "__pycache__" / "kernels"


def test_the_folder_that_the_user_chose_is_used(package, tmp_path, monkeypatch):
    monkeypatch.setattr(config, "CACHE_DIR", str(tmp_path / "mine"))
    assert kernels._choose_folder() == tmp_path / "mine" / "kernels"


def test_without_rights_the_home_folder_is_used(package, tmp_path):
    (package / "__pycache__").write_text("a file where the folder would be")
    assert kernels._choose_folder() == tmp_path / "home" / ".cache" / "maquette" / "kernels"


def test_without_any_place_kernels_run_and_are_not_kept(package, tmp_path, monkeypatch):
    (package / "__pycache__").write_text("a file where the folder would be")
    (tmp_path / "home").write_text("the same")
    assert kernels._choose_folder() is None
    monkeypatch.setattr(kernels, "FOLDER", None)
    kernel = kernels.kernel(kernels.sort_in_place.py_func)
    values = np.array([3, 1, 2])
    kernel(values)
    assert values.tolist() == [1, 2, 3]
    assert not kernels.is_missing(kernel, kernel.signatures[0])


def test_what_is_compiled_is_no_longer_missing(tmp_path, monkeypatch):
    monkeypatch.setattr(kernels, "FOLDER", tmp_path)
    kernel = kernels.kernel(kernels.sort_in_place.py_func)
    kinds = kernels.sort_in_place.typeof_pyval(np.zeros(3)), kernel.typeof_pyval(np.zeros(3))
    assert kernels.is_missing(kernel, kinds[:1])
    kernel(np.zeros(3))
    assert not kernels.is_missing(kernel, kinds[:1])
