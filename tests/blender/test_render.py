"""An imported asset beside the engine's own picture of it: orientation, colours, roughness, alpha.

What is wired into the shader is rendered by Cycles as light of its own, and compared with the maps
of engine/render, so that no difference of lighting can hide one of the materials.
"""

import os
import subprocess
from pathlib import Path
from typing import Any

import bpy
import numpy as np
import pytest
from mathutils import Matrix

from tests.blender import addon, parts

pytestmark = pytest.mark.usefixtures("blank")
ROOT = Path(__file__).resolve().parents[2]
SIDE = 256
_ENGINE = """
import sys
from dataclasses import replace
from pathlib import Path
import numpy as np
from engine.render.asset import load_surface
from engine.render.camera import ball_around, orbit
from engine.render.picture import render
from engine.render.surface import surface_of
from engine.worker.parts import packed_mesh, packed_textures

mesh = load_surface(Path(sys.argv[1]))
material = mesh.materials[0]
pixels = material.base_color_texture.pixels
if sys.argv[3] == "alpha":
    ramp = np.linspace(40, 255, pixels.shape[1]).astype(np.uint8)
    alpha = np.broadcast_to(ramp[None, :, None], (*pixels.shape[:2], 1))
    texture = replace(material.base_color_texture,
                      pixels=np.concatenate([pixels[..., :3], alpha], -1))
    material = replace(material, alpha_mode="blend", base_color_texture=texture)
    mesh = replace(mesh, materials=(material,))
surface = surface_of(mesh)
centre, radius = ball_around(mesh.vertices, surface.faces)
camera = orbit(30, 18, target=centre, radius=radius)
seen = render(mesh, camera, width=%d, samples=4, surface=surface)
found = {"eye": camera.eye, "axes": camera.axes, "fov": camera.fov_degrees, "mask": seen.mask,
         "Base Color": seen.base_color, "Roughness": seen.roughness, "Metallic": seen.metallic,
         "Alpha": seen.alpha}
for part in (packed_mesh(mesh), packed_textures(mesh, "png")):
    for array, data in zip(part.layout.arrays, part.arrays):
        flat = np.frombuffer(bytes(memoryview(data).cast("B")), array.dtype)
        found["part " + array.name] = flat.reshape(array.shape)
np.savez(sys.argv[2], **found)
"""


@pytest.mark.parametrize("kind", ["opaque", "alpha"])
def test_it_looks_as_the_engine_shows_it(tmp_path: Path, kind: str) -> None:
    told = tmp_path / "told.npz"
    given = [ROOT / "examples" / "lantern.glb", told, kind]
    done = subprocess.run(
        [os.environ["MAQUETTE_PYTHON"], "-c", _ENGINE % SIDE, *map(str, given)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={k: v for k, v in os.environ.items() if not k.startswith("PYTHON")},
    )
    assert done.returncode == 0, done.stderr
    engine = dict(np.load(told))
    thing = _import({k[5:]: v for k, v in engine.items() if k.startswith("part ")}, kind == "alpha")
    low, high = engine["part position"].min(0), engine["part position"].max(0)
    base = np.array([*((low + high) / 2)[:2], low[2]])
    _set_up(engine["axes"], engine["eye"] - base, float(engine["fov"]))
    nodes = thing.material_slots[0].material.node_tree.nodes
    shader = next(n for n in nodes if n.bl_idname == "ShaderNodeBsdfPrincipled")
    for name in ("Base Color", "Roughness", "Metallic", "Alpha"):
        if name == "Alpha" and kind != "alpha":
            assert not shader.inputs[name].is_linked
            continue
        seen = _as_light(thing.material_slots[0].material, shader.inputs[name], tmp_path)
        covered = seen[..., 3] > 0.999
        wrong = ((engine["mask"] > 0.5) != (seen[..., 3] > 0.5)).mean()
        assert wrong < 0.002, f"the silhouettes differ in {wrong:.2%} of the picture"
        inside = covered & (engine["mask"] > 0.999)
        if name == "Base Color":
            ours = np.where(
                seen[..., :3] <= 0.0031308,
                seen[..., :3] * 12.92,
                1.055 * np.maximum(seen[..., :3], 1e-9) ** (1 / 2.4) - 0.055,
            )
        else:
            ours = seen[..., 0]
        noise = float(((ours - engine[name]) ** 2)[inside].mean())
        assert -10 * np.log10(max(noise, 1e-12)) > 30, name


def _import(arrays: dict[str, Any], alpha: bool) -> Any:
    protocol = addon.module("protocol.parts")
    more = {name: arrays[name] for name in ("corner_uv", "corner_normal") if name in arrays}
    mesh = protocol.pack_mesh(arrays["position"], arrays["corner_vert"].reshape(-1, 3), **more)
    pictures = {
        name: (arrays[name].tobytes(), alpha and name == "base_color")
        for name in ("base_color", "metallic_roughness")
    }
    textures = protocol.pack_images(pictures)
    both = {
        "finished": parts.fetched("finished", mesh),
        "textures": parts.fetched("textures", textures),
    }
    assert parts.deliver(parts=both).outcome == "placed"
    return bpy.data.objects["Chair"]


def _set_up(axes: Any, eye: Any, fov: float) -> None:
    """The engine's camera, and a film that keeps numbers as they are."""
    scene = bpy.context.scene
    camera = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
    scene.collection.objects.link(camera)
    scene.camera = camera
    camera.data.sensor_fit = "VERTICAL"
    camera.data.angle = np.radians(fov)
    camera.data.clip_start = 0.01
    pose = np.eye(4)
    pose[:3, :3] = np.stack([axes[0], axes[1], -axes[2]], axis=1)
    pose[:3, 3] = eye
    camera.matrix_world = Matrix(pose.tolist())
    scene.render.engine = "CYCLES"
    scene.cycles.samples, scene.cycles.use_denoising = 16, False
    scene.cycles.pixel_filter_type = "BOX"
    scene.render.film_transparent = True
    scene.render.resolution_x = scene.render.resolution_y = SIDE
    scene.render.resolution_percentage = 100
    settings = scene.render.image_settings
    if hasattr(settings, "media_type"):
        settings.media_type = "IMAGE"
    settings.file_format, settings.color_mode, settings.color_depth = "OPEN_EXR", "RGBA", "32"


def _as_light(material: Any, socket: Any, tmp_path: Path) -> Any:
    """(H, W, 4) linear picture of what a socket gets, rows from the top."""
    tree = material.node_tree
    output = next(n for n in tree.nodes if n.bl_idname == "ShaderNodeOutputMaterial")
    light = tree.nodes.new("ShaderNodeEmission")
    tree.links.new(socket.links[0].from_socket, light.inputs["Color"])
    tree.links.new(light.outputs["Emission"], output.inputs["Surface"])
    bpy.context.scene.render.filepath = str(tmp_path / "seen.exr")
    bpy.ops.render.render(write_still=True)
    image = bpy.data.images.load(str(tmp_path / "seen.exr"))
    flat = np.empty(SIDE * SIDE * 4, np.float32)
    image.pixels.foreach_get(flat)
    bpy.data.images.remove(image)
    return flat.reshape(SIDE, SIDE, 4)[::-1]
