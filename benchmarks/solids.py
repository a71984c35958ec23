"""Ten shapes made closed and made solid, checked by a library that is not ours.

    python -m benchmarks.solids [--cells 128] [FILE ...]

A line each for the closed surface and the solid, simplified to 50,000 faces: open, non-manifold and
flipped edges, shells, volume (and the true one), Hausdorff distance from the shape that is meant in
thousandths of its size, mean thickness (twice the volume by the area) in thousandths, what
manifold3d says of it and its genus, processor seconds. FILE: meshes instead of the ten shapes.
"""

import argparse
import importlib
import resource
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.gallery_meshes import lathe
from benchmarks.raw_surfaces import SHAPES, in_unit_cube, noisy, torn
from engine.mesh import Mesh
from engine.meshing.clean import CleanSettings, clean_mesh
from engine.meshing.edges import face_areas, face_normals
from engine.meshing.nearest import nearest_on_surface
from engine.meshing.remesh import remesh
from engine.meshing.report import report_mesh
from engine.meshing.self_intersections import without_self_intersections
from engine.meshing.simplify import simplify_mesh
from engine.meshing.solidify import solidify
from engine.meshing.weld import weld_positions
from engine.ovoxel.dual_grid import mesh_to_dual_grid
from engine.ovoxel.extract import dual_grid_to_mesh
from engine.readers.load import load_mesh
from protocol.finishes import WALL
from tests.finishing.shapes import box
from tests.meshes import Arrays, grid, joined, nested_shells, sampled, sphere

FACES = 50_000


def welded(mesh: Mesh) -> Arrays:
    kept, new_index = weld_positions(mesh.vertices)
    faces = new_index[mesh.faces]
    whole = (faces != np.roll(faces, 1, axis=1)).all(axis=1)
    return mesh.vertices[kept].astype(np.float32), faces[whole].astype(np.int32)


def single_cup() -> Arrays:
    """Open at the top, of a single sheet."""
    floor = [(r, -0.4) for r in np.linspace(0, 0.26, 20)]
    wall = [(0.26 + 0.1 * t, -0.4 + 0.8 * t) for t in np.linspace(0, 1, 60)[1:]]
    return welded(lathe([*floor, *wall], 60, 90))


def torn_sphere() -> Arrays:
    """Twelve ragged holes of up to a tenth of the size."""
    vertices, faces = sphere(60)
    middle = vertices[faces].mean(axis=1)
    middle /= np.linalg.norm(middle, axis=1, keepdims=True)
    random = np.random.default_rng(1)
    gone = np.zeros(len(faces), bool)
    for towards in random.normal(size=(12, 3)):
        ragged = random.uniform(-0.001, 0.001, len(faces))
        edge = np.cos(random.uniform(0.03, 0.11)) + ragged
        gone |= middle @ (towards / np.linalg.norm(towards)) > edge
    return vertices, faces[~gone]


def boxes() -> Arrays:
    return joined(
        welded(box((0.5, 0.5, 0.5), (-0.1, 0, 0))), welded(box((0.5, 0.5, 0.5), (0.15, 0.1, 0.1)))
    )


def from_voxels(name: str, noise: float, *, is_torn: bool = False) -> Arrays:
    """Of benchmarks/raw_surfaces.py, cleaned as in finishing."""
    mesh = in_unit_cube(SHAPES[name]())
    voxels = mesh_to_dual_grid(mesh.vertices, mesh.faces, grid_size=96)
    raw = dual_grid_to_mesh(noisy(torn(voxels) if is_torn else voxels, noise))
    clean = clean_mesh(raw.vertices, raw.faces, CleanSettings(hole_perimeter=12 / 96))
    return clean.vertices, clean.faces


def volume(arrays: Arrays) -> float:
    vertices, faces = arrays
    first = vertices[faces[:, 0]].astype(np.float64)
    return float((first * face_normals(vertices, faces)).sum() / 6)


