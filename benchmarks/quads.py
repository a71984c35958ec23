"""Quads of surfaces on a grid of 256^3: how many, how regular, how near.

    python -m benchmarks.quads [quads] [SHAPE ...]

A line each: quads and their share of all polygons, folded ones (a corner's normal against that of
the quad), vertices inside that have other than four neighbours, open edges and edges of three
faces, Hausdorff distance from the cleaned surface in voxels, processor seconds.
"""

import sys
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from benchmarks.gallery_meshes import in_unit_cube, joined, lathe, plain
from benchmarks.raw_surfaces import SHAPES, cup
from benchmarks.solids import hausdorff
from engine.mesh import Mesh
from engine.meshing.clean import CleanSettings, clean_mesh
from engine.meshing.quad_cells import corner_sines
from engine.meshing.quads import ENOUGH, make_quads
from engine.meshing.report import report_mesh
from engine.meshing.simplify import simplify_mesh
from engine.ovoxel.dual_grid import mesh_to_dual_grid
from engine.ovoxel.extract import dual_grid_to_mesh
from tests.finishing.shapes import box
from tests.meshes import sphere

GRID = 256


def ball() -> Mesh:
    points, faces = sphere(60)
    return Mesh(points / np.linalg.norm(points, axis=1, keepdims=True).astype("f4"), faces)


def mug() -> Mesh:
    """A cup whose handle ends in its wall."""
    turn = np.linspace(0, 2 * np.pi, 60)
    ring = lathe([(0.2 + 0.045 * np.cos(t), 0.045 * np.sin(t)) for t in turn], 60, 120)
    upright = ring.vertices[:, [0, 2, 1]] * np.array([1, -1, 1.2]) + np.array([0.33, 0, 0])
    clay = plain((0.5, 0.5, 0.5))
    return joined((cup(), clay), (replace(ring, vertices=upright.astype(np.float32)), clay))


ALL: dict[str, Callable[[], Mesh]] = {
    "box": lambda: box((0.9, 0.6, 0.5)),
    "sphere": ball,
    "mug": mug,
} | SHAPES


def main(count: int, names: list[str]) -> None:
    print("shape     quads   share folded   odd  open non-m. Hausdorff  CPU s")
    for name in names or ALL:
        mesh = in_unit_cube(ALL[name]())
        raw = dual_grid_to_mesh(mesh_to_dual_grid(mesh.vertices, mesh.faces, grid_size=GRID))
        clean = clean_mesh(raw.vertices, raw.faces, CleanSettings(hole_perimeter=12 / GRID))
        low = simplify_mesh(clean.vertices, clean.faces, ENOUGH * count)
        begin = time.process_time()
        made = make_quads(low.vertices, low.faces, count)
        spent = time.process_time() - begin
        first = np.flatnonzero(made.polygons[:-1] == made.polygons[1:])
        quads = np.concatenate([made.faces[first], made.faces[first + 1, 2:]], axis=1)
        folded = int((corner_sines(made.vertices, quads)[0].min(axis=1) <= 0).sum())
        valence = np.bincount(quads.reshape(-1), minlength=len(made.vertices))
        report = report_mesh(made.vertices, made.faces)
        off = hausdorff((clean.vertices, clean.faces), (made.vertices, made.faces)) * GRID
        print(
            f"{name:8s} {made.count:6,} {100 * made.share:6.2f}% {folded:6d} "
            f"{int((valence != 4).sum()):5,} {report.open_edges:5,} "
            f"{report.non_manifold_edges:6,} {off:9.2f} {spent:6.1f}",
            flush=True,
        )


if __name__ == "__main__":
    main(int(sys.argv[1]) if sys.argv[1:] else 10_000, sys.argv[2:])
