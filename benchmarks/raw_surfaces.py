"""Surfaces as networks give them: O-Voxels whose dual vertices are off, and whose rims are torn.

    python -m benchmarks.raw_surfaces [faces] [grid size]

Eight shapes, with each noise cleaned, simplified to ``faces`` and unwrapped as finishing does; a
line each: charts, share of the texture covered and texels covered twice, processor seconds of all
three, and the distortion of area and angle (median and 95th percentile; 1 is none).
"""

import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from benchmarks.gallery_meshes import ball, cloth, in_unit_cube, joined, lantern, lathe, plain
from engine.mesh import Mesh
from engine.meshing.clean import CleanSettings, clean_mesh
from engine.meshing.distortion import distortion
from engine.meshing.simplify import simplify_mesh
from engine.meshing.unwrap import UnwrapSettings, count_cover, unwrap_mesh
from engine.ovoxel.dual_grid import mesh_to_dual_grid
from engine.ovoxel.extract import dual_grid_to_mesh
from engine.ovoxel.grid import DualGrid
from tests.finishing.shapes import box
from tests.meshes import organic

NOISES = (0.25, 0.5, 1.0)
"""Greatest way, in voxels, by which a dual vertex is off along each axis."""


def torus() -> Mesh:
    turn = np.linspace(0, 2 * np.pi, 90)
    return lathe([(0.3 + 0.14 * np.cos(t), 0.14 * np.sin(t)) for t in turn], 90, 160)


def cup() -> Mesh:
    """Walls of 0.03, which is some voxels."""
    outer = [(0, -0.4), (0.26, -0.4), (0.34, 0.4)]
    return lathe([*outer, (0.31, 0.4), (0.232, -0.37), (0, -0.37)])


def vase() -> Mesh:
    up = np.linspace(-0.45, 0.45, 60)
    walls = [(0.2 + 0.12 * np.sin(7 * z), z) for z in up]
    return lathe([(0, -0.45), *walls, (0, 0.45)])


def table() -> Mesh:
    legs = [box((0.06, 0.06, 0.6), (x, y, -0.15)) for x in (-0.35, 0.35) for y in (-0.35, 0.35)]
    parts = [box((0.9, 0.9, 0.06), (0, 0, 0.18)), *legs]
    return joined(*((part, plain((0.6, 0.5, 0.4))) for part in parts))


def wheel() -> Mesh:
    """A rim on spokes, thin parts at all angles."""
    turn = np.linspace(0, 2 * np.pi, 40)
    rim = lathe([(0.4 + 0.04 * np.cos(t), 0.04 * np.sin(t)) for t in turn], 40, 160)
    spoke = box((0.76, 0.03, 0.03)).vertices
    parts = [rim, ball(0.09, rows=30)]
    for angle in np.arange(5) * (np.pi / 5):
        cos, sin = np.cos(angle), np.sin(angle)
        turned = spoke @ np.array([[cos, sin, 0], [-sin, cos, 0], [0, 0, 1]])
        parts.append(replace(box((1, 1, 1)), vertices=turned.astype(np.float32)))
    return joined(*((part, plain((0.5, 0.5, 0.5))) for part in parts))


SHAPES: dict[str, Callable[[], Mesh]] = {
    "organic": lambda: Mesh(*organic(60)),
    "torus": torus,
    "cup": cup,
    "vase": vase,
    "table": table,
    "wheel": wheel,
    "lantern": lantern,
    "cloth": cloth,
}


def noisy(grid: DualGrid, noise: float, seed: int = 0) -> DualGrid:
    """Each dual vertex moved on its own by up to ``noise`` voxels along each axis.

    A shape decoder's vertices lie at most half a voxel outside of their voxel.
    """
    random = np.random.default_rng(seed)
    off = random.uniform(-noise, noise, grid.dual_vertices.shape)
    return replace(grid, dual_vertices=(grid.dual_vertices + off).clip(-0.5, 1.5).astype("f4"))


def torn(grid: DualGrid, height: float = 0.2, seed: int = 0) -> DualGrid:
    """Edges above ``height`` (of 0.5) left out the more, the higher they lie."""
    random = np.random.default_rng(seed)
    up = grid.coords[:, 2] / grid.grid_size - 0.5 - height
    gone = random.random(grid.intersected.shape) < (up * 20)[:, None]
    return replace(grid, intersected=grid.intersected & ~gone)


def raw_surfaces(grid_size: int) -> Iterator[tuple[str, Mesh]]:
    """Every shape with every noise, and with torn rims and half a voxel of noise."""
    for name, make in SHAPES.items():
        mesh = in_unit_cube(make())
        grid = mesh_to_dual_grid(mesh.vertices, mesh.faces, grid_size=grid_size)
        yield f"{name} 0", dual_grid_to_mesh(grid)
        for noise in NOISES:
            yield f"{name} {noise}", dual_grid_to_mesh(noisy(grid, noise))
        yield f"{name} torn", dual_grid_to_mesh(noisy(torn(grid), 0.5))


def main(faces: int, grid_size: int) -> None:
    print(
        "surface              raw    faces  charts cover overlap    CPU s  area   95 % angle   95 %"
    )
    for name, raw in raw_surfaces(grid_size):
        begin = time.process_time()
        hole = max(CleanSettings.hole_perimeter, 12 / grid_size)
        clean = clean_mesh(raw.vertices, raw.faces, CleanSettings(hole_perimeter=hole))
        low = simplify_mesh(clean.vertices, clean.faces, faces)
        flat = unwrap_mesh(low.vertices, low.faces, UnwrapSettings(texture_size=2048))
        spent = time.process_time() - begin
        cover = count_cover(flat.corner_uvs, 2048)
        stretch = " ".join(
            f"{x:6.2f}" for x in distortion(low.vertices, low.faces, flat.corner_uvs)
        )
        print(
            f"{name:14s} {len(raw.faces):9,} {len(low.faces):8,} {flat.chart_of_face.max() + 1:7,} "
            f"{(cover > 0).mean():5.3f} {(cover > 1).sum():7,} {spent:8.2f} {stretch}",
            flush=True,
        )


if __name__ == "__main__":
    main(*(int(x) for x in (sys.argv[1:] + ["200000", "256"][len(sys.argv) - 1 :])))