def meant(name: str) -> tuple[Arrays | None, float | None]:
    """The shape that should come out, and its volume, where they are known."""
    if name in ("sphere", "torn sphere", "nested"):
        whole = sphere(20) if name == "nested" else sphere(60)
        return whole, volume(whole)
    if name == "boxes":
        return boxes(), 2 * 0.5**3 - 0.25 * 0.4 * 0.4
    if name == "plate":
        return welded(box((0.9, 0.6, 0.01))), 0.9 * 0.6 * 0.01
    if name.startswith("organic"):
        return welded(in_unit_cube(SHAPES["organic"]())), None
    return None, None


TEN: dict[str, Callable[[], Arrays]] = {
    "sphere": lambda: sphere(60),
    "torn sphere": torn_sphere,
    "nested": nested_shells,
    "boxes": boxes,
    "plate": lambda: welded(box((0.9, 0.6, 0.01))),
    "single cup": single_cup,
    "waved sheet": lambda: grid(80, 80, 0.08),
    "organic 0.5": lambda: from_voxels("organic", 0.5),
    "cup 0.5": lambda: from_voxels("cup", 0.5),
    "vase torn": lambda: from_voxels("vase", 0.5, is_torn=True),
}


def hausdorff(first: Arrays, second: Arrays) -> float:
    return max(farthest(first, second), farthest(second, first))


def farthest(first: Arrays, second: Arrays) -> float:
    """How far the first lies from the second, at most."""
    points = sampled(first, 20_000)
    near, _ = nearest_on_surface(*second, points)
    return float(np.linalg.norm(near - points, axis=1).max())


def verdict(arrays: Arrays) -> str:
    try:
        manifold3d = importlib.import_module("manifold3d")
    except ImportError:
        return "not asked"
    solid = manifold3d.Manifold(manifold3d.Mesh(arrays[0], arrays[1].astype(np.uint32)))
    return f"{solid.status()} genus {solid.genus()}"


def line(name: str, kind: str, given: Arrays, result: Arrays, seconds: float) -> None:
    report = report_mesh(*result)
    shape, true = meant(name)
    size = float(np.ptp(given[0], axis=0).max())
    hidden = name == "boxes"  # sides that lie in the other box are not meant to be there
    off = 1000 * (farthest(result, given) if hidden else hausdorff(shape or given, result)) / size
    thick = 1000 * 2 * volume(result) / float(face_areas(*result).sum()) / size
    print(
        f"{name:12s} {kind:6s} {len(result[1]):8,} {report.open_edges:5,} "
        f"{report.non_manifold_edges:5,} {report.flipped_edges:5,} {report.components:4,} "
        f"{volume(result):8.5f} {'' if true is None else format(true, '.5f'):8s} {off:7.2f} "
        f"{thick:7.2f} {seconds:6.2f}  {verdict(result)}",
        flush=True,
    )


def main(cells: int, files: list[Path]) -> None:
    shapes = {f.stem: lambda f=f: welded(load_mesh(f)) for f in files} if files else TEN
    head = "kind      faces  open n-man  flip  sh.   volume true    Hausd.  thick  CPU s"
    print(f"{'shape':12s} {head}")
    for name, make in shapes.items():
        given = make()
        begin = time.process_time()
        closed = remesh(*given, cells)
        seconds = time.process_time() - begin
        simple = simplify_mesh(closed.vertices, closed.faces, FACES)
        line(name, "closed", given, (simple.vertices, simple.faces), seconds)
        begin = time.process_time()
        wall = WALL * float(np.ptp(closed.vertices, axis=0).max())
        solid = solidify(closed.vertices, closed.faces, wall, cells)
        seconds += time.process_time() - begin
        simple = simplify_mesh(*solid, FACES)
        points, sound = without_self_intersections(simple.vertices, simple.faces, wall / 2)
        line(name, "solid" if sound else "crossed", given, (points, simple.faces), seconds)
    print(f"peak {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--cells", type=int, default=128)
    parser.add_argument("files", nargs="*", type=Path)
    chosen = parser.parse_args()
    main(chosen.cells, chosen.files)
