"""Runs in the project's own Python: what the engine's renderer makes of a case, for test_render.py.

``python engine_renders.py render CASES.json`` writes a picture, its maps, its camera and the parts
of its mesh for each case; ``... show FILE.npz`` turns linear pictures of others into what the
engine's tone mapper shows.
"""

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numba import njit

from engine.host.color import srgb_from_linear
from engine.mesh import Material, Mesh, Texture
from engine.render.asset import load_surface
from engine.render.camera import ball_around, orbit
from engine.render.lights import STUDIO, Lamp, Studio
from engine.render.picture import render
from engine.render.shade import tone_map
from engine.render.surface import surface_of
from engine.worker.parts import packed_mesh, packed_textures


def ball(color: list[int], metallic: float, roughness: float, rings: int = 64) -> Mesh:
    """A smooth ball of one material."""
    polar = np.arange(rings + 1) * np.pi / rings
    turn = np.arange(2 * rings) * np.pi / rings
    flat = np.sin(polar)[:, None]
    up = np.broadcast_to(np.cos(polar)[:, None], (rings + 1, 2 * rings))
    points = np.stack([flat * np.cos(turn), flat * np.sin(turn), up], -1).reshape(-1, 3)
    row, column = np.mgrid[0:rings, 0 : 2 * rings].reshape(2, -1)
    beside = (column + 1) % (2 * rings)
    a, b = row * 2 * rings + column, (row + 1) * 2 * rings + column
    c, d = (row + 1) * 2 * rings + beside, row * 2 * rings + beside
    faces = np.concatenate(
        [np.stack([a, b, c], -1)[row < rings - 1], np.stack([a, c, d], -1)[row > 0]]
    ).astype(np.int32)
    values = [0, round(roughness * 255), round(metallic * 255)]
    material = Material(
        base_color_texture=_plain(color),
        metallic_roughness_texture=_plain(values),
        metallic_factor=1.0,
        roughness_factor=1.0,
    )
    return Mesh(
        vertices=(points / 2).astype(np.float32),
        faces=faces,
        normals=points[faces].astype(np.float32),
        uvs=np.full((len(faces), 3, 2), 0.5, np.float32),
        materials=(material,),
    )


def _plain(color: list[int]) -> Texture:
    return Texture(np.broadcast_to(np.array(color, np.uint8), (4, 4, 3)).copy())


def _with_alpha(mesh: Mesh) -> Mesh:
    """Its first material, more transparent to the left of its picture."""
    material = mesh.materials[0]
    texture = material.base_color_texture
    assert texture is not None
    pixels = texture.pixels
    ramp = np.linspace(40, 255, pixels.shape[1]).astype(np.uint8)
    alpha = np.broadcast_to(ramp[None, :, None], (*pixels.shape[:2], 1))
    both = texture.with_pixels(np.concatenate([pixels[..., :3], alpha], -1))
    return replace(
        mesh, materials=(replace(material, alpha_mode="blend", base_color_texture=both),)
    )


def rendered(case: dict[str, Any]) -> dict[str, Any]:
    """All that Blender needs for the same picture, and the engine's."""
    mesh = ball(**case["ball"]) if "ball" in case else load_surface(Path(case["file"]))
    mesh = _with_alpha(mesh) if case.get("alpha") else mesh
    studio = STUDIO
    if "lamps" in case or "sun" in case:
        given = case["lamps"] if "lamps" in case else [case["sun"]]
        lamps = tuple(Lamp(turn, rise, s, tuple(color)) for turn, rise, s, color in given)
        sky = tuple(case.get("sky", (0, 0, 0)))
        studio = Studio(lamps, sky, sky)
    surface = surface_of(mesh)
    centre, radius = ball_around(mesh.vertices, surface.faces)
    camera = orbit(30, 18, target=centre, radius=radius)
    shadows = case.get("shadows", False)
    seen = render(
        mesh, camera, width=case["side"], samples=4, surface=surface, studio=studio, shadows=shadows
    )
    found = {
        "eye": camera.eye,
        "axes": camera.axes,
        "fov": camera.fov_degrees,
        "mask": seen.mask,
        "Base Color": seen.base_color,
        "Roughness": seen.roughness,
        "Metallic": seen.metallic,
        "Alpha": seen.alpha,
        "shown": seen.rgba[..., :3] / 255,
        "directions": np.array([lamp.direction @ camera.axes for lamp in studio.lamps]),
    }
    for part in (packed_mesh(mesh), packed_textures(mesh, "png")):
        for array, data in zip(part.layout.arrays, part.arrays, strict=True):
            flat = np.frombuffer(bytes(memoryview(data).cast("B")), array.dtype)
            found[f"part {array.name}"] = flat.reshape(array.shape)
    return found


def shown(linear: np.ndarray) -> np.ndarray:
    """(..., 3) linear light as the engine shows it, sRGB-coded."""
    points = linear.reshape(-1, 3).astype(np.float64)
    _tone_map(points)
    return srgb_from_linear(np.clip(points, 0, 1)).reshape(linear.shape)


@njit
def _tone_map(points):
    for point in points:
        tone_map(point)


if __name__ == "__main__":
    what, file = sys.argv[1], Path(sys.argv[2])
    if what == "render":
        for case in json.loads(file.read_text()):
            np.savez(case["out"], **rendered(case))
    else:
        pictures = dict(np.load(file))
        np.savez(file, **{name: shown(picture) for name, picture in pictures.items()})
