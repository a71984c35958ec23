"""The convex hull beside a result: its name, its size, and what has none."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from engine.cli import app
from engine.export.gltf import NamedMesh
from engine.export.mesh_file import save_mesh, save_scene
from engine.finishing.mesh_file import finish_mesh
from engine.finishing.own_faces import tidy
from engine.mesh import Mesh
from engine.report import Report
from protocol.finishes import FinishChoice
from tests.export.glb import document_of
from tests.finishing.baking.scenes import uv_sphere
from tests.finishing.shapes import box

SMALL = ("--texture", "16", "--resolution", "32")


def finish(source: Path, target: Path, *words: str) -> str:
    done = CliRunner().invoke(app, ["finish", str(source), "-o", str(target), "--hull", *words])
    assert done.exit_code == 0, done.output
    return " ".join(done.stderr.split())


def names_in(path: Path) -> list[str]:
    return [node["name"] for node in document_of(path)["nodes"] if "mesh" in node]


@pytest.mark.parametrize(
    ("words", "names"),
    [
        ((), ["crate", "lid", "UCX_crate"]),
        (
            ("--levels", "2"),
            ["crate_LOD0", "lid_LOD0", "crate_LOD1", "lid_LOD1", "UCX_crate_LOD0"],
        ),
        (("--rebuild", "--faces", "300"), ["both", "UCX_both"]),
    ],
)
def test_it_is_named_after_the_first_object(
    tmp_path: Path, words: tuple[str, ...], names: list[str]
) -> None:
    """Engines find a hull by the name of the mesh that it belongs to."""
    source, target = tmp_path / "a.glb", tmp_path / "both.glb"
    crate, lid = uv_sphere(8, 16), uv_sphere(8, 16)
    lid = replace(lid, vertices=lid.vertices + np.array([0, 0, 1], np.float32))
    save_scene([NamedMesh("crate", crate), NamedMesh("lid", lid)], source)
    finish(source, target, *SMALL, *words)
    assert names_in(target) == names


def test_a_flat_shape_has_none_which_is_said(tmp_path: Path) -> None:
    source, target = tmp_path / "sheet.ply", tmp_path / "out.glb"
    corners = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]], np.float32)
    save_mesh(Mesh(corners, np.array([[0, 1, 2], [0, 2, 3]], np.int32)), source)
    told = finish(source, target, *SMALL)
    assert not [name for name in names_in(target) if name.startswith("UCX_")]
    assert "flat, so it has no collision hull" in told


@pytest.mark.parametrize("without_area", [[], [[0, 9, 9]]])
def test_vertices_that_no_face_shows_do_not_count(without_area: list[list[int]]) -> None:
    """Those that no face uses, and those of a face without area."""
    given = box((1, 1, 1))
    far = np.array([[50, 0, 0], [0, 60, 0]], np.float32)
    mesh = replace(
        given,
        vertices=np.concatenate([given.vertices, far]),
        faces=np.array([*given.faces.tolist(), *without_area], np.int32),
    )
    own = tidy(mesh, Report())
    assert len(own.points) == len(own.mesh.vertices) == 8 and own.faces.max() == 7
    choice = FinishChoice(collision_hull=True)
    hull = finish_mesh(mesh, choice, choice.settled(), "box", Report()).meshes[-1]
    np.testing.assert_allclose(np.abs(hull.mesh.vertices).max(axis=0), 0.5)
