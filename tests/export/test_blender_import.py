"""Blender's own importer gets what was written, and its MikkTSpace agrees with our tangents.

Set up: `python -m venv VENV && VENV/bin/pip install bpy==5.0.1`, and put VENV/bin/python into
MAQUETTE_BPY_PYTHON; or have bpy in the environment of the tests.
"""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from engine.export.mesh_file import save_mesh, save_scene
from tests.export.assets import game_asset, textured_ball

SCRIPT = Path(__file__).with_name("blender_import.py")
pytestmark = pytest.mark.blender


def imported(path: Path) -> dict:
    python = os.environ.get("MAQUETTE_BPY_PYTHON")
    if python is None and importlib.util.find_spec("bpy") is None:
        pytest.skip("neither bpy nor MAQUETTE_BPY_PYTHON is there, so Blender cannot import")
    out = path.with_suffix(".json")
    subprocess.run(
        [python or sys.executable, str(SCRIPT), str(path), str(out)],
        check=True,
        capture_output=True,
        timeout=200,
    )
    return json.loads(out.read_text())


def test_counts_materials_and_bounds(tmp_path: Path) -> None:
    meshes = game_asset()
    path = tmp_path / "game.glb"
    save_scene(meshes, path)
    found = imported(path)
    assert set(found) == {"ball_LOD0", "ball_LOD1", "UCX_ball"}
    for named in meshes:
        entry = found[named.name]
        assert entry["triangles"] == len(named.mesh.faces)
        used = named.mesh.vertices[np.unique(named.mesh.faces)]
        np.testing.assert_allclose(entry["low"], used.min(axis=0), atol=1e-5)
        np.testing.assert_allclose(entry["high"], used.max(axis=0), atol=1e-5)
        if named.bare:
            assert entry["materials"] == []
        else:
            assert len(entry["materials"]) == 1
            assert entry["materials"][0].startswith("ball") or entry["materials"][0] == "material"
            assert set(entry["images"]) == {"sRGB", "Non-Color"}
            assert entry["backface_culling"] == [True]


def test_tangents_are_those_of_blender(tmp_path: Path) -> None:
    mesh = textured_ball()
    path = tmp_path / "ball.glb"
    save_mesh(mesh, path)
    theirs = np.array(imported(path)["ball"]["corners"])
    assert mesh.normals is not None
    assert mesh.tangents is not None
    assert mesh.uvs is not None
    ours = np.concatenate(
        [mesh.vertices[mesh.faces], mesh.normals, mesh.tangents, mesh.uvs], axis=2
    ).reshape(-1, 12)

    def places(rows: np.ndarray) -> list[tuple]:
        rows = rows.astype(np.float64)
        near = np.concatenate([rows[:, :3], rows[:, 10:]], axis=1) * 1e4 + 0.123
        return [tuple(row) for row in np.rint(near).astype(int).tolist()]

    lookup = dict(zip(places(theirs), theirs, strict=True))
    pairs = [
        (row, lookup[key]) for key, row in zip(places(ours), ours, strict=True) if key in lookup
    ]
    assert len(pairs) > 0.95 * len(ours)
    a, b = (np.array(side) for side in zip(*pairs, strict=True))
    # Blender keeps normals in 16 bits, so tangents may turn a little.
    cosine = (a[:, 6:9] * b[:, 6:9]).sum(axis=1)
    assert np.degrees(np.arccos(cosine.clip(-1, 1))).max() < 0.5
    np.testing.assert_array_equal(a[:, 9], b[:, 9])
