"""Options of `maquette finish` that a source has no use for are told."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from engine.cli import app
from engine.export.mesh_file import save_mesh
from engine.finishing.given_mesh import voxelise
from engine.ovoxel.ovoxel_file import save_ovoxels
from engine.report import Report
from tests.finishing.shapes import box


@pytest.mark.parametrize(
    ("source", "options", "unused"),
    [
        ("box.glb", ["--keep-inner", "--resolution", "64"], "--keep-inner, --resolution"),
        ("box.glb", ["--keep-inner"], "--keep-inner"),
        ("box.glb", [], None),
        ("box.glb", ["--rebuild", "--keep-inner", "--resolution", "16"], None),
        ("box.vxz", ["--keep-inner"], None),
        (
            "box.vxz",
            ["--rebuild", "--resolution", "64", "--require-textures"],
            "--rebuild, --resolution, --require-textures",
        ),
    ],
)
def test_what_a_source_has_no_use_for_is_told(
    tmp_path: Path, source: str, options: list[str], unused: str | None
) -> None:
    save_mesh(box((1, 1, 1)), tmp_path / "box.glb")
    save_ovoxels(tmp_path / "box.vxz", voxelise(box((1, 1, 1)), 16, Report()))
    words = ["finish", str(tmp_path / source), "-o", str(tmp_path / "out.glb"), "--texture", "16"]
    done = CliRunner().invoke(app, [*words, *options])
    assert done.exit_code == 0, done.output
    notes = " ".join(done.stderr.split())
    assert ("Not used here" in notes) == (unused is not None)
    assert unused is None or f"Not used here: {unused}. " in notes
