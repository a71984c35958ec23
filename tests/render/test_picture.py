"""What the rasteriser sees, against geometry that is known."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from engine.cli import app
from engine.host.color import linear_from_srgb, srgb_from_linear
from engine.mesh import Material, Mesh, Texture
from engine.render.camera import Camera, orbit
from engine.render.lights import STUDIO, Lamp, Studio, random_studio
from engine.render.picture import render, visible_faces
from engine.render.shade import shade
from engine.render.surroundings import NOWHERE
from engine.render.turntable import save_picture, thumbnail
from protocol.errors import EngineError
from tests.finishing.baking.scenes import ROOT, uv_sphere

DIM = (0.05, 0.05, 0.05)
FRONT = Camera(eye=(0, -2, 0), projection="orthographic", height=1.0)


def card(y: float, half: float, material: Material) -> Mesh:
    """A square that stands upright at a distance, facing -Y."""
    vertices = np.array([[-1, 0, -1], [1, 0, -1], [1, 0, 1], [-1, 0, 1]]) * half + [0, y, 0]
    return Mesh(
        vertices.astype(np.float32),
        np.array([[0, 1, 2], [0, 2, 3]], np.int32),
        uvs=np.array([[[0, 0], [1, 0], [1, 1]], [[0, 0], [1, 1], [0, 1]]], np.float32),
        materials=(material,),
    )


def together(*meshes: Mesh) -> Mesh:
    starts = np.cumsum([0, *(len(m.vertices) for m in meshes)])
    uvs = [m.uvs for m in meshes if m.uvs is not None]
    return Mesh(
        np.concatenate([m.vertices for m in meshes]),
        np.concatenate([m.faces + s for m, s in zip(meshes, starts, strict=False)]),
        uvs=np.concatenate(uvs),
        materials=tuple(m.materials[0] for m in meshes),
        face_material=np.repeat(np.arange(len(meshes)), [len(m.faces) for m in meshes]),
    )


@pytest.mark.parametrize("projection", ["perspective", "orthographic"])
def test_sphere_is_where_it_should_be(projection) -> None:
    ball = uv_sphere(40, 80)
    camera = orbit(25, 15, radius=0.5, projection=projection)
    seen = visible_faces(ball.vertices, ball.faces, camera, width=90, height=70)
    hit = seen.face >= 0
    place = np.einsum("hwk,hwkc->hwc", seen.weights, ball.vertices[ball.faces[seen.face]])[hit]
    np.testing.assert_allclose(np.linalg.norm(place, axis=1), 0.4, atol=0.002)
    in_camera = (place - camera.eye) @ camera.axes.T
    scale = camera.pixels_per_unit(70)
    if projection == "perspective":
        in_camera[:, :2] /= in_camera[:, 2:]
    row, column = np.nonzero(hit)
    np.testing.assert_allclose(45 + scale * in_camera[:, 0], column + 0.5, atol=0.02)
    np.testing.assert_allclose(35 - scale * in_camera[:, 1], row + 0.5, atol=0.02)
    np.testing.assert_allclose(seen.depth[hit], in_camera[:, 2], rtol=1e-5)
    assert (place @ (np.subtract(camera.eye, 0)) > 0).all()  # the near side
    distance = np.linalg.norm(camera.eye)
    radius = scale * (0.4 / np.sqrt(distance**2 - 0.16) if projection == "perspective" else 0.4)
    assert hit.sum() == pytest.approx(np.pi * radius**2, rel=0.02)


def test_no_gap_and_no_double_between_triangles() -> None:
    """Glass in 4,000 triangles is everywhere as dark as glass in two."""
    glass = Material(alpha_mode="blend", alpha_factor=0.5)
    random = np.random.default_rng(0)
    grid = np.stack(np.meshgrid(np.linspace(-1, 1, 41), np.linspace(-1, 1, 51)), -1) * 0.45
    grid[1:-1, 1:-1] += random.uniform(-0.005, 0.005, grid[1:-1, 1:-1].shape)
    flat = grid.reshape(-1, 2)
    vertices = np.stack([flat[:, 0], 0 * flat[:, 0], flat[:, 1]], axis=1).astype(np.float32)
    i = np.arange(51 * 41).reshape(51, 41)[:-1, :-1].ravel()
    faces = np.concatenate(
        [np.stack([i, i + 1, i + 41], -1), np.stack([i + 1, i + 42, i + 41], -1)]
    )
    mesh = Mesh(vertices, faces.astype(np.int32), materials=(glass,))
    picture = render(mesh, FRONT, width=200, samples=1, shadows=False)
    assert set(np.unique(picture.rgba[..., 3])) == {0, 128}
    assert (picture.rgba[12:-12, 12:-12, 3] == 128).all()


def test_near_plane_opens_a_ball() -> None:
    ball = uv_sphere(40, 80)
    camera = replace(FRONT, near=2.0)
    seen = visible_faces(ball.vertices, ball.faces, camera, width=64)
    assert seen.depth[32, 32] == pytest.approx(2.4, abs=0.003)
    closed = visible_faces(ball.vertices, ball.faces, FRONT, width=64)
    assert closed.depth[32, 32] == pytest.approx(1.6, abs=0.003)
    inside = Camera(eye=(0, 0, 0), target=(0, 1, 0), fov_degrees=100, near=0.01)
    assert (visible_faces(ball.vertices, ball.faces, inside, width=64).face >= 0).all()


def test_layers_of_glass_before_a_wall() -> None:
    """Alpha of layers multiplies; colours come front to back, whatever the order of triangles."""
    glass = Material(base_color_factor=(1, 0, 0), alpha_mode="blend", alpha_factor=0.5)
    wall = Material(base_color_factor=(0, 0, 1))
    dark = Studio((Lamp(0, 0, 1, (0, 0, 0)),), sky=(0.3, 0.3, 0.3), ground=(0.3, 0.3, 0.3))
    pictures = [
        render(mesh, FRONT, width=64, samples=1, studio=dark, shadows=False)
        for mesh in (
            together(card(0.2, 0.2, wall), card(0.0, 0.4, glass), card(0.1, 0.4, glass)),
            card(0, 0.4, replace(glass, alpha_mode="opaque")),
            card(0, 0.4, wall),
        )
    ]
    both, red, blue = ([p.rgba[32, 32] / 255, p.rgba[12, 32] / 255] for p in pictures)
    assert both[1][3] == pytest.approx(0.75, abs=0.003)
    expected = 0.75 * linear_from_srgb(red[0][:3]) + 0.25 * linear_from_srgb(blue[0][:3])
    np.testing.assert_allclose(both[0][:3], srgb_from_linear(expected), atol=0.01)
    assert both[0][3] == 1
    np.testing.assert_allclose(both[1][:3], red[0][:3], atol=0.01)
    assert pictures[0].depth[32, 32] == pytest.approx(2.0)
    np.testing.assert_allclose(pictures[0].normal[32, 32], [0, -1, 0], atol=1e-6)


def test_maps_tell_the_material() -> None:
    pixels = np.zeros((2, 2, 4), np.uint8)
    pixels[0, 0], pixels[0, 1] = (255, 0, 0, 255), (0, 255, 0, 255)
    pixels[1, 0], pixels[1, 1] = (0, 0, 255, 255), (255, 255, 255, 0)
    orm = np.full((2, 2, 3), (255, 51, 204), np.uint8)
    material = Material(
        metallic_factor=1,
        alpha_mode="mask",
        base_color_texture=Texture(pixels, "nearest", "clamp"),
        metallic_roughness_texture=Texture(orm, "nearest", "clamp"),
    )
    picture = render(card(0, 0.25, material), FRONT, width=64, samples=1)
    np.testing.assert_allclose(picture.base_color[20, 20], [1, 0, 0])
    np.testing.assert_allclose(picture.base_color[20, 44], [0, 1, 0])
    np.testing.assert_allclose(picture.base_color[44, 20], [0, 0, 1])
    assert picture.mask[44, 44] == 0
    assert picture.rgba[44, 44, 3] == 0
    assert picture.roughness[20, 20] == pytest.approx(0.2)
    assert picture.metallic[20, 20] == pytest.approx(0.8)
    assert picture.mask.sum() == 0.75 * 32 * 32


def test_light_comes_from_where_the_lamp_stands() -> None:
    ball = replace(uv_sphere(40, 80), materials=(Material(),))
    for azimuth, lit, dark in ((-60, (32, 14), (32, 49)), (60, (32, 49), (32, 14))):
        studio = Studio((Lamp(azimuth, 0, 20, (4, 4, 4)),), DIM, DIM)
        rgba = render(ball, FRONT, width=64, studio=studio).rgba.astype(int)
        assert rgba[lit][0] > 2 * rgba[dark][0]
    above = Studio((Lamp(0, 70, 20, (4, 4, 4)),), DIM, DIM)
    rgba = render(ball, FRONT, width=64, studio=above).rgba.astype(int)
    assert rgba[14, 32, 0] > 2 * rgba[50, 32, 0]


def test_a_roof_casts_a_shadow() -> None:
    floor, roof = (card(0, half, Material()) for half in (0.45, 0.15))
    roof = replace(roof, vertices=roof.vertices + np.array([0, -0.25, 0], np.float32))
    scene = together(floor, roof)
    camera = Camera(eye=(0, -2, -0.7), projection="orthographic", height=1.2)
    studio = Studio((Lamp(0, 60, 60, (8, 8, 8)),), DIM, DIM)
    lit, shaded = (
        render(scene, camera, width=96, studio=studio, shadows=on).rgba.astype(int)
        for on in (False, True)
    )
    darker = (lit[..., 0] - shaded[..., 0]) > 60
    assert 100 < darker.sum() < 3000
    assert abs(lit - shaded)[:30].max() <= 2 or abs(lit - shaded)[-30:].max() <= 2


@pytest.mark.parametrize("base", [(0.9, 0.9, 0.9), (0.8, 0.2, 0.1), (0.1, 0.3, 0.6)])
def test_base_colours_stay_recognisable(base: tuple[float, float, float]) -> None:
    material = Material(base_color_factor=base, roughness_factor=0.8)
    rgba = render(card(0, 0.4, material), FRONT, width=32).rgba[16, 16, :3] / 255
    np.testing.assert_allclose(rgba, base, atol=0.16)


@pytest.mark.parametrize("roughness", [0.1, 0.5, 1.0])
@pytest.mark.parametrize("angle", [0, 45, 75])
def test_a_white_room_comes_back_white(roughness: float, angle: float) -> None:
    """The furnace: a white metal sends back all light; one of gold tints it more than once."""
    turn = np.radians(angle)
    view, room = np.array([np.sin(turn), 0, np.cos(turn)]), np.ones(3)
    out, n, up = np.zeros(3), np.array([0.0, 0, 1]), np.array([0.0, 1, 0])
    value = np.array([1, 1, 1, 1, roughness, 1], np.float32)
    shade(value, n, view, up, np.zeros((0, 7)), room, room, NOWHERE, 1.0, out)
    np.testing.assert_allclose(out, 1, atol=0.02)
    gold = np.array([0.9, 0.5, 0.1])
    value[:3] = srgb_from_linear(gold)
    shade(value, n, view, up, np.zeros((0, 7)), room, room, NOWHERE, 1.0, out)
    # Tinted by one bounce at least and two at most, and whiter along the surface (Fresnel).
    assert (out > gold * gold - 0.01).all()
    assert (out < gold + 0.25 * (1 - gold)).all()
    if roughness == 1.0:
        np.testing.assert_allclose(out, gold * (0.45 + 0.55 * gold), atol=0.03)


def test_does_not_depend_on_threads() -> None:
    ball = uv_sphere(30, 60)
    camera = orbit(10, 10)
    one, many = (render(ball, camera, width=100, height=71, threads=n) for n in (1, 4))
    for name in ("rgba", "depth", "normal", "mask"):
        np.testing.assert_array_equal(getattr(one, name), getattr(many, name))


def test_random_studios_follow_their_seed() -> None:
    a, b, c = (random_studio(np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert a == b != c
    assert len(STUDIO.turned(30).lamps) == len(STUDIO.lamps)


def test_thumbnail_and_turntable(tmp_path: Path) -> None:
    ball = uv_sphere(10, 20)
    colors = np.clip(np.c_[ball.vertices + 0.5, np.ones(len(ball.vertices))], 0, 1)
    ball = replace(ball, colors=colors.astype(np.float32))  # so that frames differ
    assert thumbnail(ball, size=64).rgba.shape == (64, 64, 4)
    (film,) = save_picture(ball, tmp_path / "t.webp", size=32, frames=5)
    with Image.open(film) as image:
        assert (getattr(image, "n_frames", 1), image.size) == (5, (32, 32))
    files = save_picture(ball, tmp_path / "f_##.png", size=16, frames=3)
    assert [file.name for file in files] == ["f_00.png", "f_01.png", "f_02.png"]
    with Image.open(files[1]) as image:
        assert image.mode == "RGBA"


def test_command(tmp_path: Path) -> None:
    target = tmp_path / "lantern.png"
    lantern = str(ROOT / "examples" / "lantern.glb")
    done = CliRunner().invoke(app, ["render", lantern, "-o", str(target), "--size", "48"])
    assert done.exit_code == 0, done.output
    assert "6,240 faces" in done.stdout
    with Image.open(target) as image:
        assert image.size == (48, 48)
    done = CliRunner().invoke(app, ["render", lantern, "-o", str(target / "x.png")])
    assert done.exit_code == 2
    assert "Cannot write" in done.stderr


def test_refusals(tmp_path: Path) -> None:
    ball = uv_sphere(4, 8)
    broken = ball.vertices.copy()
    broken[0] = np.inf
    needle = replace(ball, vertices=ball.vertices * np.array([1, 0, 0], np.float32))
    dust = replace(ball, vertices=ball.vertices * np.float32(1e-12))
    cases = [
        ("picture_size", lambda: render(ball, FRONT, width=0)),
        ("picture_size", lambda: render(ball, FRONT, width=100_000)),
        ("picture_samples", lambda: render(ball, FRONT, samples=3)),
        ("camera", lambda: render(ball, Camera(eye=(0, 0, 0)))),
        ("mesh_empty", lambda: render(replace(ball, faces=ball.faces[:0]), FRONT)),
        ("mesh_broken", lambda: render(replace(ball, vertices=broken), FRONT)),
        ("picture_format", lambda: save_picture(ball, tmp_path / "a.bmp")),
        ("picture_empty", lambda: save_picture(needle, tmp_path / "a.png", size=16)),
        ("picture_empty", lambda: save_picture(dust, tmp_path / "a.png", size=16)),
        ("picture_frames", lambda: save_picture(ball, tmp_path / "a.webp", frames=0)),
    ]
    for code, attempt in cases:
        with pytest.raises(EngineError) as caught:
            attempt()
        assert caught.value.code == code
