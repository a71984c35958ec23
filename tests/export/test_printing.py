"""STL and 3MF files, read back by readers that were there before."""

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from engine.cli import app
from engine.export.mesh_file import save_mesh
from engine.export.printing import millimetres
from engine.mesh import Mesh
from engine.meshing.weld import weld_positions
from engine.readers.load import load_mesh
from tests import meshes
from tests.finishing.shapes import box


@pytest.mark.parametrize("suffix", [".stl", ".3mf"])
def test_the_shape_comes_back(tmp_path: Path, suffix: str) -> None:
    mesh = Mesh(*meshes.organic(12))
    target = tmp_path / f"shape{suffix}"
    save_mesh(mesh, target)
    back = load_mesh(target)
    expected = millimetres(mesh.vertices)[mesh.faces]
    assert back.vertices[back.faces] == pytest.approx(expected, abs=1e-4)
    kept, _ = weld_positions(back.vertices)
    assert len(kept) == len(mesh.vertices)
    first = target.read_bytes()
    save_mesh(mesh, target)
    assert target.read_bytes() == first


@pytest.mark.parametrize(
    ("size", "expected"), [(1.0, 100.0), (0.05, 50.0), (0.4, 400.0), (0.001, 100.0), (30.0, 100.0)]
)
def test_sizes_fit_a_printer(size: float, expected: float) -> None:
    vertices = size * np.array([(3, 4, 5), (3.5, 4, 5.5), (4, 4.2, 5.1)])
    placed = millimetres(vertices)
    assert np.ptp(placed, axis=0).max() == pytest.approx(expected)
    assert placed[:, 2].min() == pytest.approx(0)
    assert (placed.min(axis=0) + placed.max(axis=0))[:2] == pytest.approx(0)
    assert np.ptp(millimetres(vertices, keep_size=True), axis=0).max() == pytest.approx(1000 * size)


@pytest.mark.parametrize("suffix", [".stl", ".3mf"])
@pytest.mark.parametrize(
    ("words", "longest", "told"),
    [
        ((), 100.0, False),
        (("--height", "0.6"), 600.0, True),
        (("--scale", "0.002"), 4.0, True),
        (("--height", "0.3"), 300.0, False),
    ],
)
def test_a_size_that_is_asked_for_stays(
    tmp_path: Path, suffix: str, words: tuple[str, ...], longest: float, told: bool
) -> None:
    source, target = tmp_path / "post.glb", tmp_path / f"post{suffix}"
    save_mesh(box((1, 1, 2)), source)
    done = CliRunner().invoke(app, ["finish", str(source), "-o", str(target), *words])
    assert done.exit_code == 0, done.output
    assert np.ptp(load_mesh(target).vertices, axis=0).max() == pytest.approx(longest, rel=1e-5)
    assert f"x {longest:.1f} mm there" in done.stdout
    assert ("few printers take that" in done.stdout) == told
