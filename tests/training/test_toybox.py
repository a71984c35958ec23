"""Toys: the same by seed, whole, and as different as they should be."""

import hashlib
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from engine.mesh import Mesh, Texture
from engine.training.toybox import FAMILIES, make_toy, materials, patterns, split_of
from engine.training.toybox.solids import Solid, box
from protocol.errors import EngineError

ROOT = Path(__file__).resolve().parents[2]
SEEDS = (0, 5, 1_000_003)
OPEN = ("cloth", "plant", "umbrella", "lamp")
SOMETIMES_OPEN = ("mushroom", "boat", "hat", "pumpkin", "apple")  # gills, sails, a feather, leaves
SEE_THROUGH = ("bottle", "jar", "car", "lighthouse", "aeroplane")
COLOURED = ("cloth", "umbrella", "fish", "barrel", "apple")
PATTERNED = ("letter_block", "book", "house", "castle", "sofa", "gift", "crate", "mug")


def digest(mesh: Mesh) -> str:
    sha = hashlib.sha256()
    textures = [m.base_color_texture for m in mesh.materials if m.base_color_texture is not None]
    pixels = [texture.pixels for texture in textures]
    for array in (mesh.vertices, mesh.faces, mesh.face_material, mesh.colors, mesh.uvs, *pixels):
        sha.update(b"" if array is None else array.tobytes())
    plain = [replace(material, base_color_texture=None) for material in mesh.materials]
    sha.update(repr(plain).encode())
    return sha.hexdigest()


def areas(mesh: Mesh) -> np.ndarray:
    a, b, c = (mesh.vertices[mesh.faces[:, k]].astype(np.float64) for k in range(3))
    return np.linalg.norm(np.cross(b - a, c - a), axis=1) / 2


def welded(mesh: Mesh | Solid) -> np.ndarray:
    """Faces with one number for equal positions."""
    number = np.unique(mesh.vertices, axis=0, return_inverse=True)[1].reshape(-1)
    faces = number[mesh.faces]
    a, b, c = faces.T
    return faces[(a != b) & (b != c) & (c != a)]


def open_edges(mesh: Mesh | Solid) -> int:
    """How many edges are not passed as often one way as the other."""
    faces = welded(mesh)
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    sign = np.where(edges[:, 0] < edges[:, 1], 1, -1)
    unique, place = np.unique(np.sort(edges, axis=1), axis=0, return_inverse=True)
    return int((np.bincount(place.reshape(-1), sign, len(unique)) != 0).sum())


def volume(mesh: Solid) -> float:
    a, b, c = (mesh.vertices[mesh.faces[:, k]].astype(np.float64) for k in range(3))
    return float((a * np.cross(b, c)).sum() / 6)


