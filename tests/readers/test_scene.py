"""One scene as all of Blender's exporters write it, against the same right values.

``make_scene.py`` beside this file wrote tests/data/scene and says what stands where.
"""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.mesh import Mesh
from engine.readers.load import load_mesh
from tests.readers.made import Surface, area, notes_of, spans

SCENE = Path(__file__).resolve().parents[1] / "data" / "scene"
USD = (".usda", ".usdc", ".usdz")
TEXTURED = (".glb", ".gltf", ".obj", ".fbx", *USD)
ALL = (*TEXTURED, ".ply", ".stl")

BOX = 6.0
AREA = (
    10.0  # the U
    + 2 * (1 * 2 + 1 * 2 + 2 * 2)  # the mirrored box of 1 by 2 by 2
    + 2 * BOX * 4  # a pair at twice the size
    + 3 * BOX  # a row
    + 4.0  # the leaf
    + 4.0  # the lamp's base
    + 4 * math.sqrt(2)  # its sides
)
VOLUME = 4.0 + 2 * 8 + 3 + 4 / 3 - 4.0 * 6 / 3
"""Of the closed ones, all with their front outside; the leaf counts as a pyramid to the origin."""
U_TRIANGLES = 6


def loaded(suffix: str) -> Mesh:
    for package, suffixes in {"pxr": USD, "ufbx": (".fbx",)}.items():
        if suffix in suffixes:
            pytest.importorskip(package)
    return load_mesh(SCENE / f"scene{suffix}")


def within(mesh: Mesh, low: Any, high: Any) -> Mesh:
    """The faces that lie in a box."""
    corners = mesh.vertices[mesh.faces]
    inside = ((corners > np.array(low) - 1e-3) & (corners < np.array(high) + 1e-3)).all(axis=(1, 2))
    return replace(
        mesh,
        faces=mesh.faces[inside],
        uvs=None if mesh.uvs is None else mesh.uvs[inside],
        face_material=None if mesh.face_material is None else mesh.face_material[inside],
        normals=None if mesh.normals is None else mesh.normals[inside],
    )


def volume(mesh: Mesh) -> float:
    a, b, c = (mesh.vertices[mesh.faces[:, k]].astype(np.float64) for k in range(3))
    return float(np.einsum("fi,fi->f", np.cross(a, b), c).sum() / 6)


@pytest.mark.parametrize("suffix", ALL)
def test_shape(suffix: str) -> None:
    mesh = loaded(suffix)
    spans(mesh, [-2, 0, 0], [8, 10, 2])
    boxes = 1 + 2 + 3
    assert len(mesh.faces) == U_TRIANGLES + 12 * boxes + 2 + 6
    assert area(mesh) == pytest.approx(AREA, rel=1e-5)
    turned_by_the_exporter = 2 * 4.0 if suffix == ".ply" else 0.0
    assert volume(mesh) == pytest.approx(VOLUME - turned_by_the_exporter, rel=1e-5)
    u = within(mesh, [0, 0, 0], [4, 4, 0])
    assert len(u.faces) == U_TRIANGLES
    assert area(u) == pytest.approx(10, rel=1e-5)
    assert {len(within(mesh, [x, 8, 0], [x + 2, 10, 2]).faces) for x in (0, 6)} == {12}
    assert {len(within(mesh, [6, y, 0], [7, y + 1, 1]).faces) for y in (0, 2, 4)} == {12}


@pytest.mark.parametrize("suffix", TEXTURED)
def test_uvs_are_those_of_the_first_layer(suffix: str) -> None:
    u = within(loaded(suffix), [0, 0, 0], [4, 4, 0])
    assert u.uvs is not None
    np.testing.assert_allclose(u.uvs, u.vertices[u.faces][..., :2] / 4, atol=1e-5)


@pytest.mark.parametrize("suffix", TEXTURED)
def test_normals_point_out(suffix: str) -> None:
    mesh = loaded(suffix)
    if mesh.normals is None:
        assert suffix == ".obj"
        return
    a, b, c = (mesh.vertices[mesh.faces[:, k]] for k in range(3))
    flat = np.cross(b - a, c - a)
    flat /= np.linalg.norm(flat, axis=1, keepdims=True)
    np.testing.assert_allclose(mesh.normals, np.repeat(flat[:, None], 3, axis=1), atol=1e-3)


@pytest.mark.parametrize("suffix", TEXTURED)
def test_materials(suffix: str) -> None:
    surface = Surface(loaded(suffix), 128)
    smooth = suffix not in (".obj", ".fbx")  # their exporters take no channel of a picture
    # The quarters of the picture, with a metal top on rough right halves.
    for point, color, metallic, roughness in (
        ((0.5, 3.5, 0), (1, 0, 0), 1, 0.2),
        ((3.5, 3.5, 0), (0, 1, 0), 1, 0.8),
        ((0.5, 0.5, 0), (0, 0, 1), 0, 0.2),
        ((3.5, 0.5, 0), (1, 1, 1), 0, 0.8),
    ):
        found = surface.at(*point)
        np.testing.assert_allclose(found[:3], color, atol=0.02)
        expected = (metallic, roughness) if smooth else (0, 0.5)
        np.testing.assert_allclose(found[3:5], expected, atol=0.02)
    # Linear 0.5 and 0.02, sRGB-encoded.
    found = surface.at(-1.5, 1, 2)
    np.testing.assert_allclose(found, [0.7354, 0.1517, 0.1517, 0.6, 0.3, 1], atol=0.01)
    np.testing.assert_allclose(surface.at(1, 9, 2), [0, 0, 1, 0, 0.5, 1], atol=0.01)
    # A part of a pyramid by its material: light on the sides, blue below.
    np.testing.assert_allclose(surface.at(5, 7, 1)[:3], [1, 0, 1], atol=0.02)
    np.testing.assert_allclose(surface.at(5, 7, 0)[:3], [0, 0, 1], atol=0.02)
    # The leaf, of which the picture cuts the right half.
    np.testing.assert_allclose(surface.at(0.5, 6, 1)[[0, 1, 2, 5]], [0, 1, 0, 1], atol=0.02)
    assert surface.at(1.5, 6, 1)[5] < 0.02


@pytest.mark.parametrize("suffix", [".glb", ".gltf", ".obj", ".ply", ".fbx"])
def test_colours_of_vertices(suffix: str) -> None:
    surface = Surface(loaded(suffix), 128)
    for y in (0.5, 2.5, 4.5):
        np.testing.assert_allclose(surface.at(6.5, y, 1)[:3], [1, 1, 0], atol=0.02)
        np.testing.assert_allclose(surface.at(6.5, y, 0)[:3], [0, 0, 0], atol=0.02)


@pytest.mark.parametrize("suffix", USD)
def test_colours_that_no_material_reads_are_noted(suffix: str) -> None:
    loaded(suffix)
    assert any("colours Color" in note for note in notes_of(SCENE / f"scene{suffix}"))


@pytest.mark.parametrize("suffix", (".fbx", *USD))
def test_what_was_found_is_said(suffix: str) -> None:
    loaded(suffix)
    said = notes_of(SCENE / f"scene{suffix}")[-1]
    for words in ("86 faces", "6 materials", "UVs", "lengths in metres", "1 camera", "1 light"):
        assert words in said


def test_the_files_are_small() -> None:
    files = [path for path in SCENE.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 300_000
