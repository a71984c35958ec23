"""Reading files of a million textured triangles: ours beside trimesh, in turns.

python -m benchmarks.read_meshes [FACES] [ROUNDS] [KIND ...]     kinds: glb obj ply stl
"""

import logging
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import trimesh
from PIL import Image

from engine.export.mesh_file import save_mesh
from engine.mesh import Material, Mesh, Texture
from engine.readers.load import load_mesh

SIDE = 2048
"""Texels."""


def wavy(faces: int) -> Mesh:
    """A grid in waves with UVs and a texture, about so many triangles."""
    side = round((faces / 2) ** 0.5)
    u, v = np.meshgrid(np.linspace(0, 1, side + 1), np.linspace(0, 1, side + 1))
    height = 0.05 * np.sin(20 * u) * np.cos(17 * v)
    vertices = np.stack([u, v, height], axis=2).reshape(-1, 3).astype(np.float32)
    corner = (np.arange(side)[:, None] * (side + 1) + np.arange(side)).reshape(-1)
    quads = np.stack([corner, corner + 1, corner + side + 2, corner + side + 1], axis=1)
    triangles = quads[:, [0, 1, 2, 0, 2, 3]].reshape(-1, 3).astype(np.int32)
    shades = np.random.default_rng(1).integers(0, 255, (SIDE // 16, SIDE // 16, 3), np.uint8)
    pixels = np.repeat(np.repeat(shades, 16, axis=0), 16, axis=1)
    uvs = vertices[:, :2][triangles]
    return Mesh(vertices, triangles, uvs, materials=(Material(base_color_texture=Texture(pixels)),))


def write(mesh: Mesh, folder: Path, kind: str) -> Path:
    """A file of the mesh as others write it."""
    path = folder / f"a.{kind}"
    if kind in ("glb", "obj"):
        save_mesh(mesh, path)
        return path
    shape = trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)
    shape.export(path)
    return path


def seconds(work: Callable[[], object]) -> tuple[float, float]:
    """Wall and processor."""
    wall, processor = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - processor


def theirs(path: Path) -> None:
    """What trimesh does when it opens a file, and the pixels that it leaves for later."""
    scene = trimesh.load_scene(path, process=False)
    for geometry in scene.geometry.values():
        material = getattr(getattr(geometry, "visual", None), "material", None)
        image = getattr(material, "baseColorTexture", None) or getattr(material, "image", None)
        if isinstance(image, Image.Image):
            np.asarray(image)


def main(faces: int, rounds: int, kinds: list[str]) -> None:
    logging.disable(logging.WARNING)
    mesh = wavy(faces)
    with tempfile.TemporaryDirectory() as name:
        for kind in kinds:
            path = write(mesh, Path(name), kind)
            ways: dict[str, Callable[[], object]] = {
                "ours": lambda path=path: load_mesh(path),
                "trimesh": lambda path=path: theirs(path),
                "trimesh, pixels not decoded": lambda path=path: trimesh.load_scene(
                    path, process=False
                ),
            }
            for work in ways.values():
                work()  # kernels are compiled, files are in the cache
            taken: dict[str, list[tuple[float, float]]] = {way: [] for way in ways}
            for _ in range(rounds):
                for way, work in ways.items():
                    taken[way].append(seconds(work))
            print(f"{path.name}, {path.stat().st_size / 1e6:.0f} MB, {len(mesh.faces):,} faces")
            for way, times in taken.items():
                wall, processor = zip(*times, strict=True)
                print(
                    f"  {way}: processor {min(processor):.2f} to {max(processor):.2f} s, median "
                    f"{statistics.median(processor):.2f}; wall from {min(wall):.2f} s"
                )


if __name__ == "__main__":
    words = sys.argv[1:]
    numbers = [int(word) for word in words if word.isdigit()]
    kinds = [word for word in words if not word.isdigit()] or ["glb", "obj", "ply", "stl"]
    faces, rounds = (numbers + [1_000_000, 5][len(numbers) :])[:2]
    main(faces, rounds, kinds)