def test_the_same_seed_gives_the_same_bytes_in_another_process() -> None:
    script = (
        "from tests.training.test_toybox import digest; from engine.training.toybox import *;"
        "import sys; sys.stdout.write(' '.join(digest(make_toy(s).mesh) for s in range(50)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == [digest(make_toy(seed).mesh) for seed in range(50)]


@pytest.mark.parametrize("family", FAMILIES)
def test_toys_are_whole(family: str) -> None:
    for seed in SEEDS:
        toy = make_toy(seed, family)
        mesh = toy.mesh
        assert (toy.family, toy.seed) == (family, seed)
        assert toy.parts >= 2 and len(mesh.materials) >= 2
        assert mesh.vertices.dtype == np.float32 and np.isfinite(mesh.vertices).all()
        assert mesh.faces.min() >= 0 and mesh.faces.max() == len(mesh.vertices) - 1
        assert 200 <= len(mesh.faces) <= 8000
        low, high = mesh.vertices.min(axis=0), mesh.vertices.max(axis=0)
        np.testing.assert_allclose(low + high, 0, atol=2**-14)
        assert (high - low).max() == pytest.approx(63 / 64, abs=2**-14)
        assert (areas(mesh) < 1e-9).mean() < 0.03
        assert mesh.face_material is not None
        assert set(np.unique(mesh.face_material)) == set(range(len(mesh.materials)))


@pytest.mark.parametrize("family", FAMILIES)
def test_closed_parts_are_wound_outwards(family: str) -> None:
    parts = [part.solid for seed in SEEDS for part in FAMILIES[family](np.random.default_rng(seed))]
    mesh = make_toy(7, family).mesh
    closed = [
        solid for solid in (*parts, Solid(mesh.vertices, mesh.faces)) if open_edges(solid) == 0
    ]
    assert closed and min(volume(solid) for solid in closed) > 0


@pytest.mark.parametrize("family", [family for family in FAMILIES if family not in SOMETIMES_OPEN])
def test_only_some_families_are_open(family: str) -> None:
    assert (open_edges(make_toy(3, family).mesh) > 20) == (family in OPEN)


def test_sails_are_open_and_funnels_are_not() -> None:
    counts = [open_edges(make_toy(seed, "boat").mesh) for seed in range(12)]
    assert min(counts) == 0 and max(counts) > 50


@pytest.mark.parametrize("family", SEE_THROUGH)
def test_glass_is_see_through(family: str) -> None:
    for seed in SEEDS:
        clear = [m for m in make_toy(seed, family).mesh.materials if m.alpha_mode == "blend"]
        assert clear and all(0.3 <= m.alpha_factor <= 0.55 for m in clear)


@pytest.mark.parametrize("family", COLOURED)
def test_vertex_colours_hold_a_pattern(family: str) -> None:
    colors = make_toy(1, family).mesh.colors
    assert colors is not None and colors.min() >= 0 and colors.max() <= 1
    assert len(np.unique(colors, axis=0)) >= 2


@pytest.mark.parametrize("family", PATTERNED)
def test_some_toys_have_patterns(family: str) -> None:
    meshes = [make_toy(seed, family).mesh for seed in range(16)]
    assert any(_textures(mesh) for mesh in meshes)
    for mesh in meshes:
        assert (mesh.uvs is not None) == bool(_textures(mesh))
        for texture in _textures(mesh):
            assert texture.pixels.dtype == np.uint8 and texture.pixels.shape[2] == 3
            assert len(np.unique(texture.pixels.reshape(-1, 3), axis=0)) >= 2


def _textures(mesh: Mesh) -> list[Texture]:
    return [m.base_color_texture for m in mesh.materials if m.base_color_texture is not None]


def test_letters_stand_upright_on_the_front_of_a_block() -> None:
    """Seen from the front, ink and ground of a glyph are where they belong."""
    tile = patterns.letters("T", (1.0, 1.0, 1.0), (0.0, 0.0, 0.0))
    bar, stem, beside = (
        tile[20:22, 20:76].mean(),
        tile[70:80, 46:50].mean(),
        tile[70:80, :30].mean(),
    )
    assert bar < 0.01 and stem < 0.01 and beside == 1
    panel = box(2.0, 0.2, 2.0).moved(0, -1.0, 0.0)
    uvs = patterns.label_uvs(panel)
    x, z = panel.vertices[panel.faces][..., 0], panel.vertices[panel.faces][..., 2]
    np.testing.assert_allclose(uvs[..., 0], (x + 1) / 2)
    np.testing.assert_allclose(uvs[..., 1], z / 2)
    mirrored = patterns.label_uvs(panel, back=True)
    np.testing.assert_allclose(mirrored[..., 0], 1 - uvs[..., 0])


def test_tiles_repeat_without_a_seam() -> None:
    random = np.random.default_rng(1)
    one, two = (0.9, 0.2, 0.1), (0.2, 0.3, 0.8)
    tiles = {
        "stripes": patterns.stripes(one, two, 3, upright=True),
        "dots": patterns.dots(one, two, 3, 0.3),
        "checks": patterns.checks(one, two, 3),
        "grain": patterns.grain(one, random, depth=0.4),
        "bricks": patterns.bricks(one, two, random, rows=5),
    }
    for name, tile in tiles.items():
        for axis in (0, 1):
            steps = np.abs(np.diff(tile, axis=axis)).mean(axis=(1 - axis, 2))
            seam = np.abs(tile.take(0, axis) - tile.take(-1, axis)).mean()
            assert seam <= steps.max() + 1e-9, (name, axis)


def test_a_tile_is_seen_along_the_axis_that_a_face_looks_to() -> None:
    corners = np.array([[[0, 0, 0], [1, 0, 0], [0, 0, 1.0]], [[2, 0, 0], [2, 1, 0], [2, 0, 1.0]]])
    uvs = patterns.cube_uvs(corners, 0.5)
    np.testing.assert_allclose(uvs[0], [[0, 0], [2, 0], [0, 2]])
    np.testing.assert_allclose(uvs[1], [[0, 0], [2, 0], [0, 2]])


def test_a_material_with_a_tile_still_has_about_its_color() -> None:
    random = np.random.default_rng(2)
    plain = materials.plastic(random)
    tiled = patterns.with_tile(plain, patterns.grain(plain.base_color_factor, random, depth=0.3))
    assert tiled.base_color_texture is not None
    np.testing.assert_allclose(tiled.base_color_factor, plain.base_color_factor, atol=0.03)
    shown = tiled.base_color_texture.pixels / 255 * tiled.base_color_factor
    assert shown.max(axis=(0, 1)) == pytest.approx(np.asarray(plain.base_color_factor), abs=0.03)


def test_families_and_seeds_differ() -> None:
    assert len(FAMILIES) >= 50
    seen = [digest(make_toy(seed, family).mesh) for family in FAMILIES for seed in range(6)]
    assert len(set(seen)) == len(seen)
    toys = [make_toy(seed).family for seed in range(len(FAMILIES))]
    assert set(toys) == set(FAMILIES)
    assert digest(make_toy(4).mesh) == digest(make_toy(4, make_toy(4).family).mesh)


def test_materials_span_metal_and_not() -> None:
    materials = [m for seed in range(60) for m in make_toy(seed).mesh.materials]
    assert {m.metallic_factor for m in materials} == {0.0, 1.0}
    roughness = [m.roughness_factor for m in materials]
    assert min(roughness) < 0.1 and max(roughness) > 0.9
    for m in materials:
        assert all(0 <= c <= 1 for c in m.base_color_factor)


def test_splits_do_not_depend_on_the_family() -> None:
    seeds = np.arange(40_000)
    held_out = np.array([split_of(int(seed)) == "held_out" for seed in seeds])
    assert held_out.mean() == pytest.approx(1 / 16, abs=0.005)
    by_family = np.bincount(seeds[held_out] % len(FAMILIES), minlength=len(FAMILIES))
    assert by_family.min() > 0.5 * by_family.mean()


def test_an_unknown_family_is_refused() -> None:
    with pytest.raises(EngineError, match="no toy family 'unicorn'"):
        make_toy(0, "unicorn")
